"""Slow modes: what they are taken of, their frequencies, the one that swings, and frames along two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from app.models.minima import MinimaModel
from app.models.minima_readings import PER_NM
from app.models.mode_readings import FRAME, HESSIAN, MINIMUM, ModesReading
from app.panels.forms import Entry, choice, note
from app.panels.mode_swing import ModeSwing
from app.panels.pages import side_by_side, stack

OF = {
    FRAME: "Network of the frame",
    MINIMUM: "Network of the minimum",
    HESSIAN: "Hessian at the minimum",
}
NO_FRAMES = "Open a trajectory of the same atoms to see where its frames lie along the modes."
RELATIVE, WAVENUMBER = "frequency (lowest = 1)", "frequency (1/cm)"
COUNT, MOST = 20, 200
_TENTHS = 10  # steps of the slider in an angstrom


class ModesPage(QWidget):
    """Finds and shows modes.

    Parameters
    ----------
    minima : MinimaModel
    spectrum, scatter : QWidget
        What `app.plots.spectrum_plot.SpectrumPlot` and `app.plots.scatter_plot.FrameScatter` offer.
    """

    def __init__(self, minima: MinimaModel, spectrum: Any, scatter: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._minima, self._modes = minima, minima.modes
        self._spectrum, self._scatter = spectrum, scatter
        self._swing: ModeSwing | None = None
        self.of, self.select = choice(OF), Entry()
        self.cutoff, self.count = QDoubleSpinBox(), QSpinBox()
        self.button, self.play_button = QPushButton("Compute"), QPushButton("Play")
        self.amplitude, self.hint = QSlider(Qt.Orientation.Horizontal), note()
        self._set_ranges()
        self._lay_out()
        self._connect()
        self._show(None)

    def set_swing(self, swing: ModeSwing) -> None:
        """Take what plays a mode in the molecule view."""
        self._swing = swing
        swing.playing_changed.connect(self._on_playing)
        swing.set_amplitude(self.amplitude.value() / _TENTHS)

    # ---- building

    def _set_ranges(self) -> None:
        self.cutoff.setRange(0.1, 10.0)
        self.cutoff.setSingleStep(0.1)
        self.cutoff.setSuffix(" nm")
        self.of.setMinimumContentsLength(19)
        self.count.setRange(1, MOST)
        self.count.setValue(COUNT)
        self.count.setSuffix(" modes")
        self.amplitude.setRange(1, 5 * _TENTHS)
        self.amplitude.setValue(_TENTHS)
        self.amplitude.setMaximumWidth(140)
        self._scatter.setAccessibleName("Frames along slow modes")
        self.select.setPlaceholderText("all atoms")
        self.select.setMaximumWidth(130)
        for widget, tip in (
            (self.of, "What the modes are taken of: an elastic network, or the true Hessian of the energy"),
            (self.select, "Atoms of the elastic network, such as 'name CA'"),
            (self.cutoff, "Longest spring of the elastic network"),
            (self.count, "How many modes"),
            (self.play_button, "Let the molecule swing along the mode"),
            (self.amplitude, "How far atoms move at the turning points"),
        ):
            widget.setToolTip(tip)
            widget.setAccessibleName(tip)

    def _lay_out(self) -> None:
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for widget in (self.of, self.select, self.cutoff, self.count, self.button):
            top.addWidget(widget)
        top.addStretch(1)
        bottom.addWidget(self.play_button)
        bottom.addWidget(self.amplitude)
        bottom.addWidget(self.hint, 1)
        for row in (top, bottom):
            row.setContentsMargins(6, 2, 6, 2)
        stack(self, top, side_by_side(self._spectrum, self._scatter), bottom)

    def _connect(self) -> None:
        modes = self._modes
        self.of.currentIndexChanged.connect(self.refresh)
        self.button.clicked.connect(self._on_button)
        self.play_button.clicked.connect(self._on_play)
        self.amplitude.valueChanged.connect(self._on_amplitude)
        self._spectrum.mode_chosen.connect(modes.choose)
        modes.found.connect(self._show)
        modes.chosen_changed.connect(self._on_chosen)
        for changed in (modes.running_changed, self._minima.running_changed, self._minima.chosen_changed):
            changed.connect(self._on_change)

    # ---- what happens

    @Slot()
    def compute(self) -> None:
        """Find modes as the fields say."""
        self._modes.start(self.of.currentData(), self.count.value(), self.select.text().strip(), self.cutoff.value())

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now, and say what is missing."""
        running, of = self._modes.is_running, self.of.currentData()
        missing = self._modes.missing(of)
        self.button.setText("Stop" if running else "Compute")
        self.button.setEnabled(running or not (missing or self._minima.is_running))
        for field in (self.select, self.cutoff):
            field.setEnabled(of != HESSIAN)
        self.hint.setText(missing)
        for widget in (self.play_button, self.amplitude):
            widget.setEnabled(self._modes.reading is not None)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing swings that is not looked at."""
        if self._swing is not None:
            self._swing.pause()
        super().hideEvent(event)

    @Slot(object)
    def _show(self, reading: ModesReading | None) -> None:
        if reading is None:
            self._spectrum.clear()
            self._scatter.clear()
            self._scatter.show_empty(NO_FRAMES)
            atoms, cutoff = self._modes.suggested()
            self.select.setText(atoms)
            self.cutoff.setValue(cutoff)
        else:
            self._spectrum.set_spectrum(reading.heights, WAVENUMBER if reading.has_frequencies else RELATIVE)
            self._scatter.set_columns(_columns(reading))
            if reading.amplitudes is None:
                self._scatter.show_empty(NO_FRAMES)
            else:
                self._scatter.set_marks(self._modes.marks)
                self._scatter.set_selected(self._modes.frame)
        if self._swing is not None:
            self._swing.set_mode(reading, self._modes.chosen)
        self.refresh()

    @Slot(int)
    def _on_chosen(self, mode: int) -> None:
        reading = self._modes.reading
        assert reading is not None
        self._spectrum.set_chosen(mode, _words(reading, mode))
        if self._swing is not None:
            self._swing.set_mode(reading, mode)

    @Slot()
    def _on_button(self) -> None:
        if self._modes.is_running:
            self._modes.stop()
        else:
            self.compute()

    @Slot()
    def _on_play(self) -> None:
        if self._swing is None:
            return
        if self._swing.is_playing:
            self._swing.pause()
        else:
            self._swing.play()

    @Slot(bool)
    def _on_playing(self, playing: bool) -> None:
        self.play_button.setText("Pause" if playing else "Play")

    @Slot(int)
    def _on_amplitude(self, tenths: int) -> None:
        if self._swing is not None:
            self._swing.set_amplitude(tenths / _TENTHS)

    @Slot(object)
    def _on_change(self, what: object) -> None:
        self.refresh()


def _columns(reading: ModesReading) -> dict[str, tuple[np.ndarray, str]]:
    """Amplitudes of modes for the scatter plot."""
    if reading.amplitudes is None:
        return {}
    unit = "Å Da½" if reading.has_frequencies else "Å"  # atoms of a network weigh 1
    return {f"mode {mode + 1}": (PER_NM * along, unit) for mode, along in enumerate(reading.amplitudes.T)}


def _words(reading: ModesReading, mode: int) -> str:
    parts = [f"mode {mode + 1}"]
    if reading.has_frequencies:
        parts.append(f"{reading.heights[mode]:.1f}/cm")
    parts.append(f"{reading.modes.collectivity[mode]:.0%} of atoms")
    if reading.shares is not None:
        parts.append(f"{reading.shares[mode]:.0%} of the motion")
    return ", ".join(parts)

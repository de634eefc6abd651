"""A walk from one configuration to another through the latents of the flow."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSlider, QSpinBox, QWidget

from app.models.sample_readings import PathReading, SampleReading
from app.models.samples import SamplesModel
from app.panels.forms import ElidedLabel, subtle
from app.panels.pages import stack

STEPS = 50
END_TIP = "Number of a frame that the flow learned from; without frames a draw, the heaviest is 0"


class SamplePath(QWidget):
    """Asks for a path and shows its energies; `plot` is a `SamplePathPlot`.

    Signals
    -------
    place_changed(object, int)
        The `PathReading`, and the configuration of it that is looked at.
    """

    place_changed = Signal(object, int)

    def __init__(self, samples: SamplesModel, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples, self._plot = samples, plot
        self._path: PathReading | None = None
        self.first, self.last, self.steps = QSpinBox(), QSpinBox(), QSpinBox()
        self.button, self.slider, self.words = QPushButton("Go"), QSlider(Qt.Orientation.Horizontal), ElidedLabel()
        self._set_ranges()
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 2)
        for widget in (subtle("from"), self.first, subtle("to"), self.last, self.steps, self.button, self.slider):
            row.addWidget(widget)
        row.setStretchFactor(self.slider, 1)
        self.words.setContentsMargins(6, 0, 6, 2)
        stack(self, row, self.words, plot)
        samples.found.connect(self._on_found)
        samples.path_found.connect(self._on_path)
        self.button.clicked.connect(self.go)
        self.slider.valueChanged.connect(self._on_place)

    def _set_ranges(self) -> None:
        self.steps.setRange(2, 1000)
        self.steps.setValue(STEPS)
        self.steps.setSuffix(" steps")
        self.slider.setMinimumWidth(80)
        for widget, name in (
            (self.first, "First configuration"),
            (self.last, "Last configuration"),
            (self.steps, "Configurations of the path, its ends among them"),
            (self.slider, "Configuration of the path that is looked at"),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(END_TIP if widget in (self.first, self.last) else name)
            widget.setEnabled(False)
        self.button.setToolTip("Walk on a straight line of latents; the molecule view shows the way")
        self.button.setEnabled(False)

    @Slot()
    def go(self) -> None:
        """Ask for the path."""
        reading = self._samples.reading
        if reading is None:
            return
        places = [self.first.value(), self.last.value()]
        if len(reading.frames):
            rows = [int(np.abs(reading.frame_numbers - place).argmin()) for place in places]
            names, x = tuple(f"frame {reading.frame_numbers[row]}" for row in rows), reading.frames[rows]
        else:
            names, x = tuple(f"draw {place}" for place in places), reading.sampled.samples.x[reading.order[places]]
        self._samples.path((names[0], names[1]), x, self.steps.value())

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        self._path = None
        self._plot.clear()
        self.words.show_text("")
        has_draws = reading.judged is not None
        most = int(reading.frame_numbers[-1]) if len(reading.frames) else reading.sampled.samples.n_samples - 1
        for box, value in ((self.first, 0), (self.last, most)):
            box.setRange(0, max(most, 0))
            box.setValue(value)
        for widget in (self.first, self.last, self.steps, self.button):
            widget.setEnabled(has_draws)
        self.slider.setEnabled(False)

    @Slot(object)
    def _on_path(self, found: PathReading) -> None:
        self._path = found
        energies = found.energies
        self._plot.set_path(energies.along, energies.u)
        self.words.show_text(
            f"from {found.ends[0]} {energies.up:.1f} kT up, from {found.ends[1]} {energies.back:.1f} kT: a bound from "
            "above on the barrier in energy, and no free energy"
        )
        self.slider.blockSignals(True)
        self.slider.setRange(0, len(found.x) - 1)
        self.slider.setValue(0)
        self.slider.blockSignals(False)
        self.slider.setEnabled(True)
        self._on_place(0)

    @Slot(int)
    def _on_place(self, place: int) -> None:
        if self._path is not None:
            self._plot.set_place(place)
            self.place_changed.emit(self._path, place)

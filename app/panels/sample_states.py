"""The free energy along a coordinate, and the difference of two states drawn on it, while they are moved."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from app.models.sample_readings import ProfileReading, SampleReading, StatesReading
from app.models.samples import SamplesModel
from app.panels.forms import note
from app.panels.pages import stack

COORDINATE_TIP = (
    "Choose a coordinate, or type one and press Enter: 'torsion 4 6 8 14', 'distance 3 7' (atoms from 0), 'phi 2', "
    "'variable 0'"
)
Region = tuple[float, float]


class CoordinateBox(QComboBox):
    """The coordinates of samples by name; another can be typed."""

    def __init__(self, samples: SamplesModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples = samples
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMinimumContentsLength(14)
        self.setToolTip(COORDINATE_TIP)
        self.setAccessibleName("Coordinate")
        samples.found.connect(self._on_found)
        samples.columns_changed.connect(self._on_columns)
        edit = self.lineEdit()
        assert edit is not None
        edit.returnPressed.connect(self._on_typed)

    @property
    def name(self) -> str:
        """The coordinate that is chosen; empty for none."""
        return "" if self.currentIndex() < 0 else self.itemText(self.currentIndex())

    def choose(self, name: str) -> None:
        """Choose a coordinate that there is."""
        self.setCurrentIndex(self.findText(name))

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        """The one that was looked at stays, where there is such a one."""
        before = self.name
        self.blockSignals(True)
        self.clear()
        self.addItems(list(reading.columns))
        self.setCurrentIndex(max(self.findText(before), 0) if self.count() else -1)
        self.blockSignals(False)

    @Slot(str)
    def _on_columns(self, name: str) -> None:
        if self.findText(name) < 0:
            self.addItem(name)
        if self.currentText() != self.name:  # typed here, and shorter than its name perhaps
            self.choose(name)

    @Slot()
    def _on_typed(self) -> None:
        if self.findText(self.currentText()) < 0:
            self._samples.measure(self.currentText())


class SampleStates(QWidget):
    """Asks for profiles and differences and shows them; `plot` is a `SampleProfilePlot`."""

    def __init__(self, samples: SamplesModel, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples, self._plot = samples, plot
        self._profile: ProfileReading | None = None
        self.coordinate, self.difference, self.sentence = CoordinateBox(samples), QLabel(), note()
        self.difference.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 2)
        row.addWidget(self.coordinate)
        row.addWidget(self.difference)
        row.addStretch(1)
        self.sentence.setContentsMargins(6, 0, 6, 2)
        stack(self, row, self.sentence, plot)
        samples.found.connect(self._on_found)
        samples.profiled.connect(self._on_profile)
        samples.differed.connect(self._on_states)
        self.coordinate.currentIndexChanged.connect(self._ask)
        plot.states_drawn.connect(self._on_drawn)

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        self._profile = None
        self._plot.clear()
        self.difference.clear()
        self.sentence.clear()
        self._ask()

    @Slot()
    def _ask(self) -> None:
        if self.coordinate.name:
            self._samples.profile(self.coordinate.name)

    @Slot(object)
    def _on_profile(self, found: ProfileReading) -> None:
        profile = found.profile
        is_new = self._profile is None or self._profile.name != found.name
        self._profile = found
        title = found.column.along.title
        self._plot.set_profile(profile.centres, profile.free_energy, profile.error, found.span, title)
        if is_new:
            self._plot.set_states(*self._usual_states(found.span, bool(profile.period)))
        self.sentence.setText(found.sentence)
        self.coordinate.setToolTip(f"{found.sentence}\n{COORDINATE_TIP}")
        self._on_drawn(self._plot.states)

    def _usual_states(self, span: Region, is_angle: bool) -> tuple[Region, Region]:
        """Both sides of a toy's boundary, negative and positive angles, or both halves."""
        reading = self._samples.reading
        assert reading is not None
        middle = 0.0 if is_angle else sum(span) / 2
        is_own = self.coordinate.currentIndex() == 0
        if is_own and span[0] < reading.boundary < span[1]:
            middle = reading.boundary
        return (span[0], middle), (middle, span[1])

    @Slot(object)
    def _on_drawn(self, states: tuple[Region, Region]) -> None:
        """A state that reaches to the end of what is known has no limit there."""
        if self._profile is None:
            return
        first, second = states if self._profile.profile.period else (self._open_ended(state) for state in states)
        self._samples.differ(self._profile.name, (first, second))

    def _open_ended(self, state: Region) -> Region:
        assert self._profile is not None
        low, high = self._profile.span
        return (-np.inf if state[0] <= low else state[0]), (np.inf if state[1] >= high else state[1])

    @Slot(object)
    def _on_states(self, found: StatesReading) -> None:
        difference = found.found.by_bar or found.found.by_weights
        words = "one state only"
        if np.isfinite(difference.value):
            words = f"{difference.value:.3f} ± {difference.error:.2g} kT"
        self.difference.setText(f"F(B) − F(A): <b>{words}</b>")
        self.difference.setToolTip(found.found.light.sentence)
        self.sentence.setText(found.found.light.sentence)

"""The Molecule dock: a frame slider under the 3D view, and the good set over the bad set."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QSpinBox, QVBoxLayout, QWidget

from app.models.molecules import MoleculeModel
from app.models.readings import FramesReading, ProjectReading
from app.models.session import Session
from app.panels.forms import note

FRAME, RANKED, MARKED = "selected frame", "best over worst", "keep over drop"
NO_ATOMS = "These frames are reflection files: there are no molecules to show."


class MoleculePanel(QWidget):
    """Drives a molecule view (anything with `set_atoms`, `show_frame`, `show_sets` and `clear`)."""

    def __init__(self, session: Session, molecules: MoleculeModel, view: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._molecules, self._view = session, molecules, view
        self.slider, self.frame = QSlider(Qt.Orientation.Horizontal), QSpinBox()
        self.what, self.top = QComboBox(), QSpinBox()
        self.caption = QLabel()
        self.info = note()
        self._set_ranges()
        self._lay_out()
        self._connect()
        self._on_frames(None)

    def _set_ranges(self) -> None:
        self.what.addItems([FRAME, RANKED, MARKED])
        self.what.setAccessibleName("What the molecule view shows")
        self.what.setToolTip("One frame, or two sets of frames in two colours")
        self.top.setRange(1, 200)
        self.top.setValue(10)
        self.top.setPrefix("top ")
        self.top.setToolTip("How many frames in each set")
        self.top.setAccessibleName("Frames in each set")
        for field in (self.slider, self.frame):
            field.setAccessibleName("Selected frame")
            field.setToolTip("Selected frame (Space: next, Shift+Space: previous)")
        self.frame.setKeyboardTracking(False)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.slider, 1)
        row.addWidget(self.frame)
        sets = QHBoxLayout()
        sets.addWidget(self.what)
        sets.addWidget(self.top)
        sets.addStretch(1)
        sets.addWidget(self.caption)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._view, 1)
        layout.addWidget(self.info)
        layout.addLayout(row)
        layout.addLayout(sets)

    def _connect(self) -> None:
        selection, document = self._session.selection, self._session.document
        self.slider.valueChanged.connect(selection.select)
        self.frame.valueChanged.connect(selection.select)
        self.what.currentIndexChanged.connect(self._refresh)
        self.top.valueChanged.connect(self._refresh)
        selection.frame_changed.connect(self._on_selected)
        self._session.marks.marks_changed.connect(self._on_marks)
        document.frames_changed.connect(self._on_frames)
        document.project_changed.connect(self._on_project)
        self._molecules.atoms_changed.connect(self._on_atoms)
        self._molecules.frame_ready.connect(self._on_frame_ready)
        self._molecules.sets_ready.connect(self._on_sets_ready)

    @Slot(object)
    def _on_frames(self, reading: FramesReading | None) -> None:
        self._set_count(0 if reading is None else reading.n_frames)
        self.info.setText(NO_ATOMS if reading is not None and reading.molecules is None else "")
        self.info.setVisible(bool(self.info.text()))

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is not None:
            self._set_count(len(reading.project.fit.weights))
        self._refresh()

    def _set_count(self, n_frames: int) -> None:
        for field in (self.slider, self.frame):
            field.blockSignals(True)
            field.setRange(0, max(n_frames - 1, 0))
            field.setEnabled(n_frames > 0)
            field.setValue(max(self._session.selection.frame, 0))
            field.blockSignals(False)
        self.frame.setSuffix(f" of {n_frames}" if n_frames else "")

    @Slot(object)
    def _on_atoms(self, atoms: Any) -> None:
        if atoms is None:
            self._view.clear()
        else:
            self._view.set_atoms(atoms)

    @Slot(int)
    def _on_selected(self, frame: int) -> None:
        for field in (self.slider, self.frame):
            field.blockSignals(True)
            field.setValue(max(frame, 0))
            field.blockSignals(False)
        self._caption()

    @Slot(int, object)
    def _on_frame_ready(self, frame: int, positions: np.ndarray) -> None:
        if self.what.currentText() == FRAME:
            self._view.show_frame(positions)

    @Slot(object, object)
    def _on_sets_ready(self, good: list[np.ndarray], bad: list[np.ndarray]) -> None:
        if self.what.currentText() != FRAME:
            self._view.show_sets(good, bad)

    @Slot(object)
    def _on_marks(self, frames: np.ndarray) -> None:
        if self.what.currentText() == MARKED:
            self._refresh()

    @Slot()
    def _refresh(self) -> None:
        what = self.what.currentText()
        self.top.setVisible(what == RANKED)
        if what == RANKED:
            self._molecules.request_ranked(self.top.value())
        elif what == MARKED:
            self._molecules.request_marked(self._session.marks)
        else:
            self._molecules.request(self._session.selection.frame)
        self._caption()

    def _caption(self) -> None:
        fitted, frame = self._session.document.fitted, self._session.selection.frame
        if self.what.currentText() == FRAME and fitted is not None and 0 <= frame < len(fitted.project.fit.weights):
            weights = fitted.project.fit.weights
            self.caption.setText(f"weight {weights[frame]:.4g} ({weights[frame] * len(weights):.2g} × equal)")
        elif self.what.currentText() == RANKED and fitted is None:
            self.caption.setText("needs a fit")
        else:
            self.caption.setText("")

"""The Molecule dock: a frame slider under the 3D view, and which frames make the good and the bad set."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSlider, QSpinBox, QVBoxLayout, QWidget

from app.models.marks import Mark
from app.models.molecules import MoleculeModel
from app.models.readings import FramesReading, MapReading, ProjectReading
from app.models.session import Session
from app.panels.forms import note

RANKED, MARKED = "largest over smallest weights", "marked keep over marked drop"
FRAME_MODE, SETS_MODE = "frame", "sets"
NO_ATOMS = "These frames are structure factors: there are no molecules to show."
NEEDS_FIT = "Run a fit to compare the frames with the largest and the smallest weights."
NEEDS_MARKS = "Mark frames keep (K) and drop (D) to compare them."


class MoleculePanel(QWidget):
    """Drives a molecule view: what `app.scenes.molecule_scene.MoleculeView` offers.

    Signals
    -------
    returned()
        The view that was lent shows frames again.
    """

    returned = Signal()

    def __init__(self, session: Session, molecules: MoleculeModel, view: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._molecules, self._view = session, molecules, view
        self._mode = FRAME_MODE
        self._is_lent = False
        self.slider, self.frame = QSlider(Qt.Orientation.Horizontal), QSpinBox()
        self.which, self.top = QComboBox(), QSpinBox()
        self.info = note()
        self._set_ranges()
        self._lay_out()
        self._connect()
        self._set_count(0)
        self._show_sets_row()

    def lend(self) -> Any:
        """Give the view to what is no frame, until a frame is asked for."""
        self._is_lent = True
        return self._view

    @Slot()
    def take_back(self) -> None:
        """Show frames again."""
        if self._is_lent:
            self._is_lent = False
            self.show_atoms(self._molecules.atoms)
            self._view.show_mode(self._mode)
            self.returned.emit()
            self._refresh()

    def show_atoms(self, atoms: Any) -> None:
        """Begin another molecule in the view; None for none."""
        self._view.clear()
        if atoms is not None:
            self._view.set_atoms(atoms.element, atoms.name, atoms.residue_name, atoms.chain, atoms.residue_number)

    def _set_ranges(self) -> None:
        self.which.addItems([RANKED, MARKED])
        self.which.setAccessibleName("Which frames make the two sets")
        self.which.setToolTip("The good set is drawn in blue over the bad set in orange")
        self.top.setRange(1, 40)
        self.top.setValue(10)
        self.top.setSuffix(" each")
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
        self._sets_row = QWidget()
        sets = QHBoxLayout(self._sets_row)
        sets.setContentsMargins(0, 0, 0, 0)
        sets.addWidget(self.which, 1)
        sets.addWidget(self.top)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._view, 1)
        layout.addWidget(self.info)
        layout.addWidget(self._sets_row)
        layout.addLayout(row)

    def _connect(self) -> None:
        selection, document = self._session.selection, self._session.document
        self._view.mode_changed.connect(self._on_mode)
        self.slider.valueChanged.connect(selection.select)
        self.frame.valueChanged.connect(selection.select)
        self.which.currentIndexChanged.connect(self._refresh)
        self.top.valueChanged.connect(self._refresh)
        selection.frame_changed.connect(self._on_selected)
        self._session.marks.marks_changed.connect(self._on_marks)
        document.frames_changed.connect(self._on_frames)
        document.map_changed.connect(self._on_map)
        document.project_changed.connect(self._on_project)
        self._molecules.atoms_changed.connect(self._on_atoms)
        self._molecules.frame_ready.connect(self._on_frame_ready)
        self._molecules.sets_ready.connect(self._on_sets_ready)

    @Slot(object)
    def _on_frames(self, reading: FramesReading | None) -> None:
        self._set_count(0 if reading is None else reading.n_frames)
        self._refresh()

    @Slot(object)
    def _on_map(self, reading: MapReading | None) -> None:
        """The molecules may lie in the cell of the map."""
        self._refresh()

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
        self.take_back()
        self.show_atoms(atoms)

    @Slot(int)
    def _on_selected(self, frame: int) -> None:
        self.take_back()
        for field in (self.slider, self.frame):
            field.blockSignals(True)
            field.setValue(max(frame, 0))
            field.blockSignals(False)

    @Slot(int, object)
    def _on_frame_ready(self, frame: int, positions: np.ndarray) -> None:
        if self._is_lent:
            return
        self._view.set_caption(self._caption(frame))
        self._view.show_frame(positions, self._session.document.molecule_cell)

    @Slot(object, object)
    def _on_sets_ready(self, good: list[np.ndarray], bad: list[np.ndarray]) -> None:
        if not self._is_lent:
            self._view.show_sets(good, bad)

    @Slot(object)
    def _on_marks(self, frames: np.ndarray) -> None:
        if self.which.currentText() == MARKED:
            self._refresh()

    @Slot(str)
    def _on_mode(self, mode: str) -> None:
        self._mode = mode
        self.take_back()
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        """Ask for the coordinates that are shown now."""
        self._show_sets_row()
        self._molecules.request(self._session.selection.frame)
        if self._mode == SETS_MODE and self.which.currentText() == RANKED:
            self._molecules.request_ranked(self.top.value())
        elif self._mode == SETS_MODE:
            self._molecules.request_marked(self._session.marks)

    def _show_sets_row(self) -> None:
        is_ranked = self.which.currentText() == RANKED
        self._sets_row.setVisible(self._mode == SETS_MODE)
        self.top.setVisible(is_ranked)
        self.info.setText(self._advice(is_ranked))
        self.info.setVisible(bool(self.info.text()))

    def _advice(self, is_ranked: bool) -> str:
        frames = self._session.document.frames
        if frames is not None and frames.molecules is None:
            return NO_ATOMS
        if self._mode == FRAME_MODE:
            return ""
        if is_ranked:
            return "" if self._molecules.has_weights else NEEDS_FIT
        marks = self._session.marks
        compared = len(marks.frames_with(Mark.KEEP)) + len(marks.frames_with(Mark.DROP))
        return "" if compared else NEEDS_MARKS

    def _caption(self, frame: int) -> str:
        fitted = self._session.document.fitted
        if fitted is None or frame >= len(fitted.project.fit.weights):
            return f"frame {frame}"
        weights = fitted.project.fit.weights
        return f"frame {frame}, weight {weights[frame]:.4g} ({weights[frame] * len(weights):.2g} × equal)"

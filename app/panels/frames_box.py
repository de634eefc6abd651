"""The lower half of the Data panel: the frames of the simulation."""

from __future__ import annotations

import math
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.models.document import Draft
from app.models.readings import FramesReading
from app.panels.forms import ElidedLabel, add_row, form, note
from mdweights_core.crystal.lattice import format_cell
from mdweights_core.errors import BadInput

EMPTY = (
    "No frames yet. Drop a trajectory with its topology, a folder with one MTZ per frame, "
    "or a .zarr store on the window, or press Open frames."
)
NEEDS_TOPOLOGY = "\N{BLACK UP-POINTING TRIANGLE} This trajectory needs a topology: press Topology or drop a PDB."
MOLECULES = "molecules"


class FramesBox(QGroupBox):
    """Shows what the frames are and takes the cell and the treatment of drift."""

    edited = Signal(dict)
    open_requested = Signal()
    topology_requested = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Frames", parent)
        self.name = ElidedLabel()
        self.open_button = QPushButton("Open frames…")
        self.topology_button = QPushButton("Topology…")
        self.info = note(EMPTY)
        self.cell = QLineEdit()
        self.b_iso = QDoubleSpinBox()
        self.remove_drift = QCheckBox("Remove &drift of the whole system")
        self._reading: FramesReading | None = None
        self._box_warnings: tuple[str, ...] = ()
        self._draft = Draft()
        self._lay_out()
        self._connect()
        self.show_draft(Draft())

    def show_reading(self, reading: FramesReading | None, box_warnings: tuple[str, ...] = ()) -> None:
        """Show what the frames are, and what is to be said of their box beside the map's cell; or the empty state."""
        self._reading, self._box_warnings = reading, box_warnings
        self.cell.setPlaceholderText(self._cell_hint())
        self._write_info()

    @Slot(object)
    def show_draft(self, draft: Draft) -> None:
        """Show the choices of a draft."""
        self._fields.setVisible(bool(draft.frames))
        self.name.setVisible(bool(draft.frames))
        self.topology_button.setVisible(bool(draft.frames))
        self.name.show_text(*_names(draft))
        self.cell.setText("" if draft.cell is None else " ".join(f"{value:g}" for value in draft.cell))
        self.b_iso.blockSignals(True)
        self.b_iso.setValue(draft.b_iso)
        self.b_iso.blockSignals(False)
        self.remove_drift.setChecked(draft.remove_drift)
        self._draft = draft
        self._write_info()

    def _lay_out(self) -> None:
        self.topology_button.setToolTip("File that names the atoms of the trajectory: PDB, GRO, PSF, PRMTOP")
        self.remove_drift.setToolTip(
            "Take out the translation of each frame as a whole, found from its CA atoms; rotations stay"
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.topology_button)
        buttons.addWidget(self.open_button)
        self._fields = QWidget()
        rows = form(self._fields)
        tip = "Unit cell of the crystal: a b c in Å, alpha beta gamma in degrees; empty takes the one in the files"
        add_row(rows, "C&ell", self.cell, tip)
        self.b_iso.setRange(0.0, 200.0)
        self.b_iso.setDecimals(1)
        self.b_iso.setSuffix(" Å²")
        self.b_iso.setKeyboardTracking(False)
        add_row(rows, "&B factor", self.b_iso, "B factor given to all atoms of every frame, Å²; 0 for none")
        rows.addRow(self.remove_drift)
        layout = QVBoxLayout(self)
        layout.addWidget(self.name)
        layout.addLayout(buttons)
        layout.addWidget(self.info)
        layout.addWidget(self._fields)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._on_open)
        self.topology_button.clicked.connect(self._on_topology)
        self.cell.editingFinished.connect(self._on_cell)
        self.remove_drift.clicked.connect(self._on_drift)
        self.b_iso.valueChanged.connect(self._on_b_iso)

    def _cell_hint(self) -> str:
        if self._reading is None or self._reading.cell is None:
            return "a b c α β γ"
        return "from the files"

    def _write_info(self) -> None:
        if self._reading is not None:
            self.info.setText(describe(self._reading, self._box_warnings))
        elif not self._draft.frames:
            self.info.setText(EMPTY)
        else:
            self.info.setText(NEEDS_TOPOLOGY if self._draft.topology is None else "")

    @Slot()
    def _on_open(self) -> None:
        self.open_requested.emit()

    @Slot()
    def _on_topology(self) -> None:
        self.topology_requested.emit()

    @Slot()
    def _on_cell(self) -> None:
        try:
            self.edited.emit({"cell": parse_cell(self.cell.text())})
        except BadInput as problem:
            self.failed.emit(problem)

    @Slot(bool)
    def _on_drift(self, checked: bool) -> None:
        self.edited.emit({"remove_drift": checked})

    @Slot(float)
    def _on_b_iso(self, value: float) -> None:
        self.edited.emit({"b_iso": value})


def _names(draft: Draft) -> tuple[str, str]:
    """Short text and tooltip that name the files."""
    if not draft.frames:
        return "", ""
    more = f" and {len(draft.frames) - 1} more" if len(draft.frames) > 1 else ""
    with_topology = f" + {draft.topology.name}" if draft.topology else ""
    every: list[Path] = [*draft.frames, *([draft.topology] if draft.topology else [])]
    return f"{draft.frames[0].name}{more}{with_topology}", "\n".join(map(str, every))


def describe(reading: FramesReading, box_warnings: tuple[str, ...] = ()) -> str:
    """The frames in a few lines."""
    what = f"{reading.n_frames:,} frames"
    if reading.kind == MOLECULES:
        what += f" of {reading.n_atoms:,} atoms"
    else:
        what += f" as {reading.kind}"
    lines = [what, format_cell(reading.cell) if reading.cell else "no unit cell in the files: the map's is used"]
    return "\n".join(
        [*lines, *(f"\N{BLACK UP-POINTING TRIANGLE} {warning}" for warning in (*reading.warnings, *box_warnings))]
    )


def parse_cell(text: str) -> tuple[float, float, float, float, float, float] | None:
    """Six numbers, or None for an empty field.

    Raises
    ------
    BadInput
        When the text is not a unit cell.
    """
    words = text.replace(",", " ").split()
    if not words:
        return None
    try:
        a, b, c, alpha, beta, gamma = (float(word) for word in words)
    except ValueError:
        raise BadInput(
            f"'{text}' is not a unit cell", advice="Write six numbers: a b c in Å, alpha beta gamma in degrees"
        ) from None
    if not all(0 < edge < math.inf for edge in (a, b, c)) or not all(0 < angle < 180 for angle in (alpha, beta, gamma)):
        raise BadInput(
            f"'{text}' is not a possible unit cell", advice="Edges are positive, angles between 0 and 180 degrees"
        )
    return (a, b, c, alpha, beta, gamma)

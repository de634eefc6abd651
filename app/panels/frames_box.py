"""The lower half of the Data panel: the frames of the simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QGroupBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.models.document import Draft
from app.models.readings import FramesReading
from app.panels.forms import ElidedLabel, Entry, add_row, form, note
from app.panels.scattering_text import deviations
from mdweights_core.crystal.lattice import format_cell
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.io.frames.frame_numbers import parse_numbers, show_numbers
from mdweights_core.scattering.settings import LARGEST_B

EMPTY = (
    "No frames yet. Drop a trajectory with its topology, a folder with one MTZ per frame, "
    "a checkpoint of xtraj or a .zarr store on the window, or press Open frames."
)
NEEDS_TOPOLOGY = "\N{BLACK UP-POINTING TRIANGLE} This trajectory needs a topology: press Topology or drop a PDB."


DRIFT_TIP = "Take out the translation of each frame as a whole, found from its CA atoms; rotations stay"
ONLY_TIP = "Frames that are fitted, counted from 0, such as 0-99,120; the others keep their numbers and get no weight"
COMPUTED = "These frames are structure factors already: nothing is taken out of them any more"


class FramesBox(QGroupBox):
    """Shows what the frames are and takes the cell, the B factor of all atoms and the treatment of drift."""

    edited = Signal(dict)
    open_requested = Signal()
    topology_requested = Signal()
    settings_requested = Signal()
    check_requested = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Frames", parent)
        self.name = ElidedLabel()
        self.open_button = QPushButton("Open frames…")
        self.topology_button = QPushButton("Topology…")
        self.info = note(EMPTY)
        self.cell, self.only = Entry(), Entry()
        self.b_iso = QDoubleSpinBox()
        self.remove_drift = QCheckBox("Remove &drift of the whole system")
        self.settings_button, self.check_button = QPushButton("Scattering…"), QPushButton("Check frames")
        self.settings_note, self.verdict = note(), note()
        self._asks_for_cell = False
        self._cell_problem: MdweightsError | None = None
        self._reading: FramesReading | None = None
        self._box_warnings: tuple[str, ...] = ()
        self._draft = Draft()
        self._lay_out()
        self._connect()
        self.show_draft(Draft())

    def show_reading(
        self, reading: FramesReading | None, box_warnings: tuple[str, ...] = (), *, asks_for_cell: bool = False
    ) -> None:
        """Show what the frames are, and what is to be said of their box beside the map's cell; or the empty state.

        With `asks_for_cell` the map needs the cell, so that it can be typed before there are frames.
        """
        self._reading, self._box_warnings, self._asks_for_cell = reading, box_warnings, asks_for_cell
        self.cell.setPlaceholderText(self._cell_hint())
        is_computed = reading is None or reading.is_trajectory
        for field in (self.b_iso, self.remove_drift, self.check_button):
            field.setEnabled(is_computed)
        self.remove_drift.setToolTip(DRIFT_TIP if is_computed else COMPUTED)
        self._show_what_applies()
        self._write_info()

    def show_cell_problem(self, problem: MdweightsError | None) -> None:
        """Mark the cell that the map cannot have; None: nothing is known against it."""
        if problem is not None or self.cell.problem is self._cell_problem:
            self.cell.mark(problem)
        self._cell_problem = problem

    def show_check(self, summary: str, tip: str = "") -> None:
        """Say how the frames were found, in a few words."""
        self.verdict.setText(summary)
        self.verdict.setToolTip(tip)
        self._show_what_applies()

    @Slot(object)
    def show_draft(self, draft: Draft) -> None:
        """Show the choices of a draft."""
        self.name.setVisible(bool(draft.frames))
        self.topology_button.setVisible(bool(draft.frames))
        self.name.show_text(*_names(draft))
        if draft.cell != self._draft.cell or self.cell.problem is None:  # what cannot be used stays to be mended
            self.cell.setText("" if draft.cell is None else " ".join(f"{value:g}" for value in draft.cell))
            self.cell.mark(None)
        if draft.only != self._draft.only or self.only.problem is None:
            self.only.setText("" if draft.only is None else show_numbers(draft.only))
            self.only.setCursorPosition(0)
            self.only.mark(None)
        self.b_iso.blockSignals(True)
        self.b_iso.setValue(draft.scattering.b_iso)
        self.b_iso.blockSignals(False)
        self.remove_drift.setChecked(draft.scattering.remove_drift)
        self._draft = draft
        self._show_what_applies()
        self._write_info()

    def _lay_out(self) -> None:
        self.topology_button.setToolTip("File that names the atoms of the trajectory: PDB, GRO, PSF, PRMTOP")
        self.settings_button.setToolTip("Selection, supercell, boxes, bulk solvent, where to compute… (Ctrl+,)")
        self.check_button.setToolTip("See whether frames and map fit together, and what it will take (Ctrl+K)")
        # all four above what may have to be scrolled to
        buttons = QGridLayout()
        buttons.addWidget(self.topology_button, 0, 0)
        buttons.addWidget(self.open_button, 0, 1)
        buttons.addWidget(self.settings_button, 1, 0)
        buttons.addWidget(self.check_button, 1, 1)
        self._fields = QWidget()
        self._rows = rows = form(self._fields)
        tip = "Unit cell of the crystal: a b c in Å, alpha beta gamma in degrees; empty takes the one in the files"
        add_row(rows, "C&ell", self.cell, tip)
        self.only.setPlaceholderText("all frames")
        add_row(rows, "&Only frames", self.only, ONLY_TIP)
        self.b_iso.setRange(0.0, LARGEST_B)
        self.b_iso.setDecimals(1)
        self.b_iso.setSuffix(" Å²")
        self.b_iso.setKeyboardTracking(False)
        add_row(rows, "&B factor", self.b_iso, "B factor given to all atoms of every frame, Å²; 0 for none")
        rows.addRow(self.remove_drift)
        rows.addRow(self.settings_note)
        layout = QVBoxLayout(self)
        layout.addWidget(self.name)
        layout.addLayout(buttons)
        layout.addWidget(self.info)
        layout.addWidget(self.verdict)
        layout.addWidget(self._fields)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._on_open)
        self.topology_button.clicked.connect(self._on_topology)
        self.cell.editingFinished.connect(self._on_cell)
        self.only.editingFinished.connect(self._on_only)
        self.remove_drift.clicked.connect(self._on_drift)
        self.b_iso.valueChanged.connect(self._on_b_iso)
        self.settings_button.clicked.connect(self._on_settings)
        self.check_button.clicked.connect(self._on_check)

    def _show_what_applies(self) -> None:
        """Without frames only the cell is asked for, and that only by maps that tell none."""
        has_frames = bool(self._draft.frames)
        self._fields.setVisible(has_frames or self._asks_for_cell)
        for row in range(1, self._rows.rowCount()):
            self._rows.setRowVisible(row, has_frames)
        known = None if self._reading is None else self._reading.settings
        told = deviations(known or self._draft.scattering)
        self.settings_note.setText(", ".join(told))
        self._rows.setRowVisible(self.settings_note, has_frames and bool(told))
        for widget in (self.settings_button, self.check_button):
            widget.setVisible(has_frames)
        self.verdict.setVisible(has_frames and bool(self.verdict.text()))

    def _cell_hint(self) -> str:
        if self._asks_for_cell or self._reading is None or self._reading.cell is None:
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
        self.cell.take(parse_cell, lambda cell: self.edited.emit({"cell": cell}), self.failed.emit)

    @Slot()
    def _on_only(self) -> None:
        self.only.take(parse_only, lambda frames: self.edited.emit({"only": frames}), self.failed.emit)

    @Slot(bool)
    def _on_drift(self, checked: bool) -> None:
        self.edited.emit({"scattering": replace(self._draft.scattering, remove_drift=checked)})

    @Slot(float)
    def _on_b_iso(self, value: float) -> None:
        self.edited.emit({"scattering": replace(self._draft.scattering, b_iso=value)})

    @Slot()
    def _on_settings(self) -> None:
        self.settings_requested.emit()

    @Slot()
    def _on_check(self) -> None:
        self.check_requested.emit()


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
    if reading.is_trajectory:
        what += f" of {reading.n_atoms:,} atoms"
    else:
        what += f" as {reading.kind}"
    lines = [what, format_cell(reading.cell) if reading.cell else "no unit cell in the files: the map's is used"]
    return "\n".join(
        [*lines, *(f"\N{BLACK UP-POINTING TRIANGLE} {warning}" for warning in (*reading.warnings, *box_warnings))]
    )


def parse_only(text: str) -> tuple[int, ...] | None:
    """Numbers and ranges of frames, or None for an empty field.

    Raises
    ------
    BadInput
        When the text is no list of two frames at least.
    """
    if not text.strip():
        return None
    numbers = tuple(sorted(parse_numbers(text)))
    if len(numbers) < 2:
        raise BadInput("A fit needs two frames at least", advice="Name more frames, or none to take all")
    return numbers


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
    from mdweights_core.io.maps.mtz_file import is_usable_cell

    if not is_usable_cell(gemmi.UnitCell(a, b, c, alpha, beta, gamma)):
        raise BadInput(
            f"'{text}' is not a possible unit cell", advice="Edges are positive, angles between 0 and 180 degrees"
        )
    return (a, b, c, alpha, beta, gamma)

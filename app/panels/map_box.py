"""The upper half of the Data panel: the map, its columns and its limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.models.document import MTZ, Draft
from app.models.readings import MapReading
from app.panels.forms import ElidedLabel, Entry, add_row, form, note, resolution_box
from app.panels.scattering_text import parse_supercell, show_supercell
from mdweights_core.crystal.lattice import format_cell
from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from mdweights_core.io.maps.contents import MapSummary

EMPTY = (
    "No map yet. Drop a file with diffuse intensities (MTZ, CCP4 map, Lunus lattice or list, mdx2 table) anywhere on "
    "the window, or press Open map."
)
SUPERCELL_TIP = "Unit cells in the cell of a map whose indices are those of a supercell, along a, b and c: 2 2 3"
INTENSITY_TYPES, SIGMA_TYPES, FREE_TYPES = "JKFGR", "QLM", "I"


class MapBox(QGroupBox):
    """Shows what the map file holds and lets the user say how to read it."""

    edited = Signal(dict)
    open_requested = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Map", parent)
        self.name = ElidedLabel()
        self.open_button = QPushButton("Open map…")
        self.info = note(EMPTY)
        self.columns = {key: QComboBox() for key in ("column", "sigma_column", "free_column")}
        self.d_min, self.d_max = resolution_box(), resolution_box()
        self.space_group, self.reindex, self.supercell = QLineEdit(), QLineEdit(), Entry()
        self._reading: MapReading | None = None
        self._draft = Draft()
        self._lay_out()
        self._connect()
        self.show_reading(None)

    @Slot(object)
    def show_reading(self, reading: MapReading | None) -> None:
        """Show what a file holds, or the empty state."""
        self._reading = reading
        self._fields.setVisible(reading is not None)
        self.name.setVisible(reading is not None)
        if reading is None:
            self.info.setText(EMPTY)
            return
        self.name.show_text(reading.summary.path.name, str(reading.summary.path))
        self._fill_columns(reading.summary)
        self.info.setText(describe(reading, self._draft))

    @Slot(object)
    def show_draft(self, draft: Draft) -> None:
        """Show the choices of a draft."""
        if draft.map_supercell != self._draft.map_supercell or self.supercell.problem is None:  # else to be mended
            self.supercell.setText(show_supercell(draft.map_supercell))
            self.supercell.mark(None)
        self._draft = draft
        if self._reading is not None:
            self.info.setText(describe(self._reading, draft))
        for key, combo in self.columns.items():
            self._choose(combo, getattr(draft, key))
        for box, value in ((self.d_min, draft.d_min), (self.d_max, draft.d_max)):
            box.blockSignals(True)
            box.setValue(value or 0.0)
            box.blockSignals(False)
        self.space_group.setText(draft.space_group or "")
        self.reindex.setText(draft.reindex or "")

    def _lay_out(self) -> None:
        for field in (self.space_group, self.reindex):
            field.setPlaceholderText("as in the file")
        self.supercell.setPlaceholderText("one cell")
        self._fields = QWidget()
        rows = form(self._fields)
        add_row(rows, "&Intensity", self.columns["column"], "Column with the diffuse intensities")
        add_row(rows, "&Sigma", self.columns["sigma_column"], "Column with their standard uncertainties")
        add_row(
            rows,
            "&Free flag",
            self.columns["free_column"],
            "Column that says which reflections are held out of the fit",
        )
        limits = QWidget()
        pair = QHBoxLayout(limits)
        pair.setContentsMargins(0, 0, 0, 0)
        for box, name in ((self.d_min, "High-resolution limit"), (self.d_max, "Low-resolution limit")):
            box.setAccessibleName(f"{name} in angstrom")
            box.setToolTip(f"{name}: reflections beyond it are left out (Å)")
            pair.addWidget(box, 1)
        add_row(rows, "&d min, max", limits, "Resolution limits in angstrom")
        tip = "Space group in place of the file's, or where it tells none; its Laue class says what is averaged"
        add_row(rows, "Space &group", self.space_group, tip)
        add_row(rows, "&Reindex", self.reindex, "Change of indices applied on reading, for example k,h,-l")
        add_row(rows, "Su&percell", self.supercell, SUPERCELL_TIP)
        head = QHBoxLayout()
        head.addWidget(self.name, 1)
        head.addWidget(self.open_button)
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(self.info)
        layout.addWidget(self._fields)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._on_open)
        for combo in self.columns.values():
            combo.activated.connect(self._on_columns)
        self.d_min.valueChanged.connect(self._on_limits)
        self.d_max.valueChanged.connect(self._on_limits)
        self.space_group.editingFinished.connect(self._on_symmetry)
        self.reindex.editingFinished.connect(self._on_symmetry)
        self.supercell.editingFinished.connect(self._on_supercell)

    def _fill_columns(self, summary: MapSummary) -> None:
        guesses = {"column": summary.intensity, "sigma_column": summary.sigma, "free_column": summary.free}
        kinds = {"column": INTENSITY_TYPES, "sigma_column": SIGMA_TYPES, "free_column": FREE_TYPES}
        for key, combo in self.columns.items():
            chosen = combo.currentData()
            combo.clear()
            combo.addItem(f"guess: {guesses[key] or 'none'}", None)
            combo.setEnabled(key == "column" or summary.kind == MTZ or guesses[key] is not None)
            for column in summary.columns:
                if column.type in kinds[key]:
                    combo.addItem(f"{column.label}  ({column.n_present:,})", column.label)
            self._choose(combo, chosen)

    @staticmethod
    def _choose(combo: QComboBox, label: str | None) -> None:
        combo.setCurrentIndex(max(combo.findData(label), 0) if label is not None else 0)

    @Slot()
    def _on_open(self) -> None:
        self.open_requested.emit()

    @Slot(int)
    def _on_columns(self, index: int) -> None:
        self.edited.emit({key: combo.currentData() for key, combo in self.columns.items()})

    @Slot(float)
    def _on_limits(self, value: float) -> None:
        self.edited.emit({"d_min": _limit(self.d_min), "d_max": _limit(self.d_max)})

    @Slot()
    def _on_symmetry(self) -> None:
        fields = {"space_group": self.space_group, "reindex": self.reindex}
        self.edited.emit({name: field.text().strip() or None for name, field in fields.items()})

    @Slot()
    def _on_supercell(self) -> None:
        self.supercell.take(parse_supercell, lambda cells: self.edited.emit({"map_supercell": cells}), self.failed.emit)


def _limit(box: QDoubleSpinBox) -> float | None:
    return box.value() or None


def describe(reading: MapReading, draft: Draft) -> str:
    """The map in a few lines: cell, space group, resolution, how many reflections, and any problem."""
    summary = reading.summary
    lines = [_format(summary)] if summary.kind != MTZ or max(summary.ndiv) > 1 else []
    lines += [
        format_cell(summary.cell) if summary.cell else _lacking_cell(summary, draft),
        summary.space_group.hm
        if summary.space_group
        else _lacking("space group", draft.space_group, "Space group, below"),
        f"{summary.n_reflections:,} reflections{_range(summary.d_max, summary.d_min)}",
    ]
    if summary.is_unmerged:
        lines.append("unmerged")
    if reading.used is not None:
        lines.append(f"used: {len(reading.used):,} measured{_range(*reversed(reading.d_range))}")
    if reading.problem is not None and not _is_asked_for(summary, draft):
        told = BadInput(reading.problem.what, advice=reading.problem.advice)  # the file's name stands above
        lines.append(f"\N{BLACK UP-POINTING TRIANGLE} {told.sentence}")
    return "\n".join(lines)


def _format(summary: MapSummary) -> str:
    divided = " × ".join(map(str, summary.ndiv))
    return summary.kind if max(summary.ndiv) == 1 else f"{summary.kind}, indices in steps of 1/({divided})"


def _lacking_cell(summary: MapSummary, draft: Draft) -> str:
    if summary.kind == MTZ:  # one without a cell is broken
        return "no unit cell in the file"
    return _lacking("unit cell", draft.cell, "Cell, under Frames")


def _lacking(what: str, typed: object, where: str) -> str:
    """What to say of something that the file does not tell."""
    if typed:
        return f"no {what} in the file: the one typed is used"
    return f"\N{BLACK UP-POINTING TRIANGLE} no {what} in the file: type it into {where}"


def _is_asked_for(summary: MapSummary, draft: Draft) -> bool:
    """True while the problem is just that cell or space group are still to be typed."""
    if summary.kind == MTZ:
        return False
    lacks_cell = summary.cell is None and draft.cell is None
    return lacks_cell or (summary.space_group is None and draft.space_group is None)


def _range(d_max: float, d_min: float) -> str:
    return f", {d_max:.2f} to {d_min:.2f} Å" if math.isfinite(d_max + d_min) else ""

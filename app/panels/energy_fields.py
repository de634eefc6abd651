"""The fields that say what molecule is meant and how its energy is made: shared by minimising and sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QSpinBox

from app.models.document import Draft
from app.panels.file_row import FileRow
from app.panels.forms import add_row, choice
from mdweights_core.energy.settings import FORCE_FIELDS, SOLVENTS, EnergySettings
from mdweights_core.errors import BadInput

SOLVENT_TITLES = {
    "none": "none (vacuum)",
    "hct": "HCT",
    "obc1": "OBC1",
    "obc2": "OBC2",
    "gbn": "GBn",
    "gbn2": "GBn2",
}
NEEDS_COORDINATES = (".prmtop", ".parm7", ".xml")
STRUCTURES = (".pdb", ".ent", ".cif", ".mmcif", ".pdbx", *NEEDS_COORDINATES)
NO_STRUCTURE = "Choose a structure with its hydrogens: its atoms and bonds make the energy."
NO_COORDINATES = "Choose coordinates: this file holds none."


class EnergyFields:
    """A structure, its force field and solvent, and what may be added to it."""

    def __init__(self) -> None:
        energy = EnergySettings()
        self._is_seen = True
        self.structure, self.coordinates = FileRow("no structure", "structure"), FileRow("none", "coordinates")
        self.hydrogens, self.repair = QCheckBox("Add missing hydrogens"), QCheckBox("Repair with PDBFixer")
        self.no_water = QCheckBox("Leave waters and ions out")
        self.force_field, self.solvent = choice({name: name for name in FORCE_FIELDS}), choice(_titles())
        self.cutoff, self.ph, self.model = number(2), number(1), QSpinBox()
        self.force_field.setEditable(True)
        self.force_field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.force_field.setCurrentText(energy.force_field)
        self.solvent.setCurrentIndex(self.solvent.findData(energy.solvent))
        set_range(self.cutoff, 0.0, 20.0, energy.cutoff or 0.0, " nm")
        self.cutoff.setSpecialValueText("none")
        set_range(self.ph, 0.0, 14.0, energy.ph)
        set_range(self.model, 1, 10**6, energy.model)

    # ---- values

    def settings(self, **others: Any) -> EnergySettings:
        """How the energy is set up; `others` are fields that have no place here.

        Raises
        ------
        BadInput
            When there is no such force field, or values do not go together.
        """
        made = EnergySettings(
            force_field=self.force_field.currentText().strip(),
            solvent=self.solvent.currentData(),
            cutoff=self.cutoff.value() or None,
            add_hydrogens=self.hydrogens.isChecked(),
            repair=self.repair.isChecked(),
            drop_water=self.no_water.isChecked(),
            ph=self.ph.value(),
            model=self.model.value(),
            **others,
        )
        for part in map(str.strip, made.force_field.split(",")):
            if part not in FORCE_FIELDS and not Path(part).is_file():
                known = ", ".join(FORCE_FIELDS)
                advice = f"Choose one of {known}, or type the path of an OpenMM force-field file (.xml)"
                raise BadInput(f"There is no force field '{part}'", advice=advice)
        made.check()
        return made

    def missing(self) -> str:
        """What has yet to be chosen, as a sentence; empty when nothing."""
        path = self.structure.path
        if path is None:
            return NO_STRUCTURE
        needs = path.suffix.lower() in NEEDS_COORDINATES and self.coordinates.path is None
        return NO_COORDINATES if needs else ""

    # ---- rows

    def add_to(self, rows: QFormLayout) -> None:
        """Add the rows that everybody needs."""
        self._rows = rows
        add_row(rows, "Structure", self.structure, "Atoms and bonds: PDB, mmCIF, prmtop or an OpenMM System")
        add_row(rows, "Coordinates", self.coordinates, "Of the prmtop or the System: inpcrd, rst7, PDB or mmCIF")
        for box, tip in (
            (self.hydrogens, "Let hydrogens that the force field misses be added"),
            (self.repair, "Let PDBFixer add missing atoms and leave out what the force field does not know"),
            (self.no_water, "Take the structure without its waters and single ions"),
        ):
            box.setToolTip(tip)
            rows.addRow("", box)
        add_row(
            rows, "Force field", self.force_field, "One of these, or paths of OpenMM files (.xml), separated by commas"
        )
        add_row(rows, "Solvent", self.solvent, "Implicit solvent round the molecule")

    def add_cutoff_to(self, rows: QFormLayout) -> None:
        """Add the cut-off."""
        add_row(rows, "Cut-off", self.cutoff, "Of non-bonded pairs; all pairs where there is none")

    def add_rest_to(self, rows: QFormLayout) -> None:
        """Add the rows that few need."""
        add_row(rows, "pH", self.ph, "For hydrogens that are added")
        add_row(rows, "Model", self.model, "Of the structure file, counted from 1")

    def show_structure(self, path: Path | None) -> None:
        """Show the structure whose atoms and bonds make the energy."""
        self.structure.show_path(path)
        needs = path is not None and path.suffix.lower() in NEEDS_COORDINATES
        self._rows.setRowVisible(self.coordinates, needs and self._is_seen)
        for row in (self.hydrogens, self.repair, self.no_water):
            self._rows.setRowVisible(row, not needs and self._is_seen)

    def set_visible(self, visible: bool) -> None:
        """Show or hide the rows that everybody needs."""
        self._is_seen = visible
        for row in (self.structure, self.force_field, self.solvent):
            self._rows.setRowVisible(row, visible)
        self.show_structure(self.structure.path)


def structure_of(draft: Draft) -> Path | None:
    """A file of the document that tells the atoms of its frames: the topology, or a structure as frames."""
    files = (draft.topology, *draft.frames[:1])
    return next((path for path in files if path is not None and path.suffix.lower() in STRUCTURES), None)


class _Number(QDoubleSpinBox):
    """A number written with no more digits than it has."""

    def textFromValue(self, value: float) -> str:
        return f"{value:g}"


def number(decimals: int) -> QDoubleSpinBox:
    """A field for a number of any size."""
    box = _Number()
    box.setDecimals(decimals)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setKeyboardTracking(False)
    return box


def set_range(box: Any, low: float, high: float, value: float, suffix: str = "") -> None:
    """Say what a field may hold, what it holds, and in which unit."""
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(suffix)


def _titles() -> dict[str, str]:
    return {name: SOLVENT_TITLES.get(name, name) for name in SOLVENTS}

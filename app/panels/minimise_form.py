"""What is to be minimised, in which force field, how far, and which atoms are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSpinBox, QVBoxLayout, QWidget

from app.models import minima
from app.panels.file_row import FileRow
from app.panels.fold import Fold
from app.panels.forms import Entry, add_row, beside, choice, form
from mdweights_core.energy.settings import FORCE_FIELDS, SOLVENTS, EnergySettings
from mdweights_core.minimize.settings import METHODS, SPRING, MinimizeSettings

WHAT = {
    minima.STRUCTURE: "A structure file",
    minima.ALL: "All frames",
    minima.TARGETS: "Selected or brushed frames",
    minima.KEPT: "Frames marked keep",
    minima.DROPPED: "Frames marked drop",
    minima.LOWEST: "Frames of lowest weight",
    minima.HIGHEST: "Frames of highest weight",
}
SOLVENT_TITLES = {
    "none": "none (vacuum)",
    "hct": "HCT",
    "obc1": "OBC1",
    "obc2": "OBC2",
    "gbn": "GBn",
    "gbn2": "GBn2",
}
METHOD_TITLES = {
    "lbfgs-preconditioned": "L-BFGS, preconditioned",
    "lbfgs": "L-BFGS",
    "fire": "FIRE 2.0",
    "adam": "Adam",
}
NEEDS_COORDINATES = (".prmtop", ".parm7", ".xml")


class MinimiseForm(QWidget):
    """Shows and tells what a `MinimiseRequest` is made from.

    Signals
    -------
    changed()
        What is minimised is another now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.what, self.count = choice(WHAT), QSpinBox()
        self.structure, self.coordinates = FileRow("no structure", "structure"), FileRow("none", "coordinates")
        self.hydrogens, self.repair = QCheckBox("Add missing hydrogens"), QCheckBox("Repair with PDBFixer")
        self.force_field, self.solvent = choice({name: name for name in FORCE_FIELDS}), choice(_titles())
        self.method, self.tolerance = choice({name: METHOD_TITLES.get(name, name) for name in METHODS}), _number(5)
        self.evaluations, self.max_step, self.learning_rate = QSpinBox(), _number(4), _number(5)
        self.fix, self.restrain, self.spring = Entry(), Entry(), _number(1)
        self.select, self.cutoff, self.crystal = Entry(), _number(2), QCheckBox("The whole unit cell, periodic")
        self.copies = tuple(QSpinBox() for _ in range(3))
        self.ph, self.model = _number(1), QSpinBox()
        self._set_ranges()
        self._lay_out()
        self.what.currentIndexChanged.connect(self._on_what)
        self.method.currentIndexChanged.connect(self._on_method)
        self._on_what()
        self._on_method()

    # ---- values

    @property
    def chosen(self) -> str:
        """What is minimised: a key of `WHAT`."""
        return str(self.what.currentData())

    def energy_settings(self) -> EnergySettings:
        """How the energy is set up."""
        typed = self.force_field.currentText().strip()
        return EnergySettings(
            force_field=typed,
            solvent=self.solvent.currentData(),
            cutoff=self.cutoff.value() or None,
            crystal=self.crystal.isChecked(),
            copies=tuple(box.value() for box in self.copies),  # type: ignore[arg-type]
            add_hydrogens=self.hydrogens.isChecked(),
            repair=self.repair.isChecked(),
            ph=self.ph.value(),
            model=self.model.value(),
        )

    def minimize_settings(self) -> MinimizeSettings:
        """How far and by which steps it goes."""
        return MinimizeSettings(
            method=self.method.currentData(),
            tolerance=self.tolerance.value(),
            max_evaluations=self.evaluations.value(),
            max_step=self.max_step.value(),
            learning_rate=self.learning_rate.value(),
        )

    def atoms(self) -> dict[str, Any]:
        """Which atoms of frames are meant, and which are held: fields of `MinimiseRequest`."""
        texts = {name: getattr(self, name).text().strip() for name in ("select", "fix", "restrain")}
        return {**texts, "spring": self.spring.value()}

    def show_structure(self, path: Path | None) -> None:
        """Show the structure whose atoms and bonds make the energy."""
        self.structure.show_path(path)
        needs = path is not None and path.suffix.lower() in NEEDS_COORDINATES
        self._rows.setRowVisible(self.coordinates, needs)
        for row in (self.hydrogens, self.repair):
            self._rows.setRowVisible(row, not needs)

    # ---- building

    def _set_ranges(self) -> None:
        energy, settings = EnergySettings(), MinimizeSettings()
        self.force_field.setEditable(True)
        self.force_field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.force_field.setCurrentText(energy.force_field)
        self.solvent.setCurrentIndex(self.solvent.findData(energy.solvent))
        self.method.setCurrentIndex(self.method.findData(settings.method))
        _range(self.count, 1, 10**6, 10)
        _range(self.evaluations, 1, 10**8, settings.max_evaluations)
        _range(self.tolerance, 1e-5, 1e4, settings.tolerance, " kJ/mol/nm")
        _range(self.max_step, 1e-4, 1.0, settings.max_step, " nm")
        _range(self.learning_rate, 1e-5, 1.0, settings.learning_rate, " nm")
        _range(self.spring, 0.1, 1e8, SPRING, " kJ/mol/nm²")
        _range(self.cutoff, 0.0, 20.0, energy.cutoff or 0.0, " nm")
        self.cutoff.setSpecialValueText("none")
        _range(self.ph, 0.0, 14.0, energy.ph)
        _range(self.model, 1, 10**6, energy.model)
        for box, count in zip(self.copies, energy.copies, strict=True):
            _range(box, 1, 99, count)
        for entry, text in ((self.fix, "none"), (self.restrain, "none"), (self.select, "all")):
            entry.setPlaceholderText(text)

    def _lay_out(self) -> None:
        self._rows = form()
        add_row(self._rows, "Minimise", beside(self.what, self.count), "What is brought to its minimum", self.what)
        add_row(self._rows, "Structure", self.structure, "Atoms and bonds: PDB, mmCIF, prmtop or an OpenMM System")
        add_row(self._rows, "Coordinates", self.coordinates, "Of the prmtop or the System: inpcrd, rst7, PDB or mmCIF")
        for box, tip in (
            (self.hydrogens, "Let hydrogens that the force field misses be added"),
            (self.repair, "Let PDBFixer add missing atoms and leave out what the force field does not know"),
        ):
            box.setToolTip(tip)
            self._rows.addRow("", box)
        add_row(self._rows, "Force field", self.force_field, "One of these, or the path of an OpenMM file (.xml)")
        add_row(self._rows, "Solvent", self.solvent, "Implicit solvent round the molecule")
        self.folds = (self._method_fold(), self._held_fold(), self._more_fold())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self._rows)
        for fold in self.folds:
            layout.addWidget(fold)
        self.show_structure(None)

    def _method_fold(self) -> Fold:
        fold = Fold("Method")
        self._method_rows = fold.rows
        add_row(fold.rows, "Method", self.method, "The first takes the fewest evaluations on molecules")
        add_row(fold.rows, "Tolerance", self.tolerance, "Rms of all free force components at which a start is done")
        add_row(fold.rows, "Evaluations", self.evaluations, "Of energy and forces, at most, for each start")
        add_row(fold.rows, "Longest step", self.max_step, "Of one coordinate")
        add_row(fold.rows, "Adam's step", self.learning_rate, "Step length of Adam")
        for box in (self.method, self.tolerance):
            _changes(box).connect(self._digest)
        return fold

    def _held_fold(self) -> Fold:
        fold = Fold("Held atoms")
        add_row(fold.rows, "Fixed", self.fix, "Atoms that do not move, such as 'name CA'")
        add_row(fold.rows, "Restrained", self.restrain, "Atoms held by springs where they start, such as 'backbone'")
        add_row(fold.rows, "Spring", self.spring, "Force constant of these springs")
        for entry in (self.fix, self.restrain):
            entry.textChanged.connect(self._digest)
        return fold

    def _more_fold(self) -> Fold:
        fold = Fold("Crystal, cut-off and more")
        add_row(fold.rows, "Cut-off", self.cutoff, "Of non-bonded pairs; all pairs where there is none")
        fold.rows.addRow("", self.crystal)
        self.crystal.setToolTip("Needs a cut-off, and no implicit solvent")
        a, b, c = self.copies
        add_row(fold.rows, "Cells", beside(a, beside(b, c)), "Unit cells along a, b and c", a)
        add_row(fold.rows, "Atoms", self.select, "Atoms of the frames that the structure has, such as 'protein'")
        add_row(fold.rows, "pH", self.ph, "For hydrogens that are added")
        add_row(fold.rows, "Model", self.model, "Of the structure file, counted from 1")
        return fold

    # ---- what happens

    @Slot()
    def _on_what(self) -> None:
        self.count.setVisible(self.chosen in minima.RANKED)
        self.changed.emit()

    @Slot()
    def _on_method(self) -> None:
        self._method_rows.setRowVisible(self.learning_rate, self.method.currentData() == "adam")
        self._digest()

    @Slot()
    def _digest(self) -> None:
        """Say what the folds hold."""
        method, held, _ = self.folds
        method.set_digest(f"{self.method.currentText()}, {self.tolerance.value():g} kJ/mol/nm")
        held.set_digest("some" if self.fix.text().strip() or self.restrain.text().strip() else "none")


def _titles() -> dict[str, str]:
    return {name: SOLVENT_TITLES.get(name, name) for name in SOLVENTS}


def _changes(box: QComboBox | QDoubleSpinBox) -> Any:
    return box.currentIndexChanged if isinstance(box, QComboBox) else box.valueChanged


class _Number(QDoubleSpinBox):
    """A number written with no more digits than it has."""

    def textFromValue(self, value: float) -> str:
        return f"{value:g}"


def _number(decimals: int) -> QDoubleSpinBox:
    box = _Number()
    box.setDecimals(decimals)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setKeyboardTracking(False)
    return box


def _range(box: Any, low: float, high: float, value: float, suffix: str = "") -> None:
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(suffix)

"""What is to be minimised, in which force field, how far, and which atoms are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSpinBox, QVBoxLayout, QWidget

from app.models import minima
from app.panels.energy_fields import EnergyFields, number, set_range
from app.panels.file_row import FileRow
from app.panels.fold import Fold
from app.panels.forms import Entry, add_row, beside, choice, form
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.minimize.settings import METHODS, SPRING, YARDSTICKS, MinimizeSettings

WHAT = {
    minima.STRUCTURE: "A structure file",
    minima.ALL: "All frames",
    minima.TARGETS: "Selected or brushed frames",
    minima.KEPT: "Frames marked keep",
    minima.DROPPED: "Frames marked drop",
    minima.LOWEST: "Frames of lowest weight",
    minima.HIGHEST: "Frames of highest weight",
}
METHOD_TITLES = {
    "lbfgs-preconditioned": "L-BFGS, preconditioned",
    "lbfgs": "L-BFGS",
    "fire": "FIRE 2.0",
    "adam": "Adam",
}
YARDSTICK_TITLES = {
    "openmm": "OpenMM's own",
    "modes": "Slow modes, x0 + Psi Z",
    "modes-literal": "Slow modes, Psi Z",
    "graph-network": "Graph network",
}


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
        self.energy, self.reference = EnergyFields(), FileRow("none", "reference")
        titles = METHOD_TITLES | YARDSTICK_TITLES
        self.compared = {name: QCheckBox(titles.get(name, name)) for name in METHODS | YARDSTICKS}
        self.method, self.tolerance = choice({name: METHOD_TITLES.get(name, name) for name in METHODS}), number(5)
        self.evaluations, self.max_step, self.learning_rate = QSpinBox(), number(4), number(5)
        self.fix, self.restrain, self.spring = Entry(), Entry(), number(1)
        self.select, self.crystal = Entry(), QCheckBox("The whole unit cell, periodic")
        self.copies = tuple(QSpinBox() for _ in range(3))
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
        """How the energy is set up; see `EnergyFields.settings`."""
        copies = tuple(box.value() for box in self.copies)
        return self.energy.settings(crystal=self.crystal.isChecked(), copies=copies)

    def minimize_settings(self) -> MinimizeSettings:
        """How far and by which steps it goes."""
        return MinimizeSettings(
            method=self.method.currentData(),
            tolerance=self.tolerance.value(),
            max_evaluations=self.evaluations.value(),
            max_step=self.max_step.value(),
            learning_rate=self.learning_rate.value(),
        )

    def comparison(self) -> dict[str, Any]:
        """What distances are told to, and minimisers side by side: fields of `MinimiseRequest`."""
        ticked = tuple(name for name, box in self.compared.items() if box.isChecked())
        return {"reference": self.reference.path, "compare": ticked}

    def show_reference(self, path: Path | None) -> None:
        """Show the structure that distances are told to."""
        self.reference.show_path(path)
        self._digest()

    def atoms(self) -> dict[str, Any]:
        """Which atoms of frames are meant, and which are held: fields of `MinimiseRequest`."""
        texts = {name: getattr(self, name).text().strip() for name in ("select", "fix", "restrain")}
        return {**texts, "spring": self.spring.value()}

    # ---- building

    def _set_ranges(self) -> None:
        settings = MinimizeSettings()
        self.method.setCurrentIndex(self.method.findData(settings.method))
        set_range(self.count, 1, 10**6, 10)
        set_range(self.evaluations, 1, 10**8, settings.max_evaluations)
        set_range(self.tolerance, 1e-5, 1e4, settings.tolerance, " kJ/mol/nm")
        set_range(self.max_step, 1e-4, 1.0, settings.max_step, " nm")
        set_range(self.learning_rate, 1e-5, 1.0, settings.learning_rate, " nm")
        set_range(self.spring, 0.1, 1e8, SPRING, " kJ/mol/nm²")
        for box, count in zip(self.copies, EnergySettings().copies, strict=True):
            set_range(box, 1, 99, count)
        for entry, text in ((self.fix, "none"), (self.restrain, "none"), (self.select, "all")):
            entry.setPlaceholderText(text)

    def _lay_out(self) -> None:
        self._rows = form()
        add_row(self._rows, "Minimise", beside(self.what, self.count), "What is brought to its minimum", self.what)
        self.energy.add_to(self._rows)
        self.folds = (self._method_fold(), self._beside_fold(), self._held_fold(), self._more_fold())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self._rows)
        for fold in self.folds:
            layout.addWidget(fold)
        self.energy.show_structure(None)

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

    def _beside_fold(self) -> Fold:
        fold = Fold("Reference, comparison")
        add_row(fold.rows, "Reference", self.reference, "A structure of the same atoms that distances are told to")
        for place, (name, box) in enumerate(self.compared.items()):
            tip = f"Compare from the same starts: {(METHODS | YARDSTICKS)[name]}"
            add_row(fold.rows, "" if place else "Compare", box, tip)
            box.setAccessibleName(box.text())
            box.toggled.connect(self._digest)
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
        self.energy.add_cutoff_to(fold.rows)
        fold.rows.addRow("", self.crystal)
        self.crystal.setToolTip("Needs a cut-off, and no implicit solvent")
        a, b, c = self.copies
        add_row(fold.rows, "Cells", beside(a, beside(b, c)), "Unit cells along a, b and c", a)
        add_row(fold.rows, "Atoms", self.select, "Atoms of the frames that the structure has, such as 'protein'")
        self.energy.add_rest_to(fold.rows)
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
        method, beside, held, _ = self.folds
        n_compared = sum(box.isChecked() for box in self.compared.values())
        words = [self.reference.path.name] if self.reference.path is not None else []
        words += [f"{n_compared} minimisers"] if n_compared else []
        beside.set_digest(", ".join(words) or "none")
        method.set_digest(f"{self.method.currentText()}, {self.tolerance.value():g} kJ/mol/nm")
        held.set_digest("some" if self.fix.text().strip() or self.restrain.text().strip() else "none")


def _changes(box: QComboBox | QDoubleSpinBox) -> Any:
    return box.currentIndexChanged if isinstance(box, QComboBox) else box.valueChanged

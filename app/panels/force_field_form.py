"""Which system's parameters are looked at, how its ensemble is simulated, and how they are tuned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QPushButton, QSpinBox, QVBoxLayout, QWidget

from app.models.force_field_readings import SystemRequest
from app.panels.energy_fields import EnergyFields, number, set_range
from app.panels.fold import Fold
from app.panels.force_field_term import ForceFieldTerm
from app.panels.forms import Entry, add_row, choice, form
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.models.registry import SMALL_SYSTEMS
from mdweights_core.dynamics.settings import ESTIMATORS, INTEGRATORS, SensitivitySettings
from mdweights_core.dynamics.tuning.settings import METHODS, TuneSettings
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput

FIELD, NETWORK = "", "\N{EN DASH} network"
SYSTEMS = {FIELD: "A structure with its force field", NETWORK: "A structure as an elastic network"}
DERIVE, TUNE = "sensitivities", "tuning"
TASKS = {DERIVE: "Derivatives by parameters", TUNE: "Tune parameters to observed values"}
INTEGRATOR_TITLES = {"lfmiddle": "LFMiddle (BAOAB)", "zhao": "Zhao"}
METHOD_TITLES = {"levenberg-marquardt": "Levenberg\N{EN DASH}Marquardt", "adam": "Adam", "rmsprop": "RMSProp"}
PARAMETERS_TIP = (
    "Such as 'epsilon of CT, force constant CT-HC', separated by commas; factors of all terms where it is empty"
)
LOAD_TIP = "Make the system ready, list its parameters, and compare its derivatives with differences"
_SMALL_FRICTION = 5.0  # of small systems, per unit of time; what the command line takes, too


class StructureFields(EnergyFields):
    """The same for a network, which asks for no force field."""

    is_network = False

    def show_structure(self, path: Path | None) -> None:
        """Show the structure; its hydrogens matter to a force field only."""
        super().show_structure(path)
        shown = self._is_seen and not self.is_network
        for field in (self.force_field, self.solvent):
            self._rows.setRowVisible(field, shown)
        if self.is_network:
            for row in (self.coordinates, self.hydrogens, self.repair, self.no_water):
                self._rows.setRowVisible(row, False)


class ForceFieldForm(QWidget):
    """Shows and tells what a `SystemRequest` and the settings of a run are made from.

    Signals
    -------
    changed()
        The system or what is done is another now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        small = {name: f"Small: {name}" for name in SMALL_SYSTEMS}
        self.system, self.energy, self.task = choice({**SYSTEMS, **small}), StructureFields(), choice(TASKS)
        self.names, self.temperature, self.crystal = Entry(), number(2), QCheckBox("Fill the unit cell (crystal)")
        self.select, self.springs, self.classes, self.site = Entry(), number(3), Entry(), number(3)
        self.true_distances = QCheckBox("Springs harmonic in distances")
        self.term, self.load_button = ForceFieldTerm(), QPushButton("Load")
        self.load_button.setToolTip(LOAD_TIP)
        self.integrator, self.step, self.friction = choice(_titles(INTEGRATORS)), number(6), number(4)
        self.replicas, self.steps, self.burn_in, self.stride = (QSpinBox() for _ in range(4))
        self.blocks, self.seed = QSpinBox(), QSpinBox()
        self.estimators = {name: QCheckBox(name.capitalize()) for name in ESTIMATORS}
        self.method, self.iterations, self.max_step = choice(_titles(METHODS)), QSpinBox(), number(3)
        self.rate, self.reuse = number(4), number(3)
        self._set_ranges()
        self._lay_out()
        for box in (self.system, self.task, self.integrator, self.method):
            box.currentIndexChanged.connect(self._on_choice)
        for entry in (self.names, self.select, self.classes):
            entry.editingFinished.connect(self._on_entry)
        for count in (self.replicas, self.steps, self.iterations):
            count.valueChanged.connect(self._digest)
        for value in (self.temperature, self.springs, self.site):
            value.valueChanged.connect(self._on_entry)
        for tick in (self.crystal, self.true_distances):
            tick.toggled.connect(self._on_entry)
        self._on_choice()

    # ---- values

    @property
    def small(self) -> str:
        """Name of the small system; empty for a structure."""
        word = str(self.system.currentData())
        return "" if word in SYSTEMS else word

    @property
    def is_network(self) -> bool:
        """True for springs in place of a force field."""
        return bool(self.system.currentData() == NETWORK)

    @property
    def tunes(self) -> bool:
        """True when parameters are to be tuned."""
        return bool(self.task.currentData() == TUNE)

    def system_request(self) -> SystemRequest:
        """What is simulated.

        Raises
        ------
        BadInput
            When values do not go together.
        """
        if self.small:
            return SystemRequest(small=self.small)
        energy, kelvin = self.energy, self.temperature.value()
        if self.is_network:
            asked = EnergySettings(model=energy.model.value())
            asked = replace(asked, crystal=self.crystal.isChecked())
            network, select = self._network(), self.select.text().strip()
            return SystemRequest("", energy.structure.path, None, asked, network, select, kelvin)
        names = tuple(filter(None, (name.strip() for name in self.names.text().split(","))))
        asked = energy.settings(crystal=self.crystal.isChecked())
        return SystemRequest(
            structure=energy.structure.path,
            coordinates=energy.coordinates.path,
            energy=asked,
            kelvin=kelvin,
            names=names,
            forms=self.term.forms,
        )

    def simulation(self) -> SensitivitySettings:
        """How the ensemble is simulated; a step of 0 stands for the usual one, which the system may replace.

        Raises
        ------
        BadInput
            When values do not go together.
        """
        usual = SensitivitySettings()
        steps, burn_in = self.steps.value(), self.burn_in.value()
        friction = self.friction.value() or (_SMALL_FRICTION if self.small else usual.friction)
        return SensitivitySettings(
            integrator=self.integrator.currentData(),
            step=self.step.value() or usual.step,
            friction=friction,
            replicas=self.replicas.value(),
            steps=steps,
            burn_in=steps // 5 if burn_in < 0 else burn_in,
            stride=self.stride.value(),
            blocks=self.blocks.value(),
            estimators=tuple(name for name, box in self.estimators.items() if box.isChecked()),
            seed=self.seed.value(),
        )

    def tuning(self) -> TuneSettings | None:
        """How parameters are tuned; None when they are not.

        Raises
        ------
        BadInput
            When values do not go together.
        """
        if not self.tunes:
            return None
        return TuneSettings(
            method=self.method.currentData(),
            iterations=self.iterations.value(),
            max_step=self.max_step.value(),
            learning_rate=self.rate.value(),
            reuse=self.reuse.value(),
            seed=self.seed.value(),
        )

    def missing(self) -> str:
        """What has yet to be chosen, as a sentence; empty when nothing."""
        return "" if self.small else self.energy.missing()

    def _network(self) -> NetworkSettings:
        text = self.classes.text().strip()
        try:
            bins = tuple(float(word) for word in text.split(",")) if text else ()
        except ValueError:
            raise BadInput(f"'{text}' is no list of lengths", advice="Write 0.6, 1.0") from None
        return NetworkSettings(
            cutoff=self.springs.value(),
            bins=bins,
            site=self.site.value(),
            is_harmonic=not self.true_distances.isChecked(),
        )

    # ---- building

    def _set_ranges(self) -> None:
        usual, tune, network = SensitivitySettings(), TuneSettings(), NetworkSettings()
        set_range(self.temperature, 1.0, 5000.0, 300.0, " K")
        set_range(self.springs, 0.1, 10.0, network.cutoff, " nm")
        set_range(self.site, 0.0, 1e6, network.site, " kJ/mol/nm²")
        self.site.setSpecialValueText("none")
        set_range(self.step, 0.0, 1e3, 0.0)
        self.step.setSpecialValueText("what the system needs")
        set_range(self.friction, 0.0, 1e4, 0.0)
        self.friction.setSpecialValueText("usual")
        set_range(self.replicas, 16, 10**5, usual.replicas)
        set_range(self.steps, 2, 10**9, usual.steps)
        set_range(self.burn_in, -1, 10**9, -1)
        self.burn_in.setSpecialValueText("a fifth of the steps")
        set_range(self.stride, 1, 10**6, usual.stride)
        set_range(self.blocks, 2, 10**4, usual.blocks)
        set_range(self.seed, 0, 2**31 - 1, usual.seed)
        set_range(self.iterations, 1, 10**4, tune.iterations)
        set_range(self.max_step, 0.001, 10.0, tune.max_step)
        set_range(self.rate, 0.0001, 10.0, tune.learning_rate)
        set_range(self.reuse, 0.001, 1.0, tune.reuse)
        for name, box in self.estimators.items():
            box.setChecked(name in usual.estimators)
            box.setToolTip(ESTIMATORS[name])
        self.names.setPlaceholderText("all terms")
        self.select.setPlaceholderText("CA, or all of a small molecule")
        self.classes.setPlaceholderText("one class")

    def _lay_out(self) -> None:
        self._rows = form()
        small = "; ".join(f"{name}: {it.sentence}" for name, it in SMALL_SYSTEMS.items())
        add_row(self._rows, "System", self.system, f"A molecule, or a small system to learn with. {small}")
        self.energy.add_to(self._rows)
        self.energy.add_cutoff_to(self._rows)
        self._rows.addRow("", self.crystal)
        add_row(self._rows, "Temperature", self.temperature, "Of the ensemble")
        add_row(self._rows, "Parameters", self.names, PARAMETERS_TIP)
        self.network_fold, self.rest_fold = self._network_fold(), Fold("More of the structure")
        self.energy.add_rest_to(self.rest_fold.rows)
        self.folds = (self._simulation_fold(), self._tuning_fold())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self._rows)
        for part in (self.network_fold, self.term, self.rest_fold, self.load_button, *self.folds):
            layout.addWidget(part)
        last = form()
        add_row(last, "Do", self.task, "What Start does")
        layout.addLayout(last)
        self.energy.show_structure(None)

    def _network_fold(self) -> Fold:
        fold = Fold("Springs")
        add_row(fold.rows, "Atoms", self.select, "Words of the selection language, such as 'name CA'")
        add_row(fold.rows, "Longest", self.springs, "Atoms nearer than this are tied")
        add_row(fold.rows, "Classes", self.classes, "Lengths in nm at which springs of another class begin: 0.6, 1.0")
        add_row(fold.rows, "To places", self.site, "Springs from atoms to where they are")
        fold.rows.addRow("", self.true_distances)
        self.true_distances.setToolTip("Otherwise in displacements, so that averages are known in closed form")
        return fold

    def _simulation_fold(self) -> Fold:
        fold = Fold("Simulation")
        tips = (
            (self.integrator, "Integrator", "; ".join(f"{name}: {means}" for name, means in INTEGRATORS.items())),
            (self.step, "Step", "ps, or the unit of time of a small system"),
            (self.friction, "Friction", "Per ps; 10 is usual, 5 of small systems"),
            (self.replicas, "Replicas", "Trajectories side by side, a multiple of the blocks"),
            (self.steps, "Steps", "Of each replica that count"),
            (self.burn_in, "Burn-in", "Steps before these"),
            (self.stride, "Stride", "Steps from one sample to the next"),
            (self.blocks, "Blocks", "Groups of replicas that standard errors are taken from"),
            (self.seed, "Seed", "The same one gives the same numbers"),
        )
        for box, title, tip in tips:
            add_row(fold.rows, title, box, tip)
        for place, tick in enumerate(self.estimators.values()):
            fold.rows.addRow("" if place else "Estimators", tick)
        return fold

    def _tuning_fold(self) -> Fold:
        fold = Fold("Tuning")
        add_row(fold.rows, "Method", self.method, "; ".join(f"{name}: {means}" for name, means in METHODS.items()))
        add_row(fold.rows, "Iterations", self.iterations, "Steps of the fit at most")
        add_row(fold.rows, "Longest step", self.max_step, "Most that a parameter changes in one, as a share of itself")
        add_row(fold.rows, "Rate", self.rate, "Of the first-order methods")
        add_row(fold.rows, "Reuse", self.reuse, "Share of frames that must count to be reweighted; 1: simulate always")
        return fold

    # ---- what happens

    @Slot()
    def _on_choice(self) -> None:
        is_structure, is_network = not self.small, self.is_network
        self.energy.is_network = is_network
        self.energy.set_visible(is_structure)
        for row in (self.crystal, self.temperature):
            self._rows.setRowVisible(row, is_structure)
        for field in (self.energy.cutoff, self.names):
            self._rows.setRowVisible(field, is_structure and not is_network)
        self.network_fold.setVisible(is_network)
        self.term.setVisible(is_structure and not is_network)
        self.rest_fold.setVisible(is_structure)
        self.rest_fold.rows.setRowVisible(self.energy.ph, not is_network)
        self.folds[1].setVisible(self.tunes)
        self._digest()

    @Slot()
    def _on_entry(self) -> None:
        self._digest()

    @Slot()
    def _digest(self) -> None:
        """Say what the folds hold."""
        simulation, tuning = self.folds
        simulation.set_digest(f"{self.replicas.value()} × {self.steps.value():,} steps")
        tuning.set_digest(f"{self.iterations.value()} iterations at most")
        self.network_fold.set_digest(f"up to {self.springs.value():g} nm")
        self.changed.emit()


def _titles(names: dict[str, str]) -> dict[str, str]:
    known = {**INTEGRATOR_TITLES, **METHOD_TITLES}
    return {name: known.get(name, name) for name in names}

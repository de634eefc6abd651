"""What is to be sampled, what the flow learns from, and how long it trains."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QSpinBox, QVBoxLayout, QWidget

from app.models import minima, samples
from app.panels.energy_fields import EnergyFields, number, set_range
from app.panels.fold import Fold
from app.panels.forms import Entry, add_row, choice, form
from mdweights_core.energy.toys.registry import TOYS
from mdweights_core.flow.coordinates.settings import KINDS
from mdweights_core.flow.recipes import RECIPES
from mdweights_core.flow.settings import FlowSettings, SampleSettings

STRUCTURE = ""
LEARNED = {
    samples.NONE: "Nothing: the energy alone",
    minima.ALL: "All frames",
    minima.TARGETS: "Selected or brushed frames",
    minima.KEPT: "Frames marked keep",
}
AUTOMATIC = "Mixed with frames, else annealed"
TITLES = {
    "mixed": "Mixed: frames, then energy too",
    "example": "Frames only",
    "annealed": "Annealed: from hot to cold",
    "energy": "Energy only",
}
_TOOLTIP = Qt.ItemDataRole.ToolTipRole
WEIGHTS_TIP = "Frames count as the fit weights them; they are then no reference for free energies"
FLOW = {"layers": "Couplings; each bends half of the variables", "width": "Of the network in each coupling",
        "bins": "Of the splines of each coupling; without, a step takes a third of the time"}  # fmt: skip


class SampleForm(QWidget):
    """Shows and tells what a `SampleRequest` is made from.

    Signals
    -------
    changed()
        What is sampled or learned from is another now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.system = choice({STRUCTURE: "A structure file", **{name: f"Toy: {name}" for name in TOYS}})
        self.energy = EnergyFields()
        self.learned, self.weighted, self.examples = (
            choice(LEARNED),
            QCheckBox("With the weights of the fit"),
            QSpinBox(),
        )
        self.temperature, self.samples, self.seed = number(2), QSpinBox(), QSpinBox()
        self.schedule, self.effort, self.batch = choice(_schedules()), number(3), QSpinBox()
        self.flow = {name: QSpinBox() for name in FLOW}
        self.kind, self.spread, self.probe = (
            choice({name: name for name in KINDS}),
            Entry(),
            QCheckBox("Look for minima"),
        )
        self.select, self.rounds, self.round_frames = Entry(), QSpinBox(), QSpinBox()
        self._set_ranges()
        self._lay_out()
        self.system.currentIndexChanged.connect(self._on_system)
        self.learned.currentIndexChanged.connect(self._on_learned)
        for box in (self.schedule, self.kind):
            box.currentIndexChanged.connect(self._digest)
        self.effort.valueChanged.connect(self._digest)
        self._on_system()

    # ---- values

    @property
    def toy(self) -> str:
        """Name of the toy system; empty for a structure."""
        return str(self.system.currentData())

    @property
    def chosen(self) -> str:
        """What the flow learns from: a key of `LEARNED`."""
        return samples.NONE if self.toy else str(self.learned.currentData())

    @property
    def has_examples(self) -> bool:
        """True when there is something to learn from besides the energy."""
        return self.examples.value() > 0 if self.toy else self.chosen != samples.NONE

    def sample_settings(self) -> SampleSettings:
        """How it trains and draws."""
        layers, width, bins = (box.value() for box in self.flow.values())
        return SampleSettings(
            temperature=self.temperature.value(),
            schedule=self.schedule.currentData(),
            effort=self.effort.value(),
            batch=self.batch.value(),
            flow=FlowSettings(layers=layers, width=width, bins=bins),
            samples=self.samples.value(),
            probe=self.probe.isChecked(),
            seed=self.seed.value(),
        )

    def others(self) -> dict[str, Any]:
        """Coordinates: fields of `SampleRequest`."""
        spread = self.spread.text().strip()
        if self.toy:
            return {"spread_along": spread}
        return {"select": self.select.text().strip(), "kind": self.kind.currentData(), "spread_along": spread}

    def missing(self) -> str:
        """What has yet to be chosen, as a sentence; empty when nothing."""
        problem = "" if self.toy else self.energy.missing()
        schedule = self.schedule.currentData()
        if not problem and schedule and RECIPES[schedule].needs_examples and not self.has_examples:
            kind = "examples" if self.toy else "frames"
            problem = f"This schedule learns from {kind}: choose some, or another schedule."
        return problem

    # ---- building

    def _set_ranges(self) -> None:
        settings, flow = SampleSettings(), FlowSettings()
        set_range(self.temperature, 1.0, 5000.0, settings.temperature, " K")
        set_range(self.examples, 0, 10**7, 5000)
        self.examples.setSpecialValueText("none: the energy alone")
        set_range(self.samples, 100, 10**7, settings.samples)
        set_range(self.seed, 0, 2**31 - 1, settings.seed)
        set_range(self.effort, 0.001, 1000.0, settings.effort, " × usual")
        set_range(self.batch, 2, 10**5, settings.batch)
        for (name, box), most in zip(self.flow.items(), (64, 4096, 64), strict=True):
            set_range(box, 2 if name == "width" else 0, most, getattr(flow, name))
        self.flow["bins"].setSpecialValueText("none: shift and stretch")
        set_range(self.rounds, 1, 100, 3)
        set_range(self.round_frames, 0, 10**6, 0)
        self.round_frames.setSpecialValueText("as many as were fitted")
        self.probe.setChecked(settings.probe)
        self.probe.setToolTip("After drawing, look for minima of the energy that the flow may have missed")
        self.weighted.setToolTip(WEIGHTS_TIP)
        self.spread.setPlaceholderText("none")
        self.select.setPlaceholderText("all")
        for place, name in enumerate(TOYS, start=1):
            self.system.setItemData(place, TOYS[name].sentence, _TOOLTIP)

    def _lay_out(self) -> None:
        self._rows = form()
        add_row(self._rows, "Sample", self.system, "A molecule, or a toy system with known answers to learn with")
        self.energy.add_to(self._rows)
        self.energy.add_cutoff_to(self._rows)
        add_row(self._rows, "Learn from", self.learned, "Frames of the open trajectory that the flow learns from")
        self._rows.addRow("", self.weighted)
        add_row(self._rows, "Examples", self.examples, "Configurations of short simulations that the flow learns from")
        add_row(self._rows, "Temperature", self.temperature, "Of the ensemble")
        add_row(self._rows, "Samples", self.samples, "Configurations to draw")
        add_row(self._rows, "Seed", self.seed, "The same one gives the same samples")
        self.folds = (self._training_fold(), self._more_fold(), self._rounds_fold())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self._rows)
        for fold in self.folds:
            layout.addWidget(fold)
        self.energy.show_structure(None)

    def _training_fold(self) -> Fold:
        fold = Fold("Training")
        add_row(fold.rows, "Schedule", self.schedule, "; ".join(f"{n}: {r.sentence}" for n, r in RECIPES.items()))
        add_row(fold.rows, "Effort", self.effort, "Steps of the training, as a multiple of the usual number")
        add_row(fold.rows, "Batch", self.batch, "Configurations in each step")
        for name, tip in FLOW.items():
            add_row(fold.rows, name.capitalize(), self.flow[name], tip)
        return fold

    def _more_fold(self) -> Fold:
        fold = Fold("Coordinates and more")
        add_row(fold.rows, "Coordinates", self.kind, "; ".join(f"{name}: {means}" for name, means in KINDS.items()))
        add_row(fold.rows, "Spread along", self.spread, "Such as 'phi 2' or 'torsion 4 6 8 14'; 'own' for a toy system")
        add_row(fold.rows, "Atoms", self.select, "Atoms of the frames that the structure has, such as 'protein'")
        fold.rows.addRow("", self.probe)
        self.energy.add_rest_to(fold.rows)
        return fold

    def _rounds_fold(self) -> Fold:
        fold = Fold("Rounds of fit and samples")
        add_row(fold.rows, "Rounds", self.rounds, "How often a flow is trained on weighted frames and its draws fitted")
        add_row(fold.rows, "Frames", self.round_frames, "Draws that are fitted in each round")
        return fold

    # ---- what happens

    @Slot()
    def _on_system(self) -> None:
        is_toy = bool(self.toy)
        self.energy.set_visible(not is_toy)
        for field in (self.energy.cutoff, self.learned, self.weighted, self.temperature):
            self._rows.setRowVisible(field, not is_toy)
        self._rows.setRowVisible(self.examples, is_toy)
        self.folds[2].setVisible(not is_toy)
        for row in (self.kind, self.select, self.energy.ph, self.energy.model):
            self.folds[1].rows.setRowVisible(row, not is_toy)
        self._digest()

    @Slot()
    def _on_learned(self) -> None:
        self._digest()

    @Slot()
    def _digest(self) -> None:
        """Say what the folds hold."""
        training, more, _ = self.folds
        training.set_digest(f"{self.schedule.currentData() or 'automatic'}, {self.effort.value():g} × usual")
        more.set_digest("" if self.toy else str(self.kind.currentData()))
        self.changed.emit()


def _schedules() -> dict[str, str]:
    return {"": AUTOMATIC, **{name: TITLES.get(name, name) for name in RECIPES}}

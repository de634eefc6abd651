"""The settings of a fit, in the order in which they are thought of; what is rarely changed is folded away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.models.document import Draft
from app.models.readings import MapReading
from app.panels.file_row import FileRow
from app.panels.fold import Fold
from app.panels.forms import add_row, beside, choice, form
from mdweights_core.errors import counted
from mdweights_core.weights.settings import DEFAULT_STEPS, OBJECTIVES, WEIGHTINGS, FitSettings

OBJECTIVE_TITLES = {
    "anisotropic-cc": "Anisotropic CC",
    "cc": "Total CC",
    "chi2": "Chi-square",
    "student-t": "Student's t",
    "gamma": "Gamma likelihood",
    "cross-entropy": "Cross-entropy",
}
WEIGHTING_TITLES = {
    "auto": "Automatic",
    "none": "All alike",
    "sigma": "1 / σ²",
    "shells": "Shells alike",
    "sigma+shells": "1 / σ², shells alike",
}
SOLVERS = {
    "gauss-newton": "Gauss-Newton",
    "lbfgs": "L-BFGS",
    "adam": "Adam",
    "adam-prototype": "Prototype, not normalised (raw sigmoid)",
}
OBJECTIVE_TIP = "What is made as large as possible between observed and calculated map"
WEIGHTING_TIP = "How reflections count beside each other"
THETA_TIP = "Pull towards the prior weights: strength of the relative entropy, in units of the objective; 0 for none"
PRIOR_TIP = "Weights of a biased simulation, one per frame (text, CSV or .npy); without a file all frames are alike"
HELD_OUT = "Share of reflections held out when the map has no free flags, in percent"
SEED_TIP = "Seed of the held-out reflections and of all else that is drawn"
BRAGG_RADIUS = (
    "Leave out reflections nearer than this to a Bragg position, in units of the reciprocal-lattice vectors "
    "(a*, b*, c*); 0 keeps them"
)
ONLY_BRAGG = "All indices of this map are whole numbers: every reflection lies on a Bragg position"
NEGATIVE_TIP = "Leave out reflections whose intensity is negative"
OUTLIERS_TIP = (
    "Leave out intensities further than this many robust standard deviations from the median of their resolution "
    "shell; 0 keeps them"
)
ICE_TIP = "Leave out the resolution rings of hexagonal ice (3.90, 3.67, 3.44 Å and so on)"
BRAGG_TIP = "MTZ file with Bragg amplitudes or intensities that the weighted mean structure is fitted to as well"
DIAL_TIP = "How much the Bragg data count beside the diffuse map, in percent: 0 leaves them out"
NO_BRAGG = "Choose Bragg data first"
FLOOR_TIP = "Theta is raised until at least this many frames are effective (Kish); 0 for no floor"
TIED_TIP = "Neighbouring frames that share one weight; 1 gives each its own"
MOST_TIP = "Frames that may have a weight at most; the others get none"
SOLVER_TIP = "How the weights are found; Gauss-Newton needs the fewest steps"
STEPS_TIP = "Steps of the solver at most"
ONLY_GAUSS_NEWTON = "Only the solver Gauss-Newton knows a floor or a limit: see Advanced"
NO_SCAN = "No theta is proposed yet: run a fit with its validation first"


class FitForm(QWidget):
    """Shows and tells `FitSettings`. Prior weights and Bragg data are files: `prior` and `bragg` ask for them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed: float | None = None
        self.objective, self.weighting, self.solver = (
            _explained(OBJECTIVES, OBJECTIVE_TITLES),
            _explained(WEIGHTINGS, WEIGHTING_TITLES),
            choice({key: SOLVERS.get(key, key) for key in DEFAULT_STEPS}),
        )
        self.theta, self.free_fraction = ThetaBox(), QDoubleSpinBox()
        self.propose_button = QPushButton("use proposed")
        self.prior, self.bragg = FileRow("all frames alike", "prior weights"), FileRow("none", "Bragg data")
        self.mask_bragg, self.mask_outliers = QDoubleSpinBox(), QDoubleSpinBox()
        self.mask_negative, self.mask_ice = QCheckBox("negative intensities"), QCheckBox("ice rings")
        self.bragg_dial, self.bragg_share = QSlider(Qt.Orientation.Horizontal), QLabel()
        self.n_eff_floor = QDoubleSpinBox()
        self.tied_frames, self.max_frames, self.seed, self.max_steps = (QSpinBox() for _ in range(4))
        self.masks, self.joint = Fold("Reflections left out"), Fold("Bragg data")
        self.frames, self.advanced = Fold("Frames"), Fold("Advanced")
        self._set_ranges()
        self._lay_out()
        self._connect()
        self.show_settings(FitSettings())
        self.show_files(Draft())
        self.propose(None)

    # ---- in and out

    def values(self) -> dict[str, Any]:
        """The settings as `FitSettings` takes them."""
        return {
            "objective": self.objective.currentData(),
            "weighting": self.weighting.currentData(),
            "solver": self.solver.currentData(),
            "theta": self.theta.value(),
            "free_fraction": self.free_fraction.value() / 100.0,
            "seed": self.seed.value(),
            "max_steps": self.max_steps.value() or None,
            "n_eff_floor": self.n_eff_floor.value() if self.n_eff_floor.isEnabled() else 0.0,
            "tied_frames": self.tied_frames.value(),
            "max_frames": (self.max_frames.value() or None) if self.max_frames.isEnabled() else None,
            "bragg_weight": self.bragg_dial.value() / 100.0 if self.bragg_dial.isEnabled() else 0.0,
            "mask_bragg": self.mask_bragg.value(),
            "mask_negative": self.mask_negative.isChecked(),
            "mask_outliers": self.mask_outliers.value(),
            "mask_ice": self.mask_ice.isChecked(),
        }

    def show_settings(self, settings: FitSettings) -> None:
        """Show the settings of a fit."""
        for box, key in (
            (self.objective, settings.objective),
            (self.weighting, settings.weighting),
            (self.solver, settings.solver),
        ):
            box.setCurrentIndex(box.findData(key))
        self.theta.setValue(settings.theta)
        self.free_fraction.setValue(settings.free_fraction * 100.0)
        self.seed.setValue(settings.seed)
        self.max_steps.setValue(settings.max_steps or 0)
        self.n_eff_floor.setValue(settings.n_eff_floor)
        self.tied_frames.setValue(settings.tied_frames)
        self.max_frames.setValue(settings.max_frames or 0)
        self.bragg_dial.setValue(round(settings.bragg_weight * 100.0))
        self.mask_bragg.setValue(settings.mask_bragg)
        self.mask_outliers.setValue(settings.mask_outliers)
        self.mask_negative.setChecked(settings.mask_negative)
        self.mask_ice.setChecked(settings.mask_ice)
        self._digest()

    def show_files(self, draft: Draft) -> None:
        """Show which files of prior weights and Bragg data are chosen."""
        self.prior.show_path(draft.prior)
        self.bragg.show_path(draft.bragg)
        has = draft.bragg is not None
        self.bragg_dial.setEnabled(has)
        if has and not self.bragg_dial.value():
            self.bragg_dial.setValue(50)  # data that do not count would be refused
        for widget in (self.bragg_dial, self.bragg_share):
            widget.setToolTip(DIAL_TIP if has else NO_BRAGG)
        self._digest()

    def show_map(self, reading: MapReading | None, free_column: str | None) -> None:
        """Held-out share and seed matter only without free flags, a Bragg mask only between Bragg positions."""
        flags = free_column or (reading.summary.free if reading is not None else None)
        self.free_fraction.setEnabled(flags is None)
        self.free_fraction.setSuffix(" %" if flags is None else " % (unused)")
        self.free_fraction.setToolTip(HELD_OUT if flags is None else f"The map's own free flags are used: {flags}")
        whole = reading is not None and tuple(reading.summary.ndiv) == (1, 1, 1)
        self.mask_bragg.setEnabled(not whole)
        self.mask_bragg.setToolTip(ONLY_BRAGG if whole else BRAGG_RADIUS)

    def propose(self, theta: float | None) -> None:
        """Offer a theta that a scan proposed; None takes the offer away."""
        self._proposed = theta
        self.propose_button.setEnabled(theta is not None)
        tip = NO_SCAN if theta is None else f"Set theta {theta:.3g}, the largest that predicts as well as the best"
        self.propose_button.setToolTip(tip)

    @Slot()
    def use_proposed(self) -> None:
        """Take the theta that a scan proposed."""
        if self._proposed is not None:
            self.theta.setValue(self._proposed)

    # ---- building

    def _set_ranges(self) -> None:
        for spin, top, decimals in (
            (self.theta, 1e9, 7),
            (self.free_fraction, 89.0, 1),
            (self.mask_bragg, 0.5, 3),
            (self.mask_outliers, 1e3, 1),
            (self.n_eff_floor, 1e6, 1),
        ):
            spin.setRange(0.0, top)
            spin.setDecimals(decimals)
            spin.setKeyboardTracking(False)
        self.free_fraction.setSuffix(" %")
        self.mask_bragg.setSingleStep(0.05)
        self.mask_outliers.setSuffix(" \N{GREEK SMALL LETTER SIGMA}")
        for number, most, word in (
            (self.tied_frames, 100_000, "none"),
            (self.max_frames, 10_000_000, "all"),
            (self.max_steps, 1_000_000, "solver's own"),
        ):
            number.setRange(0, most)
            number.setSpecialValueText(word)
            number.setKeyboardTracking(False)
        self.tied_frames.setMinimum(1)
        self.seed.setRange(0, 2**31 - 1)
        for double in (self.mask_bragg, self.mask_outliers, self.n_eff_floor):
            double.setSpecialValueText("none")
        self.bragg_dial.setRange(0, 99)

    def _lay_out(self) -> None:
        main = form()
        main.setContentsMargins(2, 2, 2, 4)
        add_row(main, "&Objective", self.objective, OBJECTIVE_TIP)
        add_row(main, "&Weighting", self.weighting, WEIGHTING_TIP)
        add_row(main, "&Theta", beside(self.theta, self.propose_button), THETA_TIP, self.theta)
        add_row(main, "&Prior", self.prior, PRIOR_TIP)
        add_row(main, "&Held out", self.free_fraction, HELD_OUT)
        add_row(self.masks.rows, "Bragg ra&dius", self.mask_bragg, BRAGG_RADIUS)
        add_row(self.masks.rows, "Outliers &beyond", self.mask_outliers, OUTLIERS_TIP)
        for box, tip in ((self.mask_negative, NEGATIVE_TIP), (self.mask_ice, ICE_TIP)):
            box.setToolTip(tip)
            self.masks.rows.addRow("", box)
        add_row(self.joint.rows, "&File", self.bragg, BRAGG_TIP)
        add_row(self.joint.rows, "&Share", self._dial(), DIAL_TIP)
        add_row(self.frames.rows, "At least e&ffective", self.n_eff_floor, FLOOR_TIP)
        add_row(self.frames.rows, "Tied to&gether", self.tied_frames, TIED_TIP)
        add_row(self.frames.rows, "At &most", self.max_frames, MOST_TIP)
        add_row(self.advanced.rows, "Sol&ver", self.solver, SOLVER_TIP)
        add_row(self.advanced.rows, "Ste&ps", self.max_steps, STEPS_TIP)
        add_row(self.advanced.rows, "Se&ed", self.seed, SEED_TIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addLayout(main)
        for fold in (self.masks, self.joint, self.frames, self.advanced):
            layout.addWidget(fold)

    def _dial(self) -> QWidget:
        self.bragg_share.setMinimumWidth(self.bragg_share.fontMetrics().horizontalAdvance("99 %"))
        self.bragg_dial.setAccessibleName("Share of the Bragg data, in percent")
        return beside(self.bragg_dial, self.bragg_share)

    def _connect(self) -> None:
        self.propose_button.clicked.connect(self.use_proposed)
        for spin in (self.mask_bragg, self.mask_outliers, self.n_eff_floor):
            spin.valueChanged.connect(self._digest)
        for number in (self.tied_frames, self.max_frames, self.max_steps, self.seed, self.bragg_dial):
            number.valueChanged.connect(self._digest)
        for box in (self.mask_negative, self.mask_ice):
            box.toggled.connect(self._digest)
        self.solver.currentIndexChanged.connect(self._on_solver)

    @Slot()
    def _on_solver(self) -> None:
        """Only one solver keeps frames many or few."""
        knows = self.solver.currentData() == "gauss-newton"
        for field, tip in ((self.n_eff_floor, FLOOR_TIP), (self.max_frames, MOST_TIP)):
            field.setEnabled(knows)
            field.setToolTip(tip if knows else ONLY_GAUSS_NEWTON)
        self._digest()

    @Slot()
    def _digest(self) -> None:
        """Say beside the folded headings what differs from the usual."""
        self.bragg_share.setText(f"{self.bragg_dial.value()} %")
        self.masks.set_digest(_joined(self._masks(), "none"))
        path, share = self.bragg.path, self.bragg_dial.value()
        self.joint.set_digest("none" if path is None else f"{path.name}, {share} %")
        self.frames.set_digest(_joined(self._frames(), "each for itself"))
        self.advanced.set_digest(self.solver.currentText())

    def _masks(self) -> list[str]:
        return [
            *([f"Bragg within {self.mask_bragg.value():g}"] if self.mask_bragg.value() else []),
            *([f"beyond {self.mask_outliers.value():g} σ"] if self.mask_outliers.value() else []),
            *(["negative"] if self.mask_negative.isChecked() else []),
            *(["ice"] if self.mask_ice.isChecked() else []),
        ]

    def _frames(self) -> list[str]:
        values = self.values()
        floor, tied, most = values["n_eff_floor"], values["tied_frames"], values["max_frames"]
        return [
            *([f"at least {floor:g} effective"] if floor else []),
            *([f"{counted(tied, 'frame')} tied"] if tied > 1 else []),
            *([f"at most {most}"] if most else []),
        ]


class ThetaBox(QDoubleSpinBox):
    """Theta spans many decades: it is shown with as many digits as it takes, without trailing zeros."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        """What stands in the field (called by Qt)."""
        return f"{value:.{self.decimals()}f}".rstrip("0").rstrip(".")


def _explained(meanings: Mapping[str, str], titles: Mapping[str, str]) -> QComboBox:
    """A choice among short titles, the meaning of each in its tooltip."""
    box = choice({key: titles[key] for key in meanings})
    for row, meaning in enumerate(meanings.values()):
        box.setItemData(row, meaning[0].upper() + meaning[1:], Qt.ItemDataRole.ToolTipRole)
    return box


def _joined(parts: list[str], nothing: str) -> str:
    return ", ".join(parts) or nothing

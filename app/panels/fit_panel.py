"""The Fit dock: how to fit, the buttons, and what came out."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.models.readings import MapReading, ProjectReading
from app.models.session import Session
from app.panels.fit_summary import FitSummary
from app.panels.forms import add_row, form, note
from mdweights_core.weights.settings import DEFAULT_STEPS, OBJECTIVES, FitSettings

SOLVERS = {
    "gauss-newton": "Gauss-Newton",
    "lbfgs": "L-BFGS",
    "adam": "Adam",
    "adam-prototype": "Prototype, not normalised (raw sigmoid)",
}
DEFAULTS = FitSettings()


HELD_OUT = "Share of reflections held out when the map has no free flags, in percent"


class FitPanel(QScrollArea):
    """Settings of the next fit, Start / Stop / Resume, and the summary of the last one."""

    started = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.objective, self.solver = QComboBox(), QComboBox()
        self.theta, self.free_fraction = QDoubleSpinBox(), QDoubleSpinBox()
        self.seed, self.max_steps = QSpinBox(), QSpinBox()
        self.start_button, self.stop_button = QPushButton("Start"), QPushButton("Stop")
        self.resume_button = QPushButton("Resume")
        self.hint = note()
        self.summary = FitSummary()
        self._set_ranges()
        self._lay_out()
        self._connect()
        self.show_settings(DEFAULTS)
        self.refresh()

    def values(self) -> dict[str, Any]:
        """The settings as `FitSettings` takes them."""
        return {
            "objective": self.objective.currentData(),
            "solver": self.solver.currentData(),
            "theta": self.theta.value(),
            "free_fraction": self.free_fraction.value() / 100.0,
            "seed": self.seed.value(),
            "max_steps": self.max_steps.value() or None,
        }

    def show_settings(self, settings: FitSettings) -> None:
        """Show the settings of a fit."""
        self.objective.setCurrentIndex(self.objective.findData(settings.objective))
        self.solver.setCurrentIndex(self.solver.findData(settings.solver))
        self.theta.setValue(settings.theta)
        self.free_fraction.setValue(settings.free_fraction * 100.0)
        self.seed.setValue(settings.seed)
        self.max_steps.setValue(settings.max_steps or 0)

    @Slot()
    def start(self) -> None:
        """Start a fit from uniform weights."""
        self.started.emit()
        self._session.start_fit(self.values())

    @Slot()
    def resume(self) -> None:
        """Go on from the last weights."""
        self.started.emit()
        self._session.start_fit(self.values(), resume=True)

    @Slot()
    def stop(self) -> None:
        """Stop with the present step."""
        self._session.stop()

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now."""
        running, document = self._session.fit.is_running, self._session.document
        self.start_button.setEnabled(not running and document.draft.is_complete)
        stopping = self._session.fit.is_stopping
        self.stop_button.setEnabled(running and not stopping)
        self.stop_button.setText("Stopping…" if stopping else "Stop")
        self.summary.show_running(running)
        self.resume_button.setEnabled(not running and document.can_resume)
        self.hint.setText(document.draft.missing)
        self.hint.setVisible(bool(document.draft.missing))

    def _set_ranges(self) -> None:
        for key, title in OBJECTIVES.items():
            self.objective.addItem(title[0].upper() + title[1:], key)
        for key in DEFAULT_STEPS:
            self.solver.addItem(SOLVERS.get(key, key), key)
        for combo in (self.objective, self.solver):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(12)
        self.theta.setRange(0.0, 1e6)
        self.theta.setDecimals(5)
        self.theta.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.free_fraction.setRange(0.0, 89.0)
        self.free_fraction.setSuffix(" %")
        self.seed.setRange(0, 2**31 - 1)
        self.max_steps.setRange(0, 1_000_000)
        self.max_steps.setSpecialValueText("solver's own")

    def _lay_out(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self._settings_box())
        layout.addLayout(self._buttons())
        layout.addWidget(self.hint)
        layout.addWidget(self.summary)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _settings_box(self) -> QGroupBox:
        box = QGroupBox("Settings")
        rows = form(box)
        rows.setContentsMargins(8, 8, 8, 8)
        add_row(
            rows, "&Objective", self.objective, "What is made as large as possible between observed and calculated map"
        )
        add_row(rows, "Sol&ver", self.solver, "How the weights are found; Gauss-Newton needs the fewest steps")
        add_row(rows, "&Theta", self.theta, "Pull towards equal weights (strength of the relative entropy); 0 for none")
        add_row(rows, "&Held out", self.free_fraction, HELD_OUT)
        add_row(rows, "Se&ed", self.seed, "Seed of the draw of held-out reflections")
        add_row(rows, "Ste&ps", self.max_steps, "Steps at most")
        return box

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        tips = {
            self.start_button: "Fit weights from equal ones (Ctrl+R)",
            self.stop_button: "Stop after the present step and keep its weights (Ctrl+.)",
            self.resume_button: "Go on from the weights of the last fit (Ctrl+Shift+R)",
        }
        for button, tip in tips.items():
            button.setToolTip(tip)
            row.addWidget(button)
        return row

    def _connect(self) -> None:
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.resume_button.clicked.connect(self.resume)
        self._session.fit.running_changed.connect(self.refresh)
        self._session.fit.stopping.connect(self.refresh)
        self._session.document.draft_changed.connect(self.refresh)
        self._session.document.project_changed.connect(self._on_project)
        self._session.document.map_changed.connect(self._on_map)

    @Slot(object)
    def _on_map(self, reading: MapReading | None) -> None:
        """The share held out and its seed matter only where the map brings no free flags of its own."""
        draft = self._session.document.draft
        flags = draft.free_column or (reading.summary.free if reading is not None else None)
        for field in (self.free_fraction, self.seed):
            field.setEnabled(flags is None)
        self.free_fraction.setSuffix(" %" if flags is None else " % (unused)")
        self.free_fraction.setToolTip(HELD_OUT if flags is None else f"The map's own free flags are used: {flags}")

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is None:
            self.summary.show_fit(None)
        else:
            self.summary.show_fit(reading.project.fit, reading.measured_error)
            self.show_settings(reading.project.fit_settings)
        self.refresh()

"""The Fit dock: how to fit, the buttons, and what came out."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.models.document import Draft
from app.models.fit_plan import FitPlan
from app.models.readings import MapReading, ProjectReading
from app.models.session import Session
from app.panels.fit_form import FitForm
from app.panels.fit_summary import FitSummary
from app.panels.forms import note
from app.panels.validation_form import ValidationForm
from mdweights_core.weights.validation.result import Validation


class FitPanel(QScrollArea):
    """Settings of the next fit, Start / Stop / Resume, and the summary of the last one.

    Signals
    -------
    started()
        A fit was asked for.
    prior_requested(), bragg_requested()
        A file of prior weights, or of Bragg data, is to be asked for.
    """

    started = Signal()
    prior_requested = Signal()
    bragg_requested = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.form, self.validation = FitForm(), ValidationForm()
        self.start_button, self.stop_button = QPushButton("Start"), QPushButton("Stop")
        self.resume_button = QPushButton("Resume")
        self.hint = note()
        self.summary = FitSummary()
        self._lay_out()
        self._connect()
        self.refresh()

    def plan(self) -> FitPlan:
        """What the next fit is to do, as far as it is filled in here and in Meaning."""
        return FitPlan(self.form.values(), self.validation.planned(), self._session.revisit.meaning_settings)

    def offer_theta(self, theta: float) -> None:
        """Set a theta that was chosen in a plot."""
        self.form.theta.setValue(theta)

    @Slot()
    def start(self) -> None:
        """Start a fit from uniform weights."""
        self.started.emit()
        self._session.start_fit(self.plan())

    @Slot()
    def resume(self) -> None:
        """Go on from the last weights."""
        self.started.emit()
        self._session.start_fit(self.plan(), resume=True)

    @Slot()
    def stop(self) -> None:
        """Stop with the present step."""
        self._session.stop()

    @Slot()
    def validate(self) -> None:
        """Ask again whether the weights can be believed."""
        self.started.emit()
        self._session.revisit.validate(self.validation.values())

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now."""
        running, document = self._session.fit.is_running, self._session.document
        self.start_button.setEnabled(not running and document.draft.is_complete)
        stopping = self._session.fit.is_stopping
        self.stop_button.setEnabled((running and not stopping) or bool(self._session.revisit.running))
        self.stop_button.setText("Stopping…" if stopping else "Stop")
        self.summary.show_running(self._session.fit.hides_another)
        self.resume_button.setEnabled(not running and document.can_resume)
        self.hint.setText(document.draft.missing)
        self.hint.setVisible(bool(document.draft.missing))

    def _lay_out(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.form)
        layout.setSpacing(3)
        layout.addWidget(self.validation)
        layout.addSpacing(4)
        layout.addLayout(self._buttons())
        layout.addWidget(self.hint)
        layout.addWidget(self.summary)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        tips = {
            self.start_button: "Fit weights from equal ones (Ctrl+R)",
            self.stop_button: "Stop after the present step and keep what is finished (Ctrl+.)",
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
        self._session.revisit.running_changed.connect(self.refresh)
        document = self._session.document
        document.draft_changed.connect(self.refresh)
        document.draft_changed.connect(self._on_draft)
        document.project_changed.connect(self._on_project)
        document.validation_changed.connect(self._on_validation)
        document.map_changed.connect(self._on_map)
        self.form.prior.requested.connect(self.prior_requested)
        self.form.bragg.requested.connect(self.bragg_requested)
        self.form.prior.forgotten.connect(self._on_no_prior)
        self.form.bragg.forgotten.connect(self._on_no_bragg)

    @Slot(object)
    def _on_map(self, reading: MapReading | None) -> None:
        self.form.show_map(reading, self._session.document.draft.free_column)

    @Slot(object)
    def _on_draft(self, draft: Draft) -> None:
        self.form.show_files(draft)

    @Slot()
    def _on_no_prior(self) -> None:
        self._session.inputs.edit(prior=None)

    @Slot()
    def _on_no_bragg(self) -> None:
        self._session.inputs.edit(bragg=None)

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is None:
            self.summary.show_fit(None)
        else:
            self.summary.show_fit(reading.project.fit, reading.measured_error)
            self.form.show_settings(reading.project.fit_settings)
        self.refresh()

    @Slot(object)
    def _on_validation(self, validation: Validation | None) -> None:
        scan = None if validation is None else validation.theta_scan
        self.form.propose(None if scan is None or scan.proposed is None else float(scan.theta[scan.proposed]))
        if validation is not None:
            self.validation.show_settings(validation.settings)

"""The Force field dock: whose parameters are looked at and how, the buttons, and what was said of it."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from app.models.force_field_model import ForceFieldModel
from app.models.force_field_readings import EnsembleReading, EnsembleRequest, Loaded
from app.models.session import Session
from app.panels.energy_panel import EnergyPanel
from app.panels.force_field_form import ForceFieldForm
from mdweights_core.errors import MdweightsError

TIPS = (
    "Simulate the ensemble and take derivatives, or tune, from the beginning",
    "Stop, and keep what there is (Ctrl+.)",
    "Go on where it was stopped",
)


class ForceFieldPanel(EnergyPanel):
    """Settings of the next run, Load / Start / Stop / Resume, and remarks on the last one."""

    def __init__(self, session: Session, model: ForceFieldModel, parent: QWidget | None = None) -> None:
        super().__init__(session, model, ForceFieldForm(), TIPS, "Parameters of a force field", parent)
        self._fields = model
        self.load_button = self.form.load_button
        self.load_button.clicked.connect(self.load)
        self.form.term.added.connect(model.add_form)
        self.form.term.removed.connect(model.remove_form)
        model.form_refused.connect(self.form.term.tell)
        model.forms_changed.connect(self._on_forms)
        model.loaded_changed.connect(self._on_loaded)
        model.found.connect(self._on_found)
        for table in (model.parameters, model.observables):
            table.edited.connect(self._on_form)
        self._on_document()

    # ---- acts

    @Slot()
    def load(self) -> None:
        """Make the system ready that the form tells of."""
        self.started.emit()
        self.remarks.setText("")
        try:
            system = self.form.system_request()
        except MdweightsError as problem:
            self._on_refused(problem)
            self._fields.failed.emit(problem)
        else:
            self._fields.load(system)

    @Slot()
    def start(self) -> None:
        """Do as the form says."""
        if not self._missing():
            self._ask(self._fields.start)

    @Slot()
    def resume(self) -> None:
        """Go on with what was stopped, here or in another session."""
        if self._fields.is_left(self.form.tunes) and not self._missing():
            self._ask(self._fields.take_up)
        else:
            self._fields.resume()

    def request(self) -> EnsembleRequest:
        """What the form and the tables ask for.

        Raises
        ------
        BadInput
            When values do not go together.
        """
        form, model = self.form, self._fields
        return EnsembleRequest(
            form.system_request(),
            model.parameters.rows,
            model.observables.rows,
            form.simulation(),
            is_step_suggested=not form.step.value(),
            tuning=form.tuning(),
        )

    def refresh(self) -> None:
        """Enable what can be done now, and say what is missing."""
        super().refresh()
        model, form = self._fields, self.form
        is_free = not (model.is_running or model.is_loading)
        self.load_button.setEnabled(is_free and not form.missing())
        self.stop_button.setEnabled(not is_free)
        self.resume_button.setEnabled(model.can_resume or (model.is_left(form.tunes) and not self._missing()))

    def _missing(self) -> str:
        missing = self.form.missing()
        if missing:
            return str(missing)
        try:
            system = self.form.system_request()
        except MdweightsError as problem:
            return problem.sentence
        return self._fields.missing(system, self.form.tunes)

    # ---- what happens

    @Slot(object)
    def _on_forms(self, forms: object) -> None:
        self.form.term.show_forms(self._fields.forms)
        self.refresh()

    @Slot(object)
    def _on_loaded(self, loaded: Loaded) -> None:
        self.remarks.setText("\n".join(loaded.remarks))

    @Slot(object)
    def _on_found(self, reading: EnsembleReading) -> None:
        told = reading.tuning if reading.tuning is not None else reading.found
        self.remarks.setText("" if told is None else "\n".join(told.notes))

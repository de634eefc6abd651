"""The dialog of the less common settings; not modal, and what is set counts at once."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, Signal, Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPushButton, QVBoxLayout, QWidget

from app.models.document import Draft
from app.models.session import Session
from app.panels.scattering_form import ScatteringForm
from mdweights_core.scattering.settings import Execution, PredictSettings


class ScatteringDialog(QDialog):
    """A form bound to the session's document."""

    bragg_requested = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Scattering settings")
        self._session = session
        self.form = ScatteringForm()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.defaults_button = buttons.addButton("Def&aults", QDialogButtonBox.ButtonRole.ResetRole)
        self.defaults_button.setToolTip("Set all of this as it is at the first start")
        buttons.rejected.connect(self.hide)
        layout = QVBoxLayout(self)
        layout.addWidget(self.form, 1)
        layout.addWidget(buttons)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)  # Enter ends the editing of a field and presses nothing
        self.defaults_button.clicked.connect(self.restore_defaults)
        self._connect()
        self.form.show_execution(session.execution)
        self.resize(700, self.sizeHint().height())

    def event(self, event: QEvent) -> bool:
        """Grow with what the form has to say."""
        layout = self.layout()
        if event.type() == QEvent.Type.LayoutRequest and layout is not None:
            needed = layout.totalHeightForWidth(self.width())
            if needed > self.height():
                self.resize(self.width(), needed)
        return super().event(event)

    @Slot()
    def open_form(self) -> None:
        """Show the dialog, or bring it to the front."""
        self.show()
        self.raise_()
        self.activateWindow()

    @Slot()
    def restore_defaults(self) -> None:
        """Set everything of the form as it is by default; B factor and drift stand elsewhere and stay."""
        now = self._session.document.draft.scattering
        self._session.inputs.edit(scattering=replace(PredictSettings(), b_iso=now.b_iso, remove_drift=now.remove_drift))
        self._session.set_execution(Execution())
        self.form.reset()

    def _connect(self) -> None:
        session, document = self._session, self._session.document
        document.draft_changed.connect(self._show)
        document.frames_changed.connect(self._show)
        session.execution_changed.connect(self.form.show_execution)
        session.inputs.atoms_chosen.connect(self.form.show_selected)
        self.form.edited.connect(self._on_edited)
        self.form.execution_edited.connect(session.set_execution)
        self.form.selection_edited.connect(session.inputs.try_selection)
        self.form.bragg_requested.connect(self.bragg_requested)
        session.check.changed.connect(self._on_check)

    @Slot(object)
    def _show(self, change: object) -> None:
        document = self._session.document
        frames = document.frames
        computed = None if frames is None or frames.is_trajectory else frames
        self.form.show_settings((computed and computed.settings) or document.draft.scattering)
        self.form.show_applies(computed is None)
        if document.draft == Draft():  # a new document: nothing is left to be mended
            self.form.reset()

    @Slot()
    def _on_check(self) -> None:
        self.form.show_found(self._session.check.problem)

    @Slot(object)
    def _on_edited(self, settings: PredictSettings) -> None:
        now = self._session.document.draft.scattering
        self._session.inputs.edit(scattering=replace(settings, b_iso=now.b_iso, remove_drift=now.remove_drift))

"""What the docks share that compute with the energy of a structure: its choice, the buttons, and what was said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.models.session import Session
from app.panels.energy_fields import structure_of
from app.panels.forms import note
from mdweights_core.errors import MdweightsError


class EnergyPanel(QScrollArea):
    """Settings of the next run over Start / Stop / Resume, and remarks on the last one.

    Parameters
    ----------
    session : Session
    model : MinimaModel or SamplesModel
    form : QWidget
        With `energy`, its `EnergyFields`, and the signal `changed`.
    tips : (str, str, str)
        Of the buttons.
    title : str
        For screen readers.

    Signals
    -------
    started()
        A run was asked for.
    structure_requested(), coordinates_requested()
        A file is to be asked for.
    """

    started = Signal()
    structure_requested = Signal()
    coordinates_requested = Signal()

    def __init__(
        self,
        session: Session,
        model: Any,
        form: Any,
        tips: tuple[str, str, str],
        title: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._model, self.form = session, model, form
        self._is_own = False  # the structure was chosen here, and not taken from the document
        self.start_button, self.stop_button, self.resume_button = (
            QPushButton(text) for text in ("Start", "Stop", "Resume")
        )
        self.hint, self.remarks = note(), note()
        self._lay_out(tips)
        self._connect_all()
        self.setAccessibleName(title)

    # ---- what each panel says for itself

    def request(self) -> Any:
        """What the form asks for."""
        raise NotImplementedError

    @Slot()
    def start(self) -> None:
        """Do as the form says."""
        raise NotImplementedError

    @Slot()
    def resume(self) -> None:
        """Go on where it was stopped."""
        self._model.resume()

    def refresh(self) -> None:
        """Enable what can be done now, and say what is missing."""
        running, missing = self._model.is_running, self._missing()
        self.start_button.setEnabled(not running and not missing)
        self.stop_button.setEnabled(running)
        self.resume_button.setEnabled(self._model.can_resume)
        self.hint.setText(missing)
        self.hint.setVisible(bool(missing))

    def _missing(self) -> str:
        raise NotImplementedError

    def _more_rows(self) -> tuple[QWidget, ...]:
        """What stands between the buttons and the hint."""
        return ()

    # ---- acts

    def show_structure(self, path: Path | None) -> None:
        """Take a structure that the user chose; None goes back to that of the frames."""
        self._is_own = path is not None
        self.form.energy.show_structure(path if path is not None else structure_of(self._session.document.draft))
        self.refresh()

    def show_coordinates(self, path: Path | None) -> None:
        """Take coordinates for a file of parameters."""
        self.form.energy.coordinates.show_path(path)
        self.refresh()

    def _ask(self, begin: Callable[[Any], None]) -> None:
        """Begin with what the form asks for; what is wrong with that stays beside it."""
        self.started.emit()
        self.remarks.setText("")
        try:
            request = self.request()
        except MdweightsError as problem:
            self._on_refused(problem)
            self._model.failed.emit(problem)
        else:
            begin(request)

    # ---- building

    def _lay_out(self, tips: tuple[str, str, str]) -> None:
        content, buttons = QWidget(), QHBoxLayout()
        for button, tip in zip((self.start_button, self.stop_button, self.resume_button), tips, strict=True):
            button.setToolTip(tip)
            buttons.addWidget(button)
        layout = QVBoxLayout(content)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(3)
        layout.addWidget(self.form)
        layout.addSpacing(4)
        layout.addLayout(buttons)
        for widget in (*self._more_rows(), self.hint, self.remarks):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _connect_all(self) -> None:
        session, model, energy = self._session, self._model, self.form.energy
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(model.stop)
        self.resume_button.clicked.connect(self.resume)
        self.form.changed.connect(self._on_form)
        energy.structure.requested.connect(self.structure_requested)
        energy.structure.forgotten.connect(self._on_no_structure)
        energy.coordinates.requested.connect(self.coordinates_requested)
        energy.coordinates.forgotten.connect(self._on_no_coordinates)
        model.refused.connect(self._on_refused)
        session.document.draft_changed.connect(self._on_document)
        for changed in (
            model.running_changed,
            session.document.frames_changed,
            session.document.project_changed,
            session.marks.marks_changed,
            session.selection.frame_changed,
            session.selection.brushed_changed,
        ):
            changed.connect(self._on_change)

    # ---- what happens

    @Slot()
    def _on_form(self) -> None:
        self.refresh()

    @Slot(object)
    def _on_change(self, what: object) -> None:
        self.refresh()

    @Slot()
    def _on_document(self) -> None:
        if not self._is_own:
            self.form.energy.show_structure(structure_of(self._session.document.draft))
        self.refresh()

    @Slot()
    def _on_no_structure(self) -> None:
        self.show_structure(None)

    @Slot()
    def _on_no_coordinates(self) -> None:
        self.show_coordinates(None)

    @Slot(object)
    def _on_refused(self, problem: MdweightsError) -> None:
        """What is missing stays beside the boxes that let it be added."""
        self.remarks.setText(problem.sentence)

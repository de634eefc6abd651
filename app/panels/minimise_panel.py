"""The Minimise dock: what to minimise and how, the buttons, and what was said of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.models.minima import MinimaModel
from app.models.minima_readings import MinimaReading, MinimiseRequest
from app.models.session import Session
from app.panels.energy_fields import NO_STRUCTURE, structure_of
from app.panels.forms import note
from app.panels.minimise_form import MinimiseForm
from mdweights_core.errors import BadInput, MdweightsError

TIPS = ("Minimise from the start", "Stop, and keep what is reached (Ctrl+.)", "Go on where it was stopped")


class MinimisePanel(QScrollArea):
    """Settings of the next minimisation, Start / Stop / Resume, and remarks on the last one.

    Signals
    -------
    started()
        A minimisation was asked for.
    structure_requested(), coordinates_requested(), reference_requested()
        A file is to be asked for.
    """

    started = Signal()
    structure_requested = Signal()
    coordinates_requested = Signal()
    reference_requested = Signal()

    def __init__(self, session: Session, minima: MinimaModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._minima = session, minima
        self._is_own = False  # the structure was chosen here, and not taken from the document
        self.form = MinimiseForm()
        self.start_button, self.stop_button, self.resume_button = (
            QPushButton(text) for text in ("Start", "Stop", "Resume")
        )
        self.hint, self.remarks = note(), note()
        self._lay_out()
        self._connect()
        self._on_document()

    # ---- acts

    def show_structure(self, path: Path | None) -> None:
        """Take a structure that the user chose; None goes back to that of the frames."""
        self._is_own = path is not None
        self.form.energy.show_structure(path if path is not None else self._of_document())
        self.refresh()

    def show_coordinates(self, path: Path | None) -> None:
        """Take coordinates for a file of parameters."""
        self.form.energy.coordinates.show_path(path)
        self.refresh()

    def show_reference(self, path: Path | None) -> None:
        """Take a structure that distances are told to."""
        self.form.show_reference(path)

    @Slot()
    def start(self) -> None:
        """Minimise as the form says."""
        if self._missing():
            return
        self.started.emit()
        self.remarks.setText("")
        try:
            request = self.request()
        except MdweightsError as problem:
            self._on_refused(problem)
            self._minima.failed.emit(problem)
        else:
            self._minima.start(request)

    def request(self) -> MinimiseRequest:
        """What the form asks for.

        Raises
        ------
        BadInput
            When values do not go together, or there are no such frames.
        """
        structure = self.form.energy.structure.path
        if structure is None:
            raise BadInput("There is no structure", advice=NO_STRUCTURE.removesuffix("."))
        atoms, beside = self.form.atoms(), self.form.comparison()
        if beside["compare"] and (atoms["fix"] or atoms["restrain"]):
            raise BadInput("Minimisers are compared without held atoms", advice="Hold none, or tick no minimisers")
        return MinimiseRequest(
            structure=structure,
            coordinates=self.form.energy.coordinates.path,
            frames=self._minima.choice(self.form.chosen, self.form.count.value()),
            energy=self.form.energy_settings(),
            settings=self.form.minimize_settings(),
            **atoms,
            **beside,
        )

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now, and say what is missing."""
        running, missing = self._minima.is_running, self._missing()
        self.start_button.setEnabled(not running and not missing)
        self.stop_button.setEnabled(running)
        self.resume_button.setEnabled(self._minima.can_resume)
        self.hint.setText(missing)
        self.hint.setVisible(bool(missing))

    def _missing(self) -> str:
        return self._minima.missing(self.form.chosen) or self.form.energy.missing()

    def _of_document(self) -> Path | None:
        return structure_of(self._session.document.draft)

    # ---- building

    def _lay_out(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(3)
        layout.addWidget(self.form)
        layout.addSpacing(4)
        buttons = QHBoxLayout()
        for button, tip in zip((self.start_button, self.stop_button, self.resume_button), TIPS, strict=True):
            button.setToolTip(tip)
            buttons.addWidget(button)
        layout.addLayout(buttons)
        layout.addWidget(self.hint)
        layout.addWidget(self.remarks)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Minimisation")

    def _connect(self) -> None:
        session, minima, document = self._session, self._minima, self._session.document
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(minima.stop)
        self.resume_button.clicked.connect(minima.resume)
        self.form.changed.connect(self.refresh)
        self.form.energy.structure.requested.connect(self.structure_requested)
        self.form.energy.structure.forgotten.connect(self._on_no_structure)
        self.form.energy.coordinates.requested.connect(self.coordinates_requested)
        self.form.energy.coordinates.forgotten.connect(self._on_no_coordinates)
        self.form.reference.requested.connect(self.reference_requested)
        self.form.reference.forgotten.connect(self._on_no_reference)
        minima.running_changed.connect(self._on_change)
        minima.found.connect(self._on_found)
        minima.refused.connect(self._on_refused)
        document.draft_changed.connect(self._on_document)
        document.frames_changed.connect(self._on_change)
        document.project_changed.connect(self._on_change)
        session.marks.marks_changed.connect(self._on_change)
        session.selection.frame_changed.connect(self._on_change)
        session.selection.brushed_changed.connect(self._on_change)

    # ---- what happens

    @Slot(object)
    def _on_change(self, what: object) -> None:
        self.refresh()

    @Slot()
    def _on_document(self) -> None:
        if not self._is_own:
            self.form.energy.show_structure(self._of_document())
        self.refresh()

    @Slot()
    def _on_no_structure(self) -> None:
        self.show_structure(None)

    @Slot()
    def _on_no_coordinates(self) -> None:
        self.show_coordinates(None)

    @Slot()
    def _on_no_reference(self) -> None:
        self.show_reference(None)

    @Slot(object)
    def _on_found(self, reading: MinimaReading) -> None:
        self.remarks.setText("\n".join((*reading.molecule.remarks, *reading.result.notes)))

    @Slot(object)
    def _on_refused(self, problem: MdweightsError) -> None:
        """What is missing stays beside the boxes that let it be added."""
        self.remarks.setText(problem.sentence)

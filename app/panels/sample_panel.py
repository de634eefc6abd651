"""The Sample dock: what to sample and how, the buttons, and what was said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.models.sample_readings import SampleReading, SampleRequest
from app.models.samples import SamplesModel
from app.models.session import Session
from app.panels.energy_fields import structure_of
from app.panels.forms import note
from app.panels.sample_form import SampleForm
from mdweights_core.errors import MdweightsError

TIPS = (
    "Train a flow and draw from it; a training that is done already is only drawn from",
    "Stop, and keep the training as far as it is (Ctrl+.)",
    "Go on where it was stopped",
)
ITERATE_TIP = "Learn from the weighted frames of the fit, fit the draws to the same map, and so on; each round is kept"


class SamplePanel(QScrollArea):
    """Settings of the next run, Start / Stop / Resume, and remarks on the last one.

    Signals
    -------
    started()
        A run was asked for.
    structure_requested(), coordinates_requested()
        A file is to be asked for.
    rounds_requested(object, int, int)
        A `SampleRequest`, rounds and frames in each: a folder for them is to be asked for.
    """

    started = Signal()
    structure_requested = Signal()
    coordinates_requested = Signal()
    rounds_requested = Signal(object, int, int)

    def __init__(self, session: Session, samples: SamplesModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._samples = session, samples
        self._is_own = False  # the structure was chosen here, and not taken from the document
        self.form = SampleForm()
        self.start_button, self.stop_button, self.resume_button = (
            QPushButton(text) for text in ("Start", "Stop", "Resume")
        )
        self.iterate_button = QPushButton("Iterate…")
        self.hint, self.remarks = note(), note()
        self._lay_out()
        self._connect()
        self._on_document()

    # ---- acts

    def show_structure(self, path: Path | None) -> None:
        """Take a structure that the user chose; None goes back to that of the frames."""
        self._is_own = path is not None
        self.form.show_structure(path if path is not None else structure_of(self._session.document.draft))
        self.refresh()

    def show_coordinates(self, path: Path | None) -> None:
        """Take coordinates for a file of parameters."""
        self.form.energy.coordinates.show_path(path)
        self.refresh()

    @Slot()
    def start(self) -> None:
        """Sample as the form says."""
        if self._missing():
            return
        self._ask(self._samples.start)

    @Slot()
    def resume(self) -> None:
        """Go on with what was stopped, here or in another session."""
        if self._samples.is_left and not self._missing():
            self._ask(self._samples.take_up)
        else:
            self._samples.resume()

    @Slot()
    def iterate(self) -> None:
        """Ask for rounds of fit and samples; frames and their weights are those of the fit."""
        if not self._missing_for_rounds():
            rounds, frames = self.form.rounds.value(), self.form.round_frames.value()
            self._ask(lambda request: self.rounds_requested.emit(request, rounds, frames))

    def _ask(self, begin: Callable[[SampleRequest], None]) -> None:
        self.started.emit()
        self.remarks.setText("")
        try:
            request = self.request()
        except MdweightsError as problem:
            self._on_refused(problem)
            self._samples.failed.emit(problem)
        else:
            begin(request)

    def request(self) -> SampleRequest:
        """What the form asks for.

        Raises
        ------
        BadInput
            When values do not go together, or there are no such frames.
        """
        form = self.form
        settings = form.sample_settings()
        if form.toy:
            return SampleRequest(toy=form.toy, examples=form.examples.value(), settings=settings, **form.others())
        frames = self._samples.choice(form.chosen)
        is_weighted = frames is not None and form.weighted.isChecked()
        return SampleRequest(
            structure=form.energy.structure.path,
            coordinates=form.energy.coordinates.path,
            energy=form.energy.settings(),
            frames=frames,
            weights=self._samples.weights() if is_weighted else None,
            settings=settings,
            **form.others(),
        )

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now, and say what is missing."""
        running, missing = self._samples.is_running, self._missing()
        self.start_button.setEnabled(not running and not missing)
        self.stop_button.setEnabled(running)
        self.resume_button.setEnabled(self._samples.can_resume or (self._samples.is_left and not missing))
        why_no_rounds = self._missing_for_rounds()
        self.iterate_button.setEnabled(not running and not why_no_rounds)
        self.iterate_button.setToolTip(why_no_rounds or ITERATE_TIP)
        self.form.weighted.setEnabled(self._samples.has_weights and self.form.has_examples)
        self.hint.setText(missing)
        self.hint.setVisible(bool(missing))

    def _missing(self) -> str:
        return self.form.missing() or self._samples.missing(self.form.chosen)

    def _missing_for_rounds(self) -> str:
        if self.form.toy:
            return "Toy systems have no map to fit: choose a structure."
        return self.form.energy.missing() or self._samples.missing_for_rounds

    # ---- building

    def _lay_out(self) -> None:
        content, buttons = QWidget(), QHBoxLayout()
        for button, tip in zip((self.start_button, self.stop_button, self.resume_button), TIPS, strict=True):
            button.setToolTip(tip)
            buttons.addWidget(button)
        layout = QVBoxLayout(content)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(3)
        layout.addWidget(self.form)
        layout.addSpacing(4)
        layout.addLayout(buttons)
        layout.addWidget(self.iterate_button)
        for text in (self.hint, self.remarks):
            layout.addWidget(text)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Flow sampling")

    def _connect(self) -> None:
        session, samples, energy = self._session, self._samples, self.form.energy
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(samples.stop)
        self.resume_button.clicked.connect(self.resume)
        self.iterate_button.clicked.connect(self.iterate)
        self.form.changed.connect(self.refresh)
        self.form.examples.valueChanged.connect(self._on_change)
        energy.structure.requested.connect(self.structure_requested)
        energy.structure.forgotten.connect(self._on_no_structure)
        energy.coordinates.requested.connect(self.coordinates_requested)
        energy.coordinates.forgotten.connect(self._on_no_coordinates)
        samples.found.connect(self._on_found)
        samples.refused.connect(self._on_refused)
        session.document.draft_changed.connect(self._on_document)
        for changed in (
            samples.running_changed,
            session.document.frames_changed,
            session.document.project_changed,
            session.marks.marks_changed,
            session.selection.frame_changed,
            session.selection.brushed_changed,
        ):
            changed.connect(self._on_change)

    # ---- what happens

    @Slot(object)
    def _on_change(self, what: object) -> None:
        self.refresh()

    @Slot()
    def _on_document(self) -> None:
        if not self._is_own:
            self.form.show_structure(structure_of(self._session.document.draft))
        self.refresh()

    @Slot()
    def _on_no_structure(self) -> None:
        self.show_structure(None)

    @Slot()
    def _on_no_coordinates(self) -> None:
        self.show_coordinates(None)

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        self.remarks.setText("\n".join((*reading.remarks, *reading.sampled.samples.notes)))

    @Slot(object)
    def _on_refused(self, problem: MdweightsError) -> None:
        """What is missing stays beside the boxes that let it be added."""
        self.remarks.setText(problem.sentence)

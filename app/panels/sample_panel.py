"""The Sample dock: what to sample and how, the buttons, and what was said of it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QWidget

from app.models.sample_readings import SampleReading, SampleRequest
from app.models.samples import SamplesModel
from app.models.session import Session
from app.panels.energy_panel import EnergyPanel
from app.panels.sample_form import SampleForm

TIPS = (
    "Train a flow and draw from it; a training that is done already is only drawn from",
    "Stop, and keep the training as far as it is (Ctrl+.)",
    "Go on where it was stopped",
)
ITERATE_TIP = "Learn from the weighted frames of the fit, fit the draws to the same map, and so on; each round is kept"


class SamplePanel(EnergyPanel):
    """Settings of the next run, Start / Stop / Resume / Iterate, and remarks on the last one.

    Signals
    -------
    rounds_requested(object, int, int)
        A `SampleRequest`, rounds and frames in each: a folder for them is to be asked for.
    """

    rounds_requested = Signal(object, int, int)

    def __init__(self, session: Session, samples: SamplesModel, parent: QWidget | None = None) -> None:
        self.iterate_button = QPushButton("Iterate…")
        super().__init__(session, samples, SampleForm(), TIPS, "Flow sampling", parent)
        self._samples = samples
        self.iterate_button.clicked.connect(self.iterate)
        self.form.examples.valueChanged.connect(self._on_change)
        samples.found.connect(self._on_found)
        self._on_document()

    # ---- acts

    @Slot()
    def start(self) -> None:
        """Sample as the form says."""
        if not self._missing():
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

    def refresh(self) -> None:
        """Enable what can be done now, and say what is missing."""
        super().refresh()
        running, is_left = self._samples.is_running, self._samples.is_left
        self.resume_button.setEnabled(self._samples.can_resume or (is_left and not self._missing()))
        why_no_rounds = self._missing_for_rounds()
        self.iterate_button.setEnabled(not running and not why_no_rounds)
        self.iterate_button.setToolTip(why_no_rounds or ITERATE_TIP)
        self.form.weighted.setEnabled(self._samples.has_weights and self.form.has_examples)

    def _more_rows(self) -> tuple[QWidget, ...]:
        return (self.iterate_button,)

    def _missing(self) -> str:
        return self.form.missing() or self._samples.missing(self.form.chosen)

    def _missing_for_rounds(self) -> str:
        if self.form.toy:
            return "Toy systems have no map to fit: choose a structure."
        return self.form.energy.missing() or self._samples.missing_for_rounds

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        self.remarks.setText("\n".join((*reading.remarks, *reading.sampled.samples.notes)))

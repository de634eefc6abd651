"""Flow sampling of the window: what is asked, how it goes, what came of it, and what is looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Signal, Slot

from app.models import minima
from app.models.long_run import LongRun
from app.models.minima_readings import FrameChoice
from app.models.sample_readings import SampleReading, SampleRequest
from app.workers import sample_tasks
from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from app.models.minima import MinimaModel
    from app.models.runner import Runner
    from app.models.session import Session
    from mdweights_core.jobs import Job

SAMPLE, ITERATE, WRITE, MEASURE = "sampling", "rounds", "writing samples", "measuring"
ALONG, DIFFER, MAP, PATH = "profile", "states", "two coordinates", "path"
NONE = "none"
CHECKPOINT = "sampling.npz"
_HINTS = {
    minima.KEPT: "Mark frames keep (K) first.",
    minima.TARGETS: "Select a frame, or brush some, first.",
}


class SamplesModel(LongRun):
    """Trains flows and draws from them, one run at a time, and asks its draws what they tell.

    A run is asked by a `SampleRequest`, and its reading is a `SampleReading`.

    Signals
    -------
    columns_changed(str)
        There is another coordinate of that name.
    profiled(object), differed(object), mapped(object), path_found(object)
        What was asked of the samples: readings of `sample_readings`.
    rounds_found(object)
        What rounds of fit and samples came to: `workflow.iterate.Rounds`.
    frames_written(object)
        Paths of frames, perhaps their topology, and their weights, that are to become the frames.
    """

    columns_changed = Signal(str)
    profiled = Signal(object)
    differed = Signal(object)
    mapped = Signal(object)
    path_found = Signal(object)
    rounds_found = Signal(object)
    frames_written = Signal(object)

    _request: SampleRequest | None
    reading: SampleReading | None

    def __init__(self, session: Session, minima_model: MinimaModel, runner: Runner, scratch: Path) -> None:
        super().__init__(session, runner)
        self._minima, self._scratch = minima_model, scratch
        self._checkpoint = scratch / CHECKPOINT
        self._becomes_frames = self._has_failed = False
        self._answers = {
            ALONG: self.profiled,
            DIFFER: self.differed,
            MAP: self.mapped,
            PATH: self.path_found,
        }

    # ---- what can be asked

    @property
    def is_left(self) -> bool:
        """True when the project holds the training of another session, which the same request goes on with."""
        return not self.is_running and self._request is None and self._usual_checkpoint.exists()

    @property
    def _usual_checkpoint(self) -> Path:
        saved = self._session.document.saved_path
        return (self._scratch if saved is None else saved) / CHECKPOINT

    @property
    def can_resume(self) -> bool:
        """True when the last run was stopped before its end, and its checkpoint is there."""
        if self.is_running or self._request is None or not self._checkpoint.exists():
            return False
        if self.reading is None or self.reading.request is not self._request:
            return True
        return self.reading.trained.is_stopped or self.reading.sampled.samples.n_samples < self._wanted

    @property
    def _wanted(self) -> int:
        return 0 if self._request is None else self._request.settings.samples

    @property
    def working(self) -> str:
        """What would be lost by the end, as a sentence; empty when nothing is."""
        return "Samples are being made." if self.is_running else ""

    @property
    def has_weights(self) -> bool:
        """True when there are weights of a fit to learn by."""
        return self._session.document.fitted is not None

    @property
    def missing_for_rounds(self) -> str:
        """Why rounds of fit and samples cannot begin, as a sentence; empty when they can."""
        document = self._session.document
        if document.fitted is None:
            return "Fit weights first: rounds begin at a fit."
        if document.frames is None or document.frames.molecules is None:
            return "Open the trajectory of the fit: rounds learn from its molecules."
        return ""

    def missing(self, what: str) -> str:
        """Why there are no such frames to learn from, as a sentence; empty when there are, or none are wanted."""
        frames = self._session.document.frames
        if what == NONE:
            return ""
        if frames is None or frames.molecules is None:
            return "Open a trajectory to learn from first, or learn from the energy alone."
        return "" if self._minima.frames_of(what, 0) else _HINTS.get(what, "There are no frames.")

    def choice(self, what: str) -> FrameChoice | None:
        """Frames to learn from, as a request takes them; None for none.

        Raises
        ------
        BadInput
            When there are no such frames.
        """
        if what == NONE:
            return None
        problem = self.missing(what)
        if problem:
            raise BadInput("There are no frames to learn from", advice=problem.removesuffix("."))
        return self._minima.opened_anew(self._minima.frames_of(what, 0))

    def weights(self) -> tuple[float, ...] | None:
        """The weights of the fit, of all frames; None without a fit."""
        fitted = self._session.document.fitted
        return None if fitted is None else tuple(map(float, fitted.project.fit.weights))

    # ---- acts

    def start(self, request: SampleRequest) -> None:
        """Train anew and draw; a training that is done already is only drawn from."""
        if self.is_running:
            return
        is_known = self._request is not None and self._request.training == request.training
        if not is_known or self._has_failed:
            self._checkpoint = self._usual_checkpoint
            self._checkpoint.unlink(missing_ok=True)
        self._submit(request)

    def take_up(self, request: SampleRequest) -> None:
        """Go on with the training that another session left; it is refused when it is of something else."""
        if self.is_left:
            self._checkpoint = self._usual_checkpoint
            self._submit(request)

    @Slot()
    def stop(self) -> None:
        """Ask a running job to end with what it has."""
        self._runner.stop(SAMPLE)
        self._runner.stop(ITERATE)

    def iterate(self, request: SampleRequest, rounds: int, frames: int, out: Path) -> None:
        """Sample and fit in rounds from the document's fit on; see `sample_tasks.iterate`."""
        fitted = self._session.document.fitted
        if self.is_running or fitted is None:
            return
        self._begin(ITERATE, request, partial(sample_tasks.iterate, request, fitted.project, rounds, frames, out))

    def measure(self, text: str) -> None:
        """Add a coordinate, such as 'distance 3 7'."""
        self._ask(MEASURE, partial(sample_tasks.measure, text=text))

    def profile(self, name: str) -> None:
        """Find the free energy along a coordinate."""
        self._ask(ALONG, partial(sample_tasks.along, name=name))

    def differ(self, name: str, states: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Find the free-energy difference of two states."""
        self._ask(DIFFER, partial(sample_tasks.differ, name=name, states=states))

    def map(self, names: tuple[str, str]) -> None:
        """Look at two coordinates at once."""
        self._ask(MAP, partial(sample_tasks.map_of, names=names))

    def path(self, ends: tuple[str, str], x: np.ndarray, count: int) -> None:
        """Go between two configurations x [2, N]."""
        self._ask(PATH, partial(sample_tasks.path, ends=ends, x=x, count=count))

    def write(self, target: Path, count: int, *, becomes_frames: bool = False) -> None:
        """Write samples (see `sample_tasks.write`); `becomes_frames` opens them as the frames of the document."""
        if self.reading is None:
            self.failed.emit(BadInput("Nothing was sampled yet", advice="Press Start in the Sample panel first"))
            return
        self._becomes_frames = becomes_frames
        self._runner.submit(WRITE, partial(sample_tasks.write, self.reading, target, count))

    def _submit(self, request: SampleRequest) -> None:
        self._request, self._has_failed = request, False
        self._begin(SAMPLE, request, partial(sample_tasks.sample, request, self._checkpoint))

    def _ask(self, name: str, job: partial[Job[Any]]) -> None:
        if self.reading is not None and self.reading.judged is not None:
            self._runner.submit(name, partial(job, self.reading))

    # ---- what comes back

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: Any, stopped: bool) -> None:
        if name in self._answers and result is not None:
            self._answers[name].emit(result)
        elif name == MEASURE and result is not None:
            self.reading = result
            self.columns_changed.emit(list(result.columns)[-1])
        elif name == WRITE and result is not None and self.reading is not None:
            self.said.emit(sample_tasks.written(self.reading, result))
            if self._becomes_frames:
                self.frames_written.emit(result)
        elif name == SAMPLE:
            self._end(result, _outcome)
        elif name == ITERATE:
            self.is_running = False
            if result is not None:
                self.rounds_found.emit(result)
                self.said.emit(result.sentence.removesuffix("."))
            self.running_changed.emit(False)

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name in (SAMPLE, ITERATE):
            self._has_failed = self._has_failed or name == SAMPLE
            self._break_off(error)
        if name in (SAMPLE, ITERATE, WRITE, MEASURE, *self._answers):
            self.failed.emit(error)


def _outcome(reading: SampleReading) -> str:
    """How a run ended, without its full stop."""
    samples = reading.sampled.samples
    if reading.judged is None:
        return f"Stopped after {len(samples.history)} steps of the training; nothing was drawn"
    weights = reading.judged.evidence.weights
    return f"Drew {samples.n_samples} samples of {reading.request.name}: effective sample size {weights.ess:.1%}"

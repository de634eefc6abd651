"""What models of one long run at a time have in common: its state, and the signals that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from mdweights_core.errors import MdweightsError

if TYPE_CHECKING:
    from app.models.runner import Runner
    from app.models.session import Session
    from mdweights_core.jobs import Job, Progress


class LongRun(QObject):
    """One run at a time on a runner of its own; subclasses say what it is and what comes back.

    Attributes
    ----------
    reading
        What the last run came to; None before.
    is_running : bool

    Signals
    -------
    running_changed(bool)
    started(object)
        What was asked.
    stepped(object)
        A snapshot of the job.
    found(object)
        A reading.
    refused(object)
        Why a run did not come about: a MdweightsError.
    said(str), failed(object)
    """

    running_changed = Signal(bool)
    started = Signal(object)
    stepped = Signal(object)
    found = Signal(object)
    refused = Signal(object)
    said = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(session)
        self._session, self._runner = session, runner
        self._request: Any = None
        self.reading: Any = None
        self.is_running = False
        runner.finished.connect(self._on_finished)
        runner.failed.connect(self._on_failed)
        runner.progressed.connect(self._on_progress)

    @property
    def can_resume(self) -> bool:
        """True when the last run was stopped before its end, and can be gone on with."""
        raise NotImplementedError

    @property
    def working(self) -> str:
        """What would be lost by the end, as a sentence; empty when nothing is."""
        raise NotImplementedError

    @Slot()
    def stop(self) -> None:
        """Ask a running job to end with what it has."""
        raise NotImplementedError

    @Slot()
    def resume(self) -> None:
        """Go on with the run that was stopped."""
        if self.can_resume:
            self._submit(self._request)

    def _submit(self, request: Any) -> None:
        raise NotImplementedError

    def _begin(self, name: str, request: Any, job: Callable[[], Job[Any]]) -> None:
        self.is_running = True
        self.running_changed.emit(True)
        self.started.emit(request)
        self._runner.submit(name, job)

    def _end(self, reading: Any, told: Callable[[Any], str]) -> None:
        """Keep what a run came to, if anything, and tell of it."""
        self.is_running = False
        if reading is not None:
            self.reading = reading
            self.found.emit(reading)
            self.said.emit(told(reading))
        self.running_changed.emit(False)

    def _break_off(self, error: object) -> None:
        self.is_running = False
        self.running_changed.emit(False)
        if isinstance(error, MdweightsError):
            self.refused.emit(error)

    @Slot(object)
    def _on_progress(self, progress: Progress) -> None:
        if self.is_running:
            self.stepped.emit(progress)

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: Any, stopped: bool) -> None:
        raise NotImplementedError

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        raise NotImplementedError

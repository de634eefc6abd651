"""The one place that knows threads: drives core generators and tells the main thread how they go.

A `JobRunner` owns one thread and one worker object from its making to `shutdown`. Jobs given with `submit` run one
after the other. Snapshots do not travel as events: the worker leaves the newest in a mailbox that the main thread
empties at most 20 times a second, so that neither a fast job nor a busy window can pile them up.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from mdweights_core import jobs
from mdweights_core.errors import MdweightsError

log = logging.getLogger(__name__)

JobFactory = Callable[[], jobs.Job[Any]]

POLL_MS = 50
# XLA compiles deep expressions recursively; secondary threads have 512 KiB on some systems.
STACK_BYTES = 16 << 20


@dataclass(eq=False)
class _Task:
    """One submitted job and the two things both threads share about it."""

    name: str
    factory: JobFactory
    stop: Event = field(default_factory=Event)
    latest: deque[jobs.Progress] = field(default_factory=lambda: deque(maxlen=1))


class _Worker(QObject):
    """Lives in the worker thread; ends every task with exactly one of `done` and `broke`."""

    done = Signal(object, object, bool)
    broke = Signal(object, object)

    @Slot(object)
    def work(self, task: _Task) -> None:
        try:
            result, stopped = _drive(task)
        except Exception as error:  # the boundary: whatever a job raises is told, the thread lives on
            if not isinstance(error, MdweightsError):
                log.exception("job %s failed", task.name)
            self.broke.emit(task, error)
        else:
            self.done.emit(task, result, stopped)


def _drive(task: _Task) -> tuple[Any, bool]:
    """Run the task's generator to its end or to the first snapshot after a request to stop."""
    if task.stop.is_set():
        return None, True
    job = task.factory()
    while True:
        try:
            snapshot = next(job)
        except StopIteration as end:
            return end.value, task.stop.is_set()
        task.latest.append(snapshot)
        if task.stop.is_set():
            return jobs.stop(job), True


class JobRunner(QObject):
    """Runs jobs one at a time on a thread of its own; all signals arrive on the main thread.

    Parameters
    ----------
    name : str
        Name of the thread, seen in debuggers.
    """

    job_started = Signal(str)
    progressed = Signal(object)
    finished = Signal(str, object, bool)
    failed = Signal(str, object)
    busy_changed = Signal(bool)
    _run = Signal(object)

    def __init__(self, name: str = "jobs", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._current: _Task | None = None
        self._waiting: deque[_Task] = deque()
        self._thread = QThread(self)
        self._thread.setObjectName(name)
        self._thread.setStackSize(STACK_BYTES)
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        self._run.connect(self._worker.work, Qt.ConnectionType.QueuedConnection)
        self._worker.done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)
        self._worker.broke.connect(self._on_broke, Qt.ConnectionType.QueuedConnection)
        self._poll = QTimer(self, interval=POLL_MS)
        self._poll.timeout.connect(self._relay_progress)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """True while a job runs or waits."""
        return self._current is not None

    @property
    def current(self) -> str | None:
        """Name of the running job."""
        return None if self._current is None else self._current.name

    def submit(self, name: str, factory: JobFactory) -> None:
        """Queue a job; `factory` is called on the worker thread and makes the generator.

        A job of the same name that still waits is replaced: only the newest request counts.
        """
        self._waiting = deque(other for other in self._waiting if other.name != name)
        self._waiting.append(_Task(name, factory))
        self._start_next()

    def stop(self, name: str | None = None) -> None:
        """Ask the running job (and those that wait) to stop; with `name`, only jobs of that name."""
        given_up = [task for task in self._waiting if name in (None, task.name)]
        self._waiting = deque(task for task in self._waiting if task not in given_up)
        if self._current is not None and name in (None, self._current.name):
            self._current.stop.set()
        for task in given_up:
            self.finished.emit(task.name, None, True)

    def shutdown(self, timeout_ms: int = 10_000) -> bool:
        """Stop everything and end the thread; False when it did not end in time (a long compilation)."""
        self.blockSignals(True)
        self.stop()
        self._poll.stop()
        self._thread.quit()
        return self._thread.wait(timeout_ms)

    def _start_next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        self._current = self._waiting.popleft()
        self._poll.start()
        self.busy_changed.emit(True)
        self.job_started.emit(self._current.name)
        self._run.emit(self._current)

    @Slot()
    def _relay_progress(self) -> None:
        if self._current is None or not self._current.latest:
            return
        self.progressed.emit(self._current.latest.popleft())

    @Slot(object, object, bool)
    def _on_done(self, task: _Task, result: object, stopped: bool) -> None:
        self._relay_progress()
        self._clear()
        self.finished.emit(task.name, result, stopped)
        self._start_next()

    @Slot(object, object)
    def _on_broke(self, task: _Task, error: Exception) -> None:
        self._clear()
        self.failed.emit(task.name, error)
        self._start_next()

    def _clear(self) -> None:
        self._current = None
        self._poll.stop()
        self.busy_changed.emit(bool(self._waiting))

"""What a long computation is: a generator that yields snapshots and returns its result.

The command line, the window's worker thread and the tests drive the same generators. A job knows no Qt and prints
nothing. Whoever drives it may stop it between two snapshots: `stop` throws `Stopped` into the generator. A job with
something worth keeping (a fit has weights) catches it and returns that; any other lets it pass, cleans up in
``finally`` and leaves what is finished usable for the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """A snapshot of a running job: small, frozen, safe to hand to another thread.

    Attributes
    ----------
    stage : str
        Which part of the job runs, in words a user reads ("structure factors").
    step, total : int, int or None
        Steps done and, when known, steps to do in this stage.
    message : str
        One line for the status bar.
    values : mapping of str to float
        The few numbers a view draws (``cc_aniso``, ``frames_per_second``...).
    arrays : mapping of str to ndarray
        The few short arrays a view draws (``weights``...): copies, never reused by the job.
    """

    stage: str
    step: int = 0
    total: int | None = None
    message: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


Job = Generator[Progress, None, Result]


class Stopped(Exception):
    """Thrown into a job at its last snapshot when the user asks it to stop."""


def run(job: Job[Result], on_progress: Callable[[Progress], Any] | None = None) -> Result:
    """Drive `job` to its end and return its result."""
    while True:
        try:
            progress = next(job)
        except StopIteration as end:
            return end.value
        if on_progress is not None:
            on_progress(progress)


def stop(job: Job[Result]) -> Result | None:
    """Ask `job` to stop; return the partial result it chose to keep, or None.

    The request is made once: a job that catches it may still yield while it saves what it has.
    """
    try:
        job.throw(Stopped())
        while True:
            next(job)
    except StopIteration as end:
        return end.value
    except Stopped:
        return None


def retold(job: Job[Result], change: Callable[[Progress], Progress]) -> Job[Result]:
    """A job that tells its snapshots in another way, and is stopped as it is."""
    go_on: Callable[[], Progress] = partial(next, job)
    while True:
        try:
            seen = go_on()
        except StopIteration as end:
            return end.value
        try:
            yield change(seen)
        except Stopped as stopped:
            go_on = partial(job.throw, stopped)
        else:
            go_on = partial(next, job)


class Clock:
    """Time spent and time left of a stage, and whether it is time for the next snapshot."""

    def __init__(self, interval: float = 0.15) -> None:
        self.interval = interval
        self.started = self._last = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return time.monotonic() - self.started

    def is_due(self) -> bool:
        """True at most once per interval."""
        now = time.monotonic()
        if now - self._last < self.interval:
            return False
        self._last = now
        return True

    def remaining(self, step: int, total: int | None) -> float | None:
        """Seconds left at the average pace so far, or None when that cannot be known."""
        if not step or total is None:
            return None
        return self.elapsed / step * max(total - step, 0)

"""Frames computed side by side: on threads here; `cluster` does the same on processes and on other machines.

Batches of frames go in, their structure factors come out in the same order, and never are more under way than keep all
workers busy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ClassVar, Protocol, TypeVar

import numpy as np

from mdweights_core.errors import MdweightsError
from mdweights_core.scattering.model import Engine

Item = TypeVar("Item")

_POLL_SECONDS = 0.1


class WorkersLost(MdweightsError):
    """The workers that computed frames died, ran out of memory, or cannot be reached any more."""


class Pool(Protocol):
    """Where frames are computed.

    Attributes
    ----------
    n_workers : int
        Batches computed at the same time.
    overhead : float
        Seconds that a batch costs besides its frames.
    warnings : tuple of str
    failures : tuple of exception types
        What a batch raises when not its frames are to blame but the workers.
    """

    n_workers: int
    overhead: float
    warnings: tuple[str, ...]
    failures: tuple[type[Exception], ...]

    def submit(self, positions: np.ndarray) -> Future[np.ndarray]:
        """Structure factors, complex64 [n, n_hkl], of fractional `positions` [n, n_atoms, 3], some time."""

    def check(self) -> None:
        """Raise `WorkersLost` when nobody will ever compute what was submitted."""

    def close(self) -> None:
        """Give up all that was submitted, without waiting for it."""


class ThreadPool:
    """Threads of this process: transforms run outside the interpreter's lock."""

    overhead = 1e-4
    warnings: tuple[str, ...] = ()
    failures: ClassVar[tuple[type[Exception], ...]] = (MemoryError,)

    def __init__(self, engine: Engine) -> None:
        self.n_workers = engine.n_workers
        self._engine = engine
        self._threads = ThreadPoolExecutor(engine.n_workers, thread_name_prefix="structure-factors")

    def submit(self, positions: np.ndarray) -> Future[np.ndarray]:
        """Structure factors, complex64 [n, n_hkl], of fractional `positions` [n, n_atoms, 3], some time."""
        return self._threads.submit(compute_batch, self._engine, positions)

    def check(self) -> None:
        """Threads do not get lost."""

    def close(self) -> None:
        """Give up what was submitted; a transform under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def compute_batch(engine: Engine, positions: np.ndarray) -> np.ndarray:
    """Structure factors, complex64 [n, n_hkl], of frames at fractional `positions` [n, n_atoms, 3]."""
    return np.stack([engine(frame) for frame in positions])


def in_order(
    pool: Pool, batches: Iterable[tuple[np.ndarray, Item]]
) -> Generator[tuple[np.ndarray, Item] | None, None, None]:
    """Compute batches; give each one's structure factors with whatever was said about it, in their order.

    While a batch takes long, None comes every tenth of a second.

    Raises
    ------
    WorkersLost
        When the workers died or ran out of memory.
    """
    waiting: deque[tuple[Future[np.ndarray], Item]] = deque()
    for positions, item in batches:
        waiting.append((pool.submit(positions), item))
        while len(waiting) > 2 * pool.n_workers:
            yield from _next_result(pool, waiting)
    while waiting:
        yield from _next_result(pool, waiting)


def _next_result(
    pool: Pool, waiting: deque[tuple[Future[np.ndarray], Item]]
) -> Generator[tuple[np.ndarray, Item] | None, None, None]:
    future, item = waiting[0]
    while not wait([future], timeout=_POLL_SECONDS).done:
        pool.check()
        yield None
    waiting.popleft()
    try:
        factors = future.result()
    except pool.failures as problem:
        is_memory = isinstance(problem, MemoryError)
        raise WorkersLost(
            "The memory is full" if is_memory else "The workers that computed the frames were lost again and again",
            advice="Run it again with fewer workers: perhaps they need more memory than there is",
        ) from problem
    yield factors, item

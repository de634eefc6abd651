"""Frames computed side by side: on threads here; `cluster` does the same on processes and on other machines.

Frames go in, their structure factors come out in the same order, and never are more under way than keep all workers
busy.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.scattering.engine.protocol import Engine

Item = TypeVar("Item")

_POLL_SECONDS = 0.1
_BATCH_FRAMES = 64
_BATCH_BYTES = 32 * 2**20
_WAITING_FRAMES = 48
_WAITING_BYTES = 128 * 2**20


Failures = Mapping[type[Exception], tuple[str, str]]
FULL_MEMORY = ("The memory is full", "Run it again with fewer workers")


class WorkersLost(MdweightsError):
    """The workers that computed frames died, ran out of memory, or cannot be reached any more."""


class Pool(Protocol):
    """Where frames are computed.

    Attributes
    ----------
    n_workers : int
        Batches computed at the same time; workers may come and go.
    overhead : float
        Seconds that a batch costs besides its frames.
    warnings : tuple of str
        Sentences on the workers; more of them as frames are computed.
    failures : mapping of exception types to two sentences
        What a batch raises when not its frames are to blame but the workers; what to say then, and what to advise.
    """

    n_workers: int
    warnings: tuple[str, ...]
    overhead: ClassVar[float]
    failures: ClassVar[Failures]

    def submit(self, positions: np.ndarray) -> Future[Computed]:
        """Compute frames at fractional `positions` [n, n_atoms, 3], some time."""

    def check(self) -> None:
        """See how many workers there are; raise `WorkersLost` when nobody will ever compute what was submitted."""

    def close(self) -> None:
        """Give up all that was submitted, without waiting for it."""


class ThreadPool:
    """Threads of this process: transforms run outside the interpreter's lock."""

    overhead: ClassVar[float] = 1e-4
    failures: ClassVar[Failures] = {MemoryError: FULL_MEMORY}

    def __init__(self, engine: Engine) -> None:
        self.n_workers = engine.n_workers
        self.warnings: tuple[str, ...] = ()
        self._engine = engine
        self._threads = ThreadPoolExecutor(engine.n_workers, thread_name_prefix="structure-factors")

    def submit(self, positions: np.ndarray) -> Future[Computed]:
        """Compute frames at fractional `positions` [n, n_atoms, 3], some time."""
        return self._threads.submit(compute_batch, self._engine, positions)

    def check(self) -> None:
        """Threads do not get lost."""

    def close(self) -> None:
        """Give up what was submitted; a transform under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Computed(NamedTuple):
    """Structure factors, complex64 [n, n_hkl], of the frames of a batch, the seconds they took, and what to say."""

    factors: np.ndarray
    seconds: float
    warnings: tuple[str, ...] = ()


def compute_batch(engine: Engine, positions: np.ndarray) -> Computed:
    """Compute frames at fractional `positions` [n, n_atoms, 3]."""
    began = time.perf_counter()
    factors = np.stack([engine(frame) for frame in positions])
    return Computed(factors, time.perf_counter() - began, engine.warnings)


def in_order(
    pool: Pool, frames: Iterable[tuple[np.ndarray, Item]]
) -> Generator[tuple[np.ndarray, Item] | None, None, None]:
    """Compute frames; give each one's structure factors with whatever came with it, in their order.

    Small frames go together in batches, so that what a batch costs besides does not count. While nothing is ready, None
    comes every tenth of a second.

    Parameters
    ----------
    pool : Pool
    frames : iterable of (positions, item)
        Fractional positions, float64 [n_atoms, 3]; read only as fast as frames are computed.

    Raises
    ------
    WorkersLost
        When the workers died or ran out of memory.
    BadInput
        When `frames` raises it, after all frames before.
    """
    unreadable: list[BadInput] = []
    waiting: deque[tuple[Future[Computed], list[Item]]] = deque()
    batches: _Batches[Item] = _Batches(pool.overhead)
    for positions, item in _until_unreadable(frames, unreadable):
        if batches.add(positions, item):
            waiting.append(batches.submitted(pool))
        while len(waiting) > batches.most_waiting(pool.n_workers):
            yield from _next_batch(pool, waiting, batches)
    if batches:
        waiting.append(batches.submitted(pool))
    while waiting:
        yield from _next_batch(pool, waiting, batches)
    if unreadable:
        raise unreadable[0]


def _until_unreadable(
    frames: Iterable[tuple[np.ndarray, Item]], unreadable: list[BadInput]
) -> Iterator[tuple[np.ndarray, Item]]:
    try:
        yield from frames
    except BadInput as problem:
        unreadable.append(problem)


class _Batches(Generic[Item]):
    """Frames gathered until a batch takes twenty times its overhead, or is as large as may be."""

    def __init__(self, overhead: float) -> None:
        self._positions: list[np.ndarray] = []
        self._items: list[Item] = []
        self._seconds, self._size = 20 * overhead, 1
        self._shortest, self._bytes = np.inf, _WAITING_BYTES

    def __len__(self) -> int:
        return len(self._items)

    def add(self, positions: np.ndarray, item: Item) -> bool:
        """Take a frame; True when the batch is full."""
        self._positions.append(positions)
        self._items.append(item)
        return len(self) >= self._size

    def submitted(self, pool: Pool) -> tuple[Future[Computed], list[Item]]:
        """Give the batch to the pool."""
        future, items = pool.submit(np.stack(self._positions)), self._items
        self._positions, self._items = [], []
        return future, items

    def most_waiting(self, n_workers: int) -> int:
        """Batches that may wait: of small ones enough for the workers to go on while results are written to disk."""
        return max(2 * n_workers, min(_WAITING_FRAMES // self._size, _WAITING_BYTES // self._bytes))

    def learn(self, batch: Computed) -> None:
        """Suit the size to what a batch took; the first ones take longer, as plans are made."""
        self._shortest = min(self._shortest, batch.seconds / len(batch.factors))
        most = _BATCH_BYTES // max(1, batch.factors[0].nbytes)
        self._bytes = max(1, batch.factors.nbytes)
        self._size = int(np.clip(self._seconds / max(self._shortest, 1e-6), 1, max(1, min(most, _BATCH_FRAMES))))


def _next_batch(
    pool: Pool, waiting: deque[tuple[Future[Computed], list[Item]]], batches: _Batches[Item]
) -> Generator[tuple[np.ndarray, Item] | None, None, None]:
    future, items = waiting[0]
    pool.check()
    while not wait([future], timeout=_POLL_SECONDS).done:
        yield None
        pool.check()
    waiting.popleft()
    try:
        batch = future.result()
    except tuple(pool.failures) as problem:
        what, advice = next(said for kind, said in pool.failures.items() if isinstance(problem, kind))
        raise WorkersLost(what, advice=advice) from problem
    pool.warnings = tuple(dict.fromkeys([*pool.warnings, *batch.warnings]))
    batches.learn(batch)
    yield from zip(batch.factors, items, strict=True)

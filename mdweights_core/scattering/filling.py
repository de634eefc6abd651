"""What both ways to fill a store share: finding one that is the same, writing frames to it, telling the pace."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.jobs import Clock, Progress
from mdweights_core.scattering.store import DamagedStore, StructureFactorStore, is_store

STAGE = "structure factors"
METHOD = 1  # raised whenever the same inputs would give other numbers
SNAPSHOT_SECONDS = 0.2
_FLUSH_SECONDS = 20.0


def lattice_hash(lattice: MillerLattice) -> str:
    """Short text that tells lattices apart."""
    digest = hashlib.sha256(lattice.hkl.tobytes())
    digest.update(repr((cell_parameters(lattice.cell), tuple(lattice.ndiv))).encode())
    return digest.hexdigest()


def same_store(out: Path, key: Mapping[str, Any]) -> StructureFactorStore | None:
    """The store at `out` when it was made from the same; a damaged one counts as another."""
    if not is_store(out):
        return None
    try:
        store = StructureFactorStore.open(out)
    except DamagedStore:
        return None
    return store if store.key == key else None


class Finding(NamedTuple):
    """What is found in a frame besides its structure factors: time in ps, drift [3] in angstrom, box [6]."""

    time: float
    drift: np.ndarray
    box: np.ndarray | None


class Pace:
    """Frames done, their rate, and when to say so."""

    def __init__(self, start: int, total: int) -> None:
        self._clock = Clock(SNAPSHOT_SECONDS)
        self._start, self.done, self._total = start, start, total

    def is_due(self) -> bool:
        """True when the next snapshot should be given."""
        return self._clock.is_due()

    def progress(self, largest_drift: float | None = None) -> Progress:
        """A snapshot with frames per second and seconds left."""
        fresh = self.done - self._start
        rate = fresh / max(self._clock.elapsed, 1e-9)
        left = self._clock.remaining(fresh, self._total - self._start) or 0.0
        message = f"{self.done} of {self._total} frames, {rate:.1f} frames/s, {_duration(left)} left"
        if largest_drift is not None and largest_drift >= 0.01:
            message += f", largest drift {largest_drift:.2f} A"
        values = {"frames_per_second": rate, "seconds_left": left}
        return Progress(STAGE, self.done, self._total, message, values)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Writer:
    """Frames on their way to the store: kept until a chunk is full or some seconds have passed, written on leaving."""

    def __init__(self, store: StructureFactorStore, start: int) -> None:
        self._store, self._start = store, start
        self._rows: list[tuple[np.ndarray, float, np.ndarray, np.ndarray]] = []
        self._written = time.monotonic()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, factors: np.ndarray, finding: Finding) -> None:
        """Take the next frame."""
        box = np.full(6, np.nan) if finding.box is None else finding.box
        self._rows.append((factors, finding.time, finding.drift, box))
        is_full = (self._start + len(self._rows)) % self._store.frames_per_chunk == 0
        if is_full or time.monotonic() - self._written > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was kept."""
        rows, self._rows = self._rows, []  # forgotten first: a full disk must not be tried twice
        if rows:
            factors, moments, drifts, boxes = (np.array(column) for column in zip(*rows, strict=True))
            self._store.write(self._start, factors, time=moments, drift=drifts, cell=boxes)
            self._start += len(rows)
        self._written = time.monotonic()

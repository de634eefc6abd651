"""What all ways to fill a store share: finding one that is the same, writing frames to it, telling the pace.

A filler makes its key, asks `same_store` for a store to go on with, holds it (`store.sole_writer`), creates one if need
be after `require_space`, looks through what is there (`looked_through`), and gives frames to a `Writer`.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput, DiskProblem, counted
from mdweights_core.jobs import Clock, Progress
from mdweights_core.scattering.storage.layout import DIGEST_BYTES, frames_text
from mdweights_core.scattering.storage.store import (
    DamagedStore,
    StructureFactorStore,
    is_store,
)

STAGE = "structure factors"
METHOD = 3  # raised whenever the same inputs would give other numbers
SNAPSHOT_SECONDS = 0.2
_FLUSH_SECONDS = 20.0
_LEAST_SECONDS, _ENOUGH_BYTES = 1.0, 32 * 2**20  # whole chunks are written together while there is little in them


def lattice_hash(lattice: MillerLattice) -> str:
    """Short text that tells lattices apart."""
    digest = hashlib.sha256(lattice.hkl.tobytes())
    digest.update(repr((cell_parameters(lattice.cell), tuple(lattice.ndiv))).encode())
    return digest.hexdigest()


def same_store(out: Path, key: Mapping[str, Any]) -> StructureFactorStore | None:
    """The store at `out` when it was made from the same; a damaged one counts as another."""
    store = readable_store(out)
    return store if store is not None and store.key == key else None


def readable_store(out: Path) -> StructureFactorStore | None:
    """The store at `out`, if there is one that is not damaged."""
    if not is_store(out):
        return None
    try:
        return StructureFactorStore.open(out)
    except DamagedStore:
        return None


def refuse_to_replace(out: Path) -> None:
    """Keep what took long to compute.

    Raises
    ------
    BadInput
        When there is a complete store at `out`.
    """
    store = readable_store(out)
    if store is not None and store.is_complete:
        raise BadInput(
            f"Here are the structure factors of {counted(store.n_frames, 'frame')} computed otherwise, or of others",
            where=out,
            advice="Choose another name, or give --replace to lose them",
        )


def free_bytes(out: Path) -> int | None:
    """Room for a store at `out`; None when the disk does not tell.

    What a store that is there takes counts as free, whether it is gone on with or replaced.
    """
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return None
    if not is_store(out):
        return free
    return free + sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


def require_space(
    out: Path,
    n_bytes: int,
    what: str = "structure factors",
    advice: str = "Free some space, choose another disk, or take a larger d_min or fewer frames",
) -> None:
    """Refuse to begin what takes `n_bytes` that cannot be kept.

    Raises
    ------
    DiskProblem
        With both numbers.
    """
    free = free_bytes(out)
    if free is not None and n_bytes > free:
        raise DiskProblem(
            f"The {what} take {size_text(n_bytes)}, but only {size_text(free)} are free here", where=out, advice=advice
        )


def size_text(n_bytes: int) -> str:
    """Bytes as people say them: ``12.6 GB``."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"


def looked_through(store: StructureFactorStore) -> Generator[Progress, None, None]:
    """Compare the frames that are there with their checksums; broken ones become unfinished, and that is said."""
    clock, looking = Clock(SNAPSHOT_SECONDS), store.verify()
    try:
        while True:
            done, total = next(looking)
            if clock.is_due():
                yield Progress("checking", done, total, "Looking through the frames that are there")
    except StopIteration as end:
        lost = end.value
    if len(lost):
        store.warn([f"The structure factors of {frames_text(lost)} were damaged on disk and are computed again"])


class Finding(NamedTuple):
    """What is found in a frame besides its structure factors.

    Time in ps, drift [3] in angstrom, box [6], and what tells its positions from others, 16 bytes.
    """

    time: float
    drift: np.ndarray
    box: np.ndarray | None
    digest: bytes = bytes(DIGEST_BYTES)


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
        message = f"{self.done} of {self._total} frames"
        if fresh:
            message += f", {rate:.1f} frames/s, {duration_text(left)} left"
        if largest_drift is not None and largest_drift >= 0.01:
            message += f", largest drift {largest_drift:.2f} A"
        values = {"frames_per_second": rate, "seconds_left": left}
        return Progress(STAGE, self.done, self._total, message, values)


def duration_text(seconds: float) -> str:
    """A time as people say it: ``0.12 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 days 4 h``."""
    if seconds < 9.5:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{counted(days, 'day')} {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Writer:
    """Frames on their way to the store: kept until chunks are full or some seconds have passed, written on leaving.

    Each time costs some ms, however small the frames: a kill may lose those of the last second.

    Parameters
    ----------
    store : StructureFactorStore
    start : int
        Number of the first frame that will come.
    """

    def __init__(self, store: StructureFactorStore, start: int = 0) -> None:
        self._store, self._start = store, start
        self._rows: list[tuple[np.ndarray, float, np.ndarray, np.ndarray, np.ndarray]] = []
        self._written = time.monotonic()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, factors: np.ndarray, finding: Finding, frame: int | None = None) -> None:
        """Take a frame: the one after the last, or that of number `frame`."""
        if frame is not None and frame != self._start + len(self._rows):
            self.flush()
            self._start = frame
        box = np.full(6, np.nan) if finding.box is None else finding.box
        digest = np.frombuffer(finding.digest, dtype=np.uint8)
        self._rows.append((factors, finding.time, finding.drift, box, digest))
        if self._is_due():
            self.flush()

    def _is_due(self) -> bool:
        elapsed = time.monotonic() - self._written
        is_whole = (self._start + len(self._rows)) % self._store.frames_per_chunk == 0
        is_enough = elapsed > _LEAST_SECONDS or len(self._rows) * 8 * self._store.n_hkl >= _ENOUGH_BYTES
        return (is_whole and is_enough) or elapsed > _FLUSH_SECONDS

    def flush(self) -> None:
        """Write what was kept."""
        rows, self._rows = self._rows, []  # forgotten first: a full disk must not be tried twice
        if rows:
            factors, moments, drifts, boxes, digests = (np.array(column) for column in zip(*rows, strict=True))
            self._store.write(self._start, factors, time=moments, drift=drifts, cell=boxes, digest=digests)
            self._start += len(rows)
        self._written = time.monotonic()

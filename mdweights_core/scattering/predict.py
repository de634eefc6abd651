"""The jobs that fill a store: structure factors of trajectory frames, or collected from one MTZ per frame."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters, format_cell, reciprocal_axes, same_cell
from mdweights_core.crystal.laue import find_rows, friedel_half
from mdweights_core.errors import BadInput
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.mtz import read_frame
from mdweights_core.io.trajectories import FrameSource
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.placement import DriftTracker, Placement
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.store import FrameTable, StructureFactorStore, is_store
from mdweights_core.scattering.structure_factors import ScatteringEngine

__all__ = ["PredictSettings", "collect_mtz_frames", "half_lattice", "predict"]

STAGE = "structure factors"
_METHOD = 1  # raised whenever the same inputs would give other numbers
_FLUSH_SECONDS = 20.0
_CHUNK_BYTES = 32 * 2**20


def predict(
    source: FrameSource,
    lattice: MillerLattice,
    settings: PredictSettings,
    out: Path,
    *,
    cell: gemmi.UnitCell | None = None,
) -> Job[StructureFactorStore]:
    """Compute the structure factors of all frames into the store `out`.

    A store of the same inputs and settings is gone on with, and returned at once when complete. When the job is
    stopped, finished frames stay.

    Parameters
    ----------
    source : FrameSource
    lattice : MillerLattice
        P1, one of each Friedel pair.
    settings : PredictSettings
    out : Path
        Folder of the store; an older store there is replaced.
    cell : gemmi.UnitCell, optional
        The crystal's cell; by default that of `lattice`.

    Yields
    ------
    Progress
        Values ``frames_per_second`` and ``seconds_left``.

    Returns
    -------
    StructureFactorStore
        Complete; ``origin["warnings"]`` tells what was said on the way.

    Raises
    ------
    BadInput
        A frame that cannot be read, an unknown element, or something else in the place of the store.
    DiskProblem
        When the disk is full.
    """
    target = replace(lattice, cell=cell or lattice.cell, space_group=gemmi.SpaceGroup("P 1"))
    _check(source, target, settings)
    store = _same_or_new(Path(out), target, _frames_of(source), _key(source, target, settings))
    if not store.is_complete:
        store.warn(source.warnings)
        yield Progress(STAGE, int(store.finished.sum()), store.n_frames, "Preparing")
        yield from _fill(store, source, settings)
    return store


def _check(source: FrameSource, lattice: MillerLattice, settings: PredictSettings) -> None:
    if not len(lattice):
        raise BadInput("There are no reflections to compute", advice="Choose wider resolution limits")
    if not np.isfinite(settings.b_iso):
        raise BadInput(f"The B factor must be a number, not {settings.b_iso}")
    if not 1e-12 <= settings.relative_error <= 0.1:
        raise BadInput(f"The relative error must lie between 1e-12 and 0.1, not at {settings.relative_error:g}")
    if not source.n_frames:
        raise BadInput("There are no frames", where=source.paths[0] if source.paths else None)


def _frames_of(source: FrameSource) -> FrameTable:
    origins = [source.origin(frame) for frame in range(source.n_frames)]
    return FrameTable.blank([path for path, _ in origins], [index for _, index in origins])


def _key(source: FrameSource, lattice: MillerLattice, settings: PredictSettings) -> dict[str, Any]:
    return {
        "kind": "frames",
        "method": _METHOD,
        "files": [path.name for path in source.paths],
        "input": source.fingerprint,
        "lattice": _lattice_hash(lattice),
        "settings": asdict(settings),
    }


def _lattice_hash(lattice: MillerLattice) -> str:
    digest = hashlib.sha256(lattice.hkl.tobytes())
    digest.update(repr((cell_parameters(lattice.cell), tuple(lattice.ndiv))).encode())
    return digest.hexdigest()


def _same_or_new(out: Path, lattice: MillerLattice, frames: FrameTable, key: Mapping[str, Any]) -> StructureFactorStore:
    store = _same(out, key)
    return store if store is not None else StructureFactorStore.create(out, lattice, frames, key)


def _same(out: Path, key: Mapping[str, Any]) -> StructureFactorStore | None:
    """The store at `out` when it was made from the same; a damaged one counts as another."""
    if not is_store(out):
        return None
    try:
        store = StructureFactorStore.open(out)
    except BadInput:
        return None
    return store if store.key == key else None


def _fill(
    store: StructureFactorStore, source: FrameSource, settings: PredictSettings
) -> Generator[Progress, None, None]:
    """Compute all frames from the first unfinished one on."""
    start = int(np.argmin(store.finished))
    orthogonal = np.linalg.inv(reciprocal_axes(store.lattice.cell))
    placement = Placement(source.cell, store.lattice.cell)
    engine = ScatteringEngine(
        source.atoms.element,
        store.lattice,
        store.lattice.cell,
        b_iso=settings.b_iso,
        relative_error=settings.relative_error,
    )
    tracker = _tracker(store, source, placement, orthogonal, start)
    pace = _Pace(start, store.n_frames)
    with _Writer(store, start) as writer:
        for frame, positions, moment, box in _frames(source, start):
            place = placement.fractional(positions, box)
            shift = tracker(place)
            factors = engine(place - shift if settings.remove_drift else place)
            writer.add(factors, moment, orthogonal @ shift, box)
            if pace.step_done(frame + 1):
                yield pace.progress(_largest(store))
    store.warn([*placement.warnings, *placement.closing_warnings(), *_drift_warning(store, settings)])
    yield pace.progress(_largest(store))


def _tracker(
    store: StructureFactorStore, source: FrameSource, placement: Placement, orthogonal: np.ndarray, start: int
) -> DriftTracker:
    first = next(source.chunks(size=1))
    reference = placement.fractional(first.positions[0], None if first.cells is None else first.cells[0])
    before = np.linalg.solve(orthogonal, store.frames.drift[start - 1]) if start else None
    return DriftTracker(source.atoms, reference, before)


def _frames(source: FrameSource, start: int) -> Iterator[tuple[int, np.ndarray, float, np.ndarray | None]]:
    """(frame, positions, time, box) one by one, read some at a time."""
    size = int(np.clip(_CHUNK_BYTES // (12 * max(len(source.atoms), 1)), 1, 32))
    for chunk in source.chunks(size=size, start=start):
        for i, positions in enumerate(chunk.positions):
            box = None if chunk.cells is None else chunk.cells[i]
            yield chunk.start + i, positions, float(chunk.time[i]), box


def _largest(store: StructureFactorStore) -> float:
    drift = np.linalg.norm(store.frames.drift[store.finished], axis=1)
    return float(np.max(drift, initial=0.0))


def _drift_warning(store: StructureFactorStore, settings: PredictSettings) -> list[str]:
    largest = _largest(store)
    if settings.remove_drift or largest < 0.1:
        return []
    return [f"The frames drift by up to {largest:.2f} A as a whole, and this was not taken out"]


class _Pace:
    """Frames done, their rate, and when to say so."""

    def __init__(self, start: int, total: int) -> None:
        self._clock = Clock(0.2)
        self._start, self._done, self._total = start, start, total

    def step_done(self, done: int) -> bool:
        self._done = done
        return self._clock.is_due()

    def progress(self, largest_drift: float | None = None) -> Progress:
        fresh = self._done - self._start
        rate = fresh / max(self._clock.elapsed, 1e-9)
        left = self._clock.remaining(fresh, self._total - self._start) or 0.0
        message = f"{self._done} of {self._total} frames, {rate:.1f} frames/s, {_duration(left)} left"
        if largest_drift is not None and largest_drift >= 0.01:
            message += f", largest drift {largest_drift:.2f} A"
        values = {"frames_per_second": rate, "seconds_left": left}
        return Progress(STAGE, self._done, self._total, message, values)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class _Writer:
    """Frames on their way to the store: kept until a chunk is full or some seconds have passed, written on leaving."""

    def __init__(self, store: StructureFactorStore, start: int) -> None:
        self._store, self._start = store, start
        self._rows: list[tuple[np.ndarray, float, np.ndarray, np.ndarray]] = []
        self._written = time.monotonic()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, factors: np.ndarray, moment: float, drift: np.ndarray, box: np.ndarray | None) -> None:
        self._rows.append((factors, moment, drift, np.full(6, np.nan) if box is None else box))
        is_full = (self._start + len(self._rows)) % self._store.frames_per_chunk == 0
        if is_full or time.monotonic() - self._written > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        rows, self._rows = self._rows, []  # forgotten first: a full disk must not be tried twice
        if rows:
            factors, moments, drifts, boxes = (np.array(column) for column in zip(*rows, strict=True))
            self._store.write(self._start, factors, time=moments, drift=drifts, cell=boxes)
            self._start += len(rows)
        self._written = time.monotonic()


def collect_mtz_frames(
    paths: Sequence[str | os.PathLike[str]], lattice: MillerLattice, out: Path
) -> Job[StructureFactorStore]:
    """Collect the structure factors of frames from one MTZ file each into the store `out`.

    Parameters
    ----------
    paths : sequence of path
        One file per frame, in order.
    lattice : MillerLattice
        P1, one of each Friedel pair: the reflections wanted. Those that some file lacks are left out, and said.
    out : Path
        Folder of the store; an older store there is replaced.

    Returns
    -------
    StructureFactorStore

    Raises
    ------
    BadInput
        No file, a file with another cell or lattice, or files that lack more than half of the reflections.
    DiskProblem
        When the disk is full.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise BadInput("There are no frames", advice="Choose one MTZ file per frame")
    wanted = replace(lattice, space_group=gemmi.SpaceGroup("P 1"))
    key = _mtz_key(files, wanted)
    store = _same(Path(out), key)
    if store is None:
        present = yield from _present_everywhere(files, wanted)
        names = [str(file) for file in files]
        table = FrameTable.blank(names, np.zeros(len(files), dtype=np.int32))
        store = StructureFactorStore.create(Path(out), wanted.select(present), table, key)
        store.warn(_missing_warning(present))
    if not store.is_complete:
        yield from _fill_from_mtz(store, files)
    return store


def _mtz_key(files: list[Path], lattice: MillerLattice) -> dict[str, Any]:
    fingerprints = hashlib.sha256("\n".join(file_fingerprint(file) for file in files).encode())
    return {
        "kind": "mtz",
        "method": _METHOD,
        "files": [file.name for file in files],
        "input": fingerprints.hexdigest(),
        "lattice": _lattice_hash(lattice),
    }


def _present_everywhere(files: list[Path], lattice: MillerLattice) -> Generator[Progress, None, np.ndarray]:
    """Mask of the reflections that every file has, bool [n_hkl]."""
    clock = Clock(0.2)
    present = np.ones(len(lattice), dtype=bool)
    for done, file in enumerate(files, start=1):
        present &= np.isfinite(_values_on(lattice, file))
        _refuse_gaps(present, file)
        if clock.is_due():
            yield Progress("reading", done, len(files), f"Looking through file {done} of {len(files)}")
    return present


def _values_on(lattice: MillerLattice, file: Path) -> np.ndarray:
    """Structure factors of one file on the reflections of `lattice`, NaN where it has none; complex64 [n_hkl]."""
    own, values = read_frame(file)
    if not same_cell(own.cell, lattice.cell):
        raise BadInput(
            f"This frame's cell ({format_cell(own.cell)}) is not that of the map ({format_cell(lattice.cell)})",
            where=file,
        )
    if tuple(own.ndiv) != tuple(lattice.ndiv):
        raise BadInput("This frame's indices are not divided like those of the map", where=file)
    half = friedel_half(lattice.hkl)
    rows = find_rows(half, own.hkl)
    found = np.where(rows >= 0, values[rows], np.complex64(complex(np.nan, np.nan)))
    turned = (half != lattice.hkl).any(axis=1)
    return np.where(turned, found.conj(), found).astype(np.complex64)


def _refuse_gaps(present: np.ndarray, file: Path) -> None:
    missing = len(present) - int(present.sum())
    if 2 * missing > len(present):
        raise BadInput(
            f"With this frame {missing} of {len(present)} reflections of the map are missing",
            where=file,
            advice="Choose a larger d_min, or frames that go as far as the map",
        )


def _missing_warning(present: np.ndarray) -> list[str]:
    missing = int((~present).sum())
    if not missing:
        return []
    return [f"{missing} of {len(present)} reflections are missing in some frame and were left out"]


def _fill_from_mtz(store: StructureFactorStore, files: list[Path]) -> Generator[Progress, None, None]:
    start = int(np.argmin(store.finished))
    pace = _Pace(start, len(files))
    with _Writer(store, start) as writer:
        for frame in range(start, len(files)):
            writer.add(_values_on(store.lattice, files[frame]), np.nan, np.full(3, np.nan), None)
            if pace.step_done(frame + 1):
                yield pace.progress()
    yield pace.progress()

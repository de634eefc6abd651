"""The job that computes the structure factors of trajectory frames into a store."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.errors import BadInput
from mdweights_core.io.trajectories import FrameSource
from mdweights_core.jobs import Job, Progress
from mdweights_core.scattering.collect import collect_mtz_frames
from mdweights_core.scattering.filling import (
    METHOD,
    SNAPSHOT_SECONDS,
    STAGE,
    Finding,
    Pace,
    Writer,
    lattice_hash,
    same_store,
)
from mdweights_core.scattering.placement import DriftTracker, Placement, jumps, place_frames
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.scatterers import Scatterers
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.store import FrameTable, StructureFactorStore, sole_writer
from mdweights_core.scattering.structure_factors import ScatteringEngine

__all__ = ["PredictSettings", "collect_mtz_frames", "half_lattice", "predict"]

_NOTICEABLE_DRIFT = 0.5  # angstrom
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
    _check(source, target)
    out, key = Path(out), _key(source, target, settings)
    store = same_store(out, key)
    if store is None or not store.is_complete:
        # made before an older store is touched: it refuses elements without form factor
        engine = _engine(source, target, settings)
        with sole_writer(out):
            store = same_store(out, key) or StructureFactorStore.create(out, target, _frames_of(source), key)
            store.warn(source.warnings)
            yield Progress(STAGE, int(store.finished.sum()), store.n_frames, "Preparing")
            yield from _fill(store, source, engine, settings)
    store.remember_files(source.paths, source.topology_path)
    return store


def _check(source: FrameSource, lattice: MillerLattice) -> None:
    if not len(lattice):
        raise BadInput("There are no reflections to compute", advice="Choose wider resolution limits")
    if not source.n_frames:
        raise BadInput("There are no frames", where=source.paths[0] if source.paths else None)


def _frames_of(source: FrameSource) -> FrameTable:
    origins = [source.origin(frame) for frame in range(source.n_frames)]
    return FrameTable.blank([path for path, _ in origins], [index for _, index in origins])


def _key(source: FrameSource, lattice: MillerLattice, settings: PredictSettings) -> dict[str, Any]:
    return {
        "kind": "frames",
        "method": METHOD,
        "files": [path.name for path in source.paths],
        "input": source.fingerprint,
        "lattice": lattice_hash(lattice),
        "settings": asdict(settings),
    }


def _engine(source: FrameSource, lattice: MillerLattice, settings: PredictSettings) -> ScatteringEngine:
    return ScatteringEngine(
        Scatterers.of(source.atoms, settings),
        lattice,
        radiation=settings.radiation,
        relative_error=settings.relative_error,
    )


def _fill(
    store: StructureFactorStore, source: FrameSource, engine: ScatteringEngine, settings: PredictSettings
) -> Generator[Progress, None, None]:
    """Compute all frames from the first unfinished one on."""
    if store.is_complete:
        return
    start = int(np.argmin(store.finished))
    orthogonal = np.linalg.inv(reciprocal_axes(store.lattice.cell))
    placement = place_frames(source, store.lattice, settings)
    tracker = _tracker(store, source, placement, orthogonal, start)
    pace = Pace(start, store.n_frames)

    def placed() -> Iterator[tuple[np.ndarray, Finding]]:
        for frame, (positions, moment, box) in enumerate(_frames(source, start), start):
            place = placement.fractional(positions, box, frame)
            shift = tracker(place)
            yield place - shift if settings.remove_drift else place, Finding(moment, orthogonal @ shift, box)

    with Writer(store, start) as writer, closing(_side_by_side(engine, placed())) as results:
        for factors, finding in results:
            if finding is not None:
                writer.add(factors, finding)
                pace.done += 1
            if pace.is_due():
                yield pace.progress(_largest(store))
    store.warn([*placement.warnings, *placement.closing_warnings(), *_drift_warning(store, settings)])
    yield pace.progress(_largest(store))


def _tracker(
    store: StructureFactorStore, source: FrameSource, placement: Placement, orthogonal: np.ndarray, start: int
) -> DriftTracker:
    first = next(source.chunks(size=1))
    reference = placement.fractional(first.positions[0], None if first.cells is None else first.cells[0])
    before = np.linalg.solve(orthogonal, store.frames.drift[start - 1]) if start else None
    return DriftTracker(source.atoms, reference, before, is_whole=placement.molecules is not None)


def _side_by_side(
    engine: ScatteringEngine, placed: Iterator[tuple[np.ndarray, Finding]]
) -> Generator[tuple[np.ndarray, Finding | None], None, None]:
    """Structure factors and findings of frames in order, computed by as many threads as the engine takes.

    While a frame takes long, an empty result without finding comes every now and then.
    """
    waiting: deque[tuple[Future[np.ndarray], Finding]] = deque()
    pool = ThreadPoolExecutor(engine.n_workers, thread_name_prefix="structure-factors")
    try:
        for positions, finding in placed:
            waiting.append((pool.submit(engine, positions), finding))
            while len(waiting) > engine.n_workers:
                yield from _next_result(waiting)
        while waiting:
            yield from _next_result(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _next_result(
    waiting: deque[tuple[Future[np.ndarray], Finding]],
) -> Iterator[tuple[np.ndarray, Finding | None]]:
    future, finding = waiting[0]
    while not wait([future], timeout=SNAPSHOT_SECONDS).done:
        yield np.zeros(0, dtype=np.complex64), None
    waiting.popleft()
    yield future.result(), finding


def _frames(source: FrameSource, start: int) -> Iterator[tuple[np.ndarray, float, np.ndarray | None]]:
    """(positions, time, box) of frame after frame, read some at a time."""
    size = int(np.clip(_CHUNK_BYTES // (12 * max(len(source.atoms), 1)), 1, 32))
    for chunk in source.chunks(size=size, start=start):
        for i, positions in enumerate(chunk.positions):
            box = None if chunk.cells is None else chunk.cells[i]
            yield positions, float(chunk.time[i]), box


def _largest(store: StructureFactorStore) -> float:
    drift = np.linalg.norm(store.frames.drift[store.finished], axis=1)
    return float(np.max(drift, initial=0.0))


def _drift_warning(store: StructureFactorStore, settings: PredictSettings) -> list[str]:
    largest = _largest(store)
    if largest < _NOTICEABLE_DRIFT:
        return []
    jumping = jumps(store.frames.drift)
    if settings.remove_drift and jumping:
        return [
            f"The frames jump by up to {largest:.2f} A as a whole, back and forth, and this was taken out; where "
            "frames are independent models such shifts are no drift but disorder: compare with --keep-drift"
        ]
    if not settings.remove_drift and not jumping:
        return [f"The frames drift by up to {largest:.2f} A as a whole, and this was not taken out"]
    return []

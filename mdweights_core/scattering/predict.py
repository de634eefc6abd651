"""The job that computes the structure factors of trajectory frames into a store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.errors import BadInput, DiskProblem, counted
from mdweights_core.io.frames.selection import select_frames
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.jobs import Job, Progress
from mdweights_core.scattering.closing import closing_warnings, largest_drift
from mdweights_core.scattering.engine.direct import measured_error
from mdweights_core.scattering.engine.model import FrameEngine, FrameModel
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.solvent import mask_warning, settled_solvent
from mdweights_core.scattering.engine.structure_factors import available_threads
from mdweights_core.scattering.frames.placement import Placement, place_frames
from mdweights_core.scattering.pools.pool import Pool, ThreadPool, WorkersLost, in_order
from mdweights_core.scattering.settings import Execution, PredictSettings
from mdweights_core.scattering.storage.filling import (
    SNAPSHOT_SECONDS,
    STAGE,
    Finding,
    Pace,
    Writer,
    looked_through,
    readable_store,
    refuse_to_replace,
    require_space,
    same_store,
)
from mdweights_core.scattering.storage.layout import frames_text
from mdweights_core.scattering.storage.resume import digest_of, may_begin_with, other_frames, run_key
from mdweights_core.scattering.storage.store import (
    FrameTable,
    StructureFactorStore,
    sole_writer,
    store_bytes,
)

_CHUNK_BYTES = 32 * 2**20
_MOST_WORK = 2e7  # atoms times reflections of direct summation: 0.2 s


def predict(
    source: FrameSource,
    lattice: MillerLattice,
    settings: PredictSettings,
    out: Path,
    *,
    cell: gemmi.UnitCell | None = None,
    execution: Execution = Execution(),
    may_replace: bool = True,
    key: dict[str, Any] | None = None,
) -> Job[StructureFactorStore]:
    """Compute the structure factors of all frames into the store `out`.

    A store of the same inputs and settings is gone on with, frame by frame where some are broken, and returned at once
    when complete. Where it holds frames of these files, perhaps only the first ones, only the others are computed. When
    the job is stopped or killed, finished frames stay.

    Parameters
    ----------
    source : FrameSource
        All atoms; ``settings.selection`` is applied here.
    lattice : MillerLattice
        One of each Friedel pair, as of P1; its space group is the crystal's, for ``settings.expand_symmetry``.
    settings : PredictSettings
    out : Path
        Folder of the store; an older store there is replaced.
    cell : gemmi.UnitCell, optional
        The crystal's cell; by default that of `lattice`.
    execution : Execution
        Where frames are computed.
    may_replace : bool
        False keeps a complete store of something else that is there.
    key : dict, optional
        `predict_key` of the same arguments, where it is known already.

    Yields
    ------
    Progress
        Values ``frames_per_second`` and ``seconds_left``.

    Returns
    -------
    StructureFactorStore
        Complete; ``origin["warnings"]`` and ``origin["notes"]`` tell what was said on the way.

    Raises
    ------
    BadInput
        A frame that cannot be read, an unknown element, a scheduler that does not answer, something else in the place
        of the store, or a store that may not be replaced.
    DiskProblem
        When the disk is full, or will be.
    WorkersLost
        When the workers die again and again, or their memory is full.
    """
    source, rows, target, symmetry = _settled(source, lattice, settings, cell)
    _check(source, target)
    out, key = Path(out), key or run_key(source, target, settings, symmetry)
    store = same_store(out, key)
    if store is None or not store.is_complete:
        # made before an older store is touched: it refuses what cannot be computed
        run = _Run.of(source, rows, target, settings, symmetry, execution)
        store = yield from _filled(out, run, key, execution, may_replace)
    store.conclude(closing_warnings(store, source, target, settings))  # also where a run was stopped before it could
    store.remember_files(source.paths, source.topology_path)
    return store


def predict_key(
    source: FrameSource, lattice: MillerLattice, settings: PredictSettings, cell: gemmi.UnitCell | None = None
) -> dict[str, Any]:
    """The key of the store that `predict` makes of the same arguments."""
    source, _, target, symmetry = _settled(source, lattice, settings, cell)
    return run_key(source, target, settings, symmetry)


def _settled(
    source: FrameSource, lattice: MillerLattice, settings: PredictSettings, cell: gemmi.UnitCell | None
) -> tuple[FrameSource, np.ndarray, MillerLattice, gemmi.SpaceGroup | None]:
    """Frames, rows of the atoms that scatter, reflections in the crystal's cell, and the symmetry to expand by."""
    source, rows = select_frames(source, settings.selection)
    target = replace(lattice, cell=cell or lattice.cell, space_group=gemmi.SpaceGroup("P 1"))
    return source, rows, target, lattice.space_group if settings.expand_symmetry else None


def _check(source: FrameSource, lattice: MillerLattice) -> None:
    if not len(lattice):
        raise BadInput("There are no reflections to compute", advice="Choose wider resolution limits")
    if not source.n_frames:
        raise BadInput("There are no frames", where=source.paths[0] if source.paths else None)


def _filled(
    out: Path, run: _Run, key: dict[str, Any], execution: Execution, may_replace: bool
) -> Job[StructureFactorStore]:
    """The store of `run`, complete."""
    with sole_writer(out):
        yield Progress(STAGE, 0, run.source.n_frames, "Preparing")
        with closing((yield from _opened_pool(run, execution))) as pool:
            store = yield from _store_to_fill(out, run, key, may_replace)
            store.warn([*run.source.warnings, *run.placement.warnings, *run.warnings, *pool.warnings])
            yield from _fill(store, run, pool)
    return store


def _store_to_fill(out: Path, run: _Run, key: dict[str, Any], may_replace: bool) -> Job[StructureFactorStore]:
    """The store that is gone on with, that is added to, or a new one."""
    n_bytes, notes = store_bytes(run.source.n_frames, len(run.lattice)), list[str]()
    store = same_store(out, key)
    if store is not None:
        yield from looked_through(store)
        require_space(out, n_bytes)
        return store
    older = readable_store(out)
    if older is not None and may_begin_with(key, older.key):
        if run.settings.boxes == "mean":
            notes.append("The frames are others, and with them the mean box: all frames were computed anew")
        elif (others := (yield from other_frames(run.source, key, older))) is not None:
            yield from _take_over(older, run, key, others)
            return older
    if not may_replace and not notes:
        refuse_to_replace(out)
    require_space(out, n_bytes)
    store = StructureFactorStore.create(out, run.lattice, _frames_of(run.source), key)
    store.note(notes)
    return store


def _take_over(
    store: StructureFactorStore, run: _Run, key: dict[str, Any], others: np.ndarray
) -> Generator[Progress, None, None]:
    """Make room in a store for the frames that are new, and forget those that are others now."""
    there, new = store.n_frames, run.source.n_frames - store.n_frames
    require_space(store.path, store_bytes(run.source.n_frames, store.n_hkl))
    store.forget(others)
    store.extend(_frames_of(run.source), key)
    yield from looked_through(store)
    if new:
        were, are = ("was" if there == 1 else "were"), ("is" if new == 1 else "are")
        store.note([f"{counted(there, 'frame')} {were} there, {new} {are} new"])
    if len(others):
        is_other = "is another" if len(others) == 1 else "are others"
        store.note([f"{frames_text(others).capitalize()} {is_other} now: computed again"])
    if new or len(others):
        yield Progress(STAGE, int(store.finished.sum()), store.n_frames, store.origin["notes"][-1])


def _frames_of(source: FrameSource) -> FrameTable:
    origins = [source.origin(frame) for frame in range(source.n_frames)]
    return FrameTable.blank([path for path, _ in origins], [index for _, index in origins])


class _Taken(NamedTuple):
    """A frame on its way: its number, what was found in it, and where its atoms are when that is needed again."""

    frame: int
    finding: Finding
    place: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Run:
    """What is computed, and from what."""

    source: FrameSource
    rows: np.ndarray  # of the atoms that scatter
    lattice: MillerLattice
    settings: PredictSettings
    placement: Placement
    reference: np.ndarray  # fractional positions of the first frame
    model: FrameModel
    engine: FrameEngine
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        source: FrameSource,
        rows: np.ndarray,
        lattice: MillerLattice,
        settings: PredictSettings,
        symmetry: gemmi.SpaceGroup | None,
        execution: Execution,
    ) -> _Run:
        placement = place_frames(source, lattice, settings)
        first = next(source.chunks(size=1))
        reference = placement.fractional(first.positions[0], None if first.cells is None else first.cells[0])
        atoms = source.atoms.select(rows)
        scattering, warnings = settled_solvent(settings, atoms, placement, reference[rows], symmetry)
        model = FrameModel.of(
            Scatterers.of(atoms, settings), lattice, scattering, repeats=placement.cells, symmetry=symmetry
        )
        device = execution.device if execution.scheduler == "threads" else "cpu"
        engine = model.engine(execution.workers, device, reference[rows])
        warnings += mask_warning(model.mask_error(reference[rows]))
        return cls(source, rows, lattice, settings, placement, reference, model, engine, warnings)

    def frames(self, store: StructureFactorStore) -> Iterator[tuple[np.ndarray, _Taken]]:
        """Fractional positions of all unfinished frames; the first frame's go along with it."""
        orthogonal = np.linalg.inv(reciprocal_axes(self.lattice.cell))
        is_first = True
        for start, stop in _gaps(store.finished):
            before = np.linalg.solve(orthogonal, store.frames.drift[start - 1]) if start else None
            tracker = self.placement.drift_tracker(self.source.atoms, self.reference, before)
            for frame, positions, moment, box in _read(self.source, start, stop):
                place = self.placement.fractional(positions, box, frame)
                shift = tracker(place)
                if len(self.rows) < len(place):
                    place = place[self.rows]
                place = place - shift if self.settings.remove_drift else place
                finding = Finding(moment, orthogonal @ shift, box, digest_of(positions, box))
                yield place, _Taken(frame, finding, place if is_first else None)
                is_first = False

    def error(self, factors: np.ndarray, place: np.ndarray) -> float:
        """Relative error of a frame's structure factors against direct summation over its atoms."""
        of_atoms = factors - self.engine.of_solvent(place)
        model = self.model
        # about one reflection for each frame there is: next to nothing beside computing them
        work = len(model.scatterers) * float(np.clip(self.source.n_frames, 100, 1000))
        return measured_error(
            lambda _: of_atoms,
            model.scatterers,
            model.lattice,
            place,
            radiation=model.radiation,
            symmetry=model.symmetry,
            max_work=min(work, _MOST_WORK),
        )


def _gaps(finished: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each run of unfinished frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], finished, [True]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _read(source: FrameSource, start: int, stop: int) -> Iterator[tuple[int, np.ndarray, float, np.ndarray | None]]:
    """(frame, positions, time, box) of frame after frame, read some at a time."""
    size = int(np.clip(_CHUNK_BYTES // (12 * max(len(source.atoms), 1)), 1, 32))
    for chunk in source.chunks(size, start, stop):
        for i, positions in enumerate(chunk.positions):
            yield chunk.start + i, positions, float(chunk.time[i]), None if chunk.cells is None else chunk.cells[i]


def _fill(store: StructureFactorStore, run: _Run, pool: Pool) -> Generator[Progress, None, None]:
    """Compute all unfinished frames."""
    if store.is_complete:
        return
    pace = Pace(int(store.finished.sum()), store.n_frames)
    try:
        with Writer(store) as writer:
            for result in in_order(pool, run.frames(store)):
                if result is not None:
                    factors, taken = result
                    if taken.place is not None:
                        store.remember_error(run.error(factors, taken.place))
                    writer.add(factors, taken.finding, taken.frame)
                    pace.done += 1
                if pace.is_due():
                    yield pace.progress(largest_drift(store))
    except (DiskProblem, WorkersLost) as problem:
        are = "is" if store.n_frames == 1 else "are"
        kept = f"{problem.what}; {int(store.finished.sum())} of {counted(store.n_frames, 'frame')} {are} kept"
        raise type(problem)(kept, where=problem.where or store.path, advice=problem.advice) from problem
    finally:
        store.warn(pool.warnings)
    yield pace.progress(largest_drift(store))


def _opened_pool(run: _Run, execution: Execution) -> Generator[Progress, None, Pool]:
    """Threads at once; processes and clusters need a moment."""
    if execution.scheduler == "threads":
        return ThreadPool(run.engine)
    address = None if execution.scheduler == "processes" else execution.scheduler
    message = "Starting processes" if address is None else f"Connecting to {address}"
    start = Progress(STAGE, 0, run.source.n_frames, message)
    return (yield from _meanwhile(lambda: _cluster(run, execution, address), start))


def _cluster(run: _Run, execution: Execution, address: str | None) -> Pool:
    from mdweights_core.scattering.pools.cluster import DaskPool  # loads Dask

    if address is not None:
        return DaskPool(run.model, address=address, device=execution.device)
    on_gpu = execution.device == "gpu"
    n_workers = 1 if on_gpu else run.engine.n_workers
    # frames too large to lie in memory side by side are computed one by one, each by all threads
    n_threads = max(1, (execution.workers or available_threads()) // n_workers)
    return DaskPool(run.model, n_workers=n_workers, n_threads=n_threads, device="gpu" if on_gpu else "cpu")


def _meanwhile(open_pool: Callable[[], Pool], progress: Progress) -> Generator[Progress, None, Pool]:
    """Open a pool while snapshots come; one that comes up too late is closed again."""
    helper = ThreadPoolExecutor(1, thread_name_prefix="starting")
    opening = helper.submit(open_pool)
    helper.shutdown(wait=False)
    try:
        while not wait([opening], timeout=SNAPSHOT_SECONDS).done:
            yield progress
    except BaseException:
        opening.add_done_callback(_close_opened)
        raise
    return opening.result()


def _close_opened(opening: Future[Pool]) -> None:
    if opening.exception() is None:
        opening.result().close()

"""A look at frames before anything is computed of them: what fits the crystal, what does not, and what it will cost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import anchor_atoms, select_frames
from mdweights_core.io.frames.trajectories import Chunk, FrameSource
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.engine.model import FrameModel
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.solvent import settled_solvent
from mdweights_core.scattering.frames.placement import Placement, place_frames
from mdweights_core.scattering.frames.remarks import Remark, Seen, all_remarks
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.filling import free_bytes
from mdweights_core.scattering.storage.store import store_bytes

__all__ = ["FrameCheck", "Remark", "check_frames", "remarks_as_text"]

STAGE = "checking frames"
_MOST_FRAMES = 200
_LOOKING_SECONDS = 4.0
_POLL_SECONDS = 0.2
_LONG_FRAME = 1.0  # seconds: beyond, one frame tells enough
_MOST_ANCHORS, _MOST_COMPARED = 5_000, 10_000  # atoms remembered of each frame
_SAME_RMSD = 1e-3  # angstrom: as near as the digits of most files

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class FrameCheck:
    """What was seen in some frames of a trajectory, and what their structure factors will take.

    Attributes
    ----------
    remarks : tuple of Remark
    frames : int64 [n]
        Numbers of the frames looked at, ascending, from 0.
    time : float64 [n]
        ps; NaN where unknown.
    drift : float64 [n, 3]
        Common translation against the first frame, angstrom.
    boxes : float64 [n, 6]
        Angstrom and degrees; NaN where there is none.
    duplicates : tuple of (int, int)
        Frames that are the same to 0.001 A as an earlier one: (earlier, later).
    n_frames, n_atoms, n_hkl : int
        Of the whole run; atoms that scatter.
    bytes_needed : int
        Size of the store.
    bytes_free : int or None
        For it, with what a store in its place takes already; None when no place was named or the disk does not tell.
    seconds_per_frame, seconds_needed : float
        On the CPUs of this machine, one frame and all frames side by side.
    """

    remarks: tuple[Remark, ...]
    frames: np.ndarray
    time: np.ndarray
    drift: np.ndarray
    boxes: np.ndarray
    duplicates: tuple[tuple[int, int], ...]
    n_frames: int
    n_atoms: int
    n_hkl: int
    bytes_needed: int
    bytes_free: int | None
    seconds_per_frame: float
    seconds_needed: float


class _Glance(NamedTuple):
    """What is remembered of a frame: time, box, anchors in fractional coordinates, some atoms as they are, a digest."""

    time: float
    box: np.ndarray
    anchors: np.ndarray
    some: np.ndarray
    digest: bytes


def check_frames(
    source: FrameSource,
    lattice: MillerLattice,
    settings: PredictSettings,
    *,
    cell: gemmi.UnitCell | None = None,
    out: Path | None = None,
    map_name: str | None = None,
) -> Job[FrameCheck]:
    """Look at up to 200 frames, evenly spread, for a few seconds, and try the structure factors of one.

    Parameters
    ----------
    source : FrameSource
        All atoms; the settings' selection is made here.
    lattice : MillerLattice
        Reflections to compute; its space group is the crystal's.
    settings : PredictSettings
    cell : gemmi.UnitCell, optional
        The crystal's cell; by default that of `lattice`.
    out : Path, optional
        Folder of the store to be.
    map_name : str, optional
        What the cell is called in sentences.

    Yields
    ------
    Progress
        Stage "checking frames".

    Raises
    ------
    BadInput
        Whatever would keep the structure factors from being computed.
    """
    lattice = replace(lattice, cell=cell or lattice.cell)
    if not len(lattice):
        raise BadInput("There are no reflections to compute", advice="Choose wider resolution limits")
    if not source.n_frames:
        raise BadInput("There are no frames", where=source.paths[0] if source.paths else None)
    yield Progress(STAGE, 0, None, "Choosing atoms")
    chosen, rows = select_frames(source, settings.selection)
    atoms = chosen.atoms.select(rows)
    numbers = _spread(chosen.n_frames)
    placement = yield from _waited(partial(_placement, chosen, lattice, settings, numbers), "Looking for molecules")
    glances, seconds_reading = yield from _look(chosen, placement, numbers)
    frames = np.array(sorted(glances), dtype=np.int64)
    seen = [glances[frame] for frame in frames.tolist()]
    drift = _drift(chosen.atoms, seen, placement)
    duplicates = _duplicates(frames, seen)
    seconds, side_by_side = yield from _timed(chosen, rows, lattice, settings, placement)
    n_frames, n_hkl = chosen.n_frames, len(lattice)
    check = FrameCheck(
        remarks=(),
        frames=frames,
        time=np.array([glance.time for glance in seen]),
        drift=drift,
        boxes=np.array([glance.box for glance in seen]),
        duplicates=duplicates,
        n_frames=n_frames,
        n_atoms=len(atoms),
        n_hkl=n_hkl,
        bytes_needed=store_bytes(n_frames, n_hkl),
        bytes_free=None if out is None else free_bytes(Path(out)),
        seconds_per_frame=seconds,
        seconds_needed=n_frames * max(seconds / side_by_side, seconds_reading),
    )
    remarks = all_remarks(Seen(check, source, atoms, lattice, settings, placement, map_name or "the crystal"))
    return replace(check, remarks=tuple(remarks))


def remarks_as_text(remarks: Iterable[Remark]) -> str:
    """Remarks as lines of text: ``warning: box: The box of the frames ...``."""
    return "\n".join(f"{remark.level}: {remark.topic}: {remark.text}" for remark in remarks)


def _spread(n_frames: int) -> np.ndarray:
    """Up to 200 frames from the first to the last, in an order of which every beginning is spread over them."""
    count = min(n_frames, _MOST_FRAMES)
    bits = max(count - 1, 1).bit_length()
    order = sorted(range(count), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return np.linspace(0, n_frames - 1, count).round().astype(np.int64)[order]


def _placement(
    source: FrameSource, lattice: MillerLattice, settings: PredictSettings, numbers: np.ndarray
) -> Placement:
    """That of all frames, but for the mean box, which is that of some."""
    boxes = _some_boxes(source, numbers) if settings.boxes == "mean" else None
    return place_frames(source, lattice, settings, boxes)


def _some_boxes(source: FrameSource, numbers: np.ndarray, seconds: float = _LOOKING_SECONDS) -> np.ndarray:
    """Boxes of frames in the order of `numbers`, as many as can be read in some seconds: float64 [n, 6]."""
    one_atom, boxes = source.select(np.array([0])), []
    deadline = time.monotonic() + seconds
    for frame in numbers.tolist():
        cells = _read(one_atom, frame).cells
        boxes.append(np.full(6, np.nan) if cells is None else cells[0])
        if time.monotonic() > deadline:
            break
    return np.array(boxes)


def _look(
    source: FrameSource, placement: Placement, numbers: np.ndarray
) -> Generator[Progress, None, tuple[dict[int, _Glance], float]]:
    """Frames in the order of `numbers`, as many as can be read in some seconds; and the seconds that each took."""
    anchors = _thinned(anchor_atoms(source.atoms), _MOST_ANCHORS)
    some = _thinned(np.arange(len(source.atoms)), _MOST_COMPARED)
    glances: dict[int, _Glance] = {}
    clock, reading = Clock(), 0.0
    for frame in numbers.tolist():
        began = time.perf_counter()
        chunk = yield from _waited(partial(_read, source, frame), f"Looked at {len(glances)} frames")
        reading += time.perf_counter() - began
        positions, box = chunk.positions[0], None if chunk.cells is None else chunk.cells[0]
        if placement.molecules is None:
            place = placement.fractional(positions[anchors], box, frame)
        else:
            place = placement.fractional(positions, box, frame)[anchors]
        glances[frame] = _Glance(
            float(chunk.time[0]),
            np.full(6, np.nan) if box is None else np.asarray(box, dtype=np.float64),
            place,
            positions[some],
            hashlib.blake2b(np.ascontiguousarray(positions).tobytes(), digest_size=16).digest(),
        )
        if clock.is_due():
            yield Progress(STAGE, len(glances), len(numbers), f"Looked at {len(glances)} frames")
        if clock.elapsed > _LOOKING_SECONDS:
            break
    return glances, reading / len(glances)


def _read(source: FrameSource, frame: int) -> Chunk:
    return next(source.chunks(size=1, start=frame))


def _thinned(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[:: -(-len(rows) // most)] if len(rows) else rows


def _drift(atoms: Atoms, seen: list[_Glance], placement: Placement) -> np.ndarray:
    """Common translation of frames against the first, float64 [n, 3] in angstrom."""
    anchors = atoms.select(_thinned(anchor_atoms(atoms), _MOST_ANCHORS))
    tracker = placement.drift_tracker(anchors, seen[0].anchors)
    orthogonal = np.array(placement.cell.orth.mat.tolist())
    return np.array([orthogonal @ tracker(glance.anchors) for glance in seen])


def _duplicates(frames: np.ndarray, seen: list[_Glance]) -> tuple[tuple[int, int], ...]:
    """Frames that repeat an earlier one, atom by atom or but for the last digits: (earlier, later)."""
    from scipy.spatial.distance import pdist, squareform

    first: dict[bytes, int] = {}
    earliest = np.array([first.setdefault(glance.digest, row) for row, glance in enumerate(seen)])
    flat = np.array([glance.some.reshape(-1) for glance in seen], dtype=np.float64)
    near = squareform(pdist(flat)) <= _SAME_RMSD * np.sqrt(max(len(seen[0].some), 1))
    earliest = np.minimum(earliest, np.argmax(near, axis=1))  # a frame is near itself at the latest
    repeated = np.flatnonzero(earliest < np.arange(len(seen)))
    return tuple((int(frames[earliest[row]]), int(frames[row])) for row in repeated)


def _timed(
    source: FrameSource,
    rows: np.ndarray,
    lattice: MillerLattice,
    settings: PredictSettings,
    placement: Placement,
) -> Generator[Progress, None, tuple[float, int]]:
    """Seconds that the first frame takes, and frames computed at the same time."""
    symmetry = lattice.space_group if settings.expand_symmetry else None
    chunk = _read(source, 0)
    place = placement.fractional(chunk.positions[0], None if chunk.cells is None else chunk.cells[0])[rows]
    atoms = source.atoms.select(rows)
    settled, _ = settled_solvent(settings, atoms, placement, place, symmetry)
    model = FrameModel.of(Scatterers.of(atoms, settings), lattice, settled, repeats=placement.cells, symmetry=symmetry)
    engine = yield from _waited(model.engine, "Preparing structure factors")

    def seconds() -> float:
        began = time.perf_counter()
        engine(place)
        return time.perf_counter() - began

    taken = yield from _waited(seconds, "Trying a frame")
    if taken < _LONG_FRAME:  # the first one also makes plans
        taken = yield from _waited(seconds, "Trying a frame")
    return taken, engine.n_workers


def _waited(work: Callable[[], Answer], message: str) -> Generator[Progress, None, Answer]:
    """Do something on a thread, so that the job can be stopped meanwhile."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="check")
    try:
        answer = pool.submit(work)
        while not wait([answer], timeout=_POLL_SECONDS).done:
            yield Progress(STAGE, 0, None, message)
        return answer.result()
    finally:
        pool.shutdown(wait=False)

"""Structure factors of a store as MTZ files: one per frame, means over all frames or over blocks of them.

MTZ files hold whole indices only. A divided lattice is therefore written as that of the supercell, in P 1; or collapsed
to the mean content of one primitive cell, in the space group of the crystal, to whose origin it is moved if need be.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core import __version__
from mdweights_core.crystal.collapse import Collapse
from mdweights_core.crystal.lattice import MillerLattice, cell_parameters, same_cell, supercell
from mdweights_core.errors import BadInput
from mdweights_core.io.files import disk_problem, hold
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.frames.placement import Placement
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.store import StructureFactorStore

P1 = gemmi.SpaceGroup("P 1")

_TITLE = "mdweights: "
_STAGE = "MTZ files"
_SNAPSHOT_SECONDS = 0.2
_SAME_BOX = 0.02  # relative: further off, a box says nothing about the crystal

Cells = tuple[int, int, int]


def write_frame_mtzs(
    store: StructureFactorStore,
    folder: str | Path,
    *,
    collapse: gemmi.SpaceGroup | None = None,
    supercell: Cells | None = None,
) -> Job[list[str]]:
    """Write FC and PHIC of every finished frame, as ``frame_000123.mtz`` (counted from 0) in `folder`.

    Without `collapse` the files are in P 1 and hold all reflections of the store: `collect_mtz` reads them back. Files
    of an earlier run are replaced; when the job is stopped, those written so far stay.

    Parameters
    ----------
    store : StructureFactorStore
    folder : path
        Made if need be.
    collapse : gemmi.SpaceGroup, optional
        Write the mean content of one primitive cell in this space group instead, without systematic absences. A crystal
        that lies off the origin of the space group is moved there, in all frames as their mean asks for.
    supercell : (int, int, int), optional
        Primitive cells along each axis of the simulated box; found from box and cell when not given.

    Returns
    -------
    list of str
        What to know before FC and PHIC are believed, in sentences; they are in the files' histories, too.

    Raises
    ------
    BadInput
        When no frame is finished, the folder holds other files of such names, or `crystal.collapse.Collapse` refuses.
    DiskProblem
        When a file cannot be written.
    """
    frames = _finished(store, slice(None))
    form = _form(store, collapse, supercell, keep_absent=False)
    clock, done = Clock(_SNAPSHOT_SECONDS), 0
    with _folder_for(Path(folder), {_frame_name(frame) for frame in frames}, "frame", store) as place:
        form, told = yield from _at_origin(form, store, frames, clock)
        for rows in _blocks(store, frames):
            for frame, values in zip(rows, store.read(rows), strict=True):
                history = [*form.history, _frame_line(store, int(frame))]
                write_mtz(
                    place / _frame_name(frame),
                    form.recipe.lattice,
                    _complex_columns(form.recipe(values)),
                    title=f"{_TITLE}frame {frame}",
                    history=history,
                )
                done += 1
                if clock.is_due():
                    yield _progress(done, len(frames))
    yield _progress(done, len(frames))
    return told


def write_average_mtz(
    store: StructureFactorStore,
    path: str | Path,
    *,
    frames: slice = slice(None),
    collapse: gemmi.SpaceGroup | None = None,
    supercell: Cells | None = None,
) -> Job[list[str]]:
    r"""Write the averages over frames.

    ==========  ====  ==========================================================
    FC, PHIC    F, P  mean structure factor
    IMEAN       J     mean of \|F\|^2
    IDIFF       J     diffuse intensity, the variance of F: IMEAN - \|FC\|^2
    ==========  ====  ==========================================================

    With `collapse`, FC and PHIC are those of the mean content of one primitive cell, moved to the origin of the space
    group when it clearly lies elsewhere. The intensities, on the same scale (those of the box divided by the square of
    its number of cells), are averaged over the Laue class after the variance was taken; no move changes them.
    Systematic absences are kept: diffuse intensity is there.

    Parameters
    ----------
    store : StructureFactorStore
    path : path
        File to write.
    frames : slice
        Frames to average; those that are not finished are left out.
    collapse, supercell
        As for `write_frame_mtzs`.

    Returns
    -------
    list of str
        What to know before FC and PHIC are believed, in sentences; they are in the file's history, too.

    Raises
    ------
    BadInput, DiskProblem
        As for `write_frame_mtzs`.
    """
    form = _form(store, collapse, supercell, keep_absent=True)
    rows = _finished(store, frames)
    clock = Clock(_SNAPSHOT_SECONDS)
    mean, square = yield from _moments(store, rows, clock, 0, len(rows))
    form, told = form.at_origin(mean)
    _write_moments(Path(path), form, mean, square, rows)
    yield _progress(len(rows), len(rows))
    return told


def write_block_averages(
    store: StructureFactorStore,
    folder: str | Path,
    block: int,
    *,
    collapse: gemmi.SpaceGroup | None = None,
    supercell: Cells | None = None,
) -> Job[list[str]]:
    """Write the averages of `write_average_mtz` over every `block` frames that follow each other.

    With `collapse`, a crystal off the origin of the space group is moved there, in all blocks as the mean of all frames
    asks for. The files are called by their frames (counted from 0), ``average_000100-000199.mtz``. The last block may
    be shorter; a block without a finished frame has no file. When the job is stopped, files written so far stay.

    Returns
    -------
    list of str
        What to know before FC and PHIC are believed, in sentences; they are in the files' histories, too.

    Raises
    ------
    BadInput, DiskProblem
        As for `write_frame_mtzs`, and when a block has no frame.
    """
    if block < 1:
        raise BadInput(f"A block of {block} frames cannot be averaged", advice="Give at least 1 frame")
    frames = _finished(store, slice(None))
    form = _form(store, collapse, supercell, keep_absent=True)
    groups = np.split(frames, np.flatnonzero(np.diff(frames // block)) + 1)
    names = [_block_name(int(rows[0]) // block * block, block, store.n_frames) for rows in groups]
    clock, done = Clock(_SNAPSHOT_SECONDS), 0
    with _folder_for(Path(folder), set(names), "average", store) as place:
        form, told = yield from _at_origin(form, store, frames, clock)
        for rows, name in zip(groups, names, strict=True):
            mean, square = yield from _moments(store, rows, clock, done, len(frames))
            _write_moments(place / name, form, mean, square, rows)
            done += len(rows)
    yield _progress(done, len(frames))
    return told


# --- what the files hold ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Form:
    """How F of the store becomes rows of a file, and what to say of it."""

    recipe: Collapse
    history: list[str]

    def at_origin(self, mean: np.ndarray) -> tuple[_Form, list[str]]:
        """The form for a crystal whose mean F, complex [n_hkl], tells where it lies; and what to know of that."""
        origin = self.recipe.origin(mean)
        told = origin.remarks(self.recipe.lattice.space_group, "FC and PHIC")
        return _Form(self.recipe.moved(origin.move), [*self.history, *told]), told


def _form(
    store: StructureFactorStore, space_group: gemmi.SpaceGroup | None, repeats: Cells | None, *, keep_absent: bool
) -> _Form:
    lattice = store.lattice
    if space_group is None:
        whole = replace(lattice, cell=supercell(lattice.cell, lattice.ndiv), ndiv=(1, 1, 1))
        recipe = Collapse(whole, P1, n_cells=1, keep_absent=keep_absent)  # P 1 to P 1: only moved to the usual half
        what = "as simulated, in P 1"
        if lattice.ndiv != (1, 1, 1):
            what += f": indices of the supercell of {' x '.join(map(str, lattice.ndiv))} cells"
    else:
        of_cell, n_cells = _cells(store, repeats)
        recipe = Collapse(lattice, space_group, of_cell, n_cells=n_cells, keep_absent=keep_absent)
        what = f"mean content of one of {n_cells} simulated cells under {space_group.xhm()}"
    return _Form(recipe, [f"mdweights {__version__}", f"structure factors {what}", *_origin_lines(store)])


def _cells(store: StructureFactorStore, given: Cells | None) -> tuple[Cells, int]:
    """Primitive cells along each axis of the store's cell, and how many of them F holds.

    The cell of a store is the primitive one, unless it was told to be a supercell that nothing else speaks of.
    """
    settings = store.key.get("settings") or {}
    ndiv, held = store.lattice.ndiv, cells_in_box(store.frames.cell, store.lattice, settings.get("supercell"))
    if given is None:
        return (1, 1, 1), int(np.prod(held or ndiv))
    is_primitive = ndiv != (1, 1, 1) or held == tuple(given)
    return ((1, 1, 1) if is_primitive else given), int(np.prod(given))


def cells_in_box(boxes: np.ndarray, lattice: MillerLattice, stated: Sequence[int] | None = None) -> Cells | None:
    """Cells of the lattice along each axis of the frames' boxes.

    Parameters
    ----------
    boxes : float [n_frames, 6]
        Angstrom and degrees; NaN: none.
    lattice : MillerLattice
        Its cell is counted.
    stated : 3 int, optional
        What the user said; believed.

    Returns
    -------
    (int, int, int) or None
        None when nothing tells: there are no boxes, or they are not whole cells.
    """
    if stated:
        a, b, c = (int(n) for n in stated)
        return a, b, c
    known = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(known):
        return None
    box, own = gemmi.UnitCell(*np.median(known, axis=0)), lattice.cell
    a, b, c = (max(1, round(x / y)) for x, y in zip(cell_parameters(box)[:3], cell_parameters(own)[:3], strict=True))
    if same_cell(supercell(own, (a, b, c)), box, _SAME_BOX):
        return a, b, c
    turned = Placement(box, lattice, PredictSettings()).repeats  # other vectors of the same lattice
    return None if turned is None else (int(turned[0]), int(turned[1]), int(turned[2]))


def _complex_columns(values: np.ndarray) -> list[MtzColumn]:
    return [
        MtzColumn("FC", "F", np.abs(values).astype(np.float32)),
        MtzColumn("PHIC", "P", np.degrees(np.angle(values)).astype(np.float32)),
    ]


def _at_origin(
    form: _Form, store: StructureFactorStore, frames: np.ndarray, clock: Clock
) -> Generator[Progress, None, tuple[_Form, list[str]]]:
    """The form for a crystal that lies where the mean of these frames says, and what to know of that."""
    if form.recipe.lattice.space_group.number == 1:
        return form, []
    mean, _ = yield from _moments(store, frames, clock, 0, len(frames), "Origin of the crystal")
    return form.at_origin(mean)


def _write_moments(path: Path, form: _Form, mean: np.ndarray, square: np.ndarray, rows: np.ndarray) -> None:
    """Write mean F and its variance; the variance is taken before anything is averaged over symmetry."""
    diffuse = np.maximum(square - np.abs(mean) ** 2, 0.0)
    columns = [
        *_complex_columns(form.recipe(mean)),
        MtzColumn("IMEAN", "J", form.recipe.intensity(square).astype(np.float32)),
        MtzColumn("IDIFF", "J", form.recipe.intensity(diffuse).astype(np.float32)),
    ]
    span = f"{len(rows)} frames between {rows[0]} and {rows[-1]} (from 0)"
    history = [*form.history, f"mean over {span}", "IDIFF variance of F"]
    write_mtz(path, form.recipe.lattice, columns, title=f"{_TITLE}mean of {len(rows)} frames", history=history)


def _origin_lines(store: StructureFactorStore) -> list[str]:
    origin = store.origin
    lines = [f"store {store.path.name}, {store.n_frames} frames, {store.n_hkl} reflections in P 1"]
    cell = " ".join(f"{value:.6g}" for value in cell_parameters(store.lattice.cell))
    lines.append(f"cell {cell}, reciprocal axes divided by {' '.join(map(str, store.lattice.ndiv))}")
    settings = [
        f"{name} {value}" for name, value in (origin.get("settings") or {}).items() if value not in (None, "", {})
    ]
    if settings:
        lines.append(", ".join(settings))
    if origin.get("measured_error") is not None:
        lines.append(f"error against direct summation {origin['measured_error']:.1e}")
    return lines


def _frame_line(store: StructureFactorStore, frame: int) -> str:
    table = store.frames
    time = f", {table.time[frame]:g} ps" if np.isfinite(table.time[frame]) else ""
    return f"frame {frame} (from 0): {Path(table.source[frame]).name}, frame {table.index[frame]} of it{time}"


# --- reading by blocks -----------------------------------------------------------------------------------------------


def _finished(store: StructureFactorStore, frames: slice) -> np.ndarray:
    """Numbers of the finished frames, rising: int64 [n]."""
    rows = np.sort(np.arange(store.n_frames)[frames])
    rows = rows[store.finished[rows]]
    if not len(rows):
        raise BadInput("None of these frames has structure factors yet", where=store.path, advice="Compute them first")
    return rows


def _blocks(store: StructureFactorStore, rows: np.ndarray) -> list[np.ndarray]:
    """The frames in parts that lie together on disk."""
    return np.split(rows, np.flatnonzero(np.diff(rows // store.frames_per_chunk)) + 1)


def _moments(
    store: StructureFactorStore, rows: np.ndarray, clock: Clock, done: int, total: int, stage: str = _STAGE
) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
    """Mean of F, complex128 [n_hkl], and of |F|^2, float64 [n_hkl], over some frames."""
    mean, square = np.zeros(store.n_hkl, dtype=np.complex128), np.zeros(store.n_hkl)
    for part in _blocks(store, rows):
        for values in store.read(part):
            mean += values
            square += values.real.astype(np.float64) ** 2 + values.imag.astype(np.float64) ** 2
        done += len(part)
        if clock.is_due():
            yield _progress(done, total, stage)
    return mean / len(rows), square / len(rows)


def _progress(done: int, total: int, stage: str = _STAGE) -> Progress:
    return Progress(stage, done, total, f"{done} of {total} frames")


# --- folders of files ------------------------------------------------------------------------------------------------


def _frame_name(frame: int) -> str:
    return f"frame_{frame:06d}.mtz"


def _block_name(first: int, block: int, n_frames: int) -> str:
    return f"average_{first:06d}-{min(first + block, n_frames) - 1:06d}.mtz"


@contextmanager
def _folder_for(folder: Path, names: set[str], kind: str, store: StructureFactorStore) -> Iterator[Path]:
    """Make a folder and hold it; refuse one where files would be lost, or left over among the new ones."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(
            path for path in folder.iterdir() if re.fullmatch(rf"{kind}_\d{{6,}}(-\d{{6,}})?\.mtz", path.name)
        )
    except OSError as error:
        raise disk_problem(error, folder) from error
    sources = {Path(source).resolve() for source in store.frames.source}
    precious = [path for path in found if path.resolve() in sources or not _is_ours(path)]
    _refuse(folder, precious, "would be overwritten, but was not written by an earlier run of this")
    _refuse(folder, [path for path in found if path.name not in names], "would be left among the new ones")
    with hold(folder):
        yield folder


def _refuse(folder: Path, files: Sequence[Path], why: str) -> None:
    if files:
        others = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
        raise BadInput(f"{files[0].name}{others} {why}", where=folder, advice="Choose an empty folder")


def _is_ours(path: Path) -> bool:
    try:
        return gemmi.read_mtz_file(str(path), with_data=False).title.startswith(_TITLE)
    except (OSError, RuntimeError, ValueError):
        return False

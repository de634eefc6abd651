"""Checkpoints of Lunus' xtraj: structure factors of every frame on the reflections of a measured map, and weights.

``checkpoint.nxs`` is a NeXus file with

===========================  ==================================================================================
entry/sample                 ``unit_cell`` (6), ``unit_cell_group`` (symbol of the space group)
entry/reflections            ``hkl`` float64 [n_hkl, 3], ``diffuse`` float64 [n_hkl]: the measured diffuse map
entry/data/fcalc_list        float32 [n_frames, n_hkl, 2], real and imaginary parts
entry/data/weights           float32 [n_frames], 1 for every frame kept: weights relative to equal ones
===========================  ==================================================================================

The reflections are those of the asymmetric unit of its space group; where that is not P 1 every frame has the symmetry.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.files import atomic_write, require_file
from mdweights_core.io.maps.contents import MapColumn, MapContents, measured_only, refuse_repeats, whole_indices
from mdweights_core.io.maps.mtz_file import require_fit
from mdweights_core.io.maps.nexus import crystal, dataset, numbers, open_nexus, write_nexus

CHECKPOINT = "xtraj checkpoint"

_FRAMES, _WEIGHTS = "entry/data/fcalc_list", "entry/data/weights"
_HKL, _DIFFUSE, _SAMPLE = "entry/reflections/hkl", "entry/reflections/diffuse", "entry/sample"
_MAKE_AGAIN = "Run xtraj again with do_opt=True checkpoint=True"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds; its structure factors stay on disk until they are read.

    Attributes
    ----------
    lattice : MillerLattice
        As listed in the file.
    n_frames : int
    weights : float64 [n_frames] or None
        Relative to equal weights, as they are in the file.
    """

    path: Path
    lattice: MillerLattice
    n_frames: int
    weights: np.ndarray | None

    def read(self, start: int, stop: int) -> np.ndarray:
        """Structure factors of frames ``start`` to ``stop - 1``, complex64 [n, n_hkl], as listed in the file.

        Raises
        ------
        BadInput
            When they cannot be read.
        """
        with open_nexus(self.path) as file:
            parts = np.ascontiguousarray(dataset(file, _FRAMES)[start:stop], dtype=np.float32)
        return parts.view(np.complex64)[..., 0]


def is_checkpoint(file: Any) -> bool:
    """True for an open NeXus file with structure factors of frames."""
    return file.get(_FRAMES) is not None and file.get(_HKL) is not None


def open_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a checkpoint.

    Raises
    ------
    BadInput
        When the file is missing, damaged or no checkpoint, lists a reflection twice, or has no usable cell or space
        group.
    """
    path = require_file(path)
    with open_nexus(path) as file:
        if not is_checkpoint(file):
            raise BadInput("This NeXus file is no checkpoint of xtraj", where=path, advice=_MAKE_AGAIN)
        lattice = _lattice(path, file)
        frames, weights = dataset(file, _FRAMES), numbers(file, _WEIGHTS)
        if frames is None or frames.ndim != 3 or frames.shape[1:] != (len(lattice), 2) or not len(frames):
            raise BadInput(
                f"The structure factors of the frames are not on its {len(lattice)} reflections",
                where=path,
                advice=_MAKE_AGAIN,
            )
        known = weights is not None and weights.shape == (len(frames),)
        return Checkpoint(
            path, lattice, len(frames), weights.astype(np.float64) if known and weights is not None else None
        )


def read_checkpoint_map(path: str | os.PathLike[str]) -> MapContents:
    """The measured diffuse map that lies in a checkpoint.

    Raises
    ------
    BadInput
        When the file is no checkpoint that `open_checkpoint` opens.
    """
    opened = open_checkpoint(path)
    with open_nexus(opened.path) as file:
        diffuse = numbers(file, _DIFFUSE)
    columns: tuple[MapColumn, ...] = ()
    if diffuse is not None and diffuse.shape == (len(opened.lattice),):
        columns = (MapColumn("diffuse", "J", measured_only(diffuse)),)
    lattice = opened.lattice
    return MapContents(
        path=opened.path,
        kind=CHECKPOINT,
        hkl=lattice.hkl,
        ndiv=lattice.ndiv,
        cell=lattice.cell,
        space_group=lattice.space_group,
        columns=columns,
        n_frames=opened.n_frames,
    )


def write_weights(source: str | os.PathLike[str], out: str | os.PathLike[str], weights: np.ndarray) -> None:
    """Write a copy of a checkpoint with other weights; the source stays as it is unless `out` is the same path.

    Parameters
    ----------
    source, out : path
    weights : float [n_frames]
        Relative to equal weights: their mean is 1.

    Raises
    ------
    BadInput
        When the source cannot be read, or holds another number of frames.
    DiskProblem
        When the copy cannot be written; an older one stays as it was.
    """
    opened = open_checkpoint(source)
    if len(weights) != opened.n_frames:
        raise BadInput(
            f"The checkpoint holds {counted(opened.n_frames, 'frame')}, but there are "
            f"{counted(len(weights), 'weight')}",
            where=opened.path,
            advice="Choose the checkpoint that the weights were fitted to",
        )

    def fill(target: Path) -> None:
        shutil.copyfile(opened.path, target)
        with write_nexus(target, "r+") as file:
            if _WEIGHTS in file:
                del file[_WEIGHTS]
            file.create_dataset(_WEIGHTS, data=np.asarray(weights, dtype=np.float32))

    atomic_write(out, fill)


def write_checkpoint(
    path: str | os.PathLike[str],
    frames: Iterable[np.ndarray],
    lattice: MillerLattice,
    weights: np.ndarray,
    diffuse: np.ndarray,
) -> None:
    """Write a whole checkpoint.

    Parameters
    ----------
    path : path
    frames : iterable of complex64 [n, n_hkl]
        Structure factors by blocks of frames, in order, as many in all as there are weights.
    lattice : MillerLattice
    weights : float [n_frames]
        Relative to equal weights: their mean is 1.
    diffuse : float [n_hkl]
        The measured diffuse map, NaN where missing.

    Raises
    ------
    BadInput
        When there are more or fewer frames than weights.
    DiskProblem
        When the file cannot be written; an older one stays as it was.
    """

    def fill(target: Path) -> None:
        with write_nexus(target, "w") as file:
            _write_reflections(file, lattice, diffuse)
            file.create_dataset(_WEIGHTS, data=np.asarray(weights, dtype=np.float32))
            data = file.create_dataset(_FRAMES, (len(weights), len(lattice), 2), dtype=np.float32)
            done = 0
            for block in frames:
                stop = done + len(block)
                if stop > len(weights):
                    raise _wrong_count(path, f"more than {len(weights)}", weights)
                data[done:stop] = (
                    np.ascontiguousarray(block, dtype=np.complex64)
                    .view(np.float32)
                    .reshape(len(block), len(lattice), 2)
                )
                done = stop
            if done != len(weights):
                raise _wrong_count(path, str(done), weights)

    atomic_write(path, fill)


def _wrong_count(path: str | os.PathLike[str], found: str, weights: np.ndarray) -> BadInput:
    return BadInput(f"There are structure factors of {found} frames, but {counted(len(weights), 'weight')}", where=path)


def _write_reflections(file: Any, lattice: MillerLattice, diffuse: np.ndarray) -> None:
    classes = {"/": "NXroot", "entry": "NXentry", "entry/sample": "NXsample", "entry/reflections": "NXdata"}
    for name, nexus_class in classes.items():
        file.require_group(name).attrs["NX_class"] = nexus_class
    cell = file.create_dataset(f"{_SAMPLE}/unit_cell", data=cell_parameters(lattice.cell))
    cell.attrs["units"] = "angstrom"
    file.create_dataset(f"{_SAMPLE}/unit_cell_group", data=lattice.space_group.xhm())
    hkl = file.create_dataset(_HKL, data=lattice.index)
    hkl.attrs["ndiv"] = lattice.ndiv
    file.create_dataset(_DIFFUSE, data=np.asarray(diffuse, dtype=np.float64))


def _lattice(path: Path, file: Any) -> MillerLattice:
    import h5py

    sample = file.get(_SAMPLE)
    cell, group = crystal(sample) if isinstance(sample, h5py.Group) else (None, None)
    if cell is None or group is None:
        missing = "unit cell" if cell is None else "space group that is known"
        raise BadInput(f"The checkpoint has no {missing}", where=path, advice=_MAKE_AGAIN)
    require_fit(cell, group, path, _MAKE_AGAIN)
    listed = dataset(file, _HKL)
    if listed is None or listed.ndim != 2 or listed.shape[1] != 3 or not len(listed):
        raise BadInput("The checkpoint lists no reflections", where=path, advice=_MAKE_AGAIN)
    hkl, ndiv = whole_indices(np.asarray(listed[()]), path, _told_divisions(listed))
    lattice = MillerLattice(hkl, cell, group, ndiv)
    refuse_repeats(lattice, path)
    return lattice


def _told_divisions(listed: Any) -> tuple[int, int, int] | None:
    """Sub-divisions as `write_checkpoint` keeps them; xtraj itself writes none."""
    told = np.asarray(listed.attrs.get("ndiv", ()))
    if told.shape != (3,) or told.dtype.kind not in "iu" or not ((told >= 1) & (told < 1000)).all():
        return None
    return (int(told[0]), int(told[1]), int(told[2]))

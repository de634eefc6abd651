"""Diffuse maps in the formats of Lunus: lattices (``.lat``) and lists of reflections (``.hkl``).

A lattice is a header of 36 bytes (the numbers of grid points n_x, n_y, n_z as uint32; lower and upper bound along x, y
and z as float32) and n_x n_y n_z float32, x fastest. Bounds are in 1/angstrom, so that a step is one reciprocal axis or
a whole part of it; bounds in Miller indices are read as well. A point without a measurement holds -32768 (-32767 in
some files, NaN in others). Lunus writes in the byte order of its machine; both are read, little-endian is written.
Neither format tells the cell or the space group.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.volume import ReciprocalVolume
from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write, require_file, unreadable
from mdweights_core.io.maps.contents import MASKS, MapColumn, MapContents, full_sphere, measured_only, whole_indices
from mdweights_core.io.maps.mtz_file import INDEX_LIMIT

LATTICE, LIST = "Lunus lattice", "hkl list"

_HEADER_BYTES = 36
_STEP_TOLERANCE = 0.02  # cells of a map and of its header often differ by some parts in a thousand
_INDEX_TOLERANCE = 1e-4
_MOST_DIVISIONS = 16
_COPY_AGAIN = "Copy or make the file again"
_COMMENTS = ("#", "!")


def read_lat(path: str | os.PathLike[str], cell: gemmi.UnitCell | None = None) -> MapContents:
    """Read a Lunus lattice.

    Parameters
    ----------
    path : path
    cell : gemmi.UnitCell, optional
        The cell of the data, which tells how the steps of the grid divide the reciprocal axes. Without it the indices
        are those of the grid points, and the contents serve for a summary only.

    Raises
    ------
    BadInput
        When the file is missing or damaged, holds no grid that includes hkl = 0, or its steps do not fit the cell.
    """
    path = require_file(path)
    try:
        with path.open("rb") as stream:
            shape, bounds, order = _header(path, stream)
            values = np.fromfile(stream, dtype=f"{order}f4")
    except OSError as error:
        raise unreadable(error, path) from error
    if len(values) != shape.prod():
        raise _damaged(path, "it is shorter than its header tells")
    origin, step = _grid(path, shape, bounds)
    ndiv = (1, 1, 1) if cell is None else _divisions(path, step, cell)
    grid = measured_only(values).reshape(tuple(shape[::-1]))
    place = np.argwhere(np.isfinite(grid))
    return MapContents(
        path=path,
        kind=LATTICE,
        hkl=(place[:, ::-1] - origin).astype(np.int32),
        ndiv=ndiv,
        cell=None,
        space_group=None,
        columns=(MapColumn("intensity", "J", grid[tuple(place.T)]),),
        notes=() if cell is not None else (_hint(step),),
    )


def read_hkl(path: str | os.PathLike[str]) -> MapContents:
    """Read a list of ``h k l intensity [sigma]``, separated by blanks; indices may be fractional.

    Lines that begin with ``#`` or ``!`` are left out, and so is hkl = 0, which ends the files of SHELX.

    Raises
    ------
    BadInput
        When it is no such list.
    """
    path = require_file(path)
    table = _table(path)
    hkl, ndiv = whole_indices(table[:, :3], path)
    kept = hkl.any(axis=1)
    if not kept.any():
        raise BadInput("The file lists no reflection", where=path, advice="Choose another file")
    columns = [MapColumn("intensity", "J", measured_only(table[kept, 3]))]
    if table.shape[1] > 4:
        columns.append(MapColumn("sigma_intensity", "Q", measured_only(table[kept, 4])))
    return MapContents(path, LIST, hkl[kept], ndiv, None, None, tuple(columns))


def write_lat(path: str | os.PathLike[str], lattice: MillerLattice, values: np.ndarray) -> None:
    """Write values (float [n_hkl], NaN where missing) and all that is equivalent to them as a Lunus lattice.

    Raises
    ------
    DiskProblem
        When the file cannot be written; an older one stays as it was.
    """
    volume = full_sphere(lattice, values)
    content = _lat_bytes(volume, lattice)
    atomic_write(path, lambda target: _write_bytes(target, content))


def write_hkl(
    path: str | os.PathLike[str], lattice: MillerLattice, values: np.ndarray, sigma: np.ndarray | None = None
) -> None:
    """Write ``h k l value [sigma]`` of the reflections as they are given, the missing ones (NaN) left out.

    Indices are whole where the lattice is not divided, as Lunus reads them, and decimals where it is. A sigma that is
    not known is written as 0.

    Raises
    ------
    DiskProblem
        When the file cannot be written; an older one stays as it was.
    """
    kept = np.isfinite(values)
    whole = lattice.ndiv == (1, 1, 1)
    columns = [lattice.hkl[kept] if whole else lattice.index[kept], np.asarray(values)[kept, None]]
    formats = ["%4d" if whole else "%9.5f"] * 3 + ["%15.9g"]
    if sigma is not None:
        columns.append(np.nan_to_num(np.asarray(sigma)[kept, None]))
        formats.append("%15.9g")
    atomic_write(path, lambda target: np.savetxt(target, np.column_stack(columns), fmt=formats))


def _header(path: Path, stream: BinaryIO) -> tuple[np.ndarray, np.ndarray, str]:
    """Numbers of points int64 [3], bounds float64 [3, 2], byte order."""
    header = stream.read(_HEADER_BYTES)
    n_values, rest = divmod(os.fstat(stream.fileno()).st_size - _HEADER_BYTES, 4)
    if len(header) == _HEADER_BYTES and rest == 0:
        for order in "<>":
            shape = [int(n) for n in np.frombuffer(header, f"{order}u4", 3)]
            if shape[0] * shape[1] * shape[2] == n_values > 0:  # whole numbers of Python: no product overflows
                bounds = np.frombuffer(header, f"{order}f4", 6, 12).astype(np.float64).reshape(3, 2)
                return np.array(shape), bounds, order
    raise _damaged(path, "its size is not that of the grid its header tells")


def _grid(path: Path, shape: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grid point of hkl = 0, int64 [3], and step [3] in the unit of the bounds."""
    with np.errstate(all="ignore"):
        step = (bounds[:, 1] - bounds[:, 0]) / (shape - 1)
        origin = -bounds[:, 0] / step
        is_possible = np.isfinite(origin) & (step > 0) & (np.abs(origin) < INDEX_LIMIT) & (shape < INDEX_LIMIT)
    if not is_possible.all():
        raise _damaged(path, "the bounds in its header make no grid")
    if np.abs(origin - np.rint(origin)).max() > 0.1:
        raise BadInput("hkl = 0 is no point of the grid", where=path, advice="Make the lattice on whole indices")
    return np.rint(origin).astype(np.int64), step


def _divisions(path: Path, step: np.ndarray, cell: gemmi.UnitCell) -> tuple[int, int, int]:
    """Steps per reciprocal axis: from steps in 1/angstrom (Lunus takes 1/a, others the axis a*), or in indices."""
    axes = np.array([cell.a, cell.b, cell.c])
    reciprocal = cell.reciprocal()
    stars = np.array([reciprocal.a, reciprocal.b, reciprocal.c])
    units = ((1 / axes, _STEP_TOLERANCE), (stars, _STEP_TOLERANCE), (np.ones(3), _INDEX_TOLERANCE))
    for unit, tolerance in units:
        per_axis = unit / step
        n = np.rint(per_axis)
        if (n >= 1).all() and (n <= _MOST_DIVISIONS).all() and (np.abs(per_axis - n) <= tolerance * n).all():
            return (int(n[0]), int(n[1]), int(n[2]))
    raise BadInput(
        f"The steps of the grid do not divide the reciprocal axes of the cell ({_hint(step)})",
        where=path,
        advice="Give the cell of these data",
    )


def _hint(step: np.ndarray) -> str:
    if (step > 1 / _MOST_DIVISIONS).all():
        return "steps of " + " ".join(f"{s:g}" for s in step) + " Miller indices"
    return "steps of the reciprocal axes of " + " x ".join(f"{1 / s:.2f}" for s in step) + " angstrom"


def _lat_bytes(volume: ReciprocalVolume, lattice: MillerLattice) -> bytes:
    """The lattice with one empty plane above each upper limit.

    Lunus finds the origin by rounding -lower n / (upper - lower): a grid as long above zero as below puts it exactly
    between two points.
    """
    limits = np.array(volume.limits)
    grid = np.full(tuple(2 * limits + 2), MASKS[0], dtype="<f4")
    inside = volume.values
    grid[:-1, :-1, :-1] = np.where(np.isfinite(inside), inside, np.float32(MASKS[0]))
    step = 1 / (np.array([lattice.cell.a, lattice.cell.b, lattice.cell.c]) * lattice.ndiv)
    bounds = np.column_stack([-limits * step, (limits + 1) * step])
    return np.array(grid.shape, dtype="<u4").tobytes() + bounds.astype("<f4").tobytes() + grid.tobytes("F")


def _write_bytes(target: Path, content: bytes) -> None:
    target.write_bytes(content)


def _stumble(told: str) -> str:
    """Where numpy stumbled: in its words rows count from 0 for what is no number, else from 1, comments left out."""
    row = re.search(r"at row (\d+)", told)
    if row is None:
        return "it is no text of numbers"
    is_word = told.startswith("could not convert")
    return f"line {int(row[1]) + is_word}{' holds what is no number' if is_word else ' has another number of columns'}"


def _table(path: Path) -> np.ndarray:
    """All numbers of a list, float64 [n, 4 or more]."""
    try:
        with warnings.catch_warnings(), path.open(encoding="latin-1") as stream:
            warnings.simplefilter("ignore")  # of a file without a line, which is told below
            table = np.loadtxt(stream, dtype=np.float64, comments=_COMMENTS, ndmin=2)
    except OSError as error:
        raise unreadable(error, path) from error
    except (ValueError, MemoryError, OverflowError) as error:
        advice = "Write one reflection per line, h k l intensity and perhaps sigma, separated by blanks"
        raise BadInput(f"This is no list of reflections ({_stumble(str(error))})", where=path, advice=advice) from error
    if not len(table):
        raise BadInput("The file lists no reflection", where=path, advice="Choose another file")
    if table.shape[1] < 4:
        raise BadInput(f"The list has {table.shape[1]} columns, but needs h, k, l and an intensity", where=path)
    return table


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(f"The Lunus lattice is damaged or no lattice: {why}", where=path, advice=_COPY_AGAIN)

"""Reciprocal-space maps as CCP4/MRC files, both ways.

A CCP4 map is made for electron density, but holds any numbers on a grid. What is written here is read by viewers of
such maps and by DECaF, whose convention it follows:

- the cell of the header is the reciprocal one, a* b* c* in 1/angstrom, and its sampling M are the sub-divisions of the
  reciprocal axes, so that grid point h lies at h/M of a*;
- the grid is a box around the origin, the start N are the lowest indices, hkl = 0 is its middle;
- the space group of the header is P 1, as the box holds all equivalent reflections, Friedel mates too;
- a point without a measurement holds NaN. DECaF fills with -1000 or with a number 1000 below the map's lowest; both are
  taken for missing on reading, when the first corner of the box holds them.

Single precision is not enough to get a cell back as it was, and the header has no place for a second space group: both
are kept in labels, as text. DECaF starts its boxes at -h_max - 2, though hkl = 0 is the middle of them; such boxes are
put right. Format: https://www.ccpem.ac.uk/mrc_format/mrc2014.php
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write, require_file, unreadable
from mdweights_core.io.maps.contents import MASKS, MapColumn, MapContents, full_sphere, measured_only
from mdweights_core.io.maps.mtz_file import INDEX_LIMIT, cell_of_numbers

CCP4 = "CCP4 map"

_HEADER_BYTES = 1024
_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2"}
_LABELS, _LABEL_WIDTH, _LABEL_START = 10, 80, 224
_OURS = "mdweights"
_COPY_AGAIN = "Copy or make the file again"
_DECAF_FILL, _DECAF_SHIFT = -1000.0, 2


@dataclass(frozen=True, eq=False)
class _Header:
    """What the 1024 bytes at the start of a map tell; vectors are along x, y and z."""

    order: str
    mode: int
    shape: tuple[int, int, int]  # columns, rows, sections
    axes: tuple[int, int, int]  # x = 0, y = 1, z = 2 of columns, rows, sections
    start: np.ndarray
    sampling: np.ndarray
    cell: gemmi.UnitCell | None
    space_group: int
    data_at: int
    labels: tuple[str, ...]


def is_ccp4(head: bytes) -> bool:
    """True for the first bytes (212 or more) of a CCP4 map."""
    return head[208:212] == b"MAP "


def read_ccp4(path: str | os.PathLike[str], cell: gemmi.UnitCell | None = None) -> MapContents:
    """Read a reciprocal-space map.

    Parameters
    ----------
    path : path
    cell : gemmi.UnitCell, optional
        The real cell, for a map whose header holds no reciprocal one; its grid points are then whole Miller indices.

    Raises
    ------
    BadInput
        When the file is missing or damaged, or its header holds the cell of an electron density and none is given.
    """
    path = require_file(path)
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise unreadable(error, path) from error
    header = _header(path, content)
    known = _from_labels(header.labels)
    real, ndiv = _geometry(path, header, known, cell)
    grid = _grid(header, content)
    start = header.start if known else _start(header.start, np.array(grid.shape))
    place = np.argwhere(np.isfinite(grid))
    hkl = place + start
    if len(hkl) and np.abs(hkl).max() >= INDEX_LIMIT:
        raise _damaged(path, "the box in its header is too far from the origin")
    return MapContents(
        path=path,
        kind=CCP4,
        hkl=hkl.astype(np.int32),
        ndiv=ndiv,
        cell=real,
        space_group=known.space_group if known else gemmi.find_spacegroup_by_number(max(header.space_group, 1)),
        columns=(MapColumn("intensity", "J", grid[tuple(place.T)]),),
        title=header.labels[0] if header.labels else "",
    )


def write_ccp4(
    path: str | os.PathLike[str], lattice: MillerLattice, values: np.ndarray, *, labels: Sequence[str] = ()
) -> None:
    """Write values (float [n_hkl], NaN where missing) and all that is equivalent to them.

    Parameters
    ----------
    path : path
    lattice : MillerLattice
        Its Laue class says what is equivalent; the mean is written where several rows are.
    values : float [n_hkl]
    labels : sequence of str
        Up to 6 lines of 80 characters for the header; longer ones are cut.

    Raises
    ------
    DiskProblem
        When the file cannot be written; an older one stays as it was.
    """
    volume = full_sphere(lattice, values)
    grid = volume.values
    lines = [*(_ascii(line) for line in labels[: _LABELS - 4]), *_labels_of(lattice)]
    content = _header_bytes(grid, np.array(volume.limits), lattice, lines) + grid.astype("<f4").tobytes("F")
    atomic_write(path, lambda target: _write_bytes(target, content))


def _write_bytes(target: Path, content: bytes) -> None:
    target.write_bytes(content)


def _header(path: Path, content: np.ndarray) -> _Header:
    """The checked header: whoever goes by it meets no surprise, and no array is larger than the file."""
    head = content[:_HEADER_BYTES].tobytes()
    if len(head) < _HEADER_BYTES or not is_ccp4(head):
        raise _damaged(path, "it has no header of a CCP4 map")
    order = next((order for order in "<>" if sorted(_words(head, order)[16:19]) == [1, 2, 3]), None)
    if order is None:
        raise _damaged(path, "its header does not name the axes")
    words = _words(head, order)
    shape, mode, extended = words[:3], words[3], words[23]
    if mode not in _TYPES:
        raise BadInput(f"Numbers of kind {mode} are not read", where=path, advice="Write the map as 32-bit reals")
    needed = shape[0] * shape[1] * shape[2] * np.dtype(_TYPES[mode]).itemsize
    if min(shape) < 1 or extended < 0 or needed > len(content) - _HEADER_BYTES - extended:
        raise _damaged(path, "it is shorter than its header tells")
    axes = [words[16] - 1, words[17] - 1, words[18] - 1]
    start = np.zeros(3, dtype=np.int64)
    start[axes] = words[4:7]
    n_labels = min(max(words[55], 0), _LABELS)
    return _Header(
        order=order,
        mode=mode,
        shape=(shape[0], shape[1], shape[2]),
        axes=(axes[0], axes[1], axes[2]),
        start=start,
        sampling=np.array(words[7:10]),
        cell=cell_of_numbers(np.frombuffer(head, f"{order}f4", 6, 40)),
        space_group=words[22],
        data_at=_HEADER_BYTES + extended,
        labels=tuple(_label(head, number) for number in range(n_labels)),
    )


def _words(head: bytes, order: str) -> list[int]:
    return [int(word) for word in np.frombuffer(head, f"{order}i4")]


def _label(head: bytes, number: int) -> str:
    at = _LABEL_START + number * _LABEL_WIDTH
    return head[at : at + _LABEL_WIDTH].decode("ascii", errors="replace").replace("\0", " ").strip()


def _grid(header: _Header, content: np.ndarray) -> np.ndarray:
    """Values float32 [n_x, n_y, n_z], NaN where missing."""
    dtype = np.dtype(header.order + _TYPES[header.mode])
    n = header.shape[0] * header.shape[1] * header.shape[2]
    values = np.frombuffer(content, dtype, n, header.data_at)
    corner = float(values[0])
    lowest = float(np.nanmin(values)) if corner <= _DECAF_FILL else np.nan
    fill = corner if corner == lowest else _DECAF_FILL
    clean = measured_only(values, (*MASKS, fill, _DECAF_FILL))
    return clean.reshape(header.shape[::-1]).transpose(np.argsort(header.axes[::-1]))


def _start(start: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Lowest indices: those of the header, but for boxes of DECaF."""
    middle = shape // 2
    is_shifted = (shape % 2 == 1).all() and (start == -middle - _DECAF_SHIFT).all()
    return -middle if is_shifted else start


@dataclass(frozen=True)
class _Known:
    """Cell and space group as the labels of our own files tell them."""

    cell: gemmi.UnitCell
    space_group: gemmi.SpaceGroup


def _geometry(
    path: Path, header: _Header, known: _Known | None, given: gemmi.UnitCell | None
) -> tuple[gemmi.UnitCell | None, tuple[int, int, int]]:
    """The real cell, None when only the header of an electron density is there, and the sub-divisions."""
    h, k, l = (int(n) for n in header.sampling)
    reciprocal = header.cell if header.cell and max(cell_parameters(header.cell)[:3]) < 1 else None
    if (known or reciprocal) and not 1 <= min(h, k, l) <= max(h, k, l) < INDEX_LIMIT:
        raise _damaged(path, "its header tells no sampling")
    if known:
        return known.cell, (h, k, l)
    if reciprocal:
        real = reciprocal.reciprocal()
        return gemmi.UnitCell(*np.round(cell_parameters(real), 4)), (h, k, l)
    if given is None:
        raise BadInput(
            "The header of this map holds no reciprocal cell: it may be an electron density",
            where=path,
            advice="If it is a map of intensities on whole Miller indices, give the cell of the data (--cell)",
        )
    return None, (1, 1, 1)


def _labels_of(lattice: MillerLattice) -> list[str]:
    numbers = [repr(float(number)) for number in cell_parameters(lattice.cell)]
    return [
        f"{_OURS} reciprocal-space map",
        f"{_OURS} cell lengths {' '.join(numbers[:3])}",
        f"{_OURS} cell angles {' '.join(numbers[3:])}",
        f"{_OURS} space group {lattice.space_group.xhm()}",
    ]


def _from_labels(labels: tuple[str, ...]) -> _Known | None:
    """What `_labels_of` wrote; None where it is not there whole."""
    text = "\n".join(labels)
    found = [
        re.search(rf"^{_OURS} {name} (.+)$", text, re.MULTILINE)
        for name in ("cell lengths", "cell angles", "space group")
    ]
    if not all(found):
        return None
    lengths, angles, name = (match.group(1) for match in found if match)
    try:
        numbers = [float(number) for number in f"{lengths} {angles}".split()]
    except ValueError:
        return None
    group = gemmi.find_spacegroup_by_name(name) if name.isascii() else None
    cell = cell_of_numbers(numbers)
    return _Known(cell, group) if cell and group else None


def _header_bytes(grid: np.ndarray, limits: np.ndarray, lattice: MillerLattice, labels: Sequence[str]) -> bytes:
    words = np.zeros(_HEADER_BYTES // 4, dtype="<i4")
    reals = words.view("<f4")
    words[:3], words[3], words[4:7], words[7:10] = grid.shape, 2, -limits, lattice.ndiv
    reals[10:16] = cell_parameters(lattice.cell.reciprocal())
    words[16:19], words[22] = (1, 2, 3), 1
    reals[19:22], reals[54] = _statistics(grid)
    words[27], words[55] = 20140, len(labels)
    head = bytearray(words.tobytes())
    head[208:216] = b"MAP \x44\x44\0\0"
    for number, line in enumerate(labels):
        at = _LABEL_START + number * _LABEL_WIDTH
        head[at : at + _LABEL_WIDTH] = line[:_LABEL_WIDTH].ljust(_LABEL_WIDTH).encode("ascii")
    return bytes(head)


def _statistics(grid: np.ndarray) -> tuple[tuple[float, float, float], float]:
    """((lowest, highest, mean), deviation) of the measured points."""
    present = grid[np.isfinite(grid)].astype(np.float64)
    if not len(present):
        return (0.0, 0.0, 0.0), 0.0
    return (present.min(), present.max(), present.mean()), present.std()


def _ascii(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode().split())


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(f"The CCP4 map is damaged: {why}", where=path, advice=_COPY_AGAIN)

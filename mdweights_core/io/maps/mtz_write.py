"""Writing reflections as an MTZ file that the usual programs open."""

from __future__ import annotations

import os
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write

_TITLE_WIDTH = 70
_HISTORY_WIDTH = 80
_LABEL_WIDTH = 30
_TYPES = "JFDQGLKMEPWAIRBY"


@dataclass(frozen=True, eq=False)
class MtzColumn:
    """One column to write.

    Attributes
    ----------
    label : str
        Up to 30 characters without blanks: ``FWT``.
    type : str
        MTZ type: J intensity, Q sigma, F amplitude, P phase in degrees, I whole number, R real number...
    values : float32 [n_hkl]
        NaN where missing.
    """

    label: str
    type: str
    values: np.ndarray


def write_mtz(
    path: str | os.PathLike[str],
    lattice: MillerLattice,
    columns: Sequence[MtzColumn],
    *,
    title: str,
    history: Sequence[str],
    dataset: str = "mdweights",
) -> None:
    """Write a merged MTZ file: H, K, L and the columns, rows in the order of the lattice.

    The file has the base data set of the format with H, K, L and one data set with the columns; project, crystal and
    data set are all called `dataset`. Signs outside ASCII are replaced, the title is cut at 70 characters and lines of
    the history are wrapped at 80, as the format has no room for more; blank ones, which gemmi misreads, are left out.

    Raises
    ------
    BadInput
        When the lattice has fractional indices, for which MTZ has no place.
    DiskProblem
        When the file cannot be written; an older one stays as it was.
    ValueError
        When a column does not fit: its length, its type, a label that is too long, has blanks or is used twice.
    """
    if tuple(lattice.ndiv) != (1, 1, 1):
        raise BadInput("An MTZ file cannot hold fractional Miller indices", where=path, advice="Choose another format")
    _check(columns, len(lattice))
    mtz = gemmi.Mtz(with_base=True)
    mtz.title = _ascii(title)[:_TITLE_WIDTH]
    mtz.history = [part for line in history for part in textwrap.wrap(_ascii(line), _HISTORY_WIDTH)]
    mtz.spacegroup = lattice.space_group
    added = mtz.add_dataset(_ascii(dataset))
    added.wavelength = 0.0
    mtz.set_cell_for_all(lattice.cell)
    for column in columns:
        mtz.add_column(column.label, column.type, dataset_id=added.id, expand_data=False)
    mtz.set_data(np.column_stack([lattice.hkl, *(column.values for column in columns)]).astype(np.float32))
    mtz.update_reso()
    content = mtz.write_to_bytes()
    atomic_write(path, lambda temporary: _write_bytes(temporary, content))


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _ascii(text: str) -> str:
    """The text in the letters an MTZ header can hold: \N{ANGSTROM SIGN} becomes A."""
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return " ".join(letters.encode("ascii", "replace").decode("ascii").split())


def _check(columns: Sequence[MtzColumn], n_hkl: int) -> None:
    labels = [column.label for column in columns]
    if len({"H", "K", "L", *labels}) != 3 + len(labels):
        raise ValueError(f"labels are not unique: {labels}")
    for column in columns:
        label = column.label
        if not label or len(label) > _LABEL_WIDTH or not label.isascii() or len(label.split()) != 1:
            raise ValueError(f"not a label of an MTZ column: {label!r}")
        if len(column.type) != 1 or column.type not in _TYPES:
            raise ValueError(f"not a type of an MTZ column: {column.type!r} of {label}")
        if np.shape(column.values) != (n_hkl,):
            raise ValueError(f"{label} has the shape {np.shape(column.values)} for {n_hkl} reflections")

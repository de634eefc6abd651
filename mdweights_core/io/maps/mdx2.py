"""Diffuse maps of mdx2: NeXus files with a table of reflections.

``entry/hkl_table`` holds the columns ``h``, ``k``, ``l`` (true indices, fractional where the axes are divided),
``ndiv``, ``intensity``, ``intensity_error``, ``count`` and, from split data sets, ``group_0_intensity`` and so on. Cell
and space group are in ``entry/crystal``, which mdx2 writes into another file, ``geometry.nxs``: it is looked for in the
map's folder when the map has none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file
from mdweights_core.io.maps.contents import MapColumn, MapContents, measured_only, whole_indices
from mdweights_core.io.maps.nexus import crystal, dataset, numbers, open_nexus, require_rows

MDX2 = "mdx2 table"

_TABLE = "entry/hkl_table"
_GEOMETRY = "geometry.nxs"


def is_mdx2(file: Any) -> bool:
    """True for an open NeXus file with a table of reflections."""
    return file.get(f"{_TABLE}/h") is not None


def read_mdx2(path: str | os.PathLike[str]) -> MapContents:
    """Read a merged table of mdx2.

    Raises
    ------
    BadInput
        When the file is missing, damaged, or holds no such table.
    """
    path = require_file(path)
    with open_nexus(path) as file:
        if not is_mdx2(file):
            raise BadInput("The file holds no table of reflections of mdx2", where=path, advice="Choose a merged.nxs")
        table = file[_TABLE]
        hkl, ndiv = _indices(path, table)
        columns = tuple(_columns(path, table, len(hkl)))
        cell, space_group = _crystal(file)
    notes: tuple[str, ...] = ()
    beside = path.with_name(_GEOMETRY)
    if cell is None and beside != path and beside.is_file():
        with open_nexus(beside) as file:
            cell, found = _crystal(file)
        space_group = space_group or found
        notes = (f"cell and space group from {_GEOMETRY} in the same folder",) if cell else ()
    return MapContents(path, MDX2, hkl, ndiv, cell, space_group, columns, notes=notes)


def _indices(path: Path, table: Any) -> tuple[np.ndarray, tuple[int, int, int]]:
    first = numbers(table, "h")
    n_rows = 0 if first is None else len(np.atleast_1d(first))
    if not n_rows:
        raise BadInput("The table lists no reflection", where=path, advice="Choose another file")
    index = np.column_stack([require_rows(path, name, numbers(table, name), n_rows) for name in "hkl"])
    told = numbers(table, "ndiv")
    if told is None:
        return whole_indices(index, path)
    whole = np.asarray(told, dtype=np.float64).reshape(-1)
    if len(whole) != 3 or not ((whole >= 1) & (whole < 1000) & (whole == np.rint(whole))).all():
        raise BadInput("The sub-divisions of the table (ndiv) are not three whole numbers", where=path)
    return whole_indices(index, path, (int(whole[0]), int(whole[1]), int(whole[2])))


def _columns(path: Path, table: Any, n_rows: int) -> list[MapColumn]:
    """Intensities, the table's own first, then their errors, then what else there is a number of per reflection."""
    names = [name for name in table if name not in (*"hkl", "ndiv") and _is_column(table, name, n_rows)]
    order = {"J": 0, "Q": 1, "W": 2}
    found = [(order[_type(name)], name.startswith("group_"), name) for name in names]
    return [MapColumn(name, _type(name), measured_only(np.asarray(numbers(table, name)))) for *_, name in sorted(found)]


def _is_column(table: Any, name: str, n_rows: int) -> bool:
    column = dataset(table, name)
    return column is not None and column.shape == (n_rows,)


def _type(name: str) -> str:
    if name.endswith("intensity"):
        return "J"
    return "Q" if name.endswith("intensity_error") else "W"


def _crystal(file: Any) -> tuple[gemmi.UnitCell | None, gemmi.SpaceGroup | None]:
    import h5py

    for name in ("entry/crystal", "entry/sample"):
        group = file.get(name)
        if isinstance(group, h5py.Group):
            return crystal(group)
    return None, None

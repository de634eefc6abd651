"""Diffuse maps of mdx2: NeXus files with a table of reflections, or with a grid of them.

``entry/hkl_table`` holds the columns ``h``, ``k``, ``l`` (true indices, fractional where the axes are divided),
``ndiv``, ``intensity``, ``intensity_error``, ``count`` and, from split data sets, ``group_0_intensity`` and so on.

``mdx2.map`` writes a column of such a table on a grid: a group of NXdata, called as the column, with the axes ``h``,
``k`` and ``l`` (true indices) and the values [n_h, n_k, n_l].

Cell and space group are in ``entry/crystal``, which mdx2 writes into another file, ``geometry.nxs``: it is looked for
in the map's folder when the map has none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file
from mdweights_core.io.maps.contents import MapColumn, MapContents, measured_only, whole_indices
from mdweights_core.io.maps.nexus import crystal, dataset, numbers, open_nexus, require_rows

MDX2, MDX2_GRID = "mdx2 table", "mdx2 map"

_TABLE = "entry/hkl_table"
_GEOMETRY = "geometry.nxs"


def mdx2_kind(file: Any) -> str | None:
    """Which kind of map an open NeXus file of mdx2 holds; None when none."""
    if file.get(f"{_TABLE}/h") is not None:
        return MDX2
    return MDX2_GRID if next(_grids(file), None) else None


def read_mdx2(path: str | os.PathLike[str]) -> MapContents:
    """Read a merged table of mdx2, or a map made from one.

    Raises
    ------
    BadInput
        When the file is missing, damaged, or holds no such table or map.
    """
    path = require_file(path)
    with open_nexus(path) as file:
        kind = mdx2_kind(file)
        if kind is None:
            raise BadInput("The file holds no reflections of mdx2", where=path, advice="Choose a merged.nxs or map.nxs")
        hkl, ndiv, columns = _table(path, file[_TABLE]) if kind == MDX2 else _grid(path, file)
        cell, space_group = _crystal(file)
    notes: tuple[str, ...] = ()
    beside = path.with_name(_GEOMETRY)
    if cell is None and beside != path and beside.is_file():
        with open_nexus(beside) as file:
            cell, found = _crystal(file)
        space_group = space_group or found
        notes = (f"cell and space group from {_GEOMETRY} in the same folder",) if cell else ()
    return MapContents(path, kind, hkl, ndiv, cell, space_group, columns, notes=notes)


_Map = tuple[np.ndarray, tuple[int, int, int], tuple[MapColumn, ...]]


def _table(path: Path, table: Any) -> _Map:
    hkl, ndiv = _indices(path, table)
    return hkl, ndiv, tuple(_columns(path, table, len(hkl)))


def _grids(file: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, group and values of everything in an open file that has lines h, k and l and a cube as long as these.

    Told by the shapes alone: attributes are texts, and HDF5 may crash on the texts of a damaged file.
    """
    import h5py

    entry = file.get("entry")
    for name in entry if isinstance(entry, h5py.Group) else ():
        group = entry.get(name)
        if not isinstance(group, h5py.Group):
            continue
        shape = tuple(line.size for axis in "hkl" if (line := dataset(group, axis)) is not None and line.ndim == 1)
        for inner in group if len(shape) == 3 else ():
            cube = dataset(group, inner)
            if cube is not None and cube.shape == shape:
                yield name, group, cube


def _grid(path: Path, file: Any) -> _Map:
    """The points with a number of the grid that stands first as a column, and of all that lie on the same axes."""
    grids = {name: (_axes(group), values) for name, group, values in _grids(file)}
    names = _in_order(grids)
    axes = grids[names[0]][0]
    parts = [whole_indices(np.stack([axis, 0 * axis, 0 * axis], axis=1), path) for axis in axes]
    same = [name for name in names if all(map(np.array_equal, axes, grids[name][0]))]
    cubes = {name: measured_only(grids[name][1][()]) for name in same}
    place = np.argwhere(np.isfinite(cubes[names[0]]))
    hkl = np.stack([whole[place[:, i], 0] for i, (whole, _) in enumerate(parts)], axis=1)
    (nh, *_), (nk, *_), (nl, *_) = (ndiv for _, ndiv in parts)
    return hkl, (nh, nk, nl), tuple(MapColumn(name, _type(name), cubes[name][tuple(place.T)]) for name in same)


def _axes(group: Any) -> list[np.ndarray]:
    return [np.asarray(numbers(group, axis), dtype=np.float64) for axis in "hkl"]


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
    """All of which there is a number per reflection."""
    names = [name for name in table if name not in (*"hkl", "ndiv") and _is_column(table, name, n_rows)]
    return [MapColumn(name, _type(name), measured_only(np.asarray(numbers(table, name)))) for name in _in_order(names)]


def _in_order(names: Iterable[str]) -> list[str]:
    """Intensities, the table's own first, then their errors, then what else there is."""
    order = {"J": 0, "Q": 1, "W": 2}
    return sorted(names, key=lambda name: (order[_type(name)], name.startswith("group_"), name))


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

"""Observed diffuse maps of every format: which one a file is, what it holds, and reading it.

=================  =============================================  =====================================
format             told by                                        cell and space group
=================  =============================================  =====================================
MTZ                the name, or the first bytes                   in the file
CCP4 map           the first bytes                                in the file where it is reciprocal
mdx2 table         ``entry/hkl_table`` in a NeXus file            in the file or in ``geometry.nxs``
mdx2 map           axes h, k and l in a NeXus file                in the file or in ``geometry.nxs``
xtraj checkpoint   ``entry/data/fcalc_list`` in a NeXus file      in the file
Lunus lattice      the name, ``.lat``                             to be given
hkl list           the name, ``.hkl``                             to be given
=================  =============================================  =====================================
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gemmi

from mdweights_core.crystal.lattice import SHORTEST_EDGE, DiffuseMap, cell_parameters, format_cell, on_unit_cell
from mdweights_core.crystal.reindex import reindex as reindexed
from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file, unreadable
from mdweights_core.io.frames.frame_files import is_reflection_file
from mdweights_core.io.maps.ccp4 import CCP4, is_ccp4, read_ccp4
from mdweights_core.io.maps.contents import MapContents, MapSummary, given_cell
from mdweights_core.io.maps.lunus import LATTICE, LIST, read_hkl, read_lat
from mdweights_core.io.maps.mdx2 import MDX2, MDX2_GRID, mdx2_kind, read_mdx2
from mdweights_core.io.maps.mtz import describe_mtz, read_diffuse_map
from mdweights_core.io.maps.mtz_file import require_fit
from mdweights_core.io.maps.nexus import MAGIC, open_nexus
from mdweights_core.io.maps.xtraj import CHECKPOINT, is_checkpoint, read_checkpoint_map

MTZ = "MTZ"
_NAMES = {".lat": LATTICE, ".hkl": LIST}


def map_kind(path: str | os.PathLike[str]) -> str | None:
    """The format of a map file, as in the table above; None when it is no format that is known.

    Raises
    ------
    BadInput
        When the file is not there or cannot be read.
    """
    path = Path(path)
    if is_reflection_file(path):
        return MTZ
    path = require_file(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(212)
    except OSError as error:
        raise unreadable(error, path) from error
    if head.startswith(b"MTZ "):
        return MTZ
    if head.startswith(MAGIC):
        return _nexus_kind(path)
    if path.suffix.lower() in _NAMES:
        return _NAMES[path.suffix.lower()]
    return CCP4 if is_ccp4(head) else None


def read_map(
    path: str | os.PathLike[str],
    *,
    column: str | None = None,
    sigma_column: str | None = None,
    free_column: str | None = None,
    space_group: str | None = None,
    reindex: str | None = None,
    cell: gemmi.UnitCell | Sequence[float] | None = None,
    supercell: tuple[int, int, int] | None = None,
) -> DiffuseMap:
    """Read an observed diffuse map.

    Points without a measurement are left out, and equivalent reflections are kept as they are in the file.

    Parameters
    ----------
    path : path
    column, sigma_column, free_column : str, optional
        Labels of the columns to read instead of those `describe_map` names. Only MTZ files have free flags.
    space_group : str, optional
        Space group of the data instead of the file's, or where the file has none.
    reindex : str, optional
        Operator such as ``k,h,-l`` applied to the map, see `crystal.reindex.reindex`.
    cell : gemmi.UnitCell or 6 numbers, optional
        Cell of the data (angstrom, degrees) where the file has none; the file's own is preferred.
    supercell : (int, int, int), optional
        Unit cells along each axis of that cell, where the file's indices are those of a supercell. The map is then on
        the unit cell, and its indices lie between Bragg positions.

    Returns
    -------
    DiffuseMap
        Intensity and sigma float32 [n_hkl] on the file's scale; `provenance` tells file, format and columns.

    Raises
    ------
    BadInput
        When the file cannot be read, holds no such column or nothing measured, or its cell or space group is missing.
    """
    kind = map_kind(path)
    if kind == MTZ:
        found = read_diffuse_map(
            path, column=column, sigma_column=sigma_column, free_column=free_column, space_group=space_group
        )
    else:
        known = given_cell(cell)
        contents = _contents(Path(path), kind, known)
        if free_column:
            raise BadInput(f"A {kind} has no free flags", where=path, advice="Leave the free column out")
        found = contents.to_map(contents.lattice(known, space_group), column, sigma_column)
    found = _on_unit_cell(found, supercell, Path(path)) if supercell else found
    return reindexed(found, reindex) if reindex else found


def _on_unit_cell(found: DiffuseMap, supercell: tuple[int, int, int], path: Path) -> DiffuseMap:
    lattice = on_unit_cell(found.lattice, supercell)
    advice = "Give the unit cells along each axis of the map's cell (--map-supercell), or another space group"
    if min(cell_parameters(lattice.cell)[:3]) < SHORTEST_EDGE:
        raise BadInput(f"A unit cell of {format_cell(lattice.cell)} has no room for an atom", where=path, advice=advice)
    require_fit(lattice.cell, lattice.space_group, path, advice)
    told = f"{' x '.join(map(str, supercell))} unit cells"
    return replace(found, lattice=lattice, provenance={**found.provenance, "supercell": told})


def describe_map(path: str | os.PathLike[str], cell: gemmi.UnitCell | Sequence[float] | None = None) -> MapSummary:
    """List what a map file holds: format, cell, space group, resolution, columns, and which ones would be read.

    Raises
    ------
    BadInput
        When the file cannot be read or is of no format that is known.
    """
    kind = map_kind(path)
    if kind == MTZ:
        return describe_mtz(path)
    known = given_cell(cell)
    return _contents(Path(path), kind, known).summary(known)


def _nexus_kind(path: Path) -> str | None:
    with open_nexus(path) as file:
        return mdx2_kind(file) or (CHECKPOINT if is_checkpoint(file) else None)


def _contents(path: Path, kind: str | None, cell: gemmi.UnitCell | None) -> MapContents:
    if kind == LATTICE:
        return read_lat(path, cell)
    if kind == CCP4:
        return read_ccp4(path, cell)
    readers = {LIST: read_hkl, MDX2: read_mdx2, MDX2_GRID: read_mdx2, CHECKPOINT: read_checkpoint_map}
    if kind in readers:
        return readers[kind](path)
    raise BadInput(
        "This is no map of a format that is known",
        where=path,
        advice="Choose an MTZ file, a Lunus .lat or .hkl, a NeXus file of mdx2 or xtraj, or a CCP4 map",
    )

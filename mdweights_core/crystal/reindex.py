"""Other choices of axes for the same reciprocal lattice.

Indexing a pattern anew mixes h, k and l linearly: a row (h, k, l) becomes (h, k, l) R. Where the lattice has more
symmetry than the crystal, several such choices give the same cell and only the intensities tell which one is meant.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, cell_parameters
from mdweights_core.crystal.laue import laue_rotations
from mdweights_core.errors import BadInput

Indexed = TypeVar("Indexed", MillerLattice, DiffuseMap)

_EXAMPLE = "Write it like k,h,-l"
_OBLIQUITY = 3.0  # degrees


def reindex(data: Indexed, operator: str) -> Indexed:
    """Index a map or a lattice anew.

    The cell and, for settings such as C 2 and I 2, the space group follow. An operator of determinant -1 such as
    ``k,h,l`` would invert the hand, but intensities obey Friedel's law: they are the same as those of the operator with
    all signs turned (``-k,-h,-l``), so the space group is that of the latter, and P 41 stays P 41. In P 41 ``k,h,-l``,
    which keeps the hand, and ``k,h,l`` are therefore the same choice for a diffuse map: only the indices change.

    Parameters
    ----------
    data : DiffuseMap or MillerLattice
    operator : str
        New indices from old ones, ``k,h,-l``; or new coordinates from old ones, ``y,x,-z``, which the indices follow
        such that h x + k y + l z stays the same (``x+z,y,z`` is ``h,k,-h+l``).

    Raises
    ------
    BadInput
        When it is no operator, changes the volume of the cell (determinant not +1 or -1), gives fractional indices or
        leads to a setting of the space group without a name.
    """
    if isinstance(data, DiffuseMap):
        provenance = {**data.provenance, "reindex": operator}
        return replace(data, lattice=_reindex_lattice(data.lattice, operator), provenance=provenance)
    return _reindex_lattice(data, operator)


def reindexing_candidates(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup) -> list[str]:
    """Operators that (nearly) keep the cell but not the intensities: the choices of axes to try for a map.

    Rotations that map the lattice onto itself within 3 degrees (Le Page, J. Appl. Cryst. 15, 255, 1982) and are not in
    the Laue class; of each set of equivalent ones (coset) one, a twofold where there is one. Left out are those after
    which the symmetry axes lie along no axes of the cell. Empty where the lattice has no more symmetry than the
    crystal.
    """
    lattice = gemmi.find_lattice_symmetry(cell, space_group.centring_type(), _OBLIQUITY)
    laue = laue_rotations(space_group) * gemmi.Op.DEN
    cosets: dict[frozenset[bytes], list[str]] = {}
    for operation in lattice.sym_ops:
        rotation = np.array(operation.rot, dtype=np.int64)
        coset = frozenset((rotation @ other // gemmi.Op.DEN).tobytes() for other in laue)
        cosets.setdefault(coset, []).append(operation.as_hkl().triplet())
    choices = [min(names, key=_complexity) for names in cosets.values() if "h,k,l" not in names]
    possible = [name for name in choices if _new_space_group(space_group, parse_operator(name)) is not None]
    return sorted(possible, key=_complexity)


def parse_operator(operator: str) -> np.ndarray:
    """The matrix R of ``h' = h R`` for an operator on h,k,l or x,y,z: float64 [3, 3].

    Raises
    ------
    BadInput
        When it is no operator or its determinant is not +1 or -1.
    """
    text = "".join(operator.lower().split())
    if set(text) - set("hklxyz,+-*/0123456789") or re.search("[0-9]{3}", text):
        raise BadInput(f"{operator!r} is not a reindexing operator", advice=_EXAMPLE)
    try:
        parsed = gemmi.Op(text)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise BadInput(f"{operator!r} is not a reindexing operator", advice=_EXAMPLE) from error
    if any(parsed.tran):
        raise BadInput(f"{operator!r} moves the origin, which does not change indices", advice=_EXAMPLE)
    matrix = np.array(parsed.rot, dtype=np.float64) / gemmi.Op.DEN
    determinant = np.linalg.det(matrix)
    if not np.isclose(abs(determinant), 1.0, atol=1e-6):
        raise BadInput(
            f"The reindexing operator {operator} changes the volume of the cell {abs(determinant):.4g}-fold",
            advice="Choose one of determinant 1, such as k,h,-l",
        )
    return matrix if parsed.is_hkl() else np.linalg.inv(matrix)


def _reindex_lattice(lattice: MillerLattice, operator: str) -> MillerLattice:
    matrix = parse_operator(operator)
    is_used = np.abs(matrix) > 1e-6
    old = np.array(lattice.ndiv, dtype=np.int64)
    new = np.array([np.lcm.reduce(old[column]) for column in is_used.T])
    moved = lattice.hkl @ (matrix / old[:, None] * new)
    hkl = np.rint(moved)
    if len(hkl) and np.abs(moved - hkl).max() > 1e-3:
        raise BadInput(f"The reindexing operator {operator} gives fractional indices", advice=_EXAMPLE)
    space_group = _new_space_group(lattice.space_group, matrix)
    if space_group is None:
        raise BadInput(
            f"In the axes of {operator} the space group {lattice.space_group.hm} has no name",
            advice="Choose an operator that keeps its symmetry axes along axes of the cell",
        )
    ndiv = (int(new[0]), int(new[1]), int(new[2]))
    return MillerLattice(hkl.astype(np.int32), _new_cell(lattice.cell, matrix), space_group, ndiv)


def _new_cell(cell: gemmi.UnitCell, matrix: np.ndarray) -> gemmi.UnitCell:
    """Axes transform as indices do, (a', b', c') = (a, b, c) R, hence the metric as R^T G R."""
    lengths, angles = np.split(np.array(cell_parameters(cell)), 2)
    alpha, beta, gamma = np.cos(np.deg2rad(angles))
    metric = np.outer(lengths, lengths) * [[1, gamma, beta], [gamma, 1, alpha], [beta, alpha, 1]]
    metric = matrix.T @ metric @ matrix
    lengths = np.sqrt(np.diag(metric))
    cosines = metric[[1, 0, 0], [2, 2, 1]] / (lengths[[1, 0, 0]] * lengths[[2, 2, 1]])
    return gemmi.UnitCell(*np.round([*lengths, *np.rad2deg(np.arccos(cosines))], 9))


def _new_space_group(group: gemmi.SpaceGroup, matrix: np.ndarray) -> gemmi.SpaceGroup | None:
    """The group in the new setting, if that has a name.

    Coordinates change by the inverse of the matrix, taken with the sign that keeps the hand. What matters is the
    direction of the symmetry elements and not the origin: settings are told apart by rotations, centring and absences.
    """
    change = gemmi.Op("x,y,z")
    change.rot = np.rint(np.linalg.inv(matrix * np.sign(np.linalg.det(matrix))) * gemmi.Op.DEN).astype(int).tolist()
    wanted = group.operations()
    wanted.change_basis_forward(change)
    hkl = np.indices((7, 7, 7), dtype=np.int32).reshape(3, -1).T - np.int32(3)
    absent = wanted.systematic_absences(hkl)
    for setting in (group, *gemmi.spacegroup_table()):
        if setting.number == group.number and setting.ext == group.ext:
            other = setting.operations()
            is_parallel = other.has_same_rotations(wanted) and other.has_same_centring(wanted)
            if is_parallel and np.array_equal(other.systematic_absences(hkl), absent):
                return setting
    return None


def _complexity(triplet: str) -> tuple[bool, int, int, str]:
    operation = gemmi.Op(triplet)
    is_twofold = operation.combine(operation) == gemmi.Op("h,k,l")
    return not is_twofold, len(triplet.replace("-", "")), triplet.count("-"), triplet.replace("-", "~")

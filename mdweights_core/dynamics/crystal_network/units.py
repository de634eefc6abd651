"""A crystal as rigid units: which atoms move together, and where the images of each unit lie.

Units are residues cut into parts of few atoms. They are displaced, not turned: rotations are those of several units.
Waters go with the residue next to them. Lengths are angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from scipy.spatial import cKDTree

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import WATER, Atoms
from mdweights_core.io.frames.selection import residue_index


@dataclass(frozen=True, eq=False)
class Crystal:
    """The units of one unit cell.

    Attributes
    ----------
    atoms : Atoms
        Of the asymmetric unit, ``n_atoms``.
    positions : float64 [n_atoms, 3]
    member : int64 [n_atoms]
        Unit of each atom.
    centre : float64 [n_unit, 3]
        Mean position of their atoms.
    bonded : bool [n_unit, n_unit]
        Which units share a bond.
    cell : gemmi.UnitCell
    rotation, shift : float64 [n_copy, 3, 3] and [n_copy, 3]
        Copy g of the asymmetric unit lies at rotation x + shift, with its middle in the cell.
    product : int64 [n_copy, n_copy]
        Copy that operation a makes of copy g, up to a translation of the lattice.
    """

    atoms: Atoms
    positions: np.ndarray
    member: np.ndarray
    centre: np.ndarray
    bonded: np.ndarray
    cell: gemmi.UnitCell
    rotation: np.ndarray
    shift: np.ndarray
    product: np.ndarray

    @property
    def n_units(self) -> int:
        """Units of the asymmetric unit."""
        return len(self.centre)

    @property
    def n_copies(self) -> int:
        """Asymmetric units in the cell."""
        return len(self.rotation)

    @property
    def axes(self) -> np.ndarray:
        """Vectors of the cell as rows, float64 [3, 3]."""
        return np.array(self.cell.orth.mat.tolist()).T

    def copies(self, x: np.ndarray) -> np.ndarray:
        """Images of points [n, 3] of the asymmetric unit in the cell, float64 [n_copy, n, 3]."""
        return np.einsum("gab,nb->gna", self.rotation, x) + self.shift[:, None]

    def unit_means(self, values: np.ndarray) -> np.ndarray:
        """Means over the atoms of each unit, waters left out: [n_atoms] -> [n_unit]."""
        counted = ~is_water(self.atoms)
        member = self.member[counted]
        return np.bincount(member, values[counted], self.n_units) / np.bincount(member, minlength=self.n_units)


def crystal_of(
    atoms: Atoms, positions: np.ndarray, cell: gemmi.UnitCell, group: gemmi.SpaceGroup, most: int = 4
) -> Crystal:
    """Divide an asymmetric unit into rigid units.

    Parameters
    ----------
    atoms : Atoms
    positions : float [n_atoms, 3]
        Angstrom.
    cell : gemmi.UnitCell
    group : gemmi.SpaceGroup
    most : int
        Atoms of a unit: residues are cut until none has more.

    Raises
    ------
    BadInput
        Fewer than three units.
    """
    x = np.asarray(positions, dtype=np.float64)
    member = _split(_members(atoms, x), x, most)
    n = int(member.max()) + 1
    if n < 3:
        raise BadInput(f"A network of {n} units has no springs to tune", advice="Choose more residues")
    centre = np.stack([np.bincount(member, axis, n) for axis in x.T], axis=1) / np.bincount(member)[:, None]
    return Crystal(atoms, x, member, centre, _bonded(member, x, is_water(atoms)), cell, *_operations(x, cell, group))


def is_water(atoms: Atoms) -> np.ndarray:
    """Which atoms belong to waters, bool [n_atoms]."""
    return np.isin(np.char.upper(atoms.residue_name), list(WATER))


def _members(atoms: Atoms, x: np.ndarray) -> np.ndarray:
    """Residue of each atom, that next to it for a water, numbered without gaps."""
    member = residue_index(atoms).astype(np.int64)
    wet = is_water(atoms)
    if wet.any() and not wet.all():
        _, nearest = cKDTree(x[~wet]).query(x[wet])
        member[wet] = member[~wet][nearest]
    return np.unique(member, return_inverse=True)[1]


def _split(member: np.ndarray, x: np.ndarray, most: int) -> np.ndarray:
    """Cut residues in halves across their longest direction until no part has more than `most` atoms."""
    found, count = np.empty_like(member), 0
    waiting = [np.flatnonzero(member == residue) for residue in range(member.max(), -1, -1)]
    while waiting:
        atoms = waiting.pop()
        if len(atoms) <= most:
            found[atoms], count = count, count + 1
            continue
        about = x[atoms] - x[atoms].mean(axis=0)
        along = about @ np.linalg.svd(about, full_matrices=False)[2][0]
        order = np.argsort(along, kind="stable")
        waiting += [atoms[order[len(order) // 2 :]], atoms[order[: len(order) // 2]]]
    return found


_LONGEST_BOND = 2.1  # angstrom


def _bonded(member: np.ndarray, x: np.ndarray, wet: np.ndarray) -> np.ndarray:
    """Which units share a bond: atoms, other than waters, as close as bonded ones are. bool [n_unit, n_unit]."""
    dry = np.flatnonzero(~wet)
    close = dry[cKDTree(x[dry]).query_pairs(_LONGEST_BOND, output_type="ndarray")]
    first, second = member[close].T
    bonded = np.zeros((member.max() + 1,) * 2, dtype=bool)
    bonded[first, second] = bonded[second, first] = True
    np.fill_diagonal(bonded, False)
    return bonded


def _operations(
    x: np.ndarray, cell: gemmi.UnitCell, group: gemmi.SpaceGroup
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cartesian rotations, shifts that put the middle of each copy into the cell, and the table of products."""
    to_fractional, to_cartesian = (np.array(it.mat.tolist()) for it in (cell.frac, cell.orth))
    operations = list(group.operations())
    turns = np.array([op.rot for op in operations], dtype=np.int64) // gemmi.Op.DEN
    moves = np.array([op.tran for op in operations], dtype=np.int64)
    middle = turns @ (to_fractional @ x.mean(axis=0)) + moves / gemmi.Op.DEN
    shift = (moves / gemmi.Op.DEN - np.floor(middle)) @ to_cartesian.T
    return to_cartesian @ turns @ to_fractional, shift, _products(turns, moves)


def _products(turns: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Which operation a after g is, translations of the lattice aside: int64 [n, n]."""
    known = {
        (turn.tobytes(), (move % gemmi.Op.DEN).tobytes()): row
        for row, (turn, move) in enumerate(zip(turns, moves, strict=True))
    }
    table = [
        known[(turn @ other).tobytes(), ((turn @ shift + move) % gemmi.Op.DEN).tobytes()]
        for turn, move in zip(turns, moves, strict=True)
        for other, shift in zip(turns, moves, strict=True)
    ]
    return np.array(table, dtype=np.int64).reshape(len(turns), len(turns))

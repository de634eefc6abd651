"""Elastic networks: springs between all atoms that are close in a reference structure, at rest there.

The anisotropic network model of Atilgan et al., Biophys. J. 80, 505 (2001), with springs of one strength up to a
cut-off, and its parameter-free kin of Yang, Song and Jernigan, PNAS 106, 12347 (2009), with springs that weaken with
distance. In a crystal each atom is also tied to images of the others in neighbouring cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mdweights_core.energy.base import Stiffness
from mdweights_core.errors import BadInput, counted

CUTOFF = 1.5
"""Longest spring between C-alpha atoms, nm."""

CONSTANT = 418.4
"""Force constant of a spring, kJ/mol/nm^2: 1 kcal/mol per square angstrom."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ElasticNetwork:
    """Sum of k (r - r0)^2 / 2 over springs.

    Attributes
    ----------
    atoms : int32 [m, 2]
    offset : float64 [m, 3]
        Where the image of the second atom lies relative to that atom, nm: a translation of the lattice.
    length, constant : float64 [m]
        r0 in nm and k in kJ/mol/nm^2.
    """

    atoms: jax.Array
    offset: jax.Array
    length: jax.Array
    constant: jax.Array

    def energy(self, x: jax.Array) -> jax.Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        between = x[self.atoms[:, 0]] - x[self.atoms[:, 1]] - self.offset
        return jnp.sum(self.constant * (jnp.linalg.norm(between, axis=1) - self.length) ** 2) / 2

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Curvature along the springs."""
        unit, _ = self._directions(x)
        return Stiffness(np.asarray(self.atoms), np.stack([unit, -unit], axis=1), np.asarray(self.constant))

    def hessian(self, x: np.ndarray) -> scipy.sparse.csr_array:
        """Second derivatives in closed form.

        Parameters
        ----------
        x : float64 [n_atoms, 3]
            Positions, nm. At the reference structure only the part along the springs is left.

        Returns
        -------
        csr_array [3 n_atoms, 3 n_atoms]
            kJ/mol/nm^2.
        """
        unit, distance = self._directions(x)
        along = unit[:, :, None] * unit[:, None, :]
        strain = (1 - np.asarray(self.length) / distance)[:, None, None]
        return _assembled(
            np.asarray(self.atoms),
            np.asarray(self.constant)[:, None, None] * (along + strain * (np.eye(3) - along)),
            len(x),
        )

    def _directions(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = np.asarray(self.atoms).T
        between = x[first] - x[second] - np.asarray(self.offset)
        distance = np.linalg.norm(between, axis=1)
        return between / distance[:, None], distance


def _assembled(atoms: np.ndarray, blocks: np.ndarray, n: int) -> scipy.sparse.csr_array:
    """The matrix [3 n, 3 n] of pairs [m, 2] whose energies have second derivatives `blocks` [m, 3, 3] in x_i - x_j."""
    diagonal = np.zeros((n, 3, 3))
    for end in atoms.T:
        np.add.at(diagonal, end, blocks)
    first, second = atoms.T
    rows = np.concatenate([first, second, np.arange(n)])
    columns = np.concatenate([second, first, np.arange(n)])
    order = np.lexsort((columns, rows))
    data = np.concatenate([-blocks, -blocks, diagonal])[order]
    starts = np.searchsorted(rows[order], np.arange(n + 1))
    matrix = scipy.sparse.bsr_array((data, columns[order], starts), shape=(3 * n, 3 * n)).tocsr()
    matrix.sum_duplicates()  # two atoms may be tied through several images
    return matrix


def elastic_network(
    positions: np.ndarray,
    *,
    cutoff: float = CUTOFF,
    constant: float = CONSTANT,
    power: float = 0.0,
    cell: np.ndarray | None = None,
) -> ElasticNetwork:
    """Tie all atoms within the cut-off to one another.

    Parameters
    ----------
    positions : float64 [n_atoms, 3]
        The reference structure, nm.
    cutoff : float
        Longest spring, nm.
    constant : float
        Force constant, kJ/mol/nm^2; with a `power` that at 1 nm.
    power : float
        Force constants fall as the distance to this power. 0: all the same; 2 is usual where distances weigh, with a
        cut-off that spans the molecule.
    cell : float64 [3, 3], optional
        Vectors of a crystal's P1 cell as rows, nm. `positions` are then all atoms of one cell.

    Raises
    ------
    BadInput
        Positions that are not finite, two atoms in one place, or atoms in more than one piece.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if not np.isfinite(positions).all():
        raise BadInput("some positions are not finite numbers", advice="Repair the structure")
    parts = [(positions, *part) for part in _images(positions, cutoff, cell)]
    atoms = np.concatenate([part[1] for part in parts])
    offset = np.concatenate([part[2] for part in parts])
    length = np.linalg.norm(positions[atoms[:, 0]] - positions[atoms[:, 1]] - offset, axis=1)
    _check(atoms, length, len(positions), cutoff)
    strength = constant * length**-power
    return ElasticNetwork(*(jnp.asarray(it) for it in (atoms.astype(np.int32), offset, length, strength)))


def _images(positions: np.ndarray, cutoff: float, cell: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs [m, 2] within the cut-off and offsets [m, 3], each once, a translation of the lattice at a time."""
    wrap = np.zeros_like(positions) if cell is None else np.floor(positions @ np.linalg.inv(cell)) @ cell
    inside = positions - wrap
    tree = cKDTree(inside)
    pairs = tree.query_pairs(cutoff, output_type="ndarray")
    yield pairs, wrap[pairs[:, 0]] - wrap[pairs[:, 1]]
    for shift in _translations(cutoff, cell):
        found = tree.sparse_distance_matrix(cKDTree(inside + shift), cutoff, output_type="ndarray")
        pairs = np.stack([found["i"], found["j"]], axis=1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]  # a spring to an atom's own image moves with it
        yield pairs, shift + wrap[pairs[:, 0]] - wrap[pairs[:, 1]]


def _translations(cutoff: float, cell: np.ndarray | None) -> list[np.ndarray]:
    """Half of the lattice translations, other than none, that bring cells within the cut-off of each other."""
    if cell is None:
        return []
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = [range(-count, count + 1) for count in np.ceil(cutoff / heights).astype(int)]
    return [np.array(step) @ cell for step in product(*reach) if step > (0, 0, 0)]


def _check(atoms: np.ndarray, length: np.ndarray, n: int, cutoff: float) -> None:
    if len(length) and not length.min() > 0:
        first, second = atoms[length.argmin()] + 1
        raise BadInput(f"atoms {first} and {second} lie in the same place", advice="Remove one of them")
    graph = scipy.sparse.coo_array((np.ones(len(atoms)), (atoms[:, 0], atoms[:, 1])), shape=(n, n))
    pieces, _ = connected_components(graph, directed=False)
    if pieces > 1:
        raise BadInput(
            f"springs of up to {cutoff:g} nm leave the atoms in {counted(pieces, 'piece')}",
            advice="Raise the cut-off or leave out atoms that belong to something else",
        )

"""Hessians of any energy by products with displacements, each the work of two gradients, and all of them counted."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from mdweights_core.energy.base import Energy, hessian_product

_AT_ONCE = 8
"""Products that are computed side by side."""


@jax.jit
def _products(energy: Energy, x: jax.Array, v: jax.Array) -> jax.Array:
    """Products of one Hessian with displacements v [k, n_atoms, 3]."""
    return jax.vmap(partial(hessian_product, energy, x))(v)


class HessianProducts:
    """The Hessian of an energy at one place, in displacements times the square roots of masses.

    Parameters
    ----------
    energy : Energy
    x : float64 [n_atoms, 3]
        Positions, nm.
    masses : float64 [n_atoms], optional
        In dalton; 1 when not given.

    Attributes
    ----------
    count : int
        Products asked for so far.
    """

    def __init__(self, energy: Energy, x: np.ndarray, masses: np.ndarray | None = None) -> None:
        self._energy, self._x, self.n_atoms, self.count = energy, jnp.asarray(x), len(x), 0
        self._scale = np.ones((3 * len(x), 1)) if masses is None else np.repeat(masses, 3)[:, None] ** -0.5

    @property
    def gradients(self) -> int:
        """What the products cost, in gradients."""
        return 2 * self.count

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """The Hessian times columns, float64 [3 n_atoms, k]."""
        self.count += columns.shape[1]
        moves = (self._scale * columns).T.reshape(-1, self.n_atoms, 3)
        padding = -len(moves) % _AT_ONCE  # one shape, compiled once
        padded = np.concatenate([moves, np.zeros((padding, self.n_atoms, 3))])
        parts = [
            np.asarray(_products(self._energy, self._x, jnp.asarray(padded[at : at + _AT_ONCE])))
            for at in range(0, len(padded), _AT_ONCE)
        ]
        return self._scale * np.concatenate(parts)[: len(moves)].reshape(len(moves), -1).T

    def dense(self) -> np.ndarray:
        """The whole matrix [3 n_atoms, 3 n_atoms], by as many products."""
        matrix = self(np.eye(3 * self.n_atoms))
        return (matrix + matrix.T) / 2

    def sparse(self, pairs: np.ndarray) -> scipy.sparse.csr_array:
        """The whole matrix of an energy that couples only some pairs of atoms, by few products.

        Atoms of one colour have no neighbour in common, so that one product serves all of them (Curtis, Powell and
        Reid, IMA J. Appl. Math. 13, 117, 1974).

        Parameters
        ----------
        pairs : int [m, 2]
            The pairs of atoms that are coupled.

        Returns
        -------
        csr_array [3 n_atoms, 3 n_atoms]
        """
        neighbours = _neighbours(pairs, self.n_atoms)
        colours = coloured(neighbours)
        seeds = np.zeros((self.n_atoms, 3, colours.max() + 1, 3))
        seeds[np.arange(self.n_atoms), :, colours] = np.eye(3)
        found = self(seeds.reshape(3 * self.n_atoms, -1)).reshape(self.n_atoms, 3, -1, 3)
        rows, columns = neighbours.nonzero()
        blocks = found[rows, :, colours[columns]]
        starts = np.searchsorted(rows, np.arange(self.n_atoms + 1))
        matrix = scipy.sparse.bsr_array((blocks, columns, starts), shape=(3 * self.n_atoms,) * 2).tocsr()
        return (matrix + matrix.T) / 2


def _neighbours(pairs: np.ndarray, n: int) -> scipy.sparse.csr_array:
    first, second = np.asarray(pairs).T
    rows = np.concatenate([first, second, np.arange(n)])
    columns = np.concatenate([second, first, np.arange(n)])
    graph = scipy.sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    graph.sum_duplicates()
    return graph


def coloured(neighbours: Any) -> np.ndarray:
    """Colours of atoms, each the first that no atom with a common neighbour has: int64 [n_atoms].

    Parameters
    ----------
    neighbours : csr_array [n_atoms, n_atoms]
        Not zero where two atoms are coupled, nor on the diagonal.
    """
    colours = np.full(neighbours.shape[0], -1, dtype=np.int64)
    shared = (neighbours @ neighbours).tocsr()
    for atom in range(len(colours)):
        taken = np.unique(colours[shared.indices[shared.indptr[atom] : shared.indptr[atom + 1]]])
        taken = taken[taken >= 0]
        gaps = np.flatnonzero(taken != np.arange(len(taken)))
        colours[atom] = gaps[0] if len(gaps) else len(taken)
    return colours

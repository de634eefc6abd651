"""Estimates of the inverse of a Hessian, for the search of its lowest modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

FLOOR = 1e-3
"""Added to a preconditioner, relative to its mean diagonal: rigid motions cost nothing."""


class TwoLevel:
    """Every atom's own block inverted, plus the Hessian inverted among rigid motions of blocks of atoms.

    The atoms' blocks mend what is stiff, the motions of blocks what is soft: with both the number of rounds hardly
    grows with the number of atoms (a two-level additive Schwarz method).

    Parameters
    ----------
    hessian : sparse [3 n_atoms, 3 n_atoms]
        Symmetric, positive semidefinite.
    motions : sparse [3 n_atoms, r]
        `rigid.block_motions`, in the same weighting.
    free : float64 [3 n_atoms, f]
        Motions without energy, which `motions` span: rigid ones.
    """

    def __init__(self, hessian: Any, motions: Any, free: np.ndarray) -> None:
        self._motions = motions
        diagonal = atom_blocks(hessian)
        floor = FLOOR * np.trace(diagonal.mean(axis=0)) / 3
        self._own = np.linalg.inv(diagonal + floor * np.eye(3))
        self.coarse = (motions.T @ (hessian @ motions)).toarray()
        self._free = motions.T @ free
        stiff = self.coarse + np.trace(self.coarse) / len(self.coarse) * (self._free @ self._free.T)
        self._factor = scipy.linalg.cho_factor(stiff, lower=True, overwrite_a=True)

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """The estimate times columns [3 n_atoms, k]."""
        own = np.einsum("nij,njk->nik", self._own, columns.reshape(len(self._own), 3, -1)).reshape(columns.shape)
        return own + self._motions @ self._solved(self._motions.T @ columns)

    def _solved(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray(scipy.linalg.cho_solve(self._factor, columns))

    def softest(self, count: int) -> np.ndarray:
        """The lowest modes among motions of the blocks (RTB), float64 [3 n_atoms, count]: a good start."""
        r = len(self.coarse)
        if 3 * (count + 6) > r:
            _, vectors = np.linalg.eigh(self.coarse)
            return np.asarray(self._motions @ vectors[:, self._free.shape[1] :][:, :count])
        inverse = scipy.sparse.linalg.LinearOperator((r, r), matvec=self._solved, matmat=self._solved, dtype=float)
        begin = np.random.default_rng(0).normal(size=r)  # ARPACK's own choice would differ from run to run
        _, vectors = scipy.sparse.linalg.eigsh(inverse, k=count, v0=begin, tol=1e-3)
        return np.asarray(self._motions @ vectors)


def atom_blocks(hessian: Any) -> np.ndarray:
    """The 3 by 3 blocks on the diagonal of a sparse matrix [3 n, 3 n], float64 [n, 3, 3]."""
    n = hessian.shape[0] // 3
    blocks = np.zeros((n, 3, 3))
    for apart in range(-2, 3):
        line = hessian.diagonal(k=apart)
        rows = np.arange(len(line)) + max(0, -apart)
        columns = rows + apart
        inside = rows // 3 == columns // 3
        blocks[rows[inside] // 3, rows[inside] % 3, columns[inside] % 3] = line[inside]
    return blocks

"""The slow modes of Dehmamy et al. (NeurIPS 2024): of a graph Laplacian of atoms, shared by x, y and z.

Coupling of two atoms is the size of their 3 by 3 block of the Hessian, averaged over perturbed configurations: sums of
squares in the paper (equation 7), means of norms in its program. Its Laplacian has slow modes that are numbers per
atom, without direction: an eigenproblem of n rather than 3 n, in which only smoothness along the graph is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from mdweights_core.energy.base import Energy
from mdweights_core.modes.hessians import HessianProducts


@dataclass(frozen=True, eq=False)
class Backbone:
    """Slow modes of a backbone.

    Attributes
    ----------
    values : float64 [k]
        Eigenvalues of the Laplacian in rising order, the first 0: uniform displacement.
    vectors : float64 [n_atoms, k]
        Psi, orthonormal.
    coupling : float64 [k]
        psi . Hbar psi for each mode: what the graph network of the paper scales them by.
    gradients : int
        What the couplings cost, in gradients.
    """

    values: np.ndarray
    vectors: np.ndarray
    coupling: np.ndarray
    gradients: int = 0

    def first(self, count: int) -> Backbone:
        """The slowest `count` of the modes."""
        kept = slice(count)
        return Backbone(self.values[kept], self.vectors[:, kept], self.coupling[kept], self.gradients)


def block_norms(hessian: Any) -> Any:
    """Frobenius norms [n, n] of the 3 by 3 blocks of a Hessian [3 n, 3 n], sparse for a sparse one."""
    if not scipy.sparse.issparse(hessian):
        n = len(hessian) // 3
        return np.linalg.norm(hessian.reshape(n, 3, n, 3), axis=(1, 3))
    blocks = hessian.tobsr((3, 3))
    blocks.sum_duplicates()
    norms = np.linalg.norm(blocks.data, axis=(1, 2))
    n = hessian.shape[0] // 3
    return scipy.sparse.csr_array((norms, blocks.indices, blocks.indptr), shape=(n, n))


def averaged_norms(
    energy: Energy, samples: Iterable[np.ndarray], *, power: int = 2, pairs: np.ndarray | None = None
) -> tuple[Any, int]:
    """Average the size of the Hessian's blocks over configurations.

    Parameters
    ----------
    energy : Energy
    samples : float64 [n_atoms, 3] each
        Perturbed configurations.
    power : int
        2: squared norms, as in the paper; 1: norms, as in its program.
    pairs : int [m, 2], optional
        The pairs of atoms that are coupled. Without them the Hessian is dense, at 6 n_atoms gradients a sample.

    Returns
    -------
    [n_atoms, n_atoms], dense or sparse
        Hbar.
    int
        What it cost, in gradients.
    """
    total: Any = 0.0
    gradients = count = 0
    for x in samples:
        products = HessianProducts(energy, x)
        norms = block_norms(products.dense() if pairs is None else products.sparse(pairs))
        total = norms**power + total if count else norms**power
        gradients, count = gradients + products.gradients, count + 1
    return total / count, gradients


def perturbed(x: np.ndarray, sigma: float, count: int, seed: int = 0) -> np.ndarray:
    """X' = X + dX with normal deviates of width `sigma`, nm, in every coordinate: float64 [count, n_atoms, 3]."""
    return x + sigma * np.random.default_rng(seed).normal(size=(count, *x.shape))


def backbone_modes(coupling: Any, count: int, gradients: int = 0) -> Backbone:
    """The slowest modes of the Laplacian of couplings.

    Parameters
    ----------
    coupling : [n_atoms, n_atoms], dense or sparse
        Hbar, not negative. Its diagonal counts in `Backbone.coupling` alone.
    count : int
    gradients : int
        What the couplings cost.
    """
    dense = coupling.toarray() if scipy.sparse.issparse(coupling) else np.asarray(coupling)
    laplacian = np.diag(dense.sum(axis=1)) - dense
    values, vectors = scipy.linalg.eigh(laplacian, subset_by_index=(0, min(count, len(dense)) - 1))
    return Backbone(values, vectors, np.einsum("ik,ik->k", vectors, dense @ vectors), gradients)

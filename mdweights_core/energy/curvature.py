"""The positive part of an energy's curvature, sparse, and its inverse, which minimisers and searches for modes use.

It is J^T K J over all internal coordinates that know their stiffness: J are derivatives of bonds, angles, torsion
angles and distances of close pairs, K their force constants. This Gauss-Newton part of the Hessian has nothing negative
in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from mdweights_core.energy.base import Energy, Stiffness

Solve = Callable[[np.ndarray], np.ndarray]
"""Vectors [n] or columns [n, k] to those of the same shape."""


def stiffness_matrix(energy: Energy, x: np.ndarray) -> scipy.sparse.csc_array:
    """The curvature at x [n_atoms, 3] of all terms that know it, [3 n_atoms, 3 n_atoms] in kJ/mol/nm^2."""
    return gauss_newton(stiffness_by_term(energy, x), energy.n_atoms)


def stiffness_by_term(energy: Energy, x: np.ndarray) -> list[Stiffness]:
    """Stiff internal coordinates at x [n_atoms, 3], of each term that knows them."""
    return [term.stiffness(x) for term in energy.terms.values() if hasattr(term, "stiffness")]


def gauss_newton(parts: Sequence[Stiffness], n_atoms: int) -> scipy.sparse.csc_array:
    """J^T K J as a sparse matrix [3 n_atoms, 3 n_atoms], kJ/mol/nm^2."""
    scaled = [(part.gradients * np.sqrt(part.constants)[:, None, None]).ravel() for part in parts]
    places = [(3 * part.atoms[:, :, None] + np.arange(3)).ravel() for part in parts]
    widths = [np.full(len(part.atoms), 3 * part.atoms.shape[1]) for part in parts]
    ends = np.concatenate([[0], np.cumsum(np.concatenate([[], *widths]))]).astype(np.int64)
    entries = (np.concatenate([[], *scaled]), np.concatenate([[], *places]).astype(np.int64), ends)
    jacobian = scipy.sparse.csr_array(entries, shape=(len(ends) - 1, 3 * n_atoms))
    return (jacobian.T @ jacobian).tocsc()


def factorised(curvature: Any, floor: float) -> Solve:
    """The inverse of curvature + floor I, as a function of a vector [n] or of columns [n, k].

    Parameters
    ----------
    curvature : sparse or dense [n, n]
        Symmetric, positive semidefinite.
    floor : float
        Positive.
    """
    n = curvature.shape[0]
    if not scipy.sparse.issparse(curvature):
        factor = scipy.linalg.cho_factor(curvature + floor * np.eye(n), lower=True)
        return lambda q: scipy.linalg.cho_solve(factor, q)
    # symmetric, no pivoting: SuperLU does then what a sparse Cholesky factorisation does, with twice its numbers
    matrix = (curvature + floor * scipy.sparse.eye_array(n)).tocsc()
    symmetric = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    return scipy.sparse.linalg.splu(matrix, **symmetric).solve

"""Small exact problems over frame weights: non-negative quadratics, and quadratics on the simplex.

Active sets are found by block principal pivoting, which exchanges many variables at a time and falls back on single
exchanges where that could cycle [Portugal, Judice & Vicente (1994), Math. Comput. 63, 625].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
import scipy.optimize

_RIDGES = (1e-8, 1e-6, 1e-4)
"""Of the diagonal, tried one after the other: with more frames than reflections a matrix has no full rank."""

_NOISE = 1e-7  # relative rounding of single-precision products summed in blocks
_PATIENCE = 3  # block exchanges without progress
_EXCHANGES = 40
_TOLERANCE = 1e-10

Passive = np.ndarray  # bool [n]: variables that are not zero
_Solve = Callable[[Passive], tuple[np.ndarray, np.ndarray]]


def nonnegative(matrix: np.ndarray, linear: np.ndarray, passive: Passive | None = None) -> np.ndarray:
    """argmin_u>=0 u.N.u / 2 - b.u, float64 [n].

    Solved for u |D_t|: a frame far larger than the others would push all of them under the rounding.

    Parameters
    ----------
    matrix : float64 [n, n]
        Positive semidefinite.
    linear : float64 [n]
    passive : bool [n], optional
        A first guess of what is not zero.
    """
    length = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    length[length == 0] = 1.0
    scaled = matrix / np.outer(length, length)
    right = linear / length
    right = right / (float(np.abs(right).max(initial=0.0)) or 1.0)
    ridged = scaled + _RIDGES[0] * np.eye(len(right))

    def solve(inside: Passive) -> tuple[np.ndarray, np.ndarray]:
        u = np.zeros(len(right))
        u[inside] = _solve(ridged[np.ix_(inside, inside)], right[inside])
        return u, ridged @ u - right

    found = _pivot(solve, right > 0 if passive is None else passive)
    if found is None:
        found = _least_squares(scaled, right)
    size = float(np.abs(linear / length).max(initial=0.0))
    return found * size / length


def _least_squares(matrix: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """The same by Lawson and Hanson's algorithm, on what of the matrix is not rounding."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > _NOISE * values[-1]
    factor = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    right = vectors[:, kept].T @ linear / np.sqrt(values[kept])
    return np.asarray(scipy.optimize.nnls(factor, right, maxiter=30 * len(matrix))[0])


def on_simplex(matrix: np.ndarray, linear: np.ndarray, passive: Passive) -> np.ndarray:
    """argmin of v.H.v / 2 - c.v over v >= 0, sum v = 1: float64 [n]; H positive semidefinite."""
    own = np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0)
    size = max(float(np.ptp(linear)), float(own.min()))  # of slopes; by the mean curvature one column could rule all
    first = passive if passive.any() else np.ones(len(linear), dtype=bool)
    for ridge in _RIDGES:
        found = _pivot(_bordered((matrix + ridge * np.diag(own)) / size, linear / size), first)
        if found is not None:
            return found / found.sum()
    return np.where(first, 1.0, 0.0) / first.sum()


def _bordered(matrix: np.ndarray, linear: np.ndarray) -> _Solve:
    """Values and multipliers under the condition that the values sum to one."""

    def solve(inside: Passive) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.flatnonzero(inside)
        if not len(chosen):  # none can carry the sum: let the best one in
            return np.zeros(len(linear)), np.where(np.arange(len(linear)) == linear.argmax(), -1.0, 1.0)
        pair = _solve(matrix[np.ix_(chosen, chosen)], np.stack([linear[chosen], np.ones(len(chosen))], axis=1))
        multiplier = (1.0 - pair[:, 0].sum()) / pair[:, 1].sum()
        v = np.zeros(len(linear))
        v[chosen] = pair[:, 0] + multiplier * pair[:, 1]
        return v, matrix @ v - linear - multiplier

    return solve


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not len(matrix):
        return np.zeros_like(right)
    try:
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix, check_finite=False), right, check_finite=False)
    except np.linalg.LinAlgError:  # rounding made it indefinite
        return np.full_like(right, np.nan)


def _pivot(solve: _Solve, passive: Passive) -> np.ndarray | None:
    """Exchange variables between zero and not zero until values and multipliers are all non-negative.

    None where rounding keeps that from ending.
    """
    passive = passive.copy()
    fewest, patience = len(passive) + 1, _PATIENCE
    for _ in range(_EXCHANGES):
        values, multipliers = solve(passive)
        if not (np.isfinite(values).all() and np.isfinite(multipliers).all()):
            return None
        wrong = np.where(passive, values < -_TOLERANCE, multipliers < -_TOLERANCE)
        count = int(wrong.sum())
        if not count:
            return np.where(passive, np.maximum(values, 0.0), 0.0)
        if count < fewest:
            fewest, patience = count, _PATIENCE
        elif patience:
            patience -= 1
        else:  # the last one alone: cannot cycle
            last = int(np.flatnonzero(wrong)[-1])
            wrong = np.zeros_like(wrong)
            wrong[last] = True
        passive ^= wrong
    return None

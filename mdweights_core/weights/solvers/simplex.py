"""Small exact problems over frame weights: non-negative quadratics, and quadratics on the simplex.

Active sets are found by block principal pivoting, which exchanges many variables at a time and falls back on single
exchanges where that could cycle [Portugal, Judice & Vicente (1994), Math. Comput. 63, 625].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg

RIDGE = 1e-8
"""Of the mean diagonal: with more frames than reflections the matrix has no full rank."""

_PATIENCE = 3  # block exchanges without progress
_TOLERANCE = 1e-10

Passive = np.ndarray  # bool [n]: variables that are not zero


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
    scaled[np.diag_indices_from(scaled)] += RIDGE

    def solve(inside: Passive, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = np.zeros(len(right))
        u[inside] = _solve(scaled[np.ix_(inside, inside)], right[inside])
        return u, scaled @ u - right

    right = linear / length
    scale = float(np.abs(right).max(initial=0.0)) or 1.0
    first = right > 0 if passive is None else passive
    return _pivot(partial_solver(solve, right / scale), first) * scale / length


def on_simplex(matrix: np.ndarray, linear: np.ndarray, passive: Passive) -> np.ndarray:
    """argmin of v.H.v / 2 - c.v over v >= 0, sum v = 1: float64 [n]; H positive semidefinite."""
    n = len(linear)
    full = matrix + (RIDGE * (np.trace(matrix) / n) or RIDGE) * np.eye(n)
    scale = float(np.abs(full).max()) or 1.0

    def solve(inside: Passive, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.flatnonzero(inside)
        pair = _solve(full[np.ix_(chosen, chosen)], np.stack([linear[chosen], np.ones(len(chosen))], axis=1))
        multiplier = (1.0 - pair[:, 0].sum()) / pair[:, 1].sum()
        v = np.zeros(n)
        v[chosen] = pair[:, 0] + multiplier * pair[:, 1]
        return v, (full @ v - linear - multiplier) / scale

    return _pivot(partial_solver(solve, linear), passive if passive.any() else np.ones(n, dtype=bool))


def partial_solver(
    solve: Callable[[Passive, np.ndarray], tuple[np.ndarray, np.ndarray]], right: np.ndarray
) -> Callable[[Passive], tuple[np.ndarray, np.ndarray]]:
    """`solve` with its right-hand side given."""
    return lambda inside: solve(inside, right)


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not len(matrix):
        return np.zeros_like(right)
    try:
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix, check_finite=False), right, check_finite=False)
    except np.linalg.LinAlgError:  # rounding made it indefinite
        return np.linalg.lstsq(matrix, right, rcond=1e-10)[0]


def _pivot(solve: Callable[[Passive], tuple[np.ndarray, np.ndarray]], passive: Passive) -> np.ndarray:
    """Exchange variables between zero and not zero until values and multipliers are all non-negative."""
    passive = passive.copy()
    fewest, patience = len(passive) + 1, _PATIENCE
    values, multipliers = solve(passive)
    for _ in range(30 * len(passive) + 30):
        wrong = np.where(passive, values < -_TOLERANCE, multipliers < -_TOLERANCE)
        count = int(wrong.sum())
        if not count:
            break
        if count < fewest:
            fewest, patience = count, _PATIENCE
        elif patience:
            patience -= 1
        else:  # the last one alone: cannot cycle
            last = int(np.flatnonzero(wrong)[-1])
            wrong = np.zeros_like(wrong)
            wrong[last] = True
        passive ^= wrong
        values, multipliers = solve(passive)
    return np.where(passive, np.maximum(values, 0.0), 0.0)

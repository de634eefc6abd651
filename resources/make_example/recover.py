"""Checks that the hidden weights can be found again: non-negative least squares on the linearised problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True)
class Recovery:
    """How well the weights come back from the noisy work set.

    Attributes
    ----------
    weights : float64 [n_frames]
    correlation : float
        With the hidden weights.
    states : float64 [n_state]
        Summed weight of each state.
    """

    weights: np.ndarray
    correlation: float
    states: np.ndarray


def recover(
    factors: np.ndarray, inverse_d: np.ndarray, intensity: np.ndarray, sigma: np.ndarray, *, steps: int = 12
) -> np.ndarray:
    """Weights that fit `intensity` [n_hkl] best, up to scale and a smooth background.

    `factors` complex [n_frames, 4, n_hkl]. With the mean structure factor frozen the intensity is linear in the
    weights: sum_t w_t |F_t - m|^2. A polynomial in 1/d is fitted along with the weights and projected out.
    """
    smooth = np.polynomial.chebyshev.chebvander(2.0 * inverse_d / inverse_d.max() - 1.0, 9) / sigma[:, None]
    basis = np.linalg.qr(smooth)[0]
    target = _project(intensity / sigma, basis)
    weights = np.full(len(factors), 1.0 / len(factors))
    for _ in range(steps):
        mean = np.tensordot(weights, factors, axes=1)
        terms = (np.abs(factors - mean) ** 2).mean(axis=1) / sigma
        found = nnls(_project(terms.T, basis), target)[0]
        weights = found / found.sum()
    return weights


def compare(found: np.ndarray, hidden: np.ndarray, state: np.ndarray) -> Recovery:
    """Correlation and state sums of recovered weights."""
    return Recovery(found, float(np.corrcoef(found, hidden)[0, 1]), np.bincount(state, found))


def _project(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return values - basis @ (basis.T @ values)

"""Errors by drawing independent samples anew."""

from __future__ import annotations

import numpy as np
from scipy.special import polygamma

DRAWS = 200
"""Bootstrap samples: they tell an error to about 5 %."""

_GROUPS = 4096  # that are drawn: a million samples one by one would take minutes and tell the same error
_FEW = 10.0  # effective samples, below which drawing them anew shows too little scatter
_COUNTS = 2**20  # drawn at a time


def drawn_means(values: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Means over samples drawn with replacement [1], float64 [draws, K].

    More than 4096 samples are drawn in as many groups of neighbours, which are as independent as the samples are.

    Parameters
    ----------
    values : float64 [S, K]
        A row per independent sample.

    References
    ----------
    .. [1] Efron, Ann. Statist. 7 (1979) 1.
    """
    rng = np.random.default_rng(seed)
    count = min(len(values), _GROUPS)
    begins = np.arange(count) * len(values) // count
    sizes = np.diff(begins, append=len(values))
    groups = np.column_stack([np.add.reduceat(values, begins, axis=0), sizes])
    sums = np.concatenate([_drawn(groups, rows, rng) for rows in _portions(draws, count)])
    return sums[:, :-1] / sums[:, -1:]


def _portions(draws: int, count: int) -> list[int]:
    """How many times `count` groups are drawn at a time, to keep memory small."""
    each = max(_COUNTS // count, 1)
    return [min(each, draws - begin) for begin in range(0, draws, each)]


def _drawn(groups: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    count = len(groups)
    places = rng.integers(0, count, (draws, count)) + count * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=places.size).reshape(places.shape) @ groups


def log_error(effective: np.ndarray) -> np.ndarray:
    """Standard error of the logarithm of a count of `effective` samples; inf for none.

    It is that of a gamma distribution, sqrt(trigamma(n)): 1 / sqrt(n) for many, and larger for few, of which a
    bootstrap would see too little scatter.
    """
    n = np.asarray(effective, dtype=np.float64)
    return np.where(n > 0, np.sqrt(polygamma(1, np.maximum(n, 1e-9))), np.inf)


def honest(error: np.ndarray, effective: np.ndarray) -> np.ndarray:
    """Bootstrap errors of logarithms, no smaller than `log_error` where fewer than ten effective samples decide."""
    error, effective = np.asarray(error, dtype=np.float64), np.asarray(effective, dtype=np.float64)
    return np.where(effective < _FEW, np.maximum(error, log_error(effective)), error)

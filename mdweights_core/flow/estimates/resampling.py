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
    begins = np.flatnonzero(np.diff(_group_of(len(values)), prepend=-1))
    sizes = np.diff(begins, append=len(values))
    sums = _drawn(np.column_stack([np.add.reduceat(values, begins, axis=0), sizes]), draws, seed)
    return sums[:, :-1] / sums[:, -1:]


def drawn_shares(w: np.ndarray, label: np.ndarray, count: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Shares of the weight that each of `count` labels has in samples drawn as by `drawn_means`, [draws, count].

    Parameters
    ----------
    w : float64 [S]
    label : int [S]
        -1 for samples that have none; they count in the whole weight.
    """
    group = _group_of(len(w))
    cells = np.bincount(group * (count + 1) + label + 1, weights=w, minlength=(int(group[-1]) + 1) * (count + 1))
    sums = _drawn(cells.reshape(-1, count + 1), draws, seed)
    return sums[:, 1:] / sums.sum(axis=1, keepdims=True)


def _group_of(n: int) -> np.ndarray:
    return np.arange(n) * min(n, _GROUPS) // n


def _drawn(groups: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Sums over groups [G, K] drawn with replacement, [draws, K], a portion of the draws at a time."""
    rng, count = np.random.default_rng(seed), len(groups)
    each = max(_COUNTS // count, 1)
    sums = np.empty((draws, groups.shape[1]))
    for begin in range(0, draws, each):
        number = min(each, draws - begin)
        places = rng.integers(0, count, (number, count)) + count * np.arange(number)[:, None]
        counts = np.bincount(places.ravel(), minlength=places.size).reshape(places.shape)
        sums[begin : begin + number] = counts.astype(np.float64) @ groups
    return sums


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


def scatter_of_logs(drawn: np.ndarray) -> np.ndarray:
    """Standard deviation of the logarithms of draws [draws, ...] over those that are not zero; 0 for fewer than two."""
    known = drawn > 0
    logs = np.log(np.where(known, drawn, 1.0))
    number = np.maximum(known.sum(axis=0), 2)
    mean = logs.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.sqrt(np.where(known, (logs - mean) ** 2, 0.0).sum(axis=0) / (number - 1))

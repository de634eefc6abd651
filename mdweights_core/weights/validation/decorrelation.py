"""How many frames it takes until a simulation has forgotten where it was."""

from __future__ import annotations

import numpy as np


def decorrelation_time(series: np.ndarray, runs: np.ndarray) -> float:
    """Statistical inefficiency 1 + 2 sum_k rho(k) of the slowest of some series, frames; at least 1.

    The sum ends with Geyer's initial positive and monotone sequence [1]: pairs of neighbouring lags, as long as their
    sum is positive, and no larger than the pair before.

    Parameters
    ----------
    series : float64 [n_series, n_frames]
    runs : int [n_frames]
        Trajectory of each frame; no lag reaches from one into another.

    References
    ----------
    .. [1] Geyer, Statist. Sci. 7 (1992) 473.
    """
    return max((_inefficiency(one, runs) for one in series), default=1.0)


def _inefficiency(series: np.ndarray, runs: np.ndarray) -> float:
    rho = _autocorrelation(series - series.mean(), runs)
    pairs = rho[: len(rho) // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    positive = pairs[: negative[0]] if len(negative) else pairs
    return max(1.0, float(2 * np.minimum.accumulate(positive).sum()) - 1.0)


def _autocorrelation(centred: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Autocorrelation up to half of the longest run, each lag divided by the number of frames as the bias asks."""
    parts = [centred[runs == run] for run in np.unique(runs)]
    n_lags = max(2, max(len(part) for part in parts) // 2)
    total = sum(_products(part, n_lags) for part in parts)
    assert isinstance(total, np.ndarray)
    return total / total[0] if total[0] > 0 else np.zeros(n_lags)


def _products(part: np.ndarray, n_lags: int) -> np.ndarray:
    """sum_t a_t a_t+k for k below `n_lags`, by a Fourier transform of twice the length."""
    n = 2 * max(len(part), n_lags)
    return np.fft.irfft(np.abs(np.fft.rfft(part, n)) ** 2, n)[:n_lags]


def draw_blocks(runs: np.ndarray, block: int, rng: np.random.Generator) -> np.ndarray:
    """How often each frame is drawn: int [n_frames], of sum n_frames.

    Blocks of neighbours are drawn with replacement out of each run, as many frames as it has. A block that reaches the
    end goes on at the beginning, so that all frames have the same chance [1].

    References
    ----------
    .. [1] Politis & Romano, in Exploring the Limits of Bootstrap, Wiley (1992) 263.
    """
    counts = np.zeros(len(runs), dtype=np.int64)
    for run in np.unique(runs):
        places = np.flatnonzero(runs == run)
        n = len(places)
        first = rng.integers(0, n, -(-n // block))
        drawn = (first[:, None] + np.arange(block)).ravel()[:n] % n
        counts[places] += np.bincount(drawn, minlength=n)
    return counts

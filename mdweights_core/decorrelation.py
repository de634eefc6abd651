"""How many frames it takes until a simulation has forgotten where it was."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def decorrelation_time(series: np.ndarray, runs: np.ndarray) -> float:
    """Statistical inefficiency 1 + 2 sum_k rho(k) of the slowest of some series, frames; at least 1.

    Parameters
    ----------
    series : float64 [n_series, n_frames]
    runs : int [n_frames]
        Trajectory of each frame; no lag reaches from one into another.
    """
    rho = autocorrelation(series - series.mean(axis=1, keepdims=True), runs)
    return float(integrated(rho).max(initial=1.0))


def autocorrelation(centred: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Autocorrelation of rows [n, n_frames] of mean zero, within runs: float64 [n, longest run], 1 at lag 0.

    Each lag is divided by the number of frames and not of its pairs, which damps those that are hardly seen. Frames of
    one run lie together. Rows without variance have none.
    """
    bounds = np.append(np.flatnonzero(np.diff(runs, prepend=runs[0] - 1)), len(runs))
    total = np.zeros((len(centred), int(np.diff(bounds).max())))
    for begin, end in pairwise(bounds):
        size = int(end - begin)
        spectrum = np.fft.rfft(centred[:, begin:end], n=2 * size, axis=1)
        total[:, :size] += np.fft.irfft(np.abs(spectrum) ** 2, n=2 * size, axis=1)[:, :size]
    return total / np.where(total[:, :1] > 0, total[:, :1], 1.0)


def integrated(rho: np.ndarray) -> np.ndarray:
    """1 + 2 sum over positive lags of autocorrelations [n, n_lags], or of products of two: float64 [n], at least 1.

    The sum ends with Geyer's initial positive and monotone sequence [1]: pairs of neighbouring lags, as long as their
    sum is positive, and no larger than the pair before.

    References
    ----------
    .. [1] Geyer, Statist. Sci. 7 (1992) 473.
    """
    even = np.pad(rho, ((0, 0), (0, rho.shape[1] % 2)))
    pairs = even[:, 0::2] + even[:, 1::2]
    keeps_on = np.logical_and.accumulate(pairs > 0, axis=1)
    return np.maximum(2 * np.where(keeps_on, np.minimum.accumulate(pairs, axis=1), 0.0).sum(axis=1) - 1, 1.0)


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

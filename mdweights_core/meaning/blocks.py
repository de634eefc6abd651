"""Errors by leaving out one block of frames after the other."""

from __future__ import annotations

import numpy as np

BLOCKS = 10


def block_labels(n_frames: int) -> np.ndarray:
    """The block of each frame, int64 [n_frames]: `BLOCKS` of neighbouring frames as equal as can be, fewer of few."""
    count = max(1, min(BLOCKS, n_frames // 2))
    return np.arange(n_frames) * count // n_frames


def mean_and_error(values: np.ndarray, weights: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means of `values` [n, n_frames] and those without one block each.

    Returns
    -------
    mean : float64 [n]
    left_out : float64 [n_blocks, n]
        Unknown values (NaN) count for nothing; NaN where no weight is left.
    """
    known = np.isfinite(values)
    share = np.where(known, weights, 0.0)
    size = int(block.max()) + 1
    is_block = block[:, None] == np.arange(size)
    sums, totals = (np.where(known, values, 0.0) * share) @ is_block, share @ is_block
    return _ratio(sums.sum(axis=1), totals.sum(axis=1)), _ratio(
        sums.sum(axis=1) - sums.T, totals.sum(axis=1) - totals.T
    )


def _ratio(sums: np.ndarray, totals: np.ndarray) -> np.ndarray:
    is_there = totals > 1e-12
    return np.divide(sums, totals, out=np.full(np.shape(sums), np.nan), where=is_there)

"""Standard errors by leaving out one group of observations after the other."""

from __future__ import annotations

import numpy as np


def jackknife_error(left_out: np.ndarray, least: int = 3) -> np.ndarray:
    """Standard error from estimates [n_groups, ...] that each leave out one group of neighbours [1] or of others [2].

    s^2 = (n - 1)/n sum_k (x_k - mean x)^2; NaN where fewer than `least` groups give an estimate that is finite.

    References
    ----------
    .. [1] Kunsch, Ann. Statist. 17 (1989) 1217.
    .. [2] Kott, J. Off. Stat. 17 (2001) 521.
    """
    known = np.isfinite(left_out)
    count = known.sum(axis=0)
    mean = np.where(known, left_out, 0.0).sum(axis=0) / np.maximum(count, 1)
    square = np.where(known, (left_out - mean) ** 2, 0.0).sum(axis=0)
    return np.where(count >= least, np.sqrt(square * (count - 1) / np.maximum(count, 1)), np.nan)

"""Frames of the target itself, which remember their past and may carry weights of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.decorrelation import autocorrelation, integrated
from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.log_weights import checked


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference frames of the target, such as those of a simulation.

    Attributes
    ----------
    log_w : float64 [T]
        ln w of the frames: what samples at the same places would have.
    weights : float64 [T]
        Of sum 1.
    runs : int [T]
        The simulation of each frame; frames of one lie together, in order of time.
    """

    log_w: np.ndarray
    weights: np.ndarray
    runs: np.ndarray

    def __len__(self) -> int:
        return len(self.log_w)


def reference_frames(
    log_w: np.ndarray, weights: np.ndarray | None = None, runs: np.ndarray | None = None, *, independent: bool = False
) -> Reference:
    """Check reference frames, T of them.

    Parameters
    ----------
    log_w : float64 [T]
    weights : float64 [T], optional
        Of any sum; equal ones by default.
    runs : int [T], optional
        One simulation by default.
    independent : bool
        The frames are no time series: each is a run of its own.

    Raises
    ------
    BadInput
        When lengths do not fit, a log-weight is not a number, or weights are negative or have no sum.
    """
    log_w = checked(log_w, "log-weight of reference frames")
    n = len(log_w)
    share = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if runs is None:
        runs = np.arange(n) if independent else np.zeros(n, dtype=np.int64)
    if share.shape != (n,) or runs.shape != (n,):
        raise BadInput(f"{n} reference frames do not fit {len(share)} weights and {len(runs)} numbers of runs")
    if not (np.isfinite(share).all() and (share >= 0).all() and share.sum() > 0):
        raise BadInput("Weights of reference frames must be positive numbers, or zero for some")
    return Reference(log_w, share / share.sum(), runs)


def inefficiency(contributions: np.ndarray, runs: np.ndarray) -> float:
    """By how much the variance of a sum over frames exceeds that of independent ones; at least 1.

    Parameters
    ----------
    contributions : float64 [T]
        What each frame adds; 0 for those that do not count.
    runs : int [T]
    """
    if not (runs[1:] == runs[:-1]).any():
        return 1.0  # every frame is a run of its own
    return float(integrated(autocorrelation(contributions[None] - contributions.mean(), runs))[0])


def mean_and_variance(values: np.ndarray, weights: np.ndarray, runs: np.ndarray) -> tuple[float, float]:
    """Weighted mean of a time series [T] and the variance of that mean, memory and weights counted.

    The variance is that of a ratio of sums, g sum w^2 (x - mean)^2 / (sum w)^2, with the statistical inefficiency g of
    w (x - mean); frames of no weight count for nothing.
    """
    total = weights.sum()
    mean = float(weights @ values / total)
    parts = weights * (values - mean) / total
    return mean, float(np.square(parts).sum()) * inefficiency(parts, runs)

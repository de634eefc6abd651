"""How far the weights of samples can be trusted, and the partition function that they give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.flow.estimates.log_weights import checked, effective_number, log_mean, normalised, relative
from mdweights_core.flow.estimates.pareto import ParetoTail, pareto_tail
from mdweights_core.flow.estimates.resampling import drawn_means, honest, scatter_of_logs

CLIPPED = 1e-4
"""Share of the largest weights that papers clip before they quote an effective sample size."""


@dataclass(frozen=True)
class Importance:
    """Numbers of the weights of S independent samples.

    Attributes
    ----------
    n : int
        S.
    n_without_weight : int
        Samples of infinite energy.
    ess : float
        Kish's effective sample size as a fraction of S.
    ess_clipped : float
        The same after the largest 1e-4 of the weights were set to the smallest of them, as papers quote it.
    entropy_ess : float
        exp(entropy of the weights) / S.
    largest_share : float
        Of the whole weight, on one sample.
    tail : ParetoTail
    log_z : float
        ln of the mean weight, the estimate of ln Z where the density of the samples is normalised.
    log_z_error : float
        Its standard error, by drawing samples anew.
    log_z_bias : float
        What is to be expected of the logarithm of a mean, -(1 / n_eff - 1 / S) / 2; it is not taken off `log_z`.
    mean_log_w : float
        Mean of ln w over the samples of finite energy, a lower bound on ln Z but for their absence.
    """

    n: int
    n_without_weight: int
    ess: float
    ess_clipped: float
    entropy_ess: float
    largest_share: float
    tail: ParetoTail
    log_z: float
    log_z_error: float
    log_z_bias: float
    mean_log_w: float

    @property
    def n_effective(self) -> float:
        """Kish's number of samples of equal weight."""
        return self.ess * self.n


def importance(log_w: np.ndarray, seed: int = 0) -> Importance:
    """All numbers of log-weights [S] of independent samples.

    Raises
    ------
    BadInput
        When no sample has weight, or a log-weight is not a number.
    """
    log_w = checked(log_w)
    n, finite = len(log_w), np.isfinite(log_w)
    value, error = log_partition(log_w, seed)
    ess = kish_fraction(log_w)
    return Importance(
        n=n,
        n_without_weight=int(n - finite.sum()),
        ess=ess,
        ess_clipped=kish_fraction(clipped(log_w)),
        entropy_ess=entropy_fraction(log_w),
        largest_share=float(normalised(log_w).max()),
        tail=pareto_tail(log_w),
        log_z=value,
        log_z_error=error,
        log_z_bias=-(1 / ess - 1) / (2 * n),
        mean_log_w=float(log_w[finite].mean()),
    )


def kish_fraction(log_w: np.ndarray) -> float:
    """Kish's effective sample size (sum w)^2 / (S sum w^2) of log-weights [S], a fraction."""
    return effective_number(relative(log_w)) / len(log_w)


def clipped(log_w: np.ndarray, share: float = CLIPPED) -> np.ndarray:
    """Log-weights [S] whose largest `share` S are set to the smallest of these; as they are where that is none."""
    count = int(share * len(log_w))
    if not count:
        return log_w
    return np.minimum(log_w, np.partition(log_w, len(log_w) - count)[len(log_w) - count])


def entropy_fraction(log_w: np.ndarray) -> float:
    """exp(-sum w ln w) / S of normalised weights, a fraction."""
    w = normalised(log_w)
    w = w[w > 0]
    return float(np.exp(-np.sum(w * np.log(w)))) / len(log_w)


def log_partition(log_w: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """ln of the mean weight and its bootstrap error, from log-weights [S] of independent samples."""
    w = relative(log_w)
    scatter = scatter_of_logs(drawn_means(w[:, None], seed=seed)[:, 0])
    return log_mean(log_w), float(honest(scatter, np.array(effective_number(w))))


def forward_fraction(log_w: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Effective sample size that frames of the target see, 1 / (E_p[w] E_p[1/w]), a fraction [1].

    Where the density of the samples has a hole, these frames lie in it and have enormous weights: this number falls,
    and the one from samples does not.

    Parameters
    ----------
    log_w : float64 [T]
        ln w at reference frames.
    weights : float64 [T], optional
        Of the frames, any sum; equal ones by default.

    References
    ----------
    .. [1] Midgley et al., SE(3) equivariant augmented coupling flows, NeurIPS (2023).
    """
    log_w = checked(log_w)
    share = np.full(len(log_w), 1.0) if weights is None else np.asarray(weights, dtype=np.float64)
    used = share > 0
    if np.isneginf(log_w[used]).any():
        return 0.0
    log_share, seen = np.log(share[used] / share[used].sum()), log_w[used]
    both = _log_sum(log_share + seen) + _log_sum(log_share - seen)
    return float(np.exp(-both))


def _log_sum(logs: np.ndarray) -> float:
    return log_mean(logs) + float(np.log(len(logs)))

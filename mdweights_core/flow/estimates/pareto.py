"""How heavy the tail of the weights is: Pareto k."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mdweights_core.flow.estimates.log_weights import checked, relative

FITTED, EQUAL, TOO_FEW = "fitted", "equal", "too few"
"""How k was found: by a fit; not, as the largest weights are alike; not, as too few of them are there, or differ."""

_FEWEST = 5  # weights in the tail
_ALIKE = 1e-6  # relative spread of the largest weights that rounding of energies makes
_PRIOR = 10  # observations of k = 1/2 that the fit is pulled by


@dataclass(frozen=True)
class ParetoTail:
    """Generalised Pareto distribution of the largest weights.

    Attributes
    ----------
    k : float
        Its shape: weights have a finite variance below 0.5, a mean below 1, and an upper bound below 0. -inf where the
        largest weights are alike, NaN where there are too few samples.
    how : str
        "fitted", "equal" or "too few".
    n_tail : int
        Number of weights that it was fitted to.
    excess : float
        Share of the whole weight that lies above the smallest of them: what the tail decides.
    threshold : float
        Averages can be trusted below this k, min(1 - 1 / log10 S, 0.7).
    """

    k: float
    how: str
    n_tail: int
    excess: float
    threshold: float

    @property
    def is_heavy(self) -> bool:
        """Whether the fit says that averages cannot be trusted."""
        return self.k >= self.threshold


def pareto_tail(log_w: np.ndarray) -> ParetoTail:
    """Fit the largest min(S / 5, 3 sqrt(S)) of weights, as Pareto-smoothed importance sampling does [1].

    Parameters
    ----------
    log_w : float64 [S]
        Of independent samples; -inf for those without weight.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao & Gabry, J. Mach. Learn. Res. 25 (2024) 72.
    """
    log_w = checked(log_w)
    n = len(log_w)
    n_tail = int(min(n // 5, np.ceil(3 * np.sqrt(n))))
    threshold = min(1 - 1 / math.log10(n), 0.7) if n > 10 else 0.0
    if n_tail < _FEWEST:
        return ParetoTail(float("nan"), TOO_FEW, n_tail, float("nan"), threshold)
    w = relative(log_w)
    largest = np.sort(np.partition(w, n - n_tail - 1)[n - n_tail - 1 :])
    above = largest[1:] - largest[0]
    excess = float(above.sum() / w.sum())
    if largest[-1] <= (1 + _ALIKE) * largest[0]:
        return ParetoTail(-np.inf, EQUAL, n_tail, excess, threshold)
    above = above[above > 0]
    if len(above) < _FEWEST:
        return ParetoTail(float("nan"), TOO_FEW, n_tail, excess, threshold)
    return ParetoTail(shape_of(above), FITTED, n_tail, excess, threshold)


def shape_of(above: np.ndarray) -> float:
    """Shape k of positive exceedances, rising [n], with the weak prior of [1] that pulls it to 1/2.

    The posterior mean of the scale over a grid [2], and k as the mean of ln(1 + b x) there.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao & Gabry, J. Mach. Learn. Res. 25 (2024) 72.
    .. [2] Zhang & Stephens, Technometrics 51 (2009) 316.
    """
    n = len(above)
    count = 30 + int(np.sqrt(n))
    quarter = above[int(n / 4 + 0.5) - 1]
    grid = (1 - np.sqrt(count / (np.arange(1, count + 1) - 0.5))) / (3 * quarter) + 1 / above[-1]
    shapes = np.log1p(-grid[:, None] * above).mean(axis=1)
    log_likelihood = n * (np.log(-grid / shapes) - shapes - 1)
    share = relative(log_likelihood)
    scale = share @ grid / share.sum()
    k = float(np.log1p(-scale * above).mean())
    return (n * k + _PRIOR * 0.5) / (n + _PRIOR)

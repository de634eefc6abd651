"""Free-energy difference between two states, from weighted samples alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.log_weights import effective_number, normalised
from mdweights_core.flow.estimates.resampling import drawn_means, drawn_shares, log_error, scatter_of_logs
from mdweights_core.flow.estimates.states import checked_masks, labels_of

EXP, BAR = "exp", "bar"
"""Methods: weights of the samples alone (exponential averaging); samples and reference frames (acceptance ratio)."""

_RULE_OF_THREE = 3.0  # what was not seen among n has a share below 3 / n, at 95 %


class Occupation(NamedTuple):
    """Share of the whole weight in the first and the second state, and the effective number of samples there."""

    first: float
    second: float
    n_first: float
    n_second: float

    @property
    def n_least(self) -> float:
        """Effective number of samples of the state that has fewer."""
        return min(self.n_first, self.n_second)


def occupation_of(w: np.ndarray, masks: np.ndarray) -> Occupation:
    """What samples of normalised weights [S] have of two states, bool [2, S]."""
    return Occupation(*(float(share) for share in masks @ w), *(effective_number(w[mask]) for mask in masks))


@dataclass(frozen=True)
class Difference:
    """F(second) - F(first).

    Attributes
    ----------
    value : float
        kT; inf where only the first state has weight, -inf where only the second has.
    error : float
        Standard error, kT; NaN where the value is infinite.
    bound : float
        Where the value is infinite: its absolute value exceeds this (kT, at 95 %), if weights in the empty state are no
        larger than the largest seen. NaN elsewhere.
    occupation : Occupation
        What the samples have of each state.
    method : str
        "exp" or "bar".
    """

    value: float
    error: float
    bound: float
    occupation: Occupation
    method: str = EXP


def state_difference(log_w: np.ndarray, first: np.ndarray, second: np.ndarray, seed: int = 0) -> Difference:
    """F(second) - F(first) = -ln(W_second / W_first), with W the summed weight of a state.

    The error is that of samples drawn anew, but no smaller than that of as many counts as there are effective samples:
    with few of them, drawing anew shows too little scatter.

    Parameters
    ----------
    log_w : float64 [S]
        Of independent samples.
    first, second : bool [S]
        Which samples are in each state; they do not overlap.

    Raises
    ------
    BadInput
        When masks do not fit or overlap, when no sample has weight, or neither state has.
    """
    w = normalised(log_w)
    masks = checked_masks((first, second), len(w))
    occupation = occupation_of(w, masks)
    if not (occupation.first or occupation.second):
        raise BadInput("No sample of either state has weight", advice="Draw the states where samples are")
    if occupation.first and occupation.second:
        return _finite(w, masks, occupation, seed)
    bound = max(occupation.first, occupation.second) / (_RULE_OF_THREE * w.max())
    value = np.inf if occupation.first else -np.inf
    return Difference(value, float("nan"), max(float(np.log(bound)), 0.0), occupation)


def _finite(w: np.ndarray, masks: np.ndarray, occupation: Occupation, seed: int) -> Difference:
    drawn = drawn_shares(w, labels_of(masks), 2, seed=seed)
    both = drawn[drawn.all(axis=1)]
    scatter = float(scatter_of_logs(both[:, 1] / both[:, 0]))
    counts = float(np.hypot(*log_error(np.array([occupation.n_first, occupation.n_second]))))
    value = -float(np.log(occupation.second / occupation.first))
    return Difference(value, max(scatter, counts), float("nan"), occupation)


def weighted_means(log_w: np.ndarray, values: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Averages over the target and their bootstrap errors.

    Parameters
    ----------
    log_w : float64 [S]
    values : float64 [S, K]
        Observables of each sample; finite.

    Returns
    -------
    mean, error : float64 [K]

    Raises
    ------
    BadInput
        When an observable of a sample that has weight is not a number.
    """
    w, values = normalised(log_w), np.asarray(values, dtype=np.float64)
    used = w > 0
    if len(values) != len(w) or not np.isfinite(values[used]).all():
        raise BadInput("Observables must be numbers for every sample that has weight")
    centre = w[used] @ values[used]
    parts = np.zeros(values.shape)
    parts[used] = w[used, None] * (values[used] - centre)
    drawn = drawn_means(np.column_stack([parts, w]), seed=seed)
    return centre, (drawn[:, :-1] / np.maximum(drawn[:, -1:], 1e-300)).std(axis=0, ddof=1)

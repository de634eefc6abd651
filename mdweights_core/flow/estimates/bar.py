"""Free energies from samples and reference frames together: Bennett's acceptance ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.free_energy import BAR, Difference, occupation_of
from mdweights_core.flow.estimates.log_weights import checked, effective_number, normalised
from mdweights_core.flow.estimates.reference import Reference, mean_and_variance
from mdweights_core.flow.estimates.states import checked_masks

_BEYOND = 50.0  # kT outside all log-weights: there the equation has its sign to machine precision
_ITERATIONS = 500  # more than halving any such range takes


@dataclass(frozen=True, eq=False)
class Acceptance:
    """ln Z of the target, or of a state of it, from samples and reference frames.

    Attributes
    ----------
    log_z : float
        Where the density of the samples is normalised.
    error : float
        Standard error.
    overlap : float
        Integral of 2 p q / (p + q) of the normalised densities p of frames and q of samples in the state: 1 where they
        are the same, 0 where they share nothing.
    influence : float64 [S]
        What each sample moves `log_z` by: shared samples make errors of states correlated.
    frame_variance : float
        The part of error^2 that comes from reference frames.
    """

    log_z: float
    error: float
    overlap: float
    influence: np.ndarray
    frame_variance: float


def acceptance(log_w: np.ndarray, reference: Reference, mask: np.ndarray, frame_mask: np.ndarray) -> Acceptance:
    """Bennett's ratio [1] between the density of the samples and the target within one state.

    The work of samples is -ln w, that of frames the reverse. Frames need the right weights within the state only: how
    much of the simulation was spent in it does not matter. With n_r independent frames, a = ln Z solves

        sum_s f(ln w_s - a - M) = n_r <f(a + M - ln w_t)>,   f(x) = 1 / (1 + exp(-x)),   M = ln(S / n_r).

    The error is that of the estimating equation, with weights and memory of the frames.

    Parameters
    ----------
    log_w : float64 [S]
        Of independent samples.
    reference : Reference
        T frames.
    mask : bool [S]
        Which samples are in the state.
    frame_mask : bool [T]

    Raises
    ------
    BadInput
        When the state has no samples of any weight, or no frames.

    References
    ----------
    .. [1] Bennett, J. Comput. Phys. 22 (1976) 245.
    """
    log_w = np.where(mask, checked(log_w), -np.inf)
    weights = np.where(frame_mask, reference.weights, 0.0)
    if np.isneginf(log_w).all() or not weights.any():
        who = "samples" if np.isneginf(log_w).all() else "reference frames"
        raise BadInput(f"A state without {who} has no free energy by the acceptance ratio")
    n_frames = effective_number(weights)
    for _ in range(2):  # the number of independent frames is known once the equation was solved
        found, spread = _solve(log_w, reference, weights, n_frames)
        n_frames = min(n_frames, spread / found.frame_variance) if found.frame_variance > 0 else n_frames
    return found


def _solve(log_w: np.ndarray, reference: Reference, weights: np.ndarray, n_frames: float) -> tuple[Acceptance, float]:
    """The solution, and the variance of one frame's part in it."""
    share, there = weights / weights.sum(), weights > 0
    shift = np.log(len(log_w) / n_frames)
    seen, frames = log_w[np.isfinite(log_w)], reference.log_w[there]

    def imbalance(a: float) -> float:
        return float(expit(seen - a - shift).sum() - n_frames * (share[there] @ expit(a + shift - frames)))

    # The lightest samples say nothing of where it is, and may lie beyond all bounds: atoms on top of one another.
    ends = np.append(frames[np.isfinite(frames)], seen.max()) - shift
    a = float(brentq(imbalance, ends.min() - _BEYOND, ends.max() + _BEYOND, xtol=1e-10, maxiter=_ITERATIONS))
    of_samples, of_frames = expit(log_w - a - shift), expit(a + shift - reference.log_w)
    slope = float((of_samples * (1 - of_samples)).sum() + n_frames * (share @ (of_frames * (1 - of_frames))))
    mean, variance = mean_and_variance(of_frames, share, reference.runs)
    influence = (of_samples - of_samples.mean()) / slope
    frame_variance = (n_frames / slope) ** 2 * variance
    error = float(np.sqrt(np.square(influence).sum() + frame_variance))
    spread = (n_frames / slope) ** 2 * float(share @ np.square(of_frames - mean))
    overlap = float(2 * expit(seen - a + np.log(len(seen) / len(log_w))).mean())
    return Acceptance(a, error, min(overlap, 1.0), influence, frame_variance), spread


def log_partition_by_bar(log_w: np.ndarray, reference: Reference) -> Acceptance:
    """ln Z of the whole target; see `acceptance`."""
    return acceptance(log_w, reference, np.ones(len(log_w), dtype=bool), np.ones(len(reference), dtype=bool))


def state_difference_by_bar(
    log_w: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    reference: Reference,
    first_frames: np.ndarray,
    second_frames: np.ndarray,
) -> Difference:
    """F(second) - F(first), each by the acceptance ratio between samples and reference frames; see `acceptance`.

    Parameters
    ----------
    log_w : float64 [S]
        Of independent samples.
    first, second : bool [S]
        Which samples are in each state.
    reference : Reference
    first_frames, second_frames : bool [T]
        Which reference frames are in each state. Their numbers do not matter, so that simulations that never cross from
        one state to the other are as good as one that does.

    Raises
    ------
    BadInput
        When masks do not fit or overlap, or a state has no samples or no frames.
    """
    masks = checked_masks((first, second), len(log_w))
    frame_masks = checked_masks((first_frames, second_frames), len(reference), "reference frame")
    one, other = (acceptance(log_w, reference, *pair) for pair in zip(masks, frame_masks, strict=True))
    shared = float(np.square(one.influence - other.influence).sum())
    return Difference(
        value=one.log_z - other.log_z,
        error=float(np.sqrt(shared + one.frame_variance + other.frame_variance)),
        bound=float("nan"),
        occupation=occupation_of(normalised(log_w), masks),
        method=BAR,
    )

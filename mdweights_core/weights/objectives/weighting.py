"""How much each reflection counts beside the others."""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.shells import equal_count_shells
from mdweights_core.errors import BadInput

_N_SHELLS = 20
_LEAST_VARIANCE = 1e-6


def reflection_weights(
    observed: np.ndarray,
    sigma: np.ndarray | None,
    inverse_d: np.ndarray,
    weighting: str,
    work: np.ndarray | None = None,
) -> np.ndarray:
    """Weights of reflections with the mean 1: float64 [G].

    Parameters
    ----------
    observed : float64 [G]
        Intensity.
    sigma : float64 [G], optional
        Its standard deviation. Where it is not a positive number the median of the shell stands for it.
    inverse_d : float64 [G]
        1/d, 1/angstrom; shells hold equal numbers of reflections.
    weighting : str
        One of `settings.WEIGHTINGS`. "shells" divides by the variance that the observed map has within each shell, so
        that each shell has the same part in it.
    work : bool [G], optional
        Reflections that variances are taken over, so that no held-out one has a say; all by default.

    Raises
    ------
    BadInput
        1/sigma^2 of a map without standard deviations.
    """
    member = equal_count_shells(inverse_d, _N_SHELLS).member
    weights = np.ones(len(observed))
    if "sigma" in weighting:
        weights = _imputed(sigma, member) ** -2.0
    if "shells" in weighting:
        known = weights if work is None or not work.any() else weights * work
        weights = weights / _variances(observed, known, member)[member]
    return weights / weights.mean()


def _imputed(sigma: np.ndarray | None, member: np.ndarray) -> np.ndarray:
    """Standard deviations, each without one given the median of its shell (of the map, in a shell without any)."""
    known = np.zeros(len(member), dtype=bool) if sigma is None else np.isfinite(sigma) & (sigma > 0)
    if sigma is None or not known.any():
        raise BadInput(
            "the map has no standard deviations to weight its reflections by",
            advice="Choose another weighting, or give the column that holds them",
        )
    medians = np.full(member.max() + 1, np.median(sigma[known]))
    for shell in np.unique(member[known]):
        medians[shell] = np.median(sigma[known & (member == shell)])
    return np.where(known, sigma, medians[member])


def _variances(observed: np.ndarray, weights: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Weighted sum of squares about the mean of each shell: float64 [S], none of them next to nothing."""
    totals = np.bincount(member, weights)
    means = np.bincount(member, weights * observed) / np.where(totals > 0, totals, 1.0)
    found = np.bincount(member, weights * (observed - means[member]) ** 2)
    usual = float(np.median(found))
    return np.maximum(found, _LEAST_VARIANCE * usual) if usual > 0 else np.ones(len(found))

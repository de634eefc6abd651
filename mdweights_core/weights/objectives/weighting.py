"""How much each reflection counts beside the others."""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.shells import equal_count_shells
from mdweights_core.errors import BadInput, counted

_N_SHELLS = 20
_LEAST_VARIANCE = 1e-6
_LOW = 5.0  # percentile of standard deviations over the medians of their shells: more of them are no accident
_LEAST_SIGMA = 0.1  # of that one: a hundred times its measurements


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
        Its standard deviation. Where it is not a positive number the median of the shell stands for it. In
        units of that median none is below a tenth of their 5th percentile: smaller ones are raised to it, so that none
        counts more than a hundred times what the lowest of the usual ones do.
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


def sigma_note(sigma: np.ndarray, inverse_d: np.ndarray) -> str | None:
    """How many standard deviations [G] were raised by `reflection_weights`, as a sentence; None where none was."""
    known = np.isfinite(sigma) & (sigma > 0)
    medians = _medians(sigma, known, equal_count_shells(inverse_d, _N_SHELLS).member)
    low = int((sigma[known] < _least(sigma[known], medians[known])).sum())
    if not low:
        return None
    was = "was" if low == 1 else "were"
    return (
        f"{counted(low, 'standard deviation')} of {len(sigma)} {was} ten times or more below all usual ones at that "
        f"resolution and {was} raised, lest single reflections rule the fit. Look at the map's sigma column."
    )


def _imputed(sigma: np.ndarray | None, member: np.ndarray) -> np.ndarray:
    """Standard deviations, none far below the median of its shell, and each missing one given that median."""
    known = np.zeros(len(member), dtype=bool) if sigma is None else np.isfinite(sigma) & (sigma > 0)
    if sigma is None or not known.any():
        raise BadInput(
            "the map has no standard deviations to weight its reflections by",
            advice="Choose another weighting, or give the column that holds them",
        )
    medians = _medians(sigma, known, member)
    full = np.where(known, sigma, medians)
    full[known] = np.maximum(sigma[known], _least(sigma[known], medians[known]))
    return full


def _least(sigma: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """What standard deviations [G], all positive, are raised to: float64 [G]."""
    return medians * (_LEAST_SIGMA * float(np.percentile(sigma / medians, _LOW)))


def _medians(sigma: np.ndarray, known: np.ndarray, member: np.ndarray) -> np.ndarray:
    """The median of the shell of each reflection (of the map, in a shell without any): float64 [G]."""
    medians = np.full(member.max() + 1, np.median(sigma[known]))
    for shell in np.unique(member[known]):
        medians[shell] = np.median(sigma[known & (member == shell)])
    return medians[member]


def _variances(observed: np.ndarray, weights: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Weighted sum of squares about the mean of each shell: float64 [S], none of them next to nothing."""
    totals = np.bincount(member, weights)
    means = np.bincount(member, weights * observed) / np.where(totals > 0, totals, 1.0)
    found = np.bincount(member, weights * (observed - means[member]) ** 2)
    usual = float(np.median(found))
    return np.maximum(found, _LEAST_VARIANCE * usual) if usual > 0 else np.ones(len(found))

"""Agreement with Bragg intensities, for a fit to both: the total correlation of |<F>|^2, so weighted that all tell."""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.shells import equal_count_shells
from mdweights_core.weights.objectives.correlation import Correlation

_N_SHELLS = 20
_RELATIVE_ERROR = 0.4


def bragg_objective(
    observed: np.ndarray, sigma: np.ndarray | None, inverse_d: np.ndarray, noise: float = 0.0
) -> Correlation:
    """Correlation with observed Bragg intensities, weighted by their errors and those of any model.

    Unweighted, the few strongest reflections of low resolution would be all that counts. What limits the agreement with
    a model is not the counting but the model: amplitudes are off by a fifth or so (R factors of 20 %), intensities by
    twice that. So the variance is sigma^2 + (0.4 (I + <I>))^2, with <I> the mean of the shell, which keeps the weakest
    reflections from ruling instead.

    Parameters
    ----------
    observed : float64 [G]
        Intensity, the square of the amplitude.
    sigma : float64 [G], optional
        Its standard deviation; taken as zero where it is not a number.
    inverse_d : float64 [G]
        1/d, 1/angstrom.
    noise : float
        Root mean square intensity under which a calculated one is rounding noise.
    """
    observed = np.asarray(observed, dtype=np.float64)
    shells = equal_count_shells(inverse_d, _N_SHELLS)
    size = np.maximum(observed, 0.0)
    totals = np.bincount(shells.member, size, len(shells)) / np.bincount(shells.member, minlength=len(shells))
    usual = np.maximum(totals, 1e-6 * size.mean())[shells.member]
    known = np.zeros(len(observed)) if sigma is None else np.nan_to_num(sigma, nan=0.0)
    variance = known**2 + (_RELATIVE_ERROR * (size + usual)) ** 2
    weight = 1.0 / np.where(variance > 0, variance, 1.0)
    return Correlation(observed, weight / weight.mean(), noise=noise)

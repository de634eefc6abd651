"""What weights are fitted to: the agreement of a calculated with the observed map, behind one interface."""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.shells import AnisotropicOperator
from mdweights_core.weights.objectives.base import Objective
from mdweights_core.weights.objectives.bragg import bragg_objective
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.objectives.least_squares import LeastSquares
from mdweights_core.weights.objectives.proportional import proportional
from mdweights_core.weights.objectives.regression import Errors, smooth_columns
from mdweights_core.weights.objectives.weighting import reflection_weights, sigma_note
from mdweights_core.weights.settings import FitSettings, headline

__all__ = ["bragg_objective", "headline", "make_objective", "sigma_note", "weighting_of"]

_ERRORS = {"chi2": Errors(), "student-t": Errors(1 / 4)}
_POWERS = {"gamma": 2, "cross-entropy": 1}


def make_objective(
    settings: FitSettings,
    observed: np.ndarray,
    sigma: np.ndarray | None,
    inverse_d: np.ndarray,
    operator: AnisotropicOperator,
    noise: float = 0.0,
    *,
    work: np.ndarray | None = None,
) -> Objective:
    """The objective that `settings` ask for.

    Parameters
    ----------
    settings : FitSettings
        Objective and weighting of reflections.
    observed : float64 [G]
        Intensity.
    sigma : float64 [G], optional
        Its standard deviation; NaN where there is none.
    inverse_d : float64 [G]
        1/d, 1/angstrom.
    operator : AnisotropicOperator
        Shells and spline of the isotropic curve.
    noise : float
        Root mean square intensity under which a calculated map is rounding noise.
    work : bool [G], optional
        Reflections that the weighting may learn from; all by default.

    Raises
    ------
    BadInput
        Weighting by standard deviations that the map does not have, or too few positive intensities for an objective
        that compares only these.
    """
    observed = np.asarray(observed, dtype=np.float64)
    weight = reflection_weights(observed, sigma, inverse_d, weighting_of(settings, sigma), work)
    if settings.objective in _ERRORS:
        return LeastSquares(observed, weight, smooth_columns(inverse_d), _ERRORS[settings.objective], noise)
    if settings.objective in _POWERS:
        return proportional(observed, weight, _POWERS[settings.objective], noise)
    return Correlation(observed, weight, operator if settings.objective == "anisotropic-cc" else None, noise)


def weighting_of(settings: FitSettings, sigma: np.ndarray | None) -> str:
    """What "auto" stands for: likelihoods of additive errors want their size, correlations are usual without."""
    if settings.weighting != "auto":
        return settings.weighting
    return "sigma" if settings.objective in _ERRORS and sigma is not None and np.isfinite(sigma).any() else "none"

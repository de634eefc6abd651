"""Values of ensemble observables and their derivatives by parameters, as plain arrays; imports without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

VERIFIED, UNVERIFIED, REFUSED = "verified", "unverified", "refused"
"""Two estimators agree; there is no second one, or it is too noisy to tell; they disagree, or tangents grow."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What one estimator says.

    Attributes
    ----------
    jacobian : float64 [M, P]
        Derivatives of the observables by the parameters, in their units.
    error : float64 [M, P]
        Standard errors, by jackknife over blocks.
    """

    jacobian: np.ndarray
    error: np.ndarray


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Values of M observables and their derivatives by P parameters.

    Attributes
    ----------
    observables : tuple of str, [M]
        Names, with units.
    parameters : tuple of str, [P]
    theta : float64 [P]
        Values of the parameters.
    values, value_errors : float64 [M]
        Of the observables, with standard errors by jackknife over blocks.
    estimates : mapping of str to Estimate
        By the name of the estimator.
    recommended : str
        The estimator to use.
    growth : float64 [3]
        Largest tangent over its geometric mean in time: median, 90 % quantile and largest over the replicas; NaN
        without pathwise derivatives.
    exponent : float
        Finite-time Lyapunov exponent: how fast a disturbance grows (below 0: shrinks), per unit of time; NaN without
        pathwise derivatives.
    window : int
        Steps over which the likelihood ratio remembers random forces; 0 without it.
    temperature : float
        Kinetic, in units of the one that was asked for; NaN at zero temperature.
    verdicts : str [M, P]
        "verified", "unverified" or "refused".
    verdict : str
        Of all.
    notes : tuple of str
        What a user should know, as sentences; the first one says why the verdict is what it is.
    steps, replicas : int
        Steps of each replica that counted; number of replicas.
    seconds : float
    frames : float64 [S, N]
        Configurations that were kept, those of one time side by side.
    last : float64 [R, N]
        Where the replicas were at the end.
    stopped : bool
        Whether it was stopped before its end.
    """

    observables: tuple[str, ...]
    parameters: tuple[str, ...]
    theta: np.ndarray
    values: np.ndarray
    value_errors: np.ndarray
    estimates: Mapping[str, Estimate]
    recommended: str
    growth: np.ndarray
    exponent: float
    window: int
    temperature: float
    verdicts: np.ndarray
    verdict: str
    notes: tuple[str, ...]
    steps: int
    replicas: int
    seconds: float
    frames: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    last: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    stopped: bool = False

    @property
    def best(self) -> Estimate:
        """What the recommended estimator says."""
        return self.estimates[self.recommended]

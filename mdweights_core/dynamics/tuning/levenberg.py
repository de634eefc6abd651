"""Levenberg-Marquardt steps between bounds, on residuals that may be noisy (Marquardt, J. SIAM 11, 431, 1963).

The damping is raised until no parameter moves further than it may, as a trust region does: stiff combinations of
parameters then still go all their way while sloppy ones are held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, optimize

from mdweights_core.dynamics.tuning.problem import Linearised

_HARDER, _SOFTER = 4.0, 0.2
_POOR, _GOOD = 0.1, 0.5  # share of the expected gain that came true
_FLOOR = 1e-6  # of the largest diagonal: parameters that nothing depends on stay where they are
_LEAST, _MOST = 1e-12, 1e12
_SIGMAS = 2.0  # chi-square may seem to rise by so many of its standard errors


@dataclass(frozen=True)
class Damping:
    """How strongly steps are held back.

    Attributes
    ----------
    factor : float
        Of the diagonal of J^T J.
    """

    factor: float

    @property
    def is_stuck(self) -> bool:
        """Whether no step of any length was of use."""
        return self.factor > _MOST

    def step(self, at: Linearised, low: np.ndarray, high: np.ndarray, longest: float) -> tuple[np.ndarray, Damping]:
        """The step [P] from a place: within bounds low, high [P] of u, no entry longer than `longest`."""
        factor = self.factor
        while True:
            step = bounded_step(at, factor, low, high)
            if np.max(np.abs(step), initial=0.0) <= longest or factor > _MOST:
                return np.clip(step, -longest, longest), self
            factor *= _HARDER

    def after(self, before: Linearised, now: Linearised, step: np.ndarray) -> tuple[Damping, bool]:
        """The damping of the next step, and whether this one is accepted."""
        expected, gain = before.expected_gain(step), before.chi2 - now.chi2
        margin = _SIGMAS * float(np.hypot(before.chi2_error, now.chi2_error))
        if gain < -margin or not np.isfinite(gain):
            return replace(self, factor=self.factor * _HARDER**2), False
        if gain > _GOOD * expected:
            return replace(self, factor=max(self.factor * _SOFTER, _LEAST)), True
        if gain < _POOR * expected and abs(gain - expected) > margin:
            return replace(self, factor=self.factor * _HARDER), True
        return self, True

    def refused(self) -> Damping:
        """The damping after a step to where nothing can be simulated."""
        return replace(self, factor=max(self.factor, 1e-3) * _HARDER**3)

    def memory(self) -> Mapping[str, np.ndarray]:
        """The state as arrays, for a checkpoint."""
        return {"factor": np.array(self.factor)}

    def remembered(self, arrays: Mapping[str, np.ndarray]) -> Damping:
        """The inverse of `memory`."""
        return Damping(float(arrays["factor"]))


def bounded_step(at: Linearised, factor: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The damped least-squares step [P] that stays within bounds of u; of many the shortest, where none bind."""
    residuals, jacobian = at.rows
    weight = np.sum(jacobian**2, axis=0)
    weight = np.sqrt(factor * np.maximum(weight, _FLOOR * weight.max(initial=np.finfo(float).tiny)))
    stacked = np.vstack([jacobian, np.diag(weight)])
    wanted = np.concatenate([-residuals, np.zeros(len(weight))])
    step = np.asarray(linalg.lstsq(stacked, wanted, lapack_driver="gelsd")[0])
    if (at.u + step >= low).all() and (at.u + step <= high).all():
        return step
    bounded = optimize.lsq_linear(stacked, wanted, bounds=(low - at.u, high - at.u), method="bvls")
    return np.clip(bounded.x, low - at.u, high - at.u)

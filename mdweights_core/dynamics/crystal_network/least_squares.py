"""Springs fitted by least squares in the logarithms of force constants (Levenberg 1944, Marquardt 1963).

What is minimised is 1 - CC^2 on the anisotropic part of the map, plus a weight times the same of B factors. Both are
sums of squares once the best scale is put in: r = y - a z with y of norm 1 and a = y.z / z.z. Its derivative by the
scale is left out of the Jacobian (Kaufman, BIT 15, 49 (1975)), which alters no minimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mdweights_core.dynamics.crystal_network.comparison import Comparison
from mdweights_core.dynamics.crystal_network.intensities import UnitWaves
from mdweights_core.dynamics.crystal_network.motions import Motions

B_OF_U = 8 * np.pi**2 / 3
_HARDER, _SOFTER, _STUCK = 8.0, 0.2, 1e6
_FLOOR = 1e-4  # of the largest diagonal: classes that the map does not see stay where they are
_LONGEST = 1.5  # change of a logarithm in one step
_CONVERGED = 2e-5  # of 1 - CC^2
DAMPING = 1e-2
"""Of the first step."""


@dataclass(frozen=True, eq=False)
class State:
    """Where a fit is.

    Attributes
    ----------
    logarithms : float64 [P]
        Of the force constants.
    residuals : float64 [n]
    jacobian : float64 [n, P]
    correlation : float
        Anisotropic, on the fitted reflections.
    """

    logarithms: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    correlation: float

    @property
    def lost(self) -> float:
        """What is minimised."""
        return float(self.residuals @ self.residuals)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the logarithms, float64 [P]; infinite where nothing depends on one."""
        normal = self.jacobian.T @ self.jacobian
        freedom = max(len(self.residuals) - len(normal), 1)
        values, vectors = np.linalg.eigh(normal)
        known = np.maximum(values, np.finfo(float).tiny)
        return np.sqrt(self.lost / freedom * (vectors**2 @ (1 / known)))


class Fit:
    """The function that is minimised.

    Parameters
    ----------
    motions : Motions
    waves : UnitWaves
        At the fitted reflections.
    comparison : Comparison
    b_factors : float64 [n_unit] or None
        Observed ones of the units.
    b_weight : float
    """

    def __init__(
        self,
        motions: Motions,
        waves: UnitWaves,
        comparison: Comparison,
        b_factors: np.ndarray | None = None,
        b_weight: float = 0.0,
    ) -> None:
        self._motions, self._waves = motions, waves
        self._operator, self._target = comparison.of_fit()
        self._weight = np.sqrt(b_weight) if b_factors is not None else 0.0
        self._b_target = _centred(b_factors) if b_factors is not None and b_weight else np.zeros(0)
        self._b_target /= np.linalg.norm(self._b_target) or 1.0

    def at(self, logarithms: np.ndarray) -> State:
        """Residuals and their derivatives."""
        constants = np.exp(logarithms)
        rows = self._motions.rows(constants)
        tangents = self._motions.tangents(constants, rows)
        values, slopes = self._waves.linearised(
            self._motions.covariance(rows), [self._motions.covariance(it) for it in tangents]
        )
        parts = [aligned(self._operator(values), np.stack([self._operator(it) for it in slopes.T], 1), self._target)]
        correlation = float(np.sqrt(max(0.0, 1 - parts[0][0] @ parts[0][0])))
        if len(self._b_target):
            b = _centred(self._motions.mean_squares(rows))
            b_slopes = np.stack([_centred(self._motions.mean_squares(it)) for it in tangents], axis=1)
            r, j = aligned(b, b_slopes, self._b_target)
            parts.append((self._weight * r, self._weight * j))
        return State(
            logarithms, np.concatenate([r for r, _ in parts]), np.concatenate([j for _, j in parts]), correlation
        )


def aligned(values: np.ndarray, slopes: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of a target [n] of norm 1 after values [n] were put on its scale, and their derivatives [n, P]."""
    square = values @ values
    scale = values @ target / square
    moved = -scale * slopes
    return target - scale * values, moved - np.outer(values, values @ moved) / square


def steps(fit: Fit, logarithms: np.ndarray, most: int, damping: float = DAMPING) -> Iterator[tuple[State, float]]:
    """A start and what each accepted step comes to, until nothing is gained any more; and the damping of the next."""
    now = fit.at(logarithms)
    yield now, damping
    for _ in range(most):
        tried, damping = _improved(fit, now, damping)
        if tried is None:
            return
        gained, now = now.lost - tried.lost, tried
        yield now, damping
        if gained < _CONVERGED:
            return


def _improved(fit: Fit, now: State, damping: float) -> tuple[State | None, float]:
    """A step that gains, and the damping of the next one; None when there is no such step."""
    normal, gradient = now.jacobian.T @ now.jacobian, now.jacobian.T @ now.residuals
    diagonal = np.diag(normal)
    diagonal = np.maximum(diagonal, _FLOOR * diagonal.max())
    while damping < _STUCK:
        step = -np.linalg.solve(normal + damping * np.diag(diagonal), gradient)
        if np.abs(step).max() <= _LONGEST:
            tried = fit.at(now.logarithms + step)
            if tried.lost < now.lost:
                return tried, damping * _SOFTER
        damping *= _HARDER
    return None, damping


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean()

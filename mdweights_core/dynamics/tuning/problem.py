"""A fit as weighted least squares in the parameters' own scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.dynamics.tuning.scales import Scales
from mdweights_core.dynamics.tuning.simulator import Response
from mdweights_core.dynamics.tuning.targets import Targets


@dataclass(frozen=True, eq=False)
class Linearised:
    """Weighted residuals at a place and their derivatives.

    Attributes
    ----------
    u : float64 [P]
        Parameters in their own scale.
    residuals : float64 [D]
        (value - target) / sigma of fitted data.
    jacobian : float64 [D, P]
        d residuals / du.
    noise : float64 [B, D]
        Rows whose products, summed, are the covariance of the residuals from the simulation.
    pulls : float64 [P]
        (u - centre) / width of the priors.
    stiffness : float64 [P]
        1 / width of the priors; 0 where there is none.
    """

    u: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    noise: np.ndarray
    pulls: np.ndarray
    stiffness: np.ndarray

    @property
    def chi2(self) -> float:
        """Sum of squares of data and priors: what is fitted."""
        return float(self.residuals @ self.residuals + self.pulls @ self.pulls)

    @property
    def gradient(self) -> np.ndarray:
        """d chi2 / du / 2 [P]."""
        return self.jacobian.T @ self.residuals + self.stiffness * self.pulls

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """All residuals [D + P] and their Jacobian [D + P, P], data first."""
        return np.concatenate([self.residuals, self.pulls]), np.vstack([self.jacobian, np.diag(self.stiffness)])

    @property
    def chi2_error(self) -> float:
        """Standard error of `chi2` from Gaussian noise of the simulation: the root of 4 r.C.r + 2 tr(C C)."""
        along, among = self.noise @ self.residuals, self.noise @ self.noise.T
        return float(np.sqrt(4 * along @ along + 2 * np.sum(among**2)))

    def expected_gain(self, step: np.ndarray) -> float:
        """By how much a step lowers chi-square where residuals are straight lines."""
        residuals, jacobian = self.rows
        return float(residuals @ residuals - np.sum((residuals + jacobian @ step) ** 2))

    @property
    def noise_gain(self) -> float:
        """The gain that a full step would promise if residuals were noise only: its share in the Jacobian's columns."""
        jacobian = self.rows[1]
        left, singular, _ = np.linalg.svd(jacobian, full_matrices=False)
        kept = left[: len(self.residuals), singular > 1e-10 * singular.max(initial=0.0)]
        return float(np.sum((self.noise @ kept) ** 2))


@dataclass(frozen=True, eq=False)
class Problem:
    """What is fitted to what.

    Attributes
    ----------
    targets : Targets
    places : int [M]
        Of their observables among the simulator's.
    scales : Scales
    """

    targets: Targets
    places: np.ndarray
    scales: Scales

    def at(self, theta: np.ndarray, response: Response) -> Linearised:
        """The least-squares problem around theta [P], where `response` was found."""
        seen = response.at(self.places)
        fitted = ~self.targets.held_out
        sigma = self.targets.sigmas[fitted]
        u = self.scales.own(theta)
        stiffness = 1 / self.scales.widths
        return Linearised(
            u,
            (seen.values[fitted] - self.targets.values[fitted]) / sigma,
            seen.jacobian[fitted] * self.scales.slope(theta) / sigma[:, None],
            seen.noise[:, fitted] / sigma,
            np.where(stiffness > 0, (u - self.scales.centres) * stiffness, 0.0),
            stiffness,
        )

    def per_datum(self, response: Response, held_out: bool) -> float:
        """Mean of ((value - target) / sigma)^2 over fitted or held-out targets; NaN where there are none."""
        chosen = self.targets.held_out == held_out
        if not chosen.any():
            return float("nan")
        away = response.values[self.places] - self.targets.values
        return float(np.mean((away / self.targets.sigmas)[chosen] ** 2))

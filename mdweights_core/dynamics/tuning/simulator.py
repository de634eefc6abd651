"""What a fit asks: observables and their Jacobian at given parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job


@dataclass(frozen=True, eq=False)
class Response:
    """Observables at given parameters.

    Attributes
    ----------
    values, value_errors : float64 [M]
        Of the observables; errors of zero where they are exact.
    jacobian, jacobian_errors : float64 [M, P]
        d values / d theta.
    effective : float
        Share of frames that count (Kish): 1 for a simulation at these parameters.
    steps : int
        Integration steps taken for it, over all replicas.
    notes : tuple of str
        What a user should know of it.
    noise : float64 [B, M]
        Rows whose products, summed, are the covariance of the errors of the values; none where these are independent.
    """

    values: np.ndarray
    value_errors: np.ndarray
    jacobian: np.ndarray
    jacobian_errors: np.ndarray
    effective: float = 1.0
    steps: int = 0
    notes: tuple[str, ...] = ()
    noise: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def exact(cls, values: np.ndarray, jacobian: np.ndarray) -> Response:
        """Without errors."""
        values, jacobian = np.asarray(values, dtype=np.float64), np.asarray(jacobian, dtype=np.float64)
        return cls(values, np.zeros_like(values), jacobian, np.zeros_like(jacobian))

    def at(self, places: np.ndarray) -> Response:
        """The same of some of the observables."""
        errors = self.value_errors[places]
        noise = self.noise[:, places] if len(self.noise) else np.diag(errors)[errors > 0]
        return replace(
            self,
            values=self.values[places],
            value_errors=errors,
            jacobian=self.jacobian[places],
            jacobian_errors=self.jacobian_errors[places],
            noise=noise,
        )


class Simulator(Protocol):
    """Whatever tells observables at parameters: closed forms, or simulations that may be reweighted."""

    @property
    def observables(self) -> tuple[str, ...]:
        """Names [M], with units."""
        ...

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters [P], at their starts."""
        ...

    def simulate(self, theta: np.ndarray, seed: int) -> Job[Response]:
        """Observables at theta [P], computed anew; equal arguments give equal numbers."""
        ...

    def reweighted(self, theta: np.ndarray, share: float) -> Response | None:
        """The same from the last simulation, if at least `share` of its frames still count; None otherwise."""
        ...

    def memory(self) -> Mapping[str, np.ndarray]:
        """What `reweighted` needs, for a checkpoint."""
        ...

    def remember(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `memory` gave."""
        ...


def require_finite(response: Response, observables: Sequence[str]) -> None:
    """Refuse numbers that are none.

    Raises
    ------
    BadInput
        Naming the first observable that is not finite, or whose derivative is not.
    """
    for what, numbers in (("", response.values[:, None]), ("derivative of ", response.jacobian)):
        bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(bad):
            raise BadInput(
                f"The {what}{observables[bad[0]]} is not a number",
                advice="Take a shorter time step, other start values, or leave that observable out",
            )

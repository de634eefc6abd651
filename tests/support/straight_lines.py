"""Simulators whose observables are straight lines in the parameters, exact or noisy: fits of them have closed forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.simulator import Response
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job, Progress


@dataclass(eq=False)
class StraightLines:
    """values = slopes theta + noise, with a memory of the last place.

    Attributes
    ----------
    slopes : float64 [M, P]
    parameters : sequence of Parameter
    noise : float
        Standard error of each value of a simulation.
    reach : float
        Distance of theta over which half of the frames still count.
    forbidden : float
        Where theta[0] is above it nothing can be simulated.
    asked : list of float64 [P]
        Where simulations were made.
    """

    slopes: np.ndarray
    parameters: Sequence[Parameter]
    noise: float = 0.0
    reach: float = 0.0
    forbidden: float = np.inf
    asked: list[np.ndarray] = field(default_factory=list)
    last: Response | None = None

    @property
    def observables(self) -> tuple[str, ...]:
        return tuple(f"y{i + 1}" for i in range(len(self.slopes)))

    def simulate(self, theta: np.ndarray, seed: int) -> Job[Response]:
        yield Progress("simulating", 0, 1, "at work")
        if theta[0] > self.forbidden:
            raise BadInput("The time step is too long")
        self.asked.append(theta)
        scatter = self.noise * np.random.default_rng(seed).normal(size=len(self.slopes))
        errors = np.full(len(self.slopes), self.noise)
        self.last = Response(self.slopes @ theta + scatter, errors, self.slopes, 0 * self.slopes, steps=10)
        return self.last

    def reweighted(self, theta: np.ndarray, share: float) -> Response | None:
        if not self.asked or not self.reach or self.last is None:
            return None
        effective = 0.5 ** (float(np.linalg.norm(theta - self.asked[-1])) / self.reach)
        if effective < share:
            return None
        scatter = self.last.values - self.slopes @ self.asked[-1]
        return replace(self.last, values=self.slopes @ theta + scatter, effective=min(effective, 0.999), steps=0)

    def memory(self) -> Mapping[str, np.ndarray]:
        return {"asked": np.array(self.asked), "values": np.zeros(0) if self.last is None else self.last.values}

    def remember(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.asked = list(arrays["asked"])
        errors = np.full(len(self.slopes), self.noise)
        self.last = Response(arrays["values"], errors, self.slopes, 0 * self.slopes, steps=10)

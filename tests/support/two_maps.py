"""An observed and a few calculated maps, with what an objective needs to know of them, and finite differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mdweights_core.crystal.shells import AnisotropicOperator, anisotropic_operator
from mdweights_core.weights.objectives import make_objective
from mdweights_core.weights.objectives.base import Objective
from mdweights_core.weights.settings import FitSettings


@dataclass(frozen=True, eq=False)
class TwoMaps:
    observed: np.ndarray  # [G]
    sigma: np.ndarray  # [G]
    inverse_d: np.ndarray  # [G]
    operator: AnisotropicOperator
    x: np.ndarray  # [P, G]
    rows: np.ndarray  # [P, G]: 0, 1, 2...

    def objective(self, name: str, weighting: str = "none", noise: float = 0.0) -> Objective:
        settings = FitSettings(objective=name, weighting=weighting)
        return make_objective(settings, self.observed, self.sigma, self.inverse_d, self.operator, noise)

    def scaled(self, scale: float, offset: float = 0.0) -> TwoMaps:
        return replace(self, x=scale * self.x + offset)


def two_maps(n: int = 400, n_problems: int = 3, seed: int = 0, noise: float = 0.3) -> TwoMaps:
    rng = np.random.default_rng(seed)
    inverse_d = rng.uniform(0.05, 0.5, n)
    fall_off = 50.0 * np.exp(-5.0 * inverse_d)
    features = rng.gamma(3.0, 1 / 3, n)
    observed = fall_off * features * rng.gamma(1 / noise**2, noise**2, n) + 1.0
    x = 3.0 * fall_off * (0.6 * features + 0.4 * rng.gamma(3.0, 1 / 3, (n_problems, n)))
    rows = rng.poisson(1.0, (n_problems, n)).astype(float)
    sigma = 0.1 * observed * rng.uniform(0.5, 1.5, n)
    return TwoMaps(observed, sigma, inverse_d, anisotropic_operator(inverse_d), x, rows)


def difference_quotients(objective: Objective, maps: TwoMaps, chosen: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """d gain / d x of the chosen reflections, by central differences: [P, n]."""
    found = np.empty((len(maps.x), len(chosen)))
    for column, reflection in enumerate(chosen):
        change = np.zeros(maps.x.shape[1])
        change[reflection] = step * maps.x[:, reflection].mean()
        ahead, behind = (objective.linearise(maps.x + sign * change, maps.rows).gain for sign in (1, -1))
        found[:, column] = (ahead - behind) / (2 * change[reflection])
    return found

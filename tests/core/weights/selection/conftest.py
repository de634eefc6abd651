"""Ensembles for selections: some frames made the map, the others are of another kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.problem import WeightProblem


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A problem, and the structure factors behind it."""

    problem: WeightProblem
    deviation: np.ndarray
    share: np.ndarray

    def direct(self, kept: np.ndarray) -> np.ndarray:
        """Intensity of some frames (bool [n_frames]), with their prior weights, by its definition."""
        return direct_intensity(self.deviation, self.share, kept * self.problem.prior)

    def change(self, **parts) -> Ensemble:
        return replace(self, problem=replace(self.problem, **parts))


def make_ensemble(
    n_frames: int = 14,
    n_groups: int = 400,
    n_copies: int = 2,
    *,
    n_good: int = 8,
    noise: float = 0.1,
    seed: int = 0,
    dtype: type = np.float64,
    block_size: int | None = 150,
) -> Ensemble:
    """Frames whose first `n_good` made the map; some groups have fewer images than others."""
    rng = np.random.default_rng(seed)
    inverse_d = np.sort(rng.uniform(0.05, 0.5, n_groups))
    decay = np.exp(-5 * inverse_d**2)
    shape = (n_frames, n_copies, n_groups)
    deviation = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * decay
    present = np.ones(shape[1:], dtype=bool)
    present[1:, ::5] = False
    deviation *= present
    deviation -= deviation.mean(axis=0)
    share = present / present.sum(axis=0)
    exact = direct_intensity(deviation, share, (np.arange(n_frames) < n_good).astype(float))
    free = rng.random(n_groups) < 0.2
    problem = WeightProblem(
        groups=SimpleNamespace(multiplicity=present.sum(axis=0)),
        observed=exact + noise * exact.std() * rng.normal(size=n_groups),
        sigma=None,
        free=free,
        frames=FrameBlocks.from_deviation(
            deviation, share, np.zeros(shape[1:], dtype=complex), dtype=dtype, block_size=block_size
        ),
        operator=anisotropic_operator(inverse_d, reference=~free),
        prior=np.full(n_frames, 1.0 / n_frames),
    )
    return Ensemble(problem, deviation, share)


def direct_intensity(deviation: np.ndarray, share: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Variance of the weighted frames, averaged over the images, by its definition."""
    weights = weights / weights.sum()
    mean = np.tensordot(weights, deviation, 1)
    return (share * np.tensordot(weights, np.abs(deviation - mean) ** 2, 1)).sum(axis=0)


@pytest.fixture(scope="session")
def make() -> Callable[..., Ensemble]:
    return make_ensemble


@pytest.fixture(scope="session")
def ensemble() -> Ensemble:
    return make_ensemble()

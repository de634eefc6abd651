"""Fits from random weights: whether they all end at the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mdweights_core.weights.validation.bench import Bench, Key, Trial, Tried, agreement, finished
from mdweights_core.weights.validation.result import Restarts

_SPARSE = 0.1  # of the frames carry a sparse start
_REST = 0.01  # of its weight lies on all others, which could not come back from nothing


def random_starts(n_frames: int, n_starts: int, rng: np.random.Generator) -> np.ndarray:
    """Weights drawn from the flat Dirichlet distribution: float64 [n_starts, n_frames].

    Every second one lies on a tenth of the frames: far from the fit's own beginning, and from one another.
    """
    starts = rng.dirichlet(np.ones(n_frames), n_starts)
    few = min(n_frames, max(3, round(_SPARSE * n_frames)))
    for start in starts[1::2]:
        chosen = rng.choice(n_frames, few, replace=False)
        start *= _REST
        start[chosen] += (1 - _REST) * rng.dirichlet(np.ones(few))
    return starts


def plan_restarts(bench: Bench, n_starts: int, rng: np.random.Generator) -> dict[Key, Trial]:
    """The fit anew, from other weights."""
    starts = random_starts(len(bench.weights), n_starts, rng)
    return {("start", i): Trial(replace(bench.usual, start=start), bench.rows) for i, start in enumerate(starts)}


def collect_restarts(bench: Bench, planned: Mapping[Key, Trial], done: Mapping[Key, Tried]) -> Restarts | None:
    """The restarts that are finished; None without any."""
    kept, unfinished = finished({key: done[key] for key in planned if key in done}, least=1)
    if not kept:
        return None
    tried = list(kept.values())
    weights = np.stack([t.weights for t in tried])
    return Restarts(np.array([t.score for t in tried]), agreement(bench.weights, weights), weights, unfinished)

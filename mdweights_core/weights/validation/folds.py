"""Held-out folds: Laue groups left out in turns, and predicted by the weights that were fitted to all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mdweights_core.weights.validation.bench import Bench, Key, Trial, Tried
from mdweights_core.weights.validation.result import Folds

_NOTHING = 1e-12  # mean square departure from the prior that is rounding


def draw_folds(order: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each Laue group: int [n_group], every resolution in every fold alike.

    Parameters
    ----------
    order : int [n_group]
        Groups by resolution: each run of `n_folds` of them is dealt out at random.
    n_folds : int
    rng : Generator
    """
    n = len(order)
    dealt = np.concatenate([rng.permutation(n_folds) for _ in range(-(-n // n_folds))])
    fold = np.empty(n, dtype=np.int64)
    fold[order] = dealt[:n]
    return fold


def plan_folds(bench: Bench, fold: np.ndarray) -> dict[Key, Trial]:
    """One fit without each fold. The free set plays no special part: it is in a fold as all others are."""
    planned: dict[Key, Trial] = {}
    for k in range(int(fold.max(initial=-1)) + 1):
        held_out = (fold == k).astype(np.float64)
        planned["fold", k] = Trial(replace(bench.usual, rows=1.0 - held_out), held_out).waiting
    return planned


def collect_folds(bench: Bench, planned: Mapping[Key, Trial], done: Mapping[Key, Tried]) -> Folds | None:
    """The folds; None unless all are there."""
    if not planned or not all(key in done for key in planned):
        return None
    tried = [done[key] for key in planned]
    weights = np.stack([t.weights for t in tried])
    return Folds(
        score=np.array([t.score for t in tried]),
        uniform=np.array([t.uniform for t in tried]),
        weights=weights,
        reliability=reliability(weights, bench.weights, bench.prior),
        unfinished=sum(t.is_unfinished for t in tried),
    )


def gain_of(folds: Folds) -> tuple[float, float]:
    """Mean held-out score less that of the prior weights, and its standard error, paired over the folds."""
    return paired(folds.score - folds.uniform)


def paired(difference: np.ndarray) -> tuple[float, float]:
    """Mean of differences [n] and its standard error."""
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def reliability(without: np.ndarray, weights: np.ndarray, prior: np.ndarray) -> float:
    """The correlation to expect between `weights` [n_frames] and those that endless data of the same kind would give.

    Compared is what was fitted, the departure w / w0 - 1 from the prior w0, each frame counting by its prior. How far
    the fits `without` one of K folds [K, n_frames] scatter tells its error variance by the delete-a-group jackknife
    [1], s^2 = (K - 1)/K sum_k (d_k - mean d)^2, averaged over the frames. Beside the mean square v of the departures,
    which holds that error, the correlation is sqrt(1 - s^2 / v); 0 where s^2 exceeds v.
    It knows the error of the map and the number of reflections, but not what is wrong with the frames.

    References
    ----------
    .. [1] Kott, J. Off. Stat. 17 (2001) 521.
    """
    root = np.sqrt(prior)
    n, spread = len(without), float(np.mean((weights / root - root) ** 2))
    if spread <= _NOTHING / len(prior):
        return 0.0
    error = (n - 1) * float((without / root).var(axis=0).mean())
    return float(np.sqrt(max(0.0, 1.0 - error / spread)))

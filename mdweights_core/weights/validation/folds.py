"""Held-out folds: Laue groups left out in turns, and predicted by the weights that were fitted to all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mdweights_core.weights.validation.bench import Bench, Key, Trial, Tried
from mdweights_core.weights.validation.held_out import compare_held_out, expected_score, n_parameters
from mdweights_core.weights.validation.jackknife import jackknife_error
from mdweights_core.weights.validation.result import Folds

_NOTHING = 1e-12  # mean square departure from the prior that is rounding
_CONTRADICTION = 3.0  # standard errors between two estimates of one gain
_SHARE = 1 / 3  # of the expected gain: its error has about twice the variance of that of the folds
_LEAST_FREEDOM = 0.05


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
    """One fit without each fold, `fold` int [n_group] (-1: in none); the free set is left out of all."""
    planned: dict[Key, Trial] = {}
    for k in range(int(fold.max(initial=-1)) + 1):
        held_out = np.equal(fold, k).astype(np.float64)
        planned["fold", k] = Trial(replace(bench.usual, rows=bench.rows * (1.0 - held_out)), held_out).waiting
    return planned


def collect_folds(bench: Bench, planned: Mapping[Key, Trial], done: Mapping[Key, Tried]) -> Folds | None:
    """The folds; None unless all are there."""
    if not planned or not all(key in done for key in planned):
        return None
    tried = [done[key] for key in planned]
    weights = np.stack([t.weights for t in tried])
    whole = compare_held_out(bench, list(planned.values()), weights)
    return Folds(
        score=np.array([t.score for t in tried]),
        uniform=np.array([t.uniform for t in tried]),
        weights=weights,
        reliability=reliability(weights, bench.weights, bench.prior, _freedom(bench, len(tried))),
        unfinished=sum(t.is_unfinished for t in tried),
        together=whole.score,
        together_uniform=whole.plain,
        together_error=whole.error,
        expected=expected_score(bench),
    )


def _freedom(bench: Bench, n_folds: int) -> float:
    """Part of the reflections of a fold's fit that its free numbers leave over; 1 where these are not known."""
    k = n_parameters(bench)
    return 1.0 if k is None else max(_LEAST_FREEDOM, 1.0 - k / (bench.rows.sum() * (1 - 1 / n_folds)))


def scores_of(folds: Folds) -> tuple[float, float]:
    """Held-out score and that of the prior weights: over all reflections, or the mean over the folds."""
    if np.isfinite(folds.together_error):
        return folds.together, folds.together_uniform
    return float(folds.score.mean()), float(folds.uniform.mean())


def gain_of(folds: Folds) -> tuple[float, float]:
    """The best estimate of what the weights gain on reflections that they were not fitted to, and its standard error.

    Two estimates are joined. The held-out one assumes nothing, but is as noisy as the reflections are few. The expected
    one, of the fit's own agreement less what its free numbers cost, uses all reflections for the weights in question;
    its error is nearly independent of the other's and has twice the variance, so that it counts a third. It assumes
    independent errors that are alike: where the two differ by more than three standard errors, the held-out one alone
    counts.
    """
    if not np.isfinite(folds.together_error):
        return paired(folds.score - folds.uniform)
    gain, expected = folds.together - folds.together_uniform, folds.expected - folds.together_uniform
    if abs(expected - gain) <= _CONTRADICTION * folds.together_error:  # False for NaN
        gain += _SHARE * (expected - gain)
    return gain, folds.together_error


def paired(difference: np.ndarray) -> tuple[float, float]:
    """Mean of differences [n] and its standard error."""
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def reliability(without: np.ndarray, weights: np.ndarray, prior: np.ndarray, freedom: float = 1.0) -> float:
    """The correlation to expect between `weights` [n_frames] and those that endless data of the same kind would give.

    Compared is what was fitted, the departure w / w0 - 1 from the prior w0, each frame counting by its prior. How far
    the fits `without` one of K folds [K, n_frames] scatter tells its error variance s^2 by the delete-a-group jackknife
    [1], averaged over the frames. That holds for means; a regression on k variables gets worse faster as n observations
    become n' = (1 - 1/K) n, its variance going as 1/(n - k), which makes the jackknife too large by n' / (n' - k):
    `freedom` is the inverse of that. Beside the mean square v of the departures, which holds that error, the
    correlation is sqrt(1 - s^2 / v); 0 where s^2 exceeds v.
    It knows the error of the map and the number of reflections, but not what is wrong with the frames.

    References
    ----------
    .. [1] Kott, J. Off. Stat. 17 (2001) 521.
    """
    root = np.sqrt(prior)
    spread = float(np.mean((weights / root - root) ** 2))
    if spread <= _NOTHING / len(prior):
        return 0.0
    error = float(np.mean(jackknife_error(without / root, least=2) ** 2))
    return float(np.sqrt(max(0.0, 1.0 - freedom * error / spread)))

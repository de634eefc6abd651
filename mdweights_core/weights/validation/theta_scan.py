"""Fits over the strength of the entropy: the L-curve, the held-out curve and the theta they propose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mdweights_core.weights.scores import kish
from mdweights_core.weights.solvers.base import relative_entropy
from mdweights_core.weights.validation.bench import Bench, Key, Trial, Tried
from mdweights_core.weights.validation.folds import paired
from mdweights_core.weights.validation.result import ThetaScan

_STIFF = 10.0
_LOOSE = 0.01
_NARROWEST = 0.01


def theta_range(gradient: np.ndarray, prior: np.ndarray, gained: float, kl: float, theta: float) -> tuple[float, float]:
    """Smallest and largest theta worth a fit.

    Near the prior the weights are w0 (1 + (g - mean g) / theta), so that with theta ten times the spread of the
    gradient KL is 0.005: hardly anything moves. Along the curve of best fits d score / d KL = theta; a hundredth of its
    mean slope costs a hundredth of what there is to gain: the weights are free.

    Parameters
    ----------
    gradient : float64 [n_frames]
        Of the score in the weights, at the prior.
    prior : float64 [n_frames]
    gained, kl : float
        Score of the fit less that of the prior weights, and KL(w || prior) of the fit.
    theta : float
        Of the fit: the range reaches a tenth of it.
    """
    spread = float(np.sqrt(prior @ (gradient - prior @ gradient) ** 2))
    high = max(_STIFF * spread, 2 * theta) or 1.0
    low = _NARROWEST * high
    if gained > 0 and kl > 0:
        low = min(low, _LOOSE * gained / kl)
    if theta > 0:
        low = min(low, theta / 10)
    return low, high


def plan_theta_scan(bench: Bench, thetas: np.ndarray, fold: np.ndarray) -> dict[Key, Trial]:
    """The fit with every theta, on its own reflections and without each fold, `fold` int [n_group] (-1: in none).

    The free set is in no fit and in no score: theta is not chosen by it, and it stays a test of what was chosen.
    """
    planned: dict[Key, Trial] = {}
    for j, theta in enumerate(thetas):
        task = replace(bench.usual, theta=float(theta), n_eff_floor=0.0)
        planned["theta", j] = Trial(task, bench.rows)
        for k in range(int(fold.max(initial=-1)) + 1):
            held_out = np.equal(fold, k).astype(np.float64)
            planned["theta", j, k] = Trial(replace(task, rows=bench.rows * (1.0 - held_out)), held_out).waiting
    return planned


def collect_theta_scan(
    bench: Bench, thetas: np.ndarray, n_folds: int, planned: Mapping[Key, Trial], done: Mapping[Key, Tried]
) -> ThetaScan | None:
    """The thetas of which all fits are finished; None without any."""
    whole = [j for j in range(len(thetas)) if all(key in done for key in planned if key[1] == j)]
    if not whole:
        return None
    fits = [done["theta", j] for j in whole]
    by_fold = np.array([[done["theta", j, k].score for k in range(n_folds)] for j in whole])
    plain = np.array([done["theta", whole[0], k].uniform for k in range(n_folds)])
    return ThetaScan(
        theta=thetas[whole],
        entropy=np.array([relative_entropy(t.weights, bench.prior) for t in fits]),
        score=np.array([t.score for t in fits]),
        held_out=by_fold.mean(axis=1) if n_folds else np.full(len(whole), np.nan),
        held_out_error=np.array([paired(row)[1] for row in by_fold]) if n_folds else np.full(len(whole), np.nan),
        n_eff=np.array([kish(t.weights) for t in fits]),
        proposed=_proposed(by_fold) if n_folds else None,
        uniform=plain.mean() if n_folds else float("nan"),
        by_fold=by_fold,
        unfinished=sum(done[key].is_unfinished for key in planned if key[1] in whole),
    )


def _proposed(by_fold: np.ndarray) -> int:
    """The last row of `by_fold` [n, n_folds] that is as good as the best."""
    best = by_fold[by_fold.mean(axis=1).argmax()]
    return max(j for j, row in enumerate(by_fold) if is_as_good(row, best))


def is_as_good(scores: np.ndarray, best: np.ndarray) -> bool:
    """True when `scores` [n_folds] lie below `best`, fold by fold, by no more than the standard error of that.

    The folds' own easiness, which is common to both, does not count.
    """
    less, error = paired(best - scores)
    return less <= error


def best_of(scan: ThetaScan) -> int:
    """Row of the best held-out score."""
    return int(scan.held_out.argmax())

"""What the fits of a validation predict of reflections that they were not made from, all of these together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.objectives.curves import ShellCurves, centred
from mdweights_core.weights.paired import Compared, compare
from mdweights_core.weights.result import ACTIVE
from mdweights_core.weights.validation.bench import Bench, Trial

_TINY = 1e-300


def compare_held_out(bench: Bench, trials: Sequence[Trial], weights: np.ndarray) -> Compared:
    """Every reflection predicted once by a fit that had not seen it, and by the prior weights.

    Reflections of a fold are predicted by the fit without it, those of the free set by the fit in question itself.
    Each prediction is put on the scale that its map has on the reflections it was fitted to.

    Parameters
    ----------
    bench : Bench
    trials : sequence of Trial
        One for each fold.
    weights : float64 [n_folds, n_units]
        What they came to.
    """
    rows = np.stack([*(trial.ready.task.rows for trial in trials), bench.rows])
    held_out = np.stack([*(trial.held_out for trial in trials), 1.0 - bench.rows]) > 0
    x = intensities(bench.terms[0].frames, np.vstack([weights, bench.weights, bench.prior]))
    ours = _standardised(bench.score, x[:-1], rows)[held_out]
    plain = _standardised(bench.score, np.broadcast_to(x[-1], rows.shape), rows)[held_out]
    return compare(ours, plain, _departure(bench.score, bench.score.observed, rows)[held_out])


def _departure(score: Correlation, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Maps [P, G] or [G] less the curve and the mean that they have on `rows` [P, G]."""
    return centred(ShellCurves(rows, score.operator).remove(values), rows)


def _standardised(score: Correlation, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    values = _departure(score, x, rows)
    square = np.einsum("pg,pg,pg->p", rows, values, values) / np.maximum(rows.sum(axis=1), 1.0)
    return values / np.sqrt(square + score.noise**2 + _TINY)[:, None]


def n_parameters(bench: Bench) -> int | None:
    """How many numbers were fitted freely: frames with weight, and the points of the curve that was removed.

    With w >= 0 the frames that have a weight are the degrees of freedom of a least-squares fit [1]. None where an
    entropy, Bragg intensities or a weighting of reflections have a say: then it is not known.

    References
    ----------
    .. [1] Meyer & Woodroofe, Ann. Statist. 28 (2000) 1083.
    """
    task, objective = bench.usual, bench.terms[0].objective
    is_plain = isinstance(objective, Correlation) and np.ptp(objective.weight) == 0
    if not is_plain or task.theta > 0 or task.n_eff_floor > 0 or len(bench.terms) > 1:
        return None
    n_points = 0 if bench.score.operator is None else bench.score.operator.n_shells
    return int((bench.weights > ACTIVE / len(bench.weights)).sum()) + n_points


def expected_score(bench: Bench) -> float:
    """The correlation to expect on other reflections by how well the fit agrees with its own; NaN if not known."""
    k = n_parameters(bench)
    fitted = float(bench.score_of(bench.weights[None])[0])
    return float("nan") if k is None or fitted <= 0 else cross_validity(fitted, int(bench.rows.sum()), k)


def cross_validity(fitted: float, n: int, k: int) -> float:
    """The correlation to expect on new observations of a regression on `k` variables fitted to `n` observations.

    `fitted` is the correlation on these n [1, equation 2.10]. Errors have to be independent and alike.

    References
    ----------
    .. [1] Browne, Br. J. Math. Stat. Psychol. 28 (1975) 79.
    """
    if n <= k + 2:
        return 0.0
    square = max(0.0, 1.0 - (1.0 - fitted**2) * (n - 1) / (n - k - 1))
    fourth = max(0.0, square**2 - 2 * square * (1 - square) ** 2 / ((n - 1) * (n - k + 1)))
    return float(np.sqrt(max(0.0, ((n - k - 3) * fourth + square) / ((n - 2 * k - 2) * square + k))))

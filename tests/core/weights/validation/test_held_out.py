"""Held-out predictions beside the plain formula, and the loss of a regression beside new observations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core.weights.validation.folds import plan_folds
from mdweights_core.weights.validation.held_out import (
    compare_held_out,
    cross_validity,
    expected_score,
    n_parameters,
)


@pytest.mark.parametrize(("n", "k", "signal"), [(40, 8, 1.0), (40, 20, 1.5), (200, 20, 1.0), (400, 8, 0.5)])
def test_what_a_regression_loses_on_new_observations_is_foreseen(n, k, signal):
    """Ordinary least squares on random variables: the correlation with the truth is known in closed form."""
    rng, seen, told = np.random.default_rng(0), [], []
    truth = np.zeros(k)
    truth[:4] = signal / 2
    for _ in range(400):
        x = rng.normal(size=(n, k))
        y = x @ truth + rng.normal(size=n)
        found = np.linalg.lstsq(np.column_stack([x, np.ones(n)]), y, rcond=None)[0]
        told.append(cross_validity(np.corrcoef(x @ found[:-1], y)[0, 1], n, k))
        beta = found[:-1]
        seen.append(beta @ truth / np.sqrt(beta @ beta * (truth @ truth + 1)))
    assert np.mean(told) == pytest.approx(np.mean(seen), abs=0.03)


def test_more_variables_than_observations_tell_nothing():
    assert cross_validity(0.99, 10, 9) == 0.0
    assert cross_validity(0.9, 10**6, 5) == pytest.approx(0.9, abs=1e-5)


def _of_truth(truth, weights):
    f = truth.f_p1
    return truth.problem.groups.average(weights @ np.abs(f) ** 2 - np.abs(weights @ f) ** 2)


def test_every_reflection_is_predicted_by_a_fit_that_had_not_seen_it(truth, bench):
    rng = np.random.default_rng(1)
    free = truth.problem.free
    fold = np.where(free, -1, np.arange(len(free)) % 3)
    trials = list(plan_folds(bench, fold).values())
    assert not any(trial.task.rows[free].any() for trial in trials)
    weights = rng.dirichlet(np.ones(truth.problem.n_frames), 3)
    found = compare_held_out(bench, trials, weights)

    operator, parts = truth.problem.operator, []
    folds = [((fold != k) & ~free, own, fold == k) for k, own in enumerate(weights)]
    for fitted, own, scored in [*folds, (~free, bench.weights, free)]:
        values = []
        for x in (_of_truth(truth, own), _of_truth(truth, bench.prior), truth.problem.observed):
            means = [x[fitted & (operator.member == s)].mean() for s in range(operator.n_shells)]
            flat = x - operator.spline @ np.array(means)
            flat -= flat[fitted].mean()
            values.append(flat / (1.0 if x is truth.problem.observed else flat[fitted].std()))
        parts.append(np.array(values)[:, scored])
    ours, plain, observed = np.concatenate(parts, axis=1)
    assert len(ours) == len(free)
    assert found.score == pytest.approx(np.corrcoef(ours, observed)[0, 1], abs=1e-4)
    assert found.plain == pytest.approx(np.corrcoef(plain, observed)[0, 1], abs=1e-4)


def test_free_numbers_are_frames_with_weight_and_points_of_the_curve(bench):
    active = int((bench.weights > 1e-6 / len(bench.weights)).sum())
    assert n_parameters(bench) == active + bench.score.operator.n_shells
    for entropic in (replace(bench.usual, theta=0.1), replace(bench.usual, n_eff_floor=5.0)):
        other = replace(bench, usual=entropic)
        assert n_parameters(other) is None
        assert np.isnan(expected_score(other))


def test_less_is_expected_than_was_fitted(bench):
    fitted = float(bench.score_of(bench.weights[None])[0])
    assert 0.5 * fitted < expected_score(bench) < fitted

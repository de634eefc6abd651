"""Which thetas are tried, and which one is proposed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.weights.solvers import solve_many
from mdweights_core.weights.solvers.base import relative_entropy
from mdweights_core.weights.validation.bench import Tried
from mdweights_core.weights.validation.influence import frame_series
from mdweights_core.weights.validation.theta_scan import (
    collect_theta_scan,
    is_as_good,
    plan_theta_scan,
    theta_range,
)


def _last(solve):
    states = []
    for found in solve:
        states = found or states
    return states


def test_the_range_goes_from_free_weights_to_hardly_any_change(bench):
    series = jobs.run(frame_series(bench, np.random.default_rng(0)))
    gained = float(np.diff(bench.score_of(np.stack([bench.prior, bench.weights])))[0])
    kl = relative_entropy(bench.weights, bench.prior)
    low, high = theta_range(series.gradient, bench.prior, gained, kl, 0.0)
    loose, stiff = _last(solve_many(bench.terms, [replace(bench.usual, theta=t) for t in (low, high)]))
    assert relative_entropy(stiff.weights, bench.prior) == pytest.approx(0.005, abs=0.004)
    assert relative_entropy(loose.weights, bench.prior) > 0.7 * kl
    assert bench.score_of(loose.weights[None])[0] > bench.score_of(bench.weights[None])[0] - 0.02 * gained


def test_the_range_holds_the_theta_of_the_fit():
    gradient, prior = np.random.default_rng(0).normal(size=20), np.full(20, 0.05)
    for theta in (1e-5, 0.1, 1e3):
        low, high = theta_range(gradient, prior, 0.1, 0.5, theta)
        assert low < theta < high
    low, high = theta_range(np.zeros(20), prior, 0.0, 0.0, 0.0)
    assert 0 < low < high


def _scan(bench, by_fold, plain, lost=()):
    """A scan whose held-out scores are given."""
    n, n_folds = by_fold.shape
    thetas = np.geomspace(1e-3, 1.0, n)
    planned = plan_theta_scan(bench, thetas, np.arange(len(bench.rows)) % n_folds)
    done = {
        key: Tried(bench.weights, by_fold[key[1], key[2]], plain[key[2]])
        if len(key) == 3
        else Tried(bench.weights, 1, 0)
        for key in planned
        if key not in lost
    }
    return collect_theta_scan(bench, thetas, n_folds, planned, done)


def test_the_largest_theta_as_good_as_the_best_is_proposed(bench):
    easy = np.array([0.0, 0.2, -0.1, 0.1, -0.2])
    noise = np.array([1, -1, 1, -1, 0.5]) * 0.01
    by_fold = np.array([0.60, 0.62, 0.62, 0.619, 0.59, 0.5])[:, None] + easy + np.outer([0, 1, 0, 1.5, 0, 0], noise)
    scan = _scan(bench, by_fold, 0.4 + easy)
    assert scan.proposed == 3
    assert scan.uniform == pytest.approx(0.4)
    np.testing.assert_allclose(scan.held_out, by_fold.mean(axis=1))
    np.testing.assert_allclose(scan.held_out_error, by_fold.std(axis=1, ddof=1) / np.sqrt(5))


def test_thetas_without_all_their_folds_are_left_out(bench):
    scan = _scan(bench, np.full((4, 3), 0.5), np.zeros(3), lost={("theta", 1, 2), ("theta", 3)})
    np.testing.assert_allclose(scan.theta, np.geomspace(1e-3, 1.0, 4)[[0, 2]])
    assert _scan(bench, np.full((1, 3), 0.5), np.zeros(3), lost={("theta", 0, 0)}) is None


def test_the_free_set_has_no_say_in_theta(bench):
    free = bench.rows == 0
    assert free.any()
    fold = np.where(free, -1, np.arange(len(free)) % 3)
    for trial in plan_theta_scan(bench, np.array([0.1, 1.0]), fold).values():
        assert not trial.task.rows[free].any()
        assert not trial.held_out[free].any()


def test_being_as_good_does_not_depend_on_easy_folds():
    easy = np.array([0.0, 0.5, -0.5, 0.3])
    assert is_as_good(easy, easy)
    assert not is_as_good(easy - np.array([0.01, 0.011, 0.01, 0.011]), easy)
    assert is_as_good(easy - np.array([0.05, -0.04, 0.03, -0.02]), easy)

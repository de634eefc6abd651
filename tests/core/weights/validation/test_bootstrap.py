"""Samples of frames and reflections, and the errors of weights they tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core.weights.solvers import solve_many
from mdweights_core.weights.validation.bench import Tried
from mdweights_core.weights.validation.bootstrap import _sampled, collect_bootstrap, plan_bootstrap


@pytest.fixture(scope="module")
def planned(bench):
    return plan_bootstrap(bench, 40, 3, np.random.default_rng(0))


def test_samples_are_drawn_with_replacement(bench, planned):
    n, free = bench.rows.sum(), bench.rows == 0
    for trial in planned.values():
        rows, allowed = trial.task.rows, trial.task.allowed
        assert rows.sum() == n
        assert not rows[trial.held_out > 0].any()
        assert not (rows + trial.held_out)[free].any()
        assert trial.held_out.sum() == pytest.approx(n / np.e, rel=0.15)
        assert trial.task.prior.sum() == pytest.approx(1.0)
        assert (trial.task.prior > 0).all()
        np.testing.assert_array_equal(trial.task.start > 0, allowed)
    drawn = np.mean([trial.task.allowed for trial in planned.values()])
    assert 0.5 < drawn < 0.75


def test_a_prior_counts_frames_as_often_as_they_were_drawn(bench, planned):
    n = len(bench.prior)
    counts = np.stack([trial.task.start * n for trial in planned.values()])
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    assert counts.max() >= 2


def test_with_an_entropy_errors_are_those_of_the_ratio_to_the_prior(bench, planned):
    """Ratios that scatter by a tenth around each frame's own: the prior's multiplicities do not count as errors."""
    rng, bench = np.random.default_rng(1), replace(bench, usual=replace(bench.usual, theta=0.1))
    own = rng.gamma(2.0, 0.5, len(bench.prior))
    done = {
        key: Tried(trial.task.start * own * (1 + 0.1 * rng.normal(size=len(own))), 0.5, 0.4)
        for key, trial in planned.items()
    }
    found = collect_bootstrap(bench, 2.5, 3, planned, done)
    np.testing.assert_allclose(found.weight_error / (0.1 * own * bench.prior), 1.0, atol=0.45)
    assert np.mean(found.weight_error / (0.1 * own * bench.prior)) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(np.isnan(found.weights), [~t.task.allowed for t in planned.values()])


def test_frames_that_were_hardly_drawn_have_no_error(bench, planned):
    few = dict(list(planned.items())[:3])
    found = collect_bootstrap(bench, 1.0, 3, few, {key: Tried(t.task.start, 0.5, 0.4) for key, t in few.items()})
    drawn = np.sum([t.task.allowed for t in few.values()], axis=0)
    np.testing.assert_array_equal(np.isnan(found.weight_error), drawn < 3)
    assert collect_bootstrap(bench, 1.0, 3, planned, {}) is None


def test_samples_that_did_not_converge_do_not_widen_errors(bench, planned):
    bench = replace(bench, usual=replace(bench.usual, theta=0.1))
    done = {key: Tried(trial.task.start, 0.5, 0.4) for key, trial in planned.items()}
    usual = collect_bootstrap(bench, 1.0, 3, planned, done)
    first = next(iter(planned))
    done[first] = Tried(np.roll(planned[first].task.start, 1), 0.9, 0.4, is_unfinished=True)
    found = collect_bootstrap(bench, 1.0, 3, planned, done)
    assert (usual.unfinished, found.unfinished) == (0, 1)
    assert len(found.score) == len(planned) - 1
    np.testing.assert_allclose(found.weight_error, usual.weight_error, atol=1e-12)
    few = dict(list(planned.items())[:2])
    assert collect_bootstrap(bench, 1.0, 3, few, {key: done[key] for key in few}).unfinished == 1


def test_without_an_entropy_a_frame_drawn_twice_has_the_weight_of_one(bench):
    """Two copies share it: the fit does not know how often a frame was drawn, so errors are those of the weight."""
    n = len(bench.prior)
    once, often = np.ones(n, dtype=int), 1 + np.arange(n) % 3
    tasks = [_sampled(bench.usual, bench.rows, counts) for counts in (once, often)]
    one, other = (state.weights for state in [states for states in solve_many(bench.terms, tasks) if states][-1])
    assert np.corrcoef(one, other)[0, 1] > 0.998
    assert np.corrcoef(one * often, other)[0, 1] < 0.95

    rng = np.random.default_rng(2)
    planned = plan_bootstrap(bench, 40, 3, rng)
    own = bench.weights + 0.01
    done = {
        key: Tried(
            np.where(t.task.allowed, own / t.task.allowed.mean() * (1 + 0.1 * rng.normal(size=n)), 0.0), 0.5, 0.4
        )
        for key, t in planned.items()
    }
    found = collect_bootstrap(bench, 2.5, 3, planned, done)
    assert np.mean(found.weight_error / (0.1 * own)) == pytest.approx(1.0, abs=0.1)

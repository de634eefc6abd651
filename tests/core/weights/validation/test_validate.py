"""The validation as a job."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.synthetic import synthetic_problem

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.weights.validation import bench as bench_module
from mdweights_core.weights.validation.bench import Bench
from mdweights_core.weights.validation.folds import draw_folds, gain_of, paired
from mdweights_core.weights.validation.influence import frame_series
from mdweights_core.weights.validation.record import from_record, to_record
from mdweights_core.weights.validation.result import judged
from mdweights_core.weights.validation.validate import n_fits, validate

SETTINGS = ValidationSettings(folds=3, starts=2, thetas=3, samples=4)


@pytest.fixture(scope="module")
def seen():
    """Progress of the validation below."""
    return []


@pytest.fixture(scope="module")
def validation(truth, fit, seen):
    return jobs.run(validate(truth.problem, fit, SETTINGS), seen.append)


def test_everything_is_there(truth, validation):
    n = truth.problem.n_frames
    assert validation.complete
    assert validation.score == "cc_aniso"
    assert validation.folds.weights.shape == (3, n)
    assert validation.restarts.weights.shape == (2, n)
    assert len(validation.theta_scan.theta) == 3
    assert validation.theta_scan.by_fold.shape == (3, 3)
    assert (np.diff(validation.theta_scan.theta) > 0).all()
    assert (np.diff(validation.theta_scan.entropy) < 0).all()
    assert validation.bootstrap.weights.shape == (4, n)
    assert validation.influence.shape == validation.leave_one_out.shape == (n,)
    assert len(validation.lights) == 6
    np.testing.assert_allclose(np.nansum(validation.bootstrap.weights, axis=1), 1.0)


def test_good_data_are_supported(validation):
    assert validation.conclusion == "supported"
    assert (validation.folds.score > validation.folds.uniform + 0.05).all()
    assert (validation.restarts.agreement > 0.999).all()


def test_folds_are_scored_with_nuisance_of_the_rest(truth, fit, validation):
    """Beside the plain formula: shell means of two thirds, correlation over the last third."""

    rng = np.random.default_rng(fit.settings.seed)
    jobs.run(frame_series(Bench.of(truth.problem, fit, None), rng))
    problem = truth.problem
    fold, fitted = np.full(len(problem.free), -1), np.flatnonzero(~problem.free)
    fold[fitted] = draw_folds(np.argsort(problem.groups.lattice.inverse_d[fitted], kind="stable"), 3, rng)
    f = truth.f_p1
    for k, weights in enumerate(validation.folds.weights):
        x = problem.groups.average(weights @ np.abs(f) ** 2 - np.abs(weights @ f) ** 2)
        ours, theirs = (
            _without_curve(problem.operator, values, (fold != k) & ~problem.free)[fold == k]
            for values in (x, problem.observed)
        )
        assert np.corrcoef(ours, theirs)[0, 1] == pytest.approx(validation.folds.score[k], abs=1e-5)


def _without_curve(operator, values, counted):
    means = [values[counted & (operator.member == s)].mean() for s in range(operator.n_shells)]
    return values - operator.spline @ np.array(means)


def test_progress_rises_to_the_number_of_fits(validation, seen):
    assert n_fits(SETTINGS) == 3 + 2 + 3 * (1 + 3) + 4
    assert {p.stage for p in seen} == {"validation"}
    steps = [p.step for p in seen]
    assert steps == sorted(steps)
    assert seen[-1].step == seen[-1].total == n_fits(SETTINGS)
    assert all(p.message for p in seen)


def test_the_seed_decides(truth, fit, validation):
    again = jobs.run(validate(truth.problem, fit, SETTINGS))
    np.testing.assert_array_equal(again.folds.score, validation.folds.score)
    np.testing.assert_array_equal(again.bootstrap.weights, validation.bootstrap.weights)
    assert again.verdict == validation.verdict


def test_a_stopped_validation_keeps_what_is_finished(truth, fit, validation):
    job = validate(truth.problem, fit, SETTINGS)
    while "entropy" not in next(job).message:
        pass
    partial = jobs.stop(job)
    assert partial is not None
    assert not partial.complete
    np.testing.assert_array_equal(partial.folds.score, validation.folds.score)
    np.testing.assert_array_equal(partial.leave_one_out, validation.leave_one_out)
    assert partial.restarts is not None
    assert partial.theta_scan is None
    assert partial.bootstrap is None
    assert partial.conclusion == validation.conclusion


def test_one_that_is_stopped_at_once_knows_nothing(truth, fit):
    job = validate(truth.problem, fit, SETTINGS)
    next(job)
    partial = jobs.stop(job)
    assert not partial.complete
    assert partial.folds is None
    assert np.isnan(partial.influence).all()
    assert partial.conclusion == "unsupported"


def test_fits_that_end_at_the_limit_go_on_or_are_counted(truth, fit, monkeypatch):
    monkeypatch.setattr(bench_module, "_LIMIT", 1)
    found = jobs.run(validate(truth.problem, fit, ValidationSettings(3, 2, 0, 4)))
    assert (found.folds.unfinished, found.restarts.unfinished) == (3, 2)
    assert found.bootstrap.unfinished == 4
    assert len(found.bootstrap.score) == 4
    monkeypatch.setattr(bench_module, "_FEW", 1.0)
    monkeypatch.setattr(bench_module, "_LIMIT", 12)
    longer = jobs.run(validate(truth.problem, fit, ValidationSettings(3, 2, 0, 4)))
    assert (longer.folds.unfinished, longer.restarts.unfinished, longer.bootstrap.unfinished) == (0, 0, 0)


def test_parts_can_be_left_out(truth, fit):
    none = jobs.run(validate(truth.problem, fit, ValidationSettings(0, 0, 0, 0)))
    assert none.complete
    assert (none.folds, none.restarts, none.theta_scan, none.bootstrap) == (None, None, None, None)
    unfolded = jobs.run(validate(truth.problem, fit, ValidationSettings(0, 0, 3, 0)))
    assert unfolded.theta_scan.proposed is None
    assert np.isnan(unfolded.theta_scan.held_out).all()


def test_a_project_keeps_it(validation):
    arrays, plain = to_record(validation)
    back = from_record(arrays, plain)
    np.testing.assert_array_equal(back.theta_scan.by_fold, validation.theta_scan.by_fold)
    np.testing.assert_array_equal(back.bootstrap.uniform, validation.bootstrap.uniform)
    assert back.folds.reliability == validation.folds.reliability
    assert back.lights == validation.lights
    assert np.isfinite(back.folds.together_error)
    for name in ("together", "together_uniform", "together_error", "expected"):
        assert getattr(back.folds, name) == getattr(validation.folds, name)
        arrays.pop(f"validation.folds.{name}")
    older = from_record(arrays, plain)
    assert gain_of(older.folds) == paired(validation.folds.score - validation.folds.uniform)


def test_the_word_of_the_free_set_gives_way_to_the_folds(fit, validation):
    warned = replace(fit, warnings=("Overfit: on 9 held-out reflections ...", "Something else."))
    assert judged(warned, validation).warnings == ("Something else.",)
    assert judged(warned, replace(validation, folds=None)) is warned


def test_at_most_some_frames_have_weight_in_every_fit(truth):
    fit = jobs.run(fit_weights(truth.problem, FitSettings(max_frames=5)))
    found = jobs.run(validate(truth.problem, fit, ValidationSettings(folds=3, starts=1, thetas=0, samples=2)))
    for weights in (found.folds.weights, found.restarts.weights, np.nan_to_num(found.bootstrap.weights)):
        assert ((weights > 0).sum(axis=1) <= 5).all()


def test_tied_frames_share_their_weights_here_too():
    """Pairs of frames as units: all that is told is told of frames."""
    truth = synthetic_problem(12, 500, n_true=4, n_modes=4)
    problem = truth.problem
    tied = replace(problem, unit=np.repeat(np.arange(12), 2), frame_prior=np.full(24, 1 / 24))
    fit = jobs.run(fit_weights(tied))
    found = jobs.run(validate(tied, fit, ValidationSettings(2, 1, 0, 2), runs=np.repeat([0, 1], 12)))
    for weights in (found.folds.weights, found.restarts.weights, found.bootstrap.weights):
        assert weights.shape[1] == 24
        np.testing.assert_array_equal(weights[:, 0::2], weights[:, 1::2])
    assert found.bootstrap.block >= 2
    assert found.bootstrap.decorrelation >= 2.0
    np.testing.assert_array_equal(found.leave_one_out[0::2], found.leave_one_out[1::2])


def test_what_cannot_be_done_is_refused(truth, fit):
    with pytest.raises(BadInput, match="folds cannot be made"):
        jobs.run(validate(truth.problem, fit, ValidationSettings(folds=100_000)))
    with pytest.raises(BadInput, match="3 numbers of trajectories"):
        jobs.run(validate(truth.problem, fit, SETTINGS, runs=np.zeros(3, dtype=int)))

"""How many fits are done side by side, and that it makes no difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.weights.settings import ValidationSettings
from mdweights_core.weights.validation import bench as module
from mdweights_core.weights.validation.bench import Bench, Trial, Trials
from mdweights_core.weights.validation.validate import validate

FEW = ValidationSettings(folds=3, starts=2, thetas=0, samples=3)


@pytest.fixture
def sizes(monkeypatch):
    """Numbers of fits that were done side by side."""
    found, solve = [], module.solve_many

    def counted(terms, tasks, *options, **more):
        found.append(len(tasks))
        return solve(terms, tasks, *options, **more)

    monkeypatch.setattr(module, "solve_many", counted)
    return found


def test_fits_side_by_side_are_as_many_as_a_batch_has_bytes_for(truth, fit, sizes, monkeypatch):
    """Weights are the same to the tolerance of a fit."""
    one = jobs.run(validate(truth.problem, fit, FEW))
    each = module._ARRAYS * 8 * len(truth.problem.observed)
    monkeypatch.setattr(module, "_BATCH_BYTES", each // 2)
    assert Bench.of(truth.problem, fit, None).at_once == 1
    monkeypatch.setattr(module, "_BATCH_BYTES", int(2.5 * each))
    assert Bench.of(truth.problem, fit, None).at_once == 2
    other = jobs.run(validate(truth.problem, fit, FEW))
    assert sizes == [5, 3, 2, 2, 1, 2, 1]
    np.testing.assert_allclose(other.folds.score, one.folds.score, atol=1e-4)
    np.testing.assert_allclose(other.bootstrap.score, one.bootstrap.score, atol=2e-3)
    np.testing.assert_array_equal(other.leave_one_out, one.leave_one_out)


def test_a_fit_that_waits_takes_little_memory_and_is_the_same_when_it_is_ready(bench):
    rows = np.random.default_rng(0).poisson(1.0, len(bench.rows)).astype(float)
    trial = Trial(replace(bench.usual, rows=rows), (rows == 0).astype(float))
    assert trial.waiting.task.rows.nbytes + trial.waiting.held_out.nbytes == 2 * len(rows)
    ready = trial.waiting.ready
    np.testing.assert_array_equal(ready.task.rows, rows)
    assert ready.task.rows.dtype == ready.held_out.dtype == np.float64


def test_what_waits_is_made_ready(bench):
    trials = Trials(bench, "", {("one",): Trial(bench.usual, bench.rows).waiting})
    jobs.run(trials.run(lambda *_: jobs.Progress("test")))
    assert trials.done["one",].score == pytest.approx(bench.score_of(bench.weights[None])[0], abs=1e-5)

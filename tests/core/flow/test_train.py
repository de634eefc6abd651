"""Training: it learns, it can be stopped and gone on with to the same end, and says what it cannot do."""

from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest
from support.flows import SMALL, TWO_STAGES, prepared_double_well

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.flow.settings import Stage, TrainSettings
from mdweights_core.flow.train import drawn_by_weight, train, variables


def numbers(flow):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(eqx.filter(flow, eqx.is_inexact_array))])


def job_of(well, path=None, **changes):
    given = {"examples": well.prepared.examples, "checkpoint": path, "save_seconds": 0.0, **changes}
    settings = given.pop("settings", well.settings)
    return train(well.prepared.target, well.prepared.coordinates, settings, **given)


def test_it_learns(double_well):
    history = double_well.trained.history
    assert history.shape == (180, 4)
    assert history[60:, 3].max() > 0.6  # effective share of a batch
    assert history[-20:, 3].mean() > history[60:80, 3].mean()
    assert double_well.trained.energies == 120 * 256
    assert not double_well.trained.notes


def test_stopped_and_gone_on_with_it_comes_to_the_same_end(double_well, tmp_path):
    path, job = tmp_path / "run.npz", job_of(double_well, tmp_path / "run.npz")
    for progress in job:
        if progress.step >= 70:
            break
    stopped = jobs.stop(job)
    assert stopped.is_stopped
    assert 70 <= len(stopped.history) < 180
    ended = jobs.run(job_of(double_well, path))
    np.testing.assert_array_equal(numbers(ended.flow), numbers(double_well.trained.flow))
    np.testing.assert_array_equal(ended.history, double_well.trained.history)
    again = jobs.run(job_of(double_well, path))
    np.testing.assert_array_equal(numbers(again.flow), numbers(ended.flow))


def test_a_checkpoint_of_something_else_is_refused(double_well, tmp_path):
    path = tmp_path / "run.npz"
    brief = replace(double_well.settings, stages=(replace(TWO_STAGES[0], steps=3),))
    jobs.run(job_of(double_well, path, settings=brief))
    with pytest.raises(BadInput, match="another system, other examples or other settings"):
        jobs.run(job_of(double_well, path))
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(BadInput, match="damaged"):
        jobs.run(job_of(double_well, path, settings=brief))


def test_a_full_disk_is_told_of_and_the_training_goes_on(double_well, tmp_path):
    brief = replace(double_well.settings, stages=(replace(TWO_STAGES[0], steps=3),))
    found = jobs.run(job_of(double_well, tmp_path / "nowhere" / "run.npz", settings=brief))
    assert len(found.history) == 3
    assert "No checkpoint could be written" in found.notes[0]


def test_what_cannot_be_learned_from_is_said(double_well):
    prepared = double_well.prepared
    cases = [
        ({"examples": None}, "there are no examples"),
        ({"examples": prepared.examples[:5]}, "tell nothing of a density"),
        ({"examples": prepared.examples[:, :1]}, "have 1 coordinates, the system 2"),
        ({"examples": np.where(prepared.examples > 1.5, np.nan, prepared.examples)}, "not numbers"),
        ({"settings": TrainSettings(SMALL, (Stage(2, by_energy=1.0, by_reaction=1.0),))}, "reaction coordinate"),
    ]
    for given, sentence in cases:
        with pytest.raises(BadInput, match=sentence):
            jobs.run(job_of(double_well, **given))


@jax.tree_util.register_static
class Broken:
    """An energy that is no number anywhere."""

    n = 2

    def reduced(self, x):
        return x[0] * np.nan


def test_an_energy_that_is_no_number_spoils_nothing(double_well):
    settings = TrainSettings(SMALL, (Stage(4, by_energy=1.0, batch=64),))
    found = jobs.run(train(Broken(), double_well.prepared.coordinates, settings))
    assert np.isfinite(numbers(found.flow)).all()
    assert found.history[:, 3].max() == 0 or np.isnan(found.history[:, 3]).all()


def test_weighted_examples_are_drawn_as_often_as_they_weigh():
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    chosen = drawn_by_weight(weights, 1000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(chosen, minlength=4), 100 * weights, atol=1)
    prepared = prepared_double_well()
    right = (prepared.examples[:, 0] > 0).astype(float)
    y = variables(prepared.coordinates, prepared.examples, right, np.random.default_rng(1))
    assert len(y) == len(prepared.examples)
    assert len(np.unique(y[:, 0])) <= right.sum()

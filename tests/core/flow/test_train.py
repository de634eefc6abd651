"""Training: it learns, it can be stopped and gone on with to the same end, and says what it cannot do."""

from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest
from support.flows import N_EXAMPLES, SMALL, TWO_STAGES, prepared_double_well

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.flow.draw import draw_in_single
from mdweights_core.flow.losses import System
from mdweights_core.flow.settings import Stage, TrainSettings
from mdweights_core.flow.symmetry import Symmetry
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
    assert double_well.trained.energies == 120 * 256 + 2 * 4096  # each step, and before and after it all
    assert not double_well.trained.notes


def test_it_learns_from_all_images_of_the_examples(double_well):
    left = double_well.prepared.examples[double_well.prepared.examples[:, 0] < -1.0][: N_EXAMPLES // 2]
    mirrors = Symmetry(np.tile(np.arange(2), (2, 1)), np.array([[1.0, 1.0], [-1.0, 1.0]]))
    settings = replace(double_well.settings, stages=(Stage(1, by_example=1.0, batch=256),))
    trained = jobs.run(job_of(double_well, examples=left, images=mirrors, settings=settings))
    y, _ = draw_in_single(trained.flow, System(trained.target, trained.coordinates), 2000, 0, 1.0)
    x = jax.vmap(lambda at: trained.coordinates.place(at)[0])(y)
    assert np.mean(np.asarray(x)[:, 0] > 0) == pytest.approx(0.5, abs=0.05)


GENTLE = Stage(40, by_example=1.0, batch=256, learning_rate=5e-3)
WILD = Stage(30, by_example=1.0, by_energy=1.0, batch=256, learning_rate=50.0)


def test_a_stage_that_makes_draws_worse_is_taken_back_also_after_a_stop(double_well, tmp_path):
    before = jobs.run(job_of(double_well, settings=replace(double_well.settings, stages=(GENTLE,))))
    settings = replace(double_well.settings, stages=(GENTLE, WILD))
    ended = jobs.run(job_of(double_well, settings=settings))
    np.testing.assert_array_equal(numbers(ended.flow), numbers(before.flow))
    assert [note for note in ended.notes if note.startswith("Steps 41 to 70 of the training are taken back")]
    path = tmp_path / "run.npz"
    job = job_of(double_well, path, settings=settings)
    for progress in job:
        if progress.step >= 41:  # the first step of a stage is told by itself
            break
    assert jobs.stop(job).is_stopped
    gone_on = jobs.run(job_of(double_well, path, settings=settings))
    np.testing.assert_array_equal(numbers(gone_on.flow), numbers(before.flow))
    assert gone_on.notes == ended.notes
    assert gone_on.energies == ended.energies


def test_stages_after_one_that_was_taken_back_take_shorter_steps(double_well):
    """Adam's first step is as long as the rate, of which a twentieth is used at first; the mean follows by 1 %."""

    def ended(*stages):
        return numbers(jobs.run(job_of(double_well, settings=replace(double_well.settings, stages=stages))).flow)

    step = Stage(1, by_example=1.0, batch=256, learning_rate=5e-3)
    moved = np.abs(ended(GENTLE, WILD, step) - ended(GENTLE)).max()
    assert moved == pytest.approx(0.3 * 5e-3 / 20 * 0.01, rel=0.2)


def test_draws_that_are_worth_little_are_not_learned_by_heart(double_well):
    """The examples are shown again instead."""
    far = np.random.default_rng(0).normal(size=(N_EXAMPLES, 2)) * 12
    stages = (replace(GENTLE, steps=1), replace(GENTLE, steps=1, reuse=N_EXAMPLES))
    trained = jobs.run(job_of(double_well, examples=far, settings=replace(double_well.settings, stages=stages)))
    assert any(note.endswith("The examples were learned from in their place.") for note in trained.notes)
    assert trained.history[1, 0] == pytest.approx(trained.history[0, 0], abs=0.5)


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

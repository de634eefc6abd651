"""A flow that knows its frames by heart says so, and is judged by others."""

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.energy.toys.registry import toy
from mdweights_core.flow.held_back import held_back
from mdweights_core.flow.settings import FlowSettings, SampleSettings
from mdweights_core.workflow.draws import toy_task, train_and_draw
from mdweights_core.workflow.examples import Examples

N, SHOWN = 250, 225  # examples, and those that are not held back: programs of one shape are compiled once


def examples_of(count, weights=None):
    x = toy("gaussian").make().sample(np.random.default_rng(4), count)
    return Examples(x, weights, np.arange(count))


def drawn(examples, *, effort, reference=None):
    settings = SampleSettings(
        schedule="example",
        effort=effort,
        batch=64,
        flow=FlowSettings(2, 64, marginal_bins=0),
        samples=400,
        probe=False,
    )
    return jobs.run(train_and_draw(toy_task("gaussian", examples), settings, reference=reference))[1]


@pytest.fixture(scope="module")
def by_heart():
    return drawn(examples_of(N), effort=0.4)


def test_it_is_said_and_only_frames_held_back_are_compared_with(by_heart):
    assert any("by heart" in note and "25 frames" in note for note in by_heart.samples.notes)
    assert len(by_heart.origin.frames) == len(by_heart.origin.frame_log_weights) == 25
    np.testing.assert_allclose(by_heart.origin.frames, examples_of(N).x[held_back(N)], rtol=1e-6)
    assert by_heart.origin.frame_numbers.tolist() == np.flatnonzero(held_back(N)).tolist()


def test_a_flow_that_knows_the_ensemble_is_compared_with_frames_of_both_kinds_evenly(monkeypatch):
    monkeypatch.setattr("mdweights_core.flow.result.MOST_EXAMPLES", 90)
    examples = examples_of(N)
    honest = drawn(examples, effort=0.01)
    assert not any("by heart" in note for note in honest.samples.notes)
    assert len(honest.origin.frames) == 100
    assert np.isin(honest.origin.frames[:, 0], examples.x[held_back(N), 0].astype(np.float32)).sum() == 10
    assert np.isfinite(honest.origin.frame_log_weights).all()
    np.testing.assert_allclose(honest.origin.frames, examples.x[honest.origin.frame_numbers], rtol=1e-6)


def test_weighted_frames_are_no_reference_and_their_memory_is_told_all_the_same():
    found = drawn(examples_of(N, np.full(N, 1 / N)), effort=0.4)
    assert not len(found.origin.frames)
    assert any("by heart" in note for note in found.samples.notes)


def test_with_frames_to_compare_with_all_others_are_learned_from():
    found = drawn(examples_of(SHOWN), effort=0.01, reference=examples_of(300))
    assert len(found.origin.frames) == 300
    assert len(found.samples.example_log_weights) == SHOWN

"""Schedules by name, and what makes a setting impossible."""

import itertools

import pytest

from mdweights_core.errors import BadInput
from mdweights_core.flow.recipes import RECIPES, stages
from mdweights_core.flow.settings import FlowSettings, SampleSettings, Stage, TrainSettings


@pytest.mark.parametrize("name", RECIPES)
def test_each_schedule_is_whole_and_effort_is_a_factor(name):
    usual, more = stages(name), stages(name, effort=3.0, batch=64)
    assert sum(stage.steps for stage in more) == 3 * sum(stage.steps for stage in usual)
    assert all(stage.batch == 64 for stage in more)
    assert usual[-1].temperature == 1.0
    learns = any(stage.by_example and not stage.reuse for stage in usual)
    assert learns == RECIPES[name].needs_examples


def test_annealing_goes_down_by_equal_factors():
    temperatures = [stage.temperature for stage in stages("annealed")][:8]
    ratios = [hot / cold for hot, cold in itertools.pairwise(temperatures)]
    assert temperatures[0] > 10
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: stages("fast"), "there is no schedule 'fast'"),
        (lambda: stages("mixed", effort=0), "the effort is 0"),
        (lambda: Stage(10), "trains on nothing"),
        (lambda: Stage(0, by_energy=1), "steps is 0"),
        (lambda: Stage(1, by_energy=float("nan")), "trains on nothing"),
        (lambda: Stage(1, by_energy=1, learning_rate=float("inf")), "learning rate is inf"),
        (lambda: Stage(1, by_energy=1, latents=()), "relative temperatures"),
        (lambda: FlowSettings(bins=1), "bins is 1"),
        (lambda: FlowSettings(layers=-1), "layers is -1"),
        (lambda: TrainSettings(), "no stages"),
        (lambda: SampleSettings(temperature=-3), "temperature is -3"),
        (lambda: SampleSettings(samples=5), "samples is 5"),
    ],
)
def test_what_is_impossible_is_said(make, sentence):
    with pytest.raises(BadInput, match=sentence):
        make()

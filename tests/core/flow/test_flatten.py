"""A training that does without a share of the free energy along a coordinate: rare states often, weights exact."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from support.flows import SMALL, prepared_double_well

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.flow.flatten import flattened
from mdweights_core.flow.job import sample_system
from mdweights_core.flow.reaction import Reaction, Torsion
from mdweights_core.flow.settings import SampleSettings
from mdweights_core.flow.systems import Prepared

BARRIER = 0.083528
DIFFERENCE = 3.380006  # F(right) - F(left), kT


@pytest.fixture(scope="module")
def prepared():
    return prepared_double_well()


def share_on_the_right(prepared):
    weights = np.ones(len(prepared.examples)) if prepared.weights is None else prepared.weights
    return np.average(prepared.examples[:, 0] > BARRIER, weights=weights)


def test_the_rare_state_becomes_common(prepared):
    shares = [share_on_the_right(flattened(prepared, share)) for share in (0.0, 0.5, 1.0)]
    assert shares[0] == pytest.approx(share_on_the_right(prepared))
    assert shares[0] < 0.05
    assert shares[0] < shares[1] < shares[2]
    assert 0.3 < shares[2] < 0.7


def test_the_bias_is_part_of_the_energy_and_of_its_gradient(prepared):
    biased, x, small = flattened(prepared, 0.7).target, np.array([0.9, 0.3]), 1e-5
    assert biased.reduced(x) == pytest.approx(float(prepared.target.reduced(x) + biased.bias(x)))
    steps = [biased.reduced(x + sign * np.array([small, 0])) for sign in (1, -1)]
    assert jax.grad(biased.reduced)(x)[0] == pytest.approx(float(steps[0] - steps[1]) / (2 * small), rel=1e-5)


def test_round_a_circle_the_bias_has_no_seam():
    rng = np.random.default_rng(0)
    angle = np.pi + 0.4 * rng.normal(size=3000)  # about the place where the circle is cut
    x = np.zeros((3000, 4, 3))
    x[:, 0], x[:, 2, 0], x[:, 3] = [0, 1, 0], 1, np.stack([np.ones(3000), np.cos(angle), -np.sin(angle)], axis=1)
    examples, turn = x.reshape(3000, 12), Reaction(Torsion((0, 1, 2, 3)), -np.pi, np.pi, is_angle=True)
    found = flattened(Prepared(None, None, examples, reaction=turn), 1.0)
    heights = np.asarray(found.target.heights)
    assert heights[0] == pytest.approx(heights[-1])
    assert heights.argmax() in (0, len(heights) - 1)


def test_weights_of_draws_are_those_without_the_bias(prepared):
    settings = SampleSettings(
        schedule="example", effort=0.2, batch=256, flow=SMALL, samples=20_000, probe=False, flatten=0.8
    )
    _, drawn = jobs.run(sample_system(prepared, settings))
    right = drawn.x[:, 0] > BARRIER
    weights = np.exp(drawn.log_weights - drawn.log_weights.max())
    assert right.mean() > 0.15  # of the draws, where the ensemble has 0.033
    found = -np.log(weights[right].sum() / weights[~right].sum())
    assert found == pytest.approx(DIFFERENCE, abs=0.1)


def test_without_examples_or_a_coordinate_there_is_nothing_to_flatten(prepared):
    for poorer in (replace(prepared, examples=None), replace(prepared, reaction=None)):
        with pytest.raises(BadInput, match="Give frames and a coordinate"):
            flattened(poorer, 0.5)
    with pytest.raises(BadInput, match="between 0 and 1"):
        SampleSettings(flatten=1.5)

"""Random starts, and how weights are compared."""

from __future__ import annotations

import numpy as np

from mdweights_core.weights.validation.bench import agreement
from mdweights_core.weights.validation.restarts import random_starts


def test_starts_are_weights_and_every_second_one_is_sparse():
    starts = random_starts(200, 6, np.random.default_rng(0))
    np.testing.assert_allclose(starts.sum(axis=1), 1.0)
    assert (starts > 0).all()
    size = 1 / (starts**2).sum(axis=1)
    assert (size[0::2] > 70).all()
    assert (size[1::2] < 20).all()


def test_few_frames_can_be_started_too():
    starts = random_starts(2, 3, np.random.default_rng(0))
    np.testing.assert_allclose(starts.sum(axis=1), 1.0)


def test_agreement_is_the_correlation():
    rng = np.random.default_rng(1)
    weights, others = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(30), 4)
    expected = [np.corrcoef(weights, other)[0, 1] for other in others]
    np.testing.assert_allclose(agreement(weights, others), expected)


def test_equal_weights_agree_with_themselves_only():
    equal = np.full(10, 0.1)
    other = np.random.default_rng(2).dirichlet(np.ones(10))
    np.testing.assert_array_equal(agreement(equal, np.stack([equal, other])), [1.0, 0.0])
    np.testing.assert_array_equal(agreement(other, np.stack([equal, other])), [0.0, 1.0])

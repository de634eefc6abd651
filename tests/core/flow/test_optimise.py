"""Gradients that are much longer than usual."""

import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.flow.optimise import shortened_to_usual


def norms_after(lengths):
    """Norms of gradients of these lengths, one after the other, as they are passed on."""
    way = {"a": jnp.array([0.6, 0.0]), "b": jnp.array([0.8])}
    rule = shortened_to_usual()
    state, passed = rule.init(way), []
    for length in lengths:
        gradient = {name: length * part for name, part in way.items()}
        found, state = rule.update(gradient, state)
        passed.append(float(jnp.sqrt(sum(jnp.sum(part**2) for part in found.values()))))
    return passed


def test_usual_gradients_pass_and_a_long_one_is_shortened_to_twice_the_usual():
    passed = norms_after([1.0] * 50 + [1000.0] + [1.0] * 5)
    np.testing.assert_allclose(passed[:50], 1.0, rtol=1e-6)
    assert passed[50] == pytest.approx(2.0)
    np.testing.assert_allclose(passed[51:], 1.0, rtol=1e-6)


def test_the_first_ones_have_a_fixed_limit():
    assert norms_after([1000.0, 5.0]) == pytest.approx([10.0, 5.0])


def test_gradients_that_stay_longer_become_usual():
    passed = norms_after([1.0] * 30 + [4.0] * 200)
    assert passed[30] == pytest.approx(2.0)
    assert passed[-1] == pytest.approx(4.0)


def test_no_gradient_stays_none():
    assert norms_after([0.0, 0.0]) == [0.0, 0.0]

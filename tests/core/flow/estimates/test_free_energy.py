"""Differences between states of Gaussian mixtures and wells, in closed form, from weighted samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.free_energy import state_difference, weighted_means


def _log_w(x: np.ndarray, width: float) -> np.ndarray:
    """Samples of N(0, width^2), target exp(-x^2 / 2)."""
    return -0.5 * x**2 + 0.5 * (x / width) ** 2 + 0.5 * np.log(2 * np.pi * width**2)


def _of_normal(n: int, width: float, cut: float, seed: int):
    x = width * np.random.default_rng(seed).normal(size=n)
    return state_difference(_log_w(x, width), x <= cut, x > cut, seed)


@pytest.mark.parametrize("cut", [0.3, 1.5, 2.5])
def test_the_tail_of_a_normal_distribution_has_its_free_energy(cut):
    found = _of_normal(100_000, 1.5, cut, 0)
    assert found.value == pytest.approx(np.log(norm.cdf(cut) / norm.sf(cut)), abs=4 * found.error)
    assert found.occupation[:2] == pytest.approx((norm.cdf(cut), norm.sf(cut)), rel=0.1)
    assert found.error < 0.06


@pytest.mark.parametrize(("n", "cut"), [(2000, 0.5), (500, 1.5), (300, 2.0)])
def test_errors_are_those_that_are_made(n, cut):
    exact = np.log(norm.cdf(cut) / norm.sf(cut))
    found = [_of_normal(n, 1.5, cut, seed) for seed in range(200)]
    z = [(one.value - exact) / one.error for one in found]
    assert abs(np.mean(z)) < 0.3
    assert 0.8 < np.std(z) < 1.25


def test_few_samples_in_a_state_have_an_error_that_says_so():
    """Two counts are a factor of two uncertain at the very least, whatever drawing them anew shows."""
    log_w = np.zeros(1000)
    found = state_difference(log_w, np.arange(1000) >= 2, np.arange(1000) < 2)
    assert found.error >= np.sqrt(np.pi**2 / 6 - 1)
    assert found.occupation[2:] == pytest.approx((998, 2))


def test_an_empty_state_has_a_bound_only():
    found = state_difference(np.zeros(3000), np.ones(3000, dtype=bool), np.zeros(3000, dtype=bool))
    assert found.value == np.inf
    assert np.isnan(found.error)
    assert found.bound == pytest.approx(np.log(1000))
    other = state_difference(np.zeros(3000), np.zeros(3000, dtype=bool), np.ones(3000, dtype=bool))
    assert (other.value, other.bound) == (-np.inf, found.bound)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.ones(4, dtype=bool), np.ones(4, dtype=bool), "4 samples lie in two states at once"),
        (np.ones(3, dtype=bool), np.ones(4, dtype=bool), "A state of 3 samples does not fit 4 samples"),
        (np.zeros(4, dtype=bool), np.zeros(4, dtype=bool), "No sample of either state has weight"),
    ],
)
def test_states_that_are_none_are_refused(first, second, message):
    with pytest.raises(BadInput, match=message):
        state_difference(np.zeros(4), first, second)


def test_averages_have_the_errors_that_are_made():
    z = []
    for seed in range(200):
        x = 1.5 * np.random.default_rng(seed).normal(size=400)
        mean, error = weighted_means(_log_w(x, 1.5), np.column_stack([x, x**2]), seed)
        z.append((mean - [0, 1]) / error)
    assert np.all(np.abs(np.mean(z, axis=0)) < 0.25)
    assert np.all((np.std(z, axis=0) > 0.85) & (np.std(z, axis=0) < 1.2))


def test_observables_of_samples_without_weight_do_not_matter():
    mean, _ = weighted_means(np.array([0.0, -np.inf, 0.0]), np.array([[1.0], [np.nan], [3.0]]))
    assert mean == pytest.approx(2.0)
    with pytest.raises(BadInput, match="Observables"):
        weighted_means(np.zeros(3), np.array([[1.0], [np.nan], [3.0]]))

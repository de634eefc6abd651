"""Tails of known shape, and weights that have none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import genpareto

from mdweights_core.flow.estimates.pareto import EQUAL, FITTED, TOO_FEW, pareto_tail, shape_of


@pytest.mark.parametrize("k", [-0.5, 0.0, 0.3, 0.7, 1.2])
def test_draws_of_a_pareto_distribution_have_their_shape(k):
    """With the pull of ten observations of 1/2 on 400."""
    found = [shape_of(np.sort(genpareto.rvs(k, size=400, random_state=seed))) for seed in range(40)]
    assert np.mean(found) == pytest.approx((400 * k + 5) / 410, abs=0.05)


@pytest.mark.parametrize("k", [0.2, 0.6, 1.0])
def test_the_tail_of_weights_has_the_shape_of_their_distribution(k):
    found = [pareto_tail(np.log(1 + genpareto.rvs(k, size=20_000, random_state=seed))).k for seed in range(20)]
    assert np.mean(found) == pytest.approx(k, abs=0.06)


def test_the_shape_knows_no_scale():
    log_w = np.random.default_rng(0).normal(size=3000)
    assert pareto_tail(log_w + 700).k == pytest.approx(pareto_tail(log_w - 700).k, abs=1e-9)


def test_bounded_weights_have_a_negative_shape():
    """A target narrower than the samples: the weight is largest in its middle, and no larger anywhere."""
    x = 3 * np.random.default_rng(0).normal(size=10_000)
    assert pareto_tail(-0.5 * x**2 + x**2 / 18).k < 0


def test_a_target_wider_than_the_samples_has_a_heavy_tail():
    """w ~ exp(x^2 (1 - 1/s^2) / 2) of normal x: P(w > t) ~ t^(-1/k) with k = 1 - 1/s^2, 0.75 of s = 2."""
    x = np.random.default_rng(0).normal(size=200_000)
    found = pareto_tail(-0.5 * (x / 2) ** 2 + 0.5 * x**2)
    assert found.k == pytest.approx(0.75, abs=0.12)
    assert found.excess > 0.1


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_equal_weights_have_no_tail(noise):
    found = pareto_tail(noise * np.random.default_rng(0).normal(size=2000))
    assert (found.how, found.k, found.is_heavy) == (EQUAL, -np.inf, False)


def test_equal_weights_among_samples_of_none_have_no_tail():
    found = pareto_tail(np.append(np.zeros(500), np.full(500, -np.inf)))
    assert (found.how, found.is_heavy) == (EQUAL, False)


@pytest.mark.parametrize("log_w", [np.arange(10.0), np.append(np.zeros(1000), 30.0)])
def test_nothing_is_fitted_to_too_few(log_w):
    found = pareto_tail(log_w)
    assert found.how == TOO_FEW
    assert np.isnan(found.k)
    assert not found.is_heavy


def test_weights_of_many_orders_are_fitted():
    found = pareto_tail(np.linspace(-2000.0, 0.0, 5000))
    assert found.how == FITTED
    assert found.k > 1


@pytest.mark.parametrize(("n", "threshold"), [(100, 0.5), (1000, 2 / 3), (2200, 0.7), (10**5, 0.7)])
def test_the_bound_grows_with_the_number_of_samples(n, threshold):
    assert pareto_tail(np.zeros(n)).threshold == pytest.approx(threshold, abs=1e-3)

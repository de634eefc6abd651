"""Weights of reflections."""

from __future__ import annotations

import numpy as np
import pytest
from support.two_maps import two_maps

from mdweights_core.crystal.shells import equal_count_shells
from mdweights_core.errors import BadInput
from mdweights_core.weights.objectives.weighting import reflection_weights, sigma_note
from mdweights_core.weights.settings import WEIGHTINGS


@pytest.fixture(scope="module")
def maps():
    return two_maps(2000)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_their_mean_is_one(maps, weighting):
    weights = reflection_weights(maps.observed, maps.sigma, maps.inverse_d, weighting)
    assert weights.mean() == pytest.approx(1.0)
    assert (weights > 0).all()


def test_inverse_variances(maps):
    weights = reflection_weights(maps.observed, maps.sigma, maps.inverse_d, "sigma")
    np.testing.assert_allclose(weights * maps.sigma**2, weights[0] * maps.sigma[0] ** 2)
    assert set(reflection_weights(maps.observed, None, maps.inverse_d, "none")) == {1.0}


@pytest.mark.parametrize("weighting", ["shells", "sigma+shells"])
def test_every_shell_has_the_same_part_in_the_variance(maps, weighting):
    weights = reflection_weights(maps.observed, maps.sigma, maps.inverse_d, weighting)
    member = equal_count_shells(maps.inverse_d, 20).member
    assert member.max() == 19
    parts = []
    for shell in range(20):
        w, y = weights[member == shell], maps.observed[member == shell]
        parts.append(w @ (y - np.average(y, weights=w)) ** 2)
    np.testing.assert_allclose(parts, parts[0])


def test_inside_shells_the_inverse_variances_stay(maps):
    weights = reflection_weights(maps.observed, maps.sigma, maps.inverse_d, "sigma+shells")
    inside = np.flatnonzero(equal_count_shells(maps.inverse_d, 20).member == 3)
    products = weights[inside] * maps.sigma[inside] ** 2
    np.testing.assert_allclose(products, products[0])


def test_absurdly_small_sigmas_are_raised(maps):
    member, sigma = equal_count_shells(maps.inverse_d, 20).member, maps.sigma.copy()
    assert sigma_note(sigma, maps.inverse_d) is None
    usual = reflection_weights(maps.observed, sigma, maps.inverse_d, "sigma")
    rows = np.flatnonzero(member == 5)[:2]
    sigma[rows] = 1e-20, 1e-6
    weights = reflection_weights(maps.observed, sigma, maps.inverse_d, "sigma")
    others = np.setdiff1d(np.arange(len(sigma)), rows)
    np.testing.assert_allclose(weights[others] / usual[others], weights[0] / usual[0])
    assert weights[rows[0]] == weights[rows[1]]
    relative = sigma / np.array([np.median(sigma[member == m]) for m in range(20)])[member]
    floor = 0.1 * np.percentile(relative, 5) * np.median(sigma[member == 5])
    assert weights[rows[0]] * floor**2 == pytest.approx(weights[0] * sigma[0] ** 2)
    assert sigma_note(sigma, maps.inverse_d).startswith("2 standard deviations of 2000 were ten times")


def test_a_missing_sigma_is_the_median_of_its_shell(maps):
    member, sigma = equal_count_shells(maps.inverse_d, 20).member, maps.sigma.copy()
    sigma[np.flatnonzero(member == 2)[:3]] = np.nan, 0.0, -1.0
    sigma[member == 7] = np.nan
    full = sigma.copy()
    bad = ~(sigma > 0)
    full[bad & (member == 2)] = np.median(sigma[~bad & (member == 2)])
    full[member == 7] = np.median(sigma[~bad])
    weights = reflection_weights(maps.observed, sigma, maps.inverse_d, "sigma")
    np.testing.assert_allclose(weights * full**2, weights[0] * full[0] ** 2)


@pytest.mark.parametrize("missing", [None, np.full(2000, np.nan)])
def test_a_map_without_sigma_cannot_be_weighted_by_it(maps, missing):
    with pytest.raises(BadInput, match="no standard deviations"):
        reflection_weights(maps.observed, missing, maps.inverse_d, "sigma+shells")


def test_a_shell_of_one_value_does_not_rule(maps):
    observed = maps.observed.copy()
    member = equal_count_shells(maps.inverse_d, 20).member
    observed[member == 5] = 3.0
    weights = reflection_weights(observed, None, maps.inverse_d, "shells")
    assert np.isfinite(weights).all()

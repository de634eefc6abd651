"""Profiles and marginals of distributions that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, vonmises

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.marginals import distance, marginal
from mdweights_core.flow.estimates.profile import bin_of, profile, wrapped

EDGES = np.linspace(-2.5, 2.5, 21)


def _normal(n: int, seed: int, width: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    x = width * np.random.default_rng(seed).normal(size=n)
    return -0.5 * x**2 + 0.5 * (x / width) ** 2, x


def _exact(edges: np.ndarray) -> np.ndarray:
    energy = -np.log(np.diff(norm.cdf(edges)) / np.diff(edges))
    return energy - energy.min()


def test_a_normal_distribution_has_a_parabola():
    found = profile(*_normal(400_000, 0), EDGES)
    np.testing.assert_allclose(found.free_energy, _exact(EDGES), atol=0.03)
    assert np.nanmin(found.free_energy) == 0
    assert found.outside == pytest.approx(2 * norm.sf(2.5), rel=0.1)
    np.testing.assert_allclose(found.centres, (EDGES[1:] + EDGES[:-1]) / 2)


def test_bins_of_other_widths_give_the_same_density():
    edges = np.array([-2.5, -1.0, -0.5, -0.4, 0.0, 0.1, 1.0, 2.5])
    np.testing.assert_allclose(profile(*_normal(400_000, 1), edges).free_energy, _exact(edges), atol=0.03)


def test_errors_of_a_profile_are_those_that_are_made():
    exact = -np.log(np.diff(norm.cdf(EDGES)) / np.diff(EDGES))
    z = []
    for seed in range(200):
        log_w, x = _normal(1500, seed)
        found = profile(log_w, x, EDGES, seed=seed)
        within = np.sum(np.exp(-found.free_energy) * np.diff(EDGES))
        absolute = found.free_energy + np.log(within) - np.log(1 - found.outside)
        z.append((absolute - exact) / found.error)
    assert np.all(np.abs(np.mean(z, axis=0)) < 0.35)
    assert np.all((np.std(z, axis=0) > 0.8) & (np.std(z, axis=0) < 1.25))


def test_a_periodic_coordinate_comes_round():
    angle = vonmises.rvs(2.0, loc=3.0, size=200_000, random_state=0)
    found = profile(np.zeros(len(angle)), angle + 2 * np.pi, 24, period=2 * np.pi)
    energy = -2.0 * np.cos(found.centres - 3.0)
    np.testing.assert_allclose(found.free_energy, energy - energy.min(), atol=0.12)
    assert (found.edges[0], found.edges[-1]) == pytest.approx((-np.pi, np.pi))
    assert found.outside == 0


def test_values_wrap_from_the_first_edge_on():
    np.testing.assert_allclose(wrapped(np.array([-10.0, 190.0, 350.0]), 0.0, 360.0), [350.0, 190.0, 350.0])
    np.testing.assert_allclose(wrapped(np.array([-10.0, 190.0]), 0.0, 0.0), [-10.0, 190.0])


def test_bins_without_weight_are_empty():
    found = profile(np.array([0.0, 0.0, 0.0, -6.0]), np.array([0.5, 0.5, 1.5, 3.5]), np.arange(5.0))
    np.testing.assert_array_equal(np.isnan(found.free_energy), [False, False, True, True])
    np.testing.assert_array_equal(np.isnan(found.error), [False, False, True, True])
    assert found.error[1] >= np.sqrt(np.pi**2 / 6)


def test_edges_belong_to_the_upper_bin_but_the_last():
    np.testing.assert_array_equal(
        bin_of(np.array([-0.1, 0.0, 1.0, 2.0, 2.1]), np.array([0.0, 1.0, 2.0])), [-1, 0, 1, 1, -1]
    )


def test_values_of_samples_without_weight_do_not_matter():
    found = profile(np.array([0.0, 0.0, -np.inf]), np.array([0.0, 1.0, np.nan]), 2)
    np.testing.assert_allclose(found.free_energy, [0.0, 0.0])


@pytest.mark.parametrize(
    ("values", "bins", "message"),
    [
        (np.ones(3), 4, "is 1 in all samples"),
        (np.array([0.0, np.nan, 1.0]), 4, "The coordinate of 1 sample is not a number"),
        (np.arange(2.0), 4, "do not fit 3 samples"),
        (np.arange(3.0), np.array([0.0, 0.0]), "must rise"),
        (np.arange(3.0), np.array([5.0, 6.0]), "No sample lies within"),
        (np.arange(3.0), 0, "one bin at least"),
    ],
)
def test_what_has_no_profile_is_said(values, bins, message):
    with pytest.raises(BadInput, match=message):
        profile(np.zeros(3), values, bins)


def _square(n: int, seed: int, shift: float = 0.0):
    x = np.random.default_rng(seed).normal(size=(2, n)) + shift
    return marginal(x[0], x[1], (np.linspace(-4, 4, 41), np.linspace(-4, 4, 31)), np.ones(n))


def test_a_marginal_is_a_weighted_histogram():
    x, y, w = np.random.default_rng(0).random((3, 500))
    edges = np.linspace(0, 1, 6), np.linspace(0, 0.5, 4)
    expected, _, _ = np.histogram2d(x, y, edges, weights=w)
    found = marginal(x, y, edges, w)
    np.testing.assert_allclose(found.share, expected / expected.sum())
    assert found.outside == pytest.approx(1 - expected.sum() / w.sum())
    inside = w[y <= 0.5]
    assert found.n_effective == pytest.approx(inside.sum() ** 2 / (inside**2).sum())


def test_nothing_within_the_edges_is_said():
    with pytest.raises(BadInput, match="No sample lies within"):
        marginal(np.zeros(3), np.ones(3), (np.array([2.0, 3.0]), np.array([0.0, 3.0])), np.ones(3))


def test_distances_of_shares_that_are_known():
    found = distance(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5]), 1e9, 1e9)
    assert found.total_variation == pytest.approx(0.5)
    assert found.forward == pytest.approx(np.log(2), abs=1e-8)
    assert found.reverse == pytest.approx(0.5 * np.log(0.5 / 1e-10) - 0.5 * np.log(2), rel=1e-6)
    middle = np.array([0.375, 0.375, 0.25])
    expected = np.log(0.5 / 0.375) / 2 + (0.5 * np.log(0.25 / 0.375) + 0.5 * np.log(2)) / 2
    assert middle.sum() == 1
    assert found.jensen_shannon == pytest.approx(expected, abs=1e-8)


def test_distributions_that_share_nothing_are_as_far_as_can_be():
    found = distance(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 100, 100)
    assert found.total_variation == 1
    assert found.jensen_shannon == pytest.approx(np.log(2), abs=1e-6)


@pytest.mark.parametrize("n", [300, 3000, 30_000])
def test_chance_makes_the_total_variation_that_is_expected(n):
    one, other = _square(n, 0), _square(n, 1)
    found = distance(one.share, other.share, one.n_effective, other.n_effective)
    assert found.by_chance == pytest.approx(found.total_variation, rel=0.15)
    far = _square(n, 2, shift=1.0)
    away = distance(one.share, far.share, one.n_effective, far.n_effective)
    assert away.total_variation > 1.3 * away.by_chance

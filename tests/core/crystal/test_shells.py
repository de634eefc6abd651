"""Shells and the anisotropic operator against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from mdweights_core.crystal.shells import anisotropic_operator, equal_count_shells, equal_width_shells


@pytest.fixture
def inverse_d():
    return np.sort(np.random.default_rng(0).uniform(0.05, 0.5, 4000) ** (1 / 1.5))


def test_equal_count_shells_hold_equal_numbers(inverse_d):
    shells = equal_count_shells(inverse_d, 10)
    counts = np.bincount(shells.member)
    assert len(counts) == 10
    assert np.ptp(counts) <= 1
    assert shells.d_max[0] == pytest.approx(1 / inverse_d.min())
    assert (shells.d_min < shells.d_max).all()


def test_equal_width_shells_join_thin_neighbours():
    inverse_d = np.concatenate([[0.05, 0.06], np.linspace(0.2, 0.5, 500)])
    shells = equal_width_shells(inverse_d, 0.02, min_count=30)
    assert np.bincount(shells.member).min() >= 30
    assert shells.edges[0] == inverse_d[0]
    assert shells.edges[-1] == inverse_d[-1]


def test_few_reflections_still_make_one_shell():
    shells = equal_width_shells(np.linspace(0.1, 0.2, 7), 0.01, min_count=50)
    assert len(shells) == 1
    assert (shells.member == 0).all()


def test_operator_removes_a_smooth_curve(inverse_d):
    """A curve that varies little within a shell is gone to second order in the shell width."""
    operator = anisotropic_operator(inverse_d)
    curve = 1000 * np.exp(-8 * inverse_d**2)
    inside = (inverse_d > np.quantile(inverse_d, 0.05)) & (inverse_d < np.quantile(inverse_d, 0.95))
    assert np.abs(operator(curve)[inside]).max() < 0.002 * np.ptp(curve)


def test_operator_keeps_what_averages_to_zero_in_shells(inverse_d):
    operator = anisotropic_operator(inverse_d)
    wave = np.where(np.arange(len(inverse_d)) % 2, 1.0, -1.0)
    np.testing.assert_allclose(operator(wave), wave, atol=0.05)


def test_operator_is_linear_and_equals_spline_through_shell_means(inverse_d):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, len(inverse_d)))
    operator = anisotropic_operator(inverse_d)
    np.testing.assert_allclose(operator(2 * x - 3 * y), 2 * operator(x) - 3 * operator(y), atol=1e-12)
    centres = np.bincount(operator.member, inverse_d) / np.bincount(operator.member)
    means = np.bincount(operator.member, x) / np.bincount(operator.member)
    spline = CubicSpline(centres, means)(np.clip(inverse_d, centres[0], centres[-1]))
    np.testing.assert_allclose(operator(x), x - spline, atol=1e-10)


def test_free_reflections_do_not_enter_the_shell_means(inverse_d):
    rng = np.random.default_rng(2)
    free = rng.random(len(inverse_d)) < 0.1
    operator = anisotropic_operator(inverse_d, reference=~free)
    x = rng.normal(size=len(inverse_d))
    changed = np.where(free, x + 100, x)
    np.testing.assert_allclose(operator(changed)[~free], operator(x)[~free])


@pytest.mark.parametrize("n", [60, 130, 400])
def test_operator_works_with_few_reflections(n):
    inverse_d = np.linspace(0.1, 0.4, n)
    values = anisotropic_operator(inverse_d)(np.ones(n))
    np.testing.assert_allclose(values, 0, atol=1e-10)

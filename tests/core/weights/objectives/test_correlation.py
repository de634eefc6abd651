"""The correlation coefficient against NumPy's, and its gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.two_maps import two_maps

from mdweights_core.weights.objectives import headline
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.settings import OBJECTIVES

BOTH = ["cc", "anisotropic-cc"]


def test_the_total_coefficient_is_that_of_repeated_reflections(maps):
    found = maps.objective("cc").linearise(maps.x, maps.rows)
    for gain, x, rows in zip(found.gain, maps.x, maps.rows.astype(int), strict=True):
        assert gain == pytest.approx(np.corrcoef(np.repeat(x, rows), np.repeat(maps.observed, rows))[0, 1], abs=1e-12)


def test_the_anisotropic_coefficient_is_that_of_what_the_operator_leaves(maps):
    found = maps.objective("anisotropic-cc").linearise(maps.x, np.ones_like(maps.x))
    for gain, x in zip(found.gain, maps.x, strict=True):
        expected = np.corrcoef(maps.operator(x), maps.operator(maps.observed))[0, 1]
        assert gain == pytest.approx(expected, abs=1e-12)


def test_weights_are_those_of_numpy_covariances(maps):
    found = maps.objective("cc", "sigma").linearise(maps.x, maps.rows)
    for gain, x, rows in zip(found.gain, maps.x, maps.rows, strict=True):
        c = np.cov(x, maps.observed, aweights=rows / maps.sigma**2)
        assert gain == pytest.approx(c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]), abs=1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_the_model_is_consistent(maps, name):
    found = maps.objective(name, "sigma").linearise(maps.x, maps.rows)
    np.testing.assert_allclose(np.sum(maps.x * found.image, axis=1), found.norm2)
    np.testing.assert_allclose(np.sum(maps.x * found.response, axis=1) / np.sqrt(found.norm2), found.rho)
    np.testing.assert_array_equal(found.gain, found.rho)
    assert found.power == 1


@given(scale=st.floats(1e-6, 1e6), offset=st.floats(-1e3, 1e3))
@pytest.mark.parametrize("name", BOTH)
def test_scale_and_offset_do_not_matter(maps, name, scale, offset):
    objective = maps.objective(name)
    before = objective.linearise(maps.x, maps.rows).gain
    after = objective.linearise(scale * (maps.x + offset), maps.rows).gain
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_a_smooth_fall_off_does_not_matter_to_the_anisotropic_coefficient():
    maps = two_maps(4000)
    objective, curve = maps.objective("anisotropic-cc"), 30.0 * np.exp(-3 * maps.inverse_d)
    rows = np.ones_like(maps.x)
    before = objective.linearise(maps.x, rows).gain
    np.testing.assert_allclose(objective.linearise(maps.x + curve, rows).gain, before, atol=1e-3)
    assert maps.objective("cc").linearise(maps.x + curve, rows).gain.max() > before.max() + 0.05


@pytest.mark.parametrize("name", BOTH)
def test_a_collapsed_ensemble_correlates_with_nothing(maps, name):
    objective = maps.objective(name, noise=1e-3)
    rounding = 1e-6 * (maps.observed - maps.observed.mean())[None]
    found = objective.linearise(rounding, maps.rows[:1])
    assert abs(found.gain[0]) < 0.05
    assert np.isfinite(found.gradient).all()
    silent = objective.linearise(np.zeros_like(rounding), maps.rows[:1])
    assert silent.gain[0] == 0
    assert np.isfinite(silent.gradient).all()


def test_a_flat_observed_map_correlates_with_nothing(maps):
    found = Correlation(np.full(400, 0.1), np.ones(400)).linearise(maps.x, maps.rows)
    np.testing.assert_array_equal(found.gain, 0)


def test_held_out_reflections_are_scored_after_the_shell_means_of_the_others(maps):
    work = (np.arange(400) % 4 != 0).astype(float)
    rows, held_out = np.tile(work, (3, 1)), np.tile(1 - work, (3, 1))
    found = maps.objective("anisotropic-cc").held_out_gain(maps.x, rows, held_out)
    member, spline = maps.operator.member, maps.operator.spline

    def anisotropic(values):
        means = [values[(member == s) & (work > 0)].mean() for s in range(spline.shape[1])]
        return (values - spline @ means)[work == 0]

    for gain, x in zip(found, maps.x, strict=True):
        assert gain == pytest.approx(np.corrcoef(anisotropic(x), anisotropic(maps.observed))[0, 1], abs=1e-12)
    total = maps.objective("cc").held_out_gain(maps.x, rows, held_out)
    assert total[0] == pytest.approx(np.corrcoef(maps.x[0, work == 0], maps.observed[work == 0])[0, 1], abs=1e-12)


def test_many_problems_are_those_of_each(maps):
    objective = maps.objective("anisotropic-cc")
    together = objective.linearise(maps.x, maps.rows)
    for i in range(3):
        alone = objective.linearise(maps.x[i : i + 1], maps.rows[i : i + 1])
        np.testing.assert_allclose(alone.gradient[0], together.gradient[i], atol=1e-14)


def test_the_headline_of_each_objective_is_a_correlation():
    assert {name: headline(name) for name in OBJECTIVES} == {
        "anisotropic-cc": "cc_aniso",
        "cc": "cc",
        "chi2": "cc_aniso",
        "student-t": "cc_aniso",
        "gamma": "cc",
        "cross-entropy": "cc",
    }

"""What all likelihoods share: exact gradients, a consistent model, and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LIKELIHOODS = ["chi2", "student-t", "gamma", "cross-entropy"]


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_model_is_consistent(maps, name):
    found = maps.objective(name, "sigma").linearise(maps.x, maps.rows)
    np.testing.assert_allclose(np.sum(maps.x * found.image, axis=1), found.norm2)
    np.testing.assert_allclose(np.sum(maps.x * found.response, axis=1) / np.sqrt(found.norm2), found.rho)
    assert found.power == 2
    assert ((found.gain < 1) & (found.rho > 0) & (found.rho < 1) & (found.slope > 0)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
@given(scale=st.floats(1e-6, 1e6))
@settings(max_examples=20)
def test_the_scale_does_not_matter(maps, name, scale):
    objective = maps.objective(name)
    before, after = (objective.linearise(m.x, m.rows) for m in (maps, maps.scaled(scale)))
    np.testing.assert_allclose(after.gain, before.gain, atol=1e-8)
    np.testing.assert_allclose(after.gradient * scale, before.gradient, atol=1e-6 * np.abs(before.gradient).max())


@pytest.mark.parametrize("name", ["chi2", "student-t"])
def test_a_smooth_background_does_not_matter(maps, name):
    objective, before = maps.objective(name), maps.objective(name).linearise(maps.x, maps.rows).gain
    background = 40.0 - 300.0 * maps.inverse_d + 200.0 * maps.inverse_d**3
    np.testing.assert_allclose(objective.linearise(maps.x + background, maps.rows).gain, before, atol=1e-8)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_held_out_like_counted_is_the_same(maps, name):
    objective = maps.objective(name, "sigma+shells")
    found = objective.held_out_gain(maps.x, maps.rows, maps.rows)
    np.testing.assert_allclose(found, objective.linearise(maps.x, maps.rows).gain, atol=1e-8)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_gain_rises_with_the_agreement_up_to_one(maps, name):
    objective, rows = maps.objective(name), np.ones((1, 400))
    mixtures = [objective.linearise((1 - a) * maps.x[:1] + 3 * a * maps.observed, rows).gain[0] for a in (0, 0.5, 0.9)]
    assert sorted(mixtures) == mixtures
    assert mixtures[0] < mixtures[-1]
    assert objective.linearise(7.0 * maps.observed[None], rows).gain[0] == pytest.approx(1.0)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_collapsed_ensemble_explains_nothing(maps, name):
    objective = maps.objective(name, noise=1e-3)
    for x in (1e-6 * maps.observed[None], np.zeros((1, 400))):
        found = objective.linearise(x, maps.rows[:1])
        assert found.gain[0] == pytest.approx(0.0, abs=1e-6)
        assert np.isfinite(found.gradient).all()

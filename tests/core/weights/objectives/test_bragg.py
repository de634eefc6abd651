"""The objective for Bragg intensities."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.weights.objectives import bragg_objective


@pytest.fixture(scope="module")
def bragg():
    rng = np.random.default_rng(3)
    inverse_d = rng.uniform(0.05, 0.5, 3000)
    intensity = 1e4 * np.exp(-10 * inverse_d) * rng.exponential(size=3000)
    return inverse_d, intensity, rng


def test_equal_maps_correlate_perfectly(bragg):
    inverse_d, intensity, _ = bragg
    found = bragg_objective(intensity, None, inverse_d).linearise(5 * intensity[None], np.ones((1, 3000)))
    assert found.gain[0] == pytest.approx(1.0)


def test_strong_reflections_do_not_rule(bragg):
    inverse_d, intensity, rng = bragg
    wrong = intensity.copy()
    weak = np.argsort(intensity)[:2500]
    wrong[weak] = rng.permutation(wrong[weak])
    ours = bragg_objective(intensity, None, inverse_d).linearise(wrong[None], np.ones((1, 3000))).gain[0]
    assert np.corrcoef(wrong, intensity)[0, 1] > 0.9
    assert ours < 0.8


def test_uncertain_reflections_count_less(bragg):
    inverse_d, intensity, _ = bragg
    sigma = np.full(3000, 1e-3)
    sigma[::2] = 1e5
    sigma[1] = np.nan
    weight = bragg_objective(intensity, sigma, inverse_d).weight
    assert np.isfinite(weight).all()
    assert weight[::2].max() < 0.05 * weight[1::2].min()
    np.testing.assert_allclose(weight.mean(), 1.0)

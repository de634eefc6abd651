"""Gamma and cross-entropy against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from mdweights_core.errors import BadInput
from mdweights_core.weights.objectives import make_objective
from mdweights_core.weights.objectives.proportional import proportional
from mdweights_core.weights.settings import FitSettings


def test_gamma_is_the_deviance_of_scipy_likelihoods_of_the_best_scale(maps):
    found, rows, shape = maps.objective("gamma").linearise(maps.x, maps.rows), maps.rows[1], 5.0

    def minus_log_likelihood(log_scale, mean):
        return -rows @ scipy.stats.gamma.logpdf(maps.observed, shape, scale=np.exp(log_scale) * mean / shape)

    least = [
        scipy.optimize.minimize_scalar(minus_log_likelihood, args=(mean,)).fun for mean in (maps.x[1], np.ones(400))
    ]
    perfect = minus_log_likelihood(0.0, maps.observed)
    assert found.gain[1] == pytest.approx(1 - (least[0] - perfect) / (least[1] - perfect), abs=1e-6)


def test_cross_entropy_is_that_of_maps_of_sum_one(maps):
    found = maps.objective("cross-entropy").linearise(maps.x, maps.rows)
    for gain, x, rows in zip(found.gain, maps.x, maps.rows.astype(int), strict=True):
        ours, theirs = np.repeat(x, rows), np.repeat(maps.observed, rows)
        entropy = scipy.stats.entropy(theirs, ours)  # normalises both
        assert gain == pytest.approx(1 - entropy / scipy.stats.entropy(theirs, np.ones(len(ours))), abs=1e-12)


@pytest.mark.parametrize("power", [1, 2])
def test_intensities_that_are_not_positive_do_not_count(maps, power):
    spoilt, positive = maps.observed.copy(), np.arange(400) % 5 != 0
    spoilt[~positive] = -np.arange(80.0)
    whole = proportional(spoilt, np.ones(400), power).linearise(maps.x, maps.rows)
    part = proportional(spoilt[positive], np.ones(320), power).linearise(maps.x[:, positive], maps.rows[:, positive])
    np.testing.assert_allclose(whole.gain, part.gain)
    np.testing.assert_allclose(whole.gradient[:, positive], part.gradient)
    assert not whole.gradient[:, ~positive].any()


@pytest.mark.parametrize("name", ["gamma", "cross-entropy"])
def test_a_map_without_positive_intensities_is_refused(maps, name):
    anisotropic = -np.abs(maps.observed)
    anisotropic[:3] = 1.0
    with pytest.raises(BadInput, match="only 3 reflections of 400 have a positive intensity"):
        make_objective(FitSettings(objective=name), anisotropic, None, maps.inverse_d, maps.operator)


@pytest.mark.parametrize("power", [1, 2])
def test_a_calculated_intensity_of_zero_neither_rules_nor_is_followed(maps, power):
    x = maps.x[:1].copy()
    x[0, 7] = 0.0
    found = proportional(maps.observed, np.ones(400), power).linearise(x, np.ones((1, 400)))
    assert found.gradient[0, 7] == 0
    assert np.abs(found.gradient).max() < 1.0


@pytest.mark.parametrize("power", [1, 2])
def test_held_out_deviance_is_that_of_the_scale_of_the_others(maps, power):
    work = np.arange(400) % 4 != 0
    rows, held_out = (np.tile(part.astype(float), (3, 1)) for part in (work, ~work))
    found = proportional(maps.observed, np.ones(400), power).held_out_gain(maps.x, rows, held_out)

    def deviance(mean):
        y, mean = maps.observed[~work], mean[~work]
        likelihood = scipy.stats.gamma.logpdf if power == 2 else None
        if likelihood:
            return np.sum(likelihood(y, 3, scale=y / 3) - likelihood(y, 3, scale=mean / 3))
        return np.sum(y * np.log(y / mean) - y + mean)

    for gain, x in zip(found, maps.x, strict=True):
        y = maps.observed[work]
        scale = np.mean(y / x[work]) if power == 2 else y.sum() / x[work].sum()
        assert gain == pytest.approx(1 - deviance(scale * x) / deviance(np.full(400, y.mean())), abs=1e-10)

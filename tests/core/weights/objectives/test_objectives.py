"""What all objectives share: exact gradients, the metric of their model, and a part that is like the whole."""

from __future__ import annotations

import numpy as np
import pytest
from support.two_maps import difference_quotients

from mdweights_core.weights.settings import OBJECTIVES, WEIGHTINGS

BY_ITERATION = {"chi2", "student-t", "gamma", "cross-entropy"}  # whose scale and background end at a tolerance


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_gradient_is_that_of_the_gain(maps, name, weighting):
    objective = maps.objective(name, weighting)
    found = objective.linearise(maps.x, maps.rows)
    chosen = np.arange(0, 400, 13)
    assert {0, 1, 2} <= set(maps.rows[:, chosen].ravel())
    expected = difference_quotients(objective, maps, chosen)
    relative = 2e-5 if name in BY_ITERATION else 1e-6
    np.testing.assert_allclose(found.gradient[:, chosen], expected, atol=relative * np.abs(found.gradient).max())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_metric_is_the_one_of_the_model(maps, name):
    objective = maps.objective(name, "shells")
    found = objective.linearise(maps.x, maps.rows)
    for x, rows, image, response in zip(maps.x, maps.rows, found.image, found.response, strict=True):
        metric = objective.metric(x, rows)
        v = np.sqrt(metric.weight)[:, None] * (np.eye(len(x)) - metric.left @ metric.right)
        np.testing.assert_allclose(v.T @ (v @ x), image, atol=1e-9 * np.abs(image).max())
        length = np.linalg.norm(v @ maps.observed)
        np.testing.assert_allclose(v.T @ (v @ maps.observed) / length, response, atol=1e-9 * np.abs(response).max())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_restricted_to_some_reflections_it_is_the_same_as_counting_only_them(maps, name):
    chosen = np.flatnonzero(maps.rows[0])
    objective = maps.objective(name, "sigma")
    part = objective.restricted(chosen).linearise(maps.x[:1, chosen], maps.rows[:1, chosen])
    whole = objective.linearise(maps.x[:1], maps.rows[:1])
    absolute = 1e-6 * np.abs(whole.gradient).max() if name in BY_ITERATION else 1e-12
    np.testing.assert_allclose(part.gain, whole.gain)
    np.testing.assert_allclose(part.gradient, whole.gradient[:, chosen], atol=absolute)

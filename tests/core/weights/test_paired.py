"""Two maps beside one: correlations by SciPy, and their error by drawing anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mdweights_core.weights.paired import compare


def _maps(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = rng.normal(size=n)
    ours = truth + 0.8 * rng.normal(size=n)
    return ours, ours + 0.5 * rng.normal(size=n), truth


def test_correlations_are_those_of_scipy():
    ours, plain, observed = _maps(np.random.default_rng(0), 50)
    found = compare(ours, plain, observed)
    assert found.score == pytest.approx(stats.pearsonr(ours, observed).statistic)
    assert found.plain == pytest.approx(stats.pearsonr(plain, observed).statistic)


def test_the_error_is_the_scatter_of_the_difference_over_other_reflections():
    rng = np.random.default_rng(1)
    found = [compare(*_maps(rng, 150)) for _ in range(600)]
    scatter = np.std([one.score - one.plain for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.1)
    assert scatter < 0.8 * np.std([one.score for one in found]), "what is common to both maps drops out"


def test_scale_and_offset_do_not_count():
    ours, plain, observed = _maps(np.random.default_rng(2), 40)
    np.testing.assert_allclose(compare(3 * ours + 5, 0.1 * plain - 2, 7 * observed), compare(ours, plain, observed))


def test_equal_maps_differ_by_nothing_and_two_reflections_tell_nothing():
    ours, _, observed = _maps(np.random.default_rng(3), 40)
    assert compare(ours, ours, observed).error == 0.0
    assert np.isnan(compare(ours[:2], ours[:2], observed[:2])).all()

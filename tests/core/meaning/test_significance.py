"""Correlations against SciPy's, and chance against series that know nothing of each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mdweights_core.decorrelation import decorrelation_time
from mdweights_core.meaning.significance import adjusted, correlations


def _autoregressive(rng: np.random.Generator, phi: float, n: int, length: int) -> np.ndarray:
    values = np.empty((n, length))
    values[:, 0] = rng.normal(size=n)
    for step in range(1, length):
        values[:, step] = phi * values[:, step - 1] + np.sqrt(1 - phi**2) * rng.normal(size=n)
    return values


def test_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    ratio = rng.exponential(size=60).round(1)  # with ties
    values = rng.normal(size=(3, 60)) + ratio
    values[1, 5:20] = np.nan
    found = correlations(ratio, values, np.zeros(60, dtype=int))
    for row in range(3):
        known = np.isfinite(values[row])
        assert found.spearman[row] == pytest.approx(stats.spearmanr(ratio[known], values[row, known]).statistic)
        assert found.pearson[row] == pytest.approx(stats.pearsonr(ratio[known], values[row, known]).statistic)


def test_frames_without_prior_weight_are_left_out_of_all():
    rng = np.random.default_rng(4)
    ratio, values, run = rng.exponential(size=60), rng.normal(size=(2, 60)), np.arange(60) // 30
    ratio[::4] = np.nan
    there = np.isfinite(ratio)
    found, alone = correlations(ratio, values, run), correlations(ratio[there], values[:, there], run[there])
    for part, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("phi", [0.0, 0.95])
def test_chance_is_called_chance_whatever_frames_remember(phi: float):
    rng = np.random.default_rng(1)
    series, run = _autoregressive(rng, phi, 120, 400), np.zeros(400, dtype=int)
    p = np.concatenate([correlations(np.exp(one), series[60:], run).p for one in series[:60]])
    assert 0.02 < (p < 0.05).mean() < 0.08


def test_one_frame_in_twenty_counts_when_twenty_are_alike():
    rng = np.random.default_rng(2)
    ratio, other = np.repeat(rng.normal(size=(2, 50)), 20, axis=1)
    found = correlations(ratio, other[None], np.zeros(1000, dtype=int))
    assert 50 * 0.7 < found.n_independent[0] < 50 * 2.5


def test_frames_of_other_simulations_are_no_neighbours():
    rng = np.random.default_rng(3)
    series = _autoregressive(rng, 0.9, 2, 600)
    shuffled = series.reshape(2, 300, 2)[:, rng.permutation(300)].reshape(2, 600)
    pairs = correlations(shuffled[0], shuffled[1:], np.repeat(np.arange(300), 2)).n_independent[0]
    assert 600 / (1 + 2 * 0.81) < pairs < 600
    assert decorrelation_time(shuffled[:1], np.repeat(np.arange(300), 2)) == pytest.approx(1.9, abs=0.2)


def test_a_constant_and_a_handful_of_frames_tell_nothing():
    flat = correlations(np.arange(30.0), np.ones((1, 30)), np.zeros(30, dtype=int))
    few = correlations(np.arange(4.0), np.arange(4.0)[None], np.zeros(4, dtype=int))
    for found in (flat, few):
        assert found.z[0] == 0
        assert found.p[0] == 1


def test_corrected_p_values_are_those_of_scipy():
    p = np.random.default_rng(5).uniform(size=40) ** 3
    np.testing.assert_allclose(adjusted(p), stats.false_discovery_control(p))
    assert np.isnan(adjusted(np.append(p, np.nan))[-1])

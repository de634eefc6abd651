"""Folds of Laue groups, and what the scatter of the fits without them tells."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.weights.validation.folds import draw_folds, gain_of, reliability
from mdweights_core.weights.validation.result import Folds


@pytest.mark.parametrize(("n", "n_folds"), [(100, 5), (103, 5), (7, 7), (50, 2)])
def test_folds_are_disjoint_cover_everything_and_hold_every_resolution(n, n_folds):
    rng = np.random.default_rng(1)
    order = rng.permutation(n)
    fold = draw_folds(order, n_folds, rng)
    assert set(fold) == set(range(n_folds))
    runs = fold[order][: n // n_folds * n_folds].reshape(-1, n_folds)
    np.testing.assert_array_equal(np.sort(runs, axis=1), np.tile(np.arange(n_folds), (len(runs), 1)))


def test_folds_are_those_of_the_seed():
    first, again, other = (draw_folds(np.arange(60), 5, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("error", [0.0, 0.3, 0.6])
def test_reliability_is_the_correlation_with_the_weights_of_endless_data(error):
    """Weights as means of independent observations: leaving a fifth of them out scatters as the jackknife says."""
    rng = np.random.default_rng(5)
    n_frames, n_folds, n = 4000, 5, 20
    truth = rng.normal(size=n_frames)
    seen = truth + error * np.sqrt(n) * rng.normal(size=(n, n_frames))
    fold = np.arange(n) % n_folds
    weights = seen.mean(axis=0)
    without = np.stack([seen[fold != k].mean(axis=0) for k in range(n_folds)])
    prior = np.full(n_frames, 1 / n_frames)
    found = reliability(prior * (1 + without), prior * (1 + weights), prior)
    assert found == pytest.approx(np.corrcoef(truth, weights)[0, 1], abs=0.02)


def test_reliability_is_zero_where_the_scatter_is_larger_than_the_weights_differ():
    rng, even = np.random.default_rng(6), np.full(40, 1 / 40)
    assert reliability(even * (1 + rng.normal(size=(5, 40))), even * (1 + 0.1 * rng.normal(size=40)), even) == 0.0
    assert reliability(np.full((5, 4), 0.25), np.full(4, 0.25), np.full(4, 0.25)) == 0.0


def test_an_uneven_prior_is_nothing_that_was_found():
    """Weights that scatter about a prior as they do about equal weights are as little known."""
    rng = np.random.default_rng(7)
    prior = rng.gamma(1.0, size=400)
    prior /= prior.sum()
    departures = 0.1 * rng.normal(size=(6, 400))
    assert reliability(prior * (1 + departures[:5]), prior * (1 + departures[5]), prior) < 0.5


def test_the_gain_is_paired_over_the_folds():
    """Folds that are easy for both say nothing of the difference."""
    easy = np.array([0.1, 0.9, 0.5, 0.3, 0.7])
    folds = Folds(easy + 0.02 + np.array([1, -1, 0, 1, -1]) * 1e-3, easy, np.zeros((5, 1)))
    gain, error = gain_of(folds)
    assert gain == pytest.approx(0.02)
    assert error == pytest.approx(1e-3 / np.sqrt(5))

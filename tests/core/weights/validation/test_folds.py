"""Folds of Laue groups, and what the scatter of the fits without them tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core.weights.validation.folds import draw_folds, gain_of, reliability, scores_of
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


def test_a_regression_is_known_better_than_the_jackknife_of_its_folds_says():
    """Ordinary least squares on 30 variables and 75 observations: fits to 60 of them scatter twice as much."""
    rng, n, k, told, plain, true = np.random.default_rng(8), 75, 30, [], [], []
    fold, prior = np.arange(n) % 5, np.full(k, 1 / k)
    for _ in range(60):
        truth = 0.5 * rng.normal(size=k)
        x = rng.normal(size=(n, k))
        y = x @ truth + rng.normal(size=n)
        fits = [
            prior * (1 + np.linalg.lstsq(x[rows], y[rows], rcond=None)[0]) for rows in (fold != i for i in range(5))
        ]
        found = prior * (1 + np.linalg.lstsq(x, y, rcond=None)[0])
        told.append(reliability(np.stack(fits), found, prior, freedom=1 - k / (0.8 * n)) ** 2)
        plain.append(reliability(np.stack(fits), found, prior) ** 2)
        true.append(np.corrcoef(found, truth)[0, 1] ** 2)
    assert np.mean(told) == pytest.approx(np.mean(true), abs=0.03)
    assert np.mean(plain) < np.mean(true) - 0.05


def test_two_estimates_of_the_gain_are_joined_unless_they_contradict_each_other():
    parts = np.full(5, 0.5)
    folds = Folds(
        parts, parts, np.zeros((5, 1)), together=0.6, together_uniform=0.5, together_error=0.02, expected=0.63
    )
    assert gain_of(folds) == pytest.approx((0.1 + 0.03 / 3, 0.02))
    assert gain_of(replace(folds, expected=0.69)) == pytest.approx((0.1, 0.02))
    assert gain_of(replace(folds, expected=float("nan"))) == pytest.approx((0.1, 0.02))
    assert scores_of(folds) == (0.6, 0.5)
    assert scores_of(replace(folds, together_error=float("nan"))) == (0.5, 0.5)

"""Weights of Gaussian samples for Gaussian targets, which have closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.importance import (
    clipped,
    entropy_fraction,
    forward_fraction,
    importance,
    kish_fraction,
    log_partition,
)
from mdweights_core.flow.estimates.log_weights import log_mean

LOG_Z = 0.5 * np.log(2 * np.pi)


def gaussian_log_weights(x: np.ndarray, width: float) -> np.ndarray:
    """ln w of samples of N(0, width^2) for the target exp(-x^2 / 2), whose ln Z is ln(2 pi) / 2."""
    return -0.5 * x**2 + 0.5 * (x / width) ** 2 + 0.5 * np.log(2 * np.pi * width**2)


def _samples(n: int, width: float, seed: int) -> np.ndarray:
    return gaussian_log_weights(width * np.random.default_rng(seed).normal(size=n), width)


def analytic_ess(width: float) -> float:
    """1 / E_p[p/q] of N(0, 1) against N(0, width^2): sqrt(2 - 1/width^2) / width."""
    return float(np.sqrt(2 - width**-2) / width)


@pytest.mark.parametrize("width", [1.0, 1.5, 3.0])
def test_gaussians_have_their_effective_size_and_partition_function(width):
    found = importance(_samples(200_000, width, 0))
    assert found.ess == pytest.approx(analytic_ess(width), rel=0.01)
    assert found.log_z == pytest.approx(LOG_Z, abs=max(4 * found.log_z_error, 1e-12))
    assert found.n_effective == pytest.approx(200_000 * found.ess)
    assert found.log_z_error == pytest.approx(np.sqrt((1 / analytic_ess(width) - 1) / 200_000), rel=0.2, abs=1e-12)


def test_entropy_counts_the_relative_entropy_of_target_and_samples():
    """ln(entropy fraction) = -KL(p || q), which is ln width + 1/(2 width^2) - 1/2 for centred Gaussians."""
    expected = np.log(2.0) + 1 / 8 - 0.5
    assert np.log(entropy_fraction(_samples(200_000, 2.0, 1))) == pytest.approx(-expected, abs=0.005)


def test_frames_of_the_target_see_the_same_effective_size():
    x = np.random.default_rng(2).normal(size=100_000)
    assert forward_fraction(gaussian_log_weights(x, 1.5)) == pytest.approx(analytic_ess(1.5), rel=0.01)


def test_weighted_frames_of_the_target_see_it_too():
    x = 1.3 * np.random.default_rng(2).normal(size=100_000)
    weights = np.exp(-0.5 * x**2 + 0.5 * (x / 1.3) ** 2)
    assert forward_fraction(gaussian_log_weights(x, 1.5), weights) == pytest.approx(analytic_ess(1.5), rel=0.01)


def test_only_frames_of_the_target_see_a_hole():
    """Half of the target is a well that no sample came from."""
    rng = np.random.default_rng(0)
    samples, frames = rng.normal(size=5000), rng.normal(size=5000) + 8.0 * rng.integers(0, 2, 5000)

    def log_w(x: np.ndarray) -> np.ndarray:
        return np.logaddexp(-0.5 * x**2, -0.5 * (x - 8) ** 2) + 0.5 * x**2

    assert kish_fraction(log_w(samples)) > 0.99
    assert forward_fraction(log_w(frames)) < 1e-6


def test_a_frame_without_weight_leaves_nothing():
    assert forward_fraction(np.array([0.0, -np.inf])) == 0.0
    assert forward_fraction(np.array([0.0, -np.inf]), np.array([1.0, 0.0])) == 1.0


def test_errors_of_the_partition_function_are_those_that_are_made():
    found = np.array([log_partition(_samples(400, 2.0, seed), seed) for seed in range(200)])
    z = (found[:, 0] - LOG_Z) / found[:, 1]
    assert abs(z.mean()) < 0.25
    assert 0.85 < z.std() < 1.15


def test_the_bias_of_a_logarithm_is_the_one_told():
    log_w = _samples(80_000, 3.0, 0).reshape(4000, 20)
    bias = np.mean([log_mean(one) for one in log_w]) - LOG_Z
    told = np.mean([importance(one).log_z_bias for one in log_w[:200]])
    assert bias < -0.02
    assert told == pytest.approx(bias, rel=0.3)


def test_clipping_takes_down_the_largest_only():
    log_w = np.arange(50_000) / 1e4
    found = clipped(log_w)
    np.testing.assert_array_equal(found[:-5], log_w[:-5])
    np.testing.assert_array_equal(found[-5:], log_w[-5])
    np.testing.assert_array_equal(clipped(log_w[:9000]), log_w[:9000])


def test_one_enormous_weight_is_seen_unless_clipped():
    log_w = np.zeros(20_000)
    log_w[7] = 20.0
    found = importance(log_w)
    assert found.ess == pytest.approx(1 / 20_000, rel=1e-3)
    assert found.ess_clipped == pytest.approx(1.0)
    assert found.largest_share > 0.99
    assert found.log_z_error > 1.0


def test_energies_may_be_enormous_and_samples_without_weight():
    log_w = np.append(_samples(5000, 1.5, 0) + 1e5, np.full(5000, -np.inf))
    found = importance(log_w)
    assert found.n_without_weight == 5000
    assert found.log_z == pytest.approx(1e5 + LOG_Z - np.log(2), abs=0.05)
    assert found.ess == pytest.approx(analytic_ess(1.5) / 2, rel=0.05)


@pytest.mark.parametrize(
    ("log_w", "message"),
    [
        (np.zeros(0), "There is no log-weight"),
        (np.array([0.0, np.nan, 1.0]), "1 log-weight of 3 is not a number"),
        (np.array([np.inf, np.nan, 1.0]), "2 log-weights of 3 are not numbers"),
        (np.full(4, -np.inf), "None of 4 samples has any weight"),
    ],
)
def test_what_is_no_weight_is_refused(log_w, message):
    with pytest.raises(BadInput, match=message):
        importance(log_w)

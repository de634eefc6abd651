"""Samples and reference frames of Gaussians and wells: the acceptance ratio, and whether errors are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.bar import acceptance, log_partition_by_bar, state_difference_by_bar
from mdweights_core.flow.estimates.free_energy import state_difference
from mdweights_core.flow.estimates.reference import reference_frames

LOG_Z = 0.5 * np.log(2 * np.pi)


def _log_w(x: np.ndarray, width: float) -> np.ndarray:
    """Samples of N(0, width^2), target exp(-x^2 / 2)."""
    return -0.5 * x**2 + 0.5 * (x / width) ** 2 + 0.5 * np.log(2 * np.pi * width**2)


def _simulation(n: int, memory: float, seed: int) -> np.ndarray:
    """A normal process of known memory: x_t = memory x_(t-1) + noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    for t in range(1, n):
        x[t] = memory * x[t - 1] + np.sqrt(1 - memory**2) * x[t]
    return x


def _partition(n: int, frames: np.ndarray, seed: int, weights: np.ndarray | None = None):
    samples = 0.5 * np.random.default_rng(seed + 10_000).normal(size=n)
    reference = reference_frames(_log_w(frames, 0.5), weights)
    return log_partition_by_bar(_log_w(samples, 0.5), reference)


def test_narrow_samples_and_frames_together_have_the_partition_function():
    """Samples of half the width have weights of infinite variance; with frames that does not matter."""
    found = _partition(20_000, _simulation(20_000, 0.0, 0), 0)
    assert found.log_z == pytest.approx(LOG_Z, abs=4 * found.error)
    assert found.error < 0.012


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_errors_of_bar_are_those_that_are_made(memory):
    found = [_partition(500, _simulation(800, memory, seed), seed) for seed in range(200)]
    z = [(one.log_z - LOG_Z) / one.error for one in found]
    assert abs(np.mean(z)) < 0.3
    assert 0.8 < np.std(z) < 1.25


def test_memory_and_weights_of_frames_widen_the_error():
    plain = _partition(500, _simulation(800, 0.0, 1), 1)
    slow = _partition(500, _simulation(800, 0.95, 1), 1)
    assert slow.error > 1.5 * plain.error
    frames = _simulation(800, 0.0, 1)
    uneven = _partition(500, frames, 1, np.exp(np.random.default_rng(0).normal(size=800)))
    assert uneven.error > 1.05 * plain.error


def test_weighted_frames_are_frames_of_the_target():
    z = [
        (one.log_z - LOG_Z) / one.error
        for seed in range(60)
        for frames in [1.4 * _simulation(800, 0.5, seed)]
        for one in [_partition(500, frames, seed, np.exp(-0.5 * frames**2 + 0.5 * (frames / 1.4) ** 2))]
    ]
    assert abs(np.mean(z)) < 0.45
    assert 0.7 < np.std(z) < 1.35


def test_overlap_is_that_of_two_normal_distributions():
    grid = np.linspace(-8, 8, 20_001)
    p, q = norm.pdf(grid), norm.pdf(grid, scale=0.5)
    exact = np.trapezoid(2 * p * q / (p + q), grid)
    assert _partition(20_000, _simulation(20_000, 0.0, 0), 0).overlap == pytest.approx(exact, abs=0.01)


def _two_wells(seed: int, n: int = 400, memory: float = 0.5):
    """Wells at -2 and 2 of width 1 and 0.5 and equal depth; frames from runs that never cross; poor samples."""
    rng = np.random.default_rng(seed)
    side = np.where(rng.random(n) < 0.7, -1, 1)
    x = 2.0 * side + 0.6 * rng.normal(size=n)
    frames = np.concatenate([-2 + _simulation(300, memory, 2 * seed), 2 + 0.5 * _simulation(900, memory, 2 * seed + 1)])

    def log_w(y: np.ndarray) -> np.ndarray:
        energy = np.minimum(0.5 * (y + 2) ** 2, 2 * (y - 2) ** 2)
        return -energy - np.log(0.7 * norm.pdf(y, -2, 0.6) + 0.3 * norm.pdf(y, 2, 0.6))

    reference = reference_frames(log_w(frames), runs=np.repeat([0, 1], [300, 900]))
    return x, log_w(x), frames, reference


def test_frames_that_never_cross_give_the_difference():
    cut, z = 2 / 3, []
    exact = np.log(norm.cdf(cut, -2, 1) / (0.5 * norm.sf(cut, 2, 0.5)))
    for seed in range(100):
        x, log_w, frames, reference = _two_wells(seed)
        found = state_difference_by_bar(log_w, x < cut, x >= cut, reference, frames < cut, frames >= cut)
        z.append((found.value - exact) / found.error)
    assert found.method == "bar"
    assert abs(np.mean(z)) < 0.35
    assert 0.75 < np.std(z) < 1.3


def test_frames_lower_the_error():
    x, log_w, frames, reference = _two_wells(1)
    both = state_difference_by_bar(log_w, x < 0.67, x >= 0.67, reference, frames < 0.67, frames >= 0.67)
    alone = state_difference(log_w, x < 0.67, x >= 0.67)
    assert both.error < alone.error


def test_a_state_without_frames_or_samples_is_refused():
    reference, everything, nothing = reference_frames(np.zeros(5)), np.ones(5, dtype=bool), np.zeros(5, dtype=bool)
    with pytest.raises(BadInput, match="without reference frames"):
        acceptance(np.zeros(5), reference, everything, nothing)
    with pytest.raises(BadInput, match="without samples"):
        acceptance(np.zeros(5), reference, nothing, everything)


@pytest.mark.parametrize(
    ("weights", "runs", "message"),
    [
        (np.ones(4), None, "do not fit"),
        (None, np.zeros(2, dtype=int), "do not fit"),
        (np.array([1.0, -1.0, 1.0]), None, "must be positive"),
        (np.zeros(3), None, "must be positive"),
    ],
)
def test_reference_frames_must_fit(weights, runs, message):
    with pytest.raises(BadInput, match=message):
        reference_frames(np.zeros(3), weights, runs)


def test_samples_of_atoms_on_one_another_change_nothing():
    rng = np.random.default_rng(5)
    log_w = _log_w(rng.normal(scale=1.5, size=1000), 1.5)
    reference = reference_frames(_log_w(rng.normal(size=300), 1.5), independent=True)
    last = log_w.argmin()
    found = []
    for lowest in (-1e3, -1e30):
        log_w[last] = lowest
        found.append(log_partition_by_bar(log_w, reference).log_z)
    assert found[0] == pytest.approx(found[1], abs=1e-9)

"""Memory of time series with known memory, and blocks of frames."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.decorrelation import decorrelation_time, draw_blocks


def _autoregressive(memory: float, n: int, n_series: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    q = rng.normal(size=(n_series, n))
    for t in range(1, n):
        q[:, t] = memory * q[:, t - 1] + np.sqrt(1 - memory**2) * q[:, t]
    return q


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_an_autoregressive_series_has_its_known_inefficiency(memory):
    """1 + 2 sum phi^k = (1 + phi) / (1 - phi)."""
    one_run = np.zeros(3000, dtype=int)
    found = [decorrelation_time(q[None], one_run) for q in _autoregressive(memory, 3000, 20)]
    assert np.mean(found) == pytest.approx((1 + memory) / (1 - memory), rel=0.12)


def test_the_slowest_series_counts():
    fast, slow = _autoregressive(0.0, 2000, 1), _autoregressive(0.9, 2000, 1)
    runs = np.zeros(2000, dtype=int)
    both = decorrelation_time(np.vstack([fast, slow]), runs)
    assert both == decorrelation_time(slow, runs)
    assert both > 10


def test_memory_ends_with_the_trajectory():
    """Pairs of equal frames, each pair a trajectory of its own: only one lag is ever seen."""
    q = np.repeat(np.random.default_rng(3).normal(size=500), 2)[None]
    assert decorrelation_time(q, np.arange(1000) // 2) <= 2.1
    assert decorrelation_time(q, np.zeros(1000, dtype=int)) == pytest.approx(2.0, abs=0.4)


def test_a_series_that_never_changes_has_no_memory():
    assert decorrelation_time(np.ones((1, 30)), np.zeros(30, dtype=int)) == 1.0
    assert decorrelation_time(np.zeros((0, 30)), np.zeros(30, dtype=int)) == 1.0


@pytest.mark.parametrize("block", [1, 4, 7, 500])
def test_every_run_keeps_its_length(block):
    runs = np.repeat([0, 1, 2], [30, 50, 21])
    counts = draw_blocks(runs, block, np.random.default_rng(0))
    assert [int(counts[runs == run].sum()) for run in range(3)] == [30, 50, 21]


def test_blocks_hold_neighbours():
    counts = draw_blocks(np.zeros(1000, dtype=int), 100, np.random.default_rng(1))
    assert (np.diff(counts) != 0).sum() <= 2 * 10


def test_all_frames_have_the_same_chance():
    rng = np.random.default_rng(4)
    mean = np.mean([draw_blocks(np.zeros(40, dtype=int), 8, rng) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, 1.0, atol=0.12)

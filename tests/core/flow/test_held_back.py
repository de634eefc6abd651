"""Frames held back: which they are, and what they tell of those that were shown."""

import numpy as np
import pytest

from mdweights_core.flow.held_back import FEWEST, held_back, memory


def test_a_tenth_is_held_back_in_blocks_spread_over_all_frames():
    held = held_back(5000)
    assert held.sum() == 500
    begins = np.flatnonzero(np.diff(held.astype(int)) == 1)
    assert len(begins) == 5
    assert set(np.diff(begins)) == {1000}
    assert not held[:100].any()


def test_of_few_frames_none_is_held_back():
    assert not held_back(FEWEST - 1).any()
    assert held_back(FEWEST).sum() == FEWEST // 10


@pytest.mark.parametrize(("gap", "is_by_heart"), [(0.0, False), (0.3, False), (2.0, True), (-2.0, False)])
def test_a_difference_counts_where_it_is_no_chance_and_matters(gap, is_by_heart):
    rng = np.random.default_rng(0)
    held = held_back(4000)
    known = memory(rng.normal(size=4000) + gap * held, held, None, np.repeat(np.arange(4), 1000))
    assert known.gap == pytest.approx(gap, abs=4 * known.error)
    assert known.error == pytest.approx(np.sqrt(1 / 400 + 1 / 3600), rel=0.3)
    assert known.is_by_heart == is_by_heart
    assert bool(known.sentence) == is_by_heart


def test_frames_that_remember_one_another_are_worth_fewer():
    rng = np.random.default_rng(1)
    steps = rng.normal(size=4000)
    slow = np.convolve(steps, 0.97 ** np.arange(300))[:4000]
    held = held_back(4000)
    runs = np.zeros(4000, dtype=int)
    assert memory(slow, held, None, runs).error > 3 * memory(rng.permutation(slow), held, None, runs).error


def test_weights_are_those_of_the_frames():
    held = held_back(1000)
    log_w = np.where(np.arange(1000) % 2, 1.0, 5.0) + 3.0 * held
    weights = np.where(np.arange(1000) % 2, 1.0, 0.0)
    assert memory(log_w, held, weights, np.arange(1000)).gap == pytest.approx(3.0)

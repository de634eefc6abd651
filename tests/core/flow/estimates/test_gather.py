"""Everything from one call, as far as what is given allows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mdweights_core.flow.estimates.gather import TwoStates, gather
from mdweights_core.flow.estimates.judgement import judge
from mdweights_core.flow.estimates.reference import reference_frames

RNG = np.random.default_rng(0)
X, FRAMES = 1.3 * RNG.normal(size=20_000), RNG.normal(size=5000)
EXACT = np.log(norm.cdf(1) / norm.sf(1))


def _log_w(x: np.ndarray) -> np.ndarray:
    return -0.5 * x**2 + 0.5 * (x / 1.3) ** 2 + 0.5 * np.log(2 * np.pi * 1.3**2)


REFERENCE = reference_frames(_log_w(FRAMES), independent=True)
STATES = TwoStates(("low", "high"), (X > 1) * 1, (FRAMES > 1) * 1)


def test_all_that_is_given_is_judged():
    at_minimum = {"minimum_log_w": _log_w(np.zeros(1)), "log_mass": np.array([0.5 * np.log(2 * np.pi)])}
    found = gather(_log_w(X), reference=REFERENCE, states=STATES, **at_minimum)
    assert found.by_bar is not None
    assert found.difference is not None
    assert found.difference_by_bar is not None
    for one in (found.difference, found.difference_by_bar):
        assert one.value == pytest.approx(EXACT, abs=4 * one.error)
    assert found.by_bar.log_z == pytest.approx(0.5 * np.log(2 * np.pi), abs=4 * found.by_bar.error)
    judged = judge(found)
    assert [light.state for light in judged.lights] == ["good"] * 4
    assert "F(high) - F(low)" in judged.lights[3].sentence


def test_weights_alone_are_not_enough():
    assert judge(gather(_log_w(X))).conclusion == "weak"


def test_states_without_frames_have_a_difference_by_weights():
    found = gather(_log_w(X), states=TwoStates(("low", "high"), STATES.label))
    assert found.difference is not None
    assert found.difference_by_bar is None
    assert found.populations is None


def test_a_state_that_samples_never_reach_is_missing():
    low = X[X < 1]
    states = TwoStates(("low", "high"), np.zeros(len(low), dtype=int), STATES.frame_label)
    found = gather(_log_w(low), reference=REFERENCE, states=states)
    assert found.difference_by_bar is None
    assert judge(found).conclusion == "mode-dropped"


def test_states_where_no_sample_is_have_no_difference():
    nowhere = TwoStates(("low", "high"), np.full(len(X), -1), STATES.frame_label)
    found = gather(_log_w(X), reference=REFERENCE, states=nowhere)
    assert found.difference is None
    assert found.populations is not None
    assert found.populations.missing.all()


def test_frames_of_one_state_only_leave_the_weights():
    states = TwoStates(("low", "high"), STATES.label, np.zeros(len(FRAMES), dtype=int))
    found = gather(_log_w(X), reference=REFERENCE, states=states)
    assert found.difference_by_bar is None
    assert found.difference is not None

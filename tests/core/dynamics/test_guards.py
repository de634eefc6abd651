"""Verdicts of estimators beside each other, from made-up numbers."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.dynamics.guards import compared, drifts, grew, judged, neutral, off_temperature
from mdweights_core.dynamics.result import REFUSED, UNVERIFIED, VERIFIED, Estimate

THETA = np.array([2.0, 5.0])
EXACT = np.array([[1.0, -0.4], [3.0, 0.8]])


def estimate(off: float = 0.0, error: float = 0.01, exact: np.ndarray = EXACT) -> Estimate:
    """Derivatives that are off by some standard errors."""
    return Estimate(exact + off * error, np.full(exact.shape, error))


def test_two_that_agree_are_verified() -> None:
    found = judged({"pathwise": estimate(), "covariance": estimate(3.0)}, THETA, 32)
    assert found.verdict == VERIFIED
    assert np.all(found.verdicts == VERIFIED)
    assert found.recommended == "pathwise"
    assert found.notes == ("pathwise agrees with covariance in 4 of 4 derivatives.",)


def test_two_that_differ_are_refused_and_the_other_is_recommended() -> None:
    found = judged({"pathwise": estimate(), "covariance": estimate(9.0)}, THETA, 32)
    assert found.verdict == REFUSED
    assert found.recommended == "covariance"
    assert "disagree in 4 of 4 derivatives, by up to 6.4 combined" in found.notes[0]


def test_noise_that_hides_a_difference_verifies_nothing() -> None:
    found = judged({"pathwise": estimate(), "covariance": estimate(error=0.5)}, THETA, 32)
    assert found.verdicts.tolist() == [[UNVERIFIED, UNVERIFIED], [VERIFIED, UNVERIFIED]]
    assert found.verdict == UNVERIFIED
    assert "too noisy to tell" in found.notes[0]


def test_one_alone_is_unverified() -> None:
    found = judged({"likelihood": estimate()}, THETA, 32)
    assert (found.verdict, found.recommended) == (UNVERIFIED, "likelihood")
    assert "no second estimator" in found.notes[0]


def test_the_likelihood_ratio_counts_before_the_covariance() -> None:
    with_pathwise = judged(
        {"pathwise": estimate(), "likelihood": estimate(1.0), "covariance": estimate(20.0)}, THETA, 32
    )
    assert with_pathwise.verdict == VERIFIED
    assert "not Boltzmann's" in with_pathwise.notes[-1]
    against = judged({"pathwise": estimate(), "likelihood": estimate(20.0), "covariance": estimate(20.0)}, THETA, 32)
    assert against.verdict == REFUSED
    assert against.recommended in {"likelihood", "covariance"}
    assert "differ in 0 of 4 derivatives" in against.notes[-1]


def test_a_noisy_likelihood_ratio_lets_the_covariance_decide() -> None:
    found = judged({"pathwise": estimate(), "likelihood": estimate(error=5.0), "covariance": estimate(20.0)}, THETA, 32)
    assert found.verdict == REFUSED


def test_what_was_given_up_is_refused_with_its_reason() -> None:
    said = grew(900.0, 290, -2.0)
    assert "after 290 steps: the disturbance of one replica had grown 900-fold" in said
    found = judged({"likelihood": estimate(), "covariance": estimate(error=0.02)}, THETA, 32, given_up=said)
    assert found.verdict == REFUSED
    assert np.all(found.verdicts == REFUSED)
    assert found.recommended == "likelihood"
    assert found.notes == (said, "Of the others: likelihood agrees with covariance in 4 of 4 derivatives.")


@pytest.mark.parametrize(("outliers", "verdict"), [(1, VERIFIED), (12, REFUSED)])
def test_as_many_disagreements_as_chance_gives_are_let_pass(outliers: int, verdict: str) -> None:
    exact = np.full((1000, 2), 5.0)
    off = Estimate(exact.copy(), np.full(exact.shape, 0.01))
    off.jacobian[:outliers, 0] += 4.5 * np.hypot(0.01, 0.01)
    found = judged({"pathwise": estimate(exact=exact), "covariance": off}, THETA, 32)
    assert found.verdict == verdict
    assert np.sum(found.verdicts == REFUSED) == outliers


def test_small_derivatives_are_compared_on_the_scale_of_the_observable() -> None:
    """By relative changes of parameters: 0.001 * 5 beside 1.0 * 2 need not be told from zero."""
    exact = np.array([[1.0, 0.001]])
    pair = compared(estimate(exact=exact), estimate(1.0, exact=exact), THETA)
    assert pair.agrees.all()
    assert not compared(estimate(exact=exact), estimate(1.0, exact=exact), np.array([2.0, 1000.0])).agrees[0, 1]


def test_exact_answers_that_differ_by_rounding_agree() -> None:
    exact = Estimate(EXACT, np.zeros_like(EXACT))
    assert judged({"pathwise": exact, "covariance": Estimate(EXACT * (1 + 1e-12), exact.error)}, THETA, 32).verdict == (
        VERIFIED
    )


def test_halves_that_differ_are_told_of() -> None:
    errors = np.array([0.1, 0.1])
    first = (np.array([1.0, 2.0]), errors)
    assert not drifts(("a", "b"), (first, (np.array([1.1, 2.1]), errors)))
    (note,) = drifts(("a", "b"), (first, (np.array([1.1, 4.0]), errors)))
    assert note.startswith("b is 2 in the first half and 4 in the second, 14.1 standard errors apart")


def test_disturbances_that_do_not_die_out_are_told_of() -> None:
    assert not neutral(-0.1)
    assert not neutral(float("nan"))
    assert "do not die out" in neutral(0.01)[0]


def test_a_temperature_that_the_step_changes_is_told_of() -> None:
    (sentence,) = off_temperature(1.86, 10_000, 0.06)
    assert "1.86 times what was asked for: steps of 0.06 are too long" in sentence
    assert off_temperature(0.8, 10_000, 0.06)
    assert not off_temperature(1.05, 10_000, 0.06)
    assert not off_temperature(1.5, 100, 0.06)  # so few numbers are as far off by chance
    assert not off_temperature(float("nan"), 100, 0.06)  # at zero temperature there is none

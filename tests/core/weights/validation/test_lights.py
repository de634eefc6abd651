"""What the lights and the verdict say of evidence that is made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core.weights.validation.lights import Evidence, six_lights
from mdweights_core.weights.validation.result import Bootstrap, Folds, Restarts, ThetaScan
from mdweights_core.weights.validation.verdict import conclude

N = 40
RNG = np.random.default_rng(0)
WEIGHTS = RNG.gamma(4.0, 1.0, N)
WEIGHTS /= WEIGHTS.sum()
FOLDS = Folds(
    score=np.array([0.60, 0.62, 0.61, 0.63, 0.59]),
    uniform=np.array([0.50, 0.53, 0.50, 0.54, 0.49]),
    weights=np.tile(WEIGHTS, (5, 1)),
    reliability=0.97,
)
RESTARTS = Restarts(np.full(3, 0.65), np.array([0.99, 1.0, 0.98]), np.tile(WEIGHTS, (3, 1)))
SCAN = ThetaScan(
    theta=np.array([0.001, 0.01, 0.1]),
    entropy=np.array([0.3, 0.2, 0.05]),
    score=np.array([0.66, 0.65, 0.6]),
    held_out=np.array([0.61, 0.612, 0.55]),
    held_out_error=np.full(3, 0.01),
    n_eff=np.array([20.0, 25.0, 35.0]),
    proposed=1,
    uniform=0.512,
    by_fold=np.stack([FOLDS.score, FOLDS.score + 0.002 * np.array([3, -3, 3, -2, 4]), FOLDS.score - 0.06]),
)
BOOTSTRAP = Bootstrap(
    block=3,
    decorrelation=2.5,
    weight_error=0.3 * WEIGHTS,
    score=np.full(20, 0.6),
    n_eff=np.full(20, 15.0),
    weights=np.tile(WEIGHTS, (20, 1)),
    uniform=np.full(20, 0.5),
)
GOOD = Evidence(
    weights=WEIGHTS,
    prior=np.full(N, 1 / N),
    theta=0.0,
    n_reflections=2000,
    score_name="anisotropic CC",
    folds=FOLDS,
    restarts=RESTARTS,
    theta_scan=SCAN,
    bootstrap=BOOTSTRAP,
    leave_one_out=1e-3 * RNG.normal(size=N),
)
NOTHING = replace(GOOD, folds=None, restarts=None, theta_scan=None, bootstrap=None, leave_one_out=np.full(N, np.nan))


def _by(folds: Folds, gain: float, scatter: float = 0.01) -> Folds:
    """The same folds with another mean gain."""
    return replace(folds, score=folds.uniform + gain + scatter * np.array([1, -1, 1, -1, 0]))


def _state(evidence: Evidence, name: str) -> str:
    return next(light.state for light in six_lights(evidence) if light.name == name)


def test_there_are_six_and_all_are_good_where_all_is_well():
    lights = six_lights(GOOD)
    assert [light.name for light in lights] == ["held-out", "starts", "concentration", "theta", "time", "influence"]
    assert {light.state for light in lights} == {"good"}
    assert lights[0].value == "0.610 (0.512 unweighted)"
    assert all(light.sentence.endswith(".") for light in lights)


def test_what_was_not_computed_is_not_judged():
    lights = six_lights(NOTHING)
    assert [light.state for light in lights] == ["none", "none", "good", "none", "none", "none"]
    conclusion, verdict = conclude(NOTHING)
    assert conclusion == "unsupported"
    assert "Nothing was held out" in verdict


@pytest.mark.parametrize(("gain", "state"), [(0.1, "good"), (0.005, "weak"), (-0.001, "bad")])
def test_held_out(gain, state):
    assert _state(replace(GOOD, folds=_by(FOLDS, gain)), "held-out") == state


@pytest.mark.parametrize(
    ("agreement", "reliability", "state"),
    [(0.95, 0.95, "good"), (0.7, 0.95, "weak"), (0.95, 0.7, "weak"), (0.2, 0.95, "bad"), (0.95, 0.2, "bad")],
)
def test_starts_and_data_must_both_agree(agreement, reliability, state):
    restarts = replace(RESTARTS, agreement=np.full(3, agreement))
    evidence = replace(GOOD, restarts=restarts, folds=replace(FOLDS, reliability=reliability))
    assert _state(evidence, "starts") == state


def test_few_heavy_frames_are_told():
    heavy = WEIGHTS * 0.7
    heavy[7] += 0.3
    assert _state(replace(GOOD, weights=heavy), "concentration") == "weak"
    assert "frame 7" in six_lights(replace(GOOD, weights=heavy))[2].sentence
    alone = np.where(np.arange(N) == 7, 1.0 - 1e-6, 1e-6 / (N - 1))
    assert _state(replace(GOOD, weights=alone), "concentration") == "bad"


def test_a_theta_that_predicts_better_is_proposed():
    far = replace(GOOD, folds=replace(FOLDS, score=FOLDS.score - 0.04))
    light = six_lights(far)[3]
    assert light.state == "weak"
    assert light.value == "0 (proposed 0.01)"


def test_no_theta_is_better_than_the_prior():
    easy = replace(SCAN, by_fold=FOLDS.uniform + 0.01 * np.outer([0, 1, -1], [1, -1, 1, -1, 0.5]))
    light = six_lights(replace(GOOD, folds=_by(FOLDS, -0.05), theta_scan=easy))[3]
    assert light.state == "bad"
    assert "endless theta" in light.sentence


@pytest.mark.parametrize(
    ("better", "decorrelation", "state"), [(20, 2.5, "good"), (20, 10, "weak"), (15, 2.5, "weak"), (9, 2.5, "bad")]
)
def test_time(better, decorrelation, state):
    score = np.where(np.arange(20) < better, 0.6, 0.4)
    evidence = replace(GOOD, bootstrap=replace(BOOTSTRAP, score=score, decorrelation=decorrelation))
    assert _state(evidence, "time") == state


@pytest.mark.parametrize(("change", "state"), [(0.012, "weak"), (-0.05, "bad")])
def test_a_frame_that_stands_out_is_named(change, state):
    odd = GOOD.leave_one_out.copy()
    odd[11] = change
    light = six_lights(replace(GOOD, leave_one_out=odd))[5]
    assert light.state == state
    assert "frame 11" in light.value


@pytest.mark.parametrize(
    ("changes", "conclusion", "told"),
    [
        ({}, "supported", "single weights can be read"),
        ({"folds": _by(FOLDS, -0.02)}, "overfit", "With theta 0.01 the held-out anisotropic CC is 0.612"),
        ({"folds": _by(FOLDS, 0.003)}, "unsupported", "do not support"),
        ({"folds": replace(FOLDS, reliability=0.6)}, "weak", "r 0.60"),
        ({"restarts": replace(RESTARTS, agreement=np.full(3, 0.5))}, "weak", "starts disagree"),
        (
            {"restarts": replace(RESTARTS, agreement=np.full(3, 0.5)), "folds": _by(FOLDS, 0.003)},
            "overfit",
            "overfitted",
        ),
        ({"folds": replace(FOLDS, score=FOLDS.score - 0.59, uniform=FOLDS.uniform - 0.59)}, "unsupported", "chance"),
        ({"restarts": None, "theta_scan": None, "bootstrap": None}, "supported", "fits to part of the reflections"),
    ],
)
def test_conclusions(changes, conclusion, told):
    found, verdict = conclude(replace(GOOD, **changes))
    assert found == conclusion
    assert told in verdict
    assert verdict.endswith(".")


def test_the_verdict_holds_the_numbers():
    _, verdict = conclude(GOOD)
    assert "held-out anisotropic CC 0.610 against 0.512 unweighted" in verdict
    given = replace(GOOD, prior=WEIGHTS)
    assert "with the prior weights" in conclude(given)[1]


@pytest.mark.parametrize(("gain", "conclusion"), [(0.003, "overfit"), (0.02, "weak")])
def test_collapsed_weights_are_overfit_unless_they_gain(gain, conclusion):
    alone = np.where(np.arange(N) == 7, 0.9, 0.1 / (N - 1))
    assert conclude(replace(GOOD, weights=alone, folds=_by(FOLDS, gain)))[0] == conclusion


@pytest.mark.parametrize(
    ("part", "name"), [("folds", "held-out"), ("restarts", "starts"), ("theta_scan", "theta"), ("bootstrap", "time")]
)
def test_fits_that_did_not_converge_are_told(part, name):
    told = replace(GOOD, **{part: replace(getattr(GOOD, part), unfinished=2)})
    with_them, without = (next(light for light in six_lights(e) if light.name == name) for e in (told, GOOD))
    assert "2 fits did not converge within the limit of iterations" in with_them.sentence
    assert "converge" not in without.sentence
    assert with_them.state == without.state


def test_weights_that_are_those_of_before_are_not_supported():
    """A large theta, or a prior that the data have no say against."""
    same = replace(GOOD, weights=GOOD.prior * (1 + 1e-3 * RNG.normal(size=N)))
    conclusion, verdict = conclude(same)
    assert conclusion == "unsupported"
    assert "hardly differ" in verdict


def test_a_gain_that_is_not_worth_a_word_supports_nothing():
    assert conclude(replace(GOOD, folds=_by(FOLDS, 0.001, scatter=1e-5)))[0] == "unsupported"


def test_an_ensemble_that_agrees_by_chance_only_is_given_no_theta():
    below = replace(FOLDS, score=FOLDS.score - 1.4, uniform=FOLDS.uniform - 1.3)
    scan = replace(SCAN, held_out=np.full(3, -0.2), uniform=-0.8)
    still = replace(GOOD, weights=GOOD.prior, folds=below, theta_scan=scan)
    conclusion, verdict = conclude(still)
    assert conclusion == "unsupported"
    assert "does not agree with the map" in verdict
    assert "use that" not in conclude(replace(GOOD, folds=below, theta_scan=scan))[1]


def test_weights_that_the_data_do_not_determine_are_not_supported():
    conclusion, verdict = conclude(replace(GOOD, folds=replace(FOLDS, reliability=0.3)))
    assert conclusion == "unsupported"
    assert "data support" not in verdict


def test_a_total_cc_that_rises_by_the_fall_off_explains_nothing():
    conclusion, verdict = conclude(replace(GOOD, score_name="total CC", falls_in_shells=True))
    assert conclusion == "unsupported"
    assert "anisotropic CC falls" in verdict


def test_other_samples_and_caveats_forbid_to_read_single_weights():
    other = replace(BOOTSTRAP, score=BOOTSTRAP.uniform - 0.01)
    assert conclude(replace(GOOD, bootstrap=other))[0] == "weak"
    conclusion, verdict = conclude(replace(GOOD, caveats=("the fit was stopped before its end",)))
    assert conclusion == "weak"
    assert "the fit was stopped before its end: do not read single weights" in verdict


def test_a_collapse_is_not_said_to_be_supported():
    alone = np.where(np.arange(N) == 7, 1.0 - 1e-6, 1e-6 / (N - 1))
    conclusion, verdict = conclude(replace(GOOD, weights=alone))
    assert conclusion == "weak"
    assert "data support" not in verdict
    assert "collapsed onto about 1.0 frames" in verdict


def test_weights_of_tied_frames_are_called_so():
    assert "the weights of 5 tied frames can be read" in conclude(replace(GOOD, tied_frames=5))[1]


def test_no_theta_is_advised_that_does_no_better():
    scan = replace(SCAN, held_out=np.full(3, 0.4), uniform=0.512)
    verdict = conclude(replace(GOOD, theta_scan=scan, folds=_by(FOLDS, -0.05)))[1]
    assert "use that" not in verdict


def test_a_correlation_is_not_rounded_up_to_the_bound():
    verdict = conclude(replace(GOOD, folds=replace(FOLDS, reliability=0.897)))[1]
    assert "r 0.89 " in verdict


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"decorrelation": 10.0}, "its 40 frames count as 4 independent ones, and another of the same length may"),
        ({"score": np.where(np.arange(20) < 17, 0.6, 0.4)}, "only 17 of 20 samples"),
    ],
)
def test_supported_weights_of_a_short_simulation_are_said_to_be_its_own(changed, told):
    short = replace(GOOD, bootstrap=replace(BOOTSTRAP, **changed))
    assert _state(short, "time") == "weak"
    conclusion, verdict = conclude(short)
    assert conclusion == "supported"
    assert (
        f"can be read, with their errors; but {told if told[0] == 'o' else 'the simulation is short: ' + told}"
        in verdict
    )
    assert "; but" not in conclude(GOOD)[1]


def test_a_map_that_is_opposite_is_not_ascribed_to_chance():
    below = replace(FOLDS, score=FOLDS.score - 1.58, uniform=FOLDS.uniform - 1.5)
    found = conclude(replace(GOOD, weights=GOOD.prior, folds=below))[1]
    assert "opposite to the map: look at its column, its sign and its indexing" in found
    assert "chance" not in found
    little = replace(FOLDS, score=FOLDS.score - 0.6, uniform=FOLDS.uniform - 0.5)
    assert "which chance can give" in conclude(replace(GOOD, weights=GOOD.prior, folds=little))[1]


TOGETHER = replace(FOLDS, together=0.6, together_uniform=0.59, together_error=0.02, expected=0.61)


def test_numbers_are_those_of_all_held_out_reflections():
    light = six_lights(replace(GOOD, folds=TOGETHER))[0]
    assert light.value == "0.600 (0.590 unweighted)"
    assert "difference +0.010 ± 0.020 (+0.013 with what the agreement of the fit" in light.sentence
    assert "held-out anisotropic CC 0.600 against 0.590" in conclude(replace(GOOD, folds=TOGETHER))[1]


@pytest.mark.parametrize(("expected", "conclusion"), [(0.61, "unsupported"), (0.57, "overfit")])
def test_what_is_expected_decides_where_held_out_reflections_do_not(expected, conclusion):
    """A gain of 0.002 by reflections held out: with an expected one of -0.02 it is a loss, and that is said."""
    folds = replace(TOGETHER, together=0.592, expected=expected)
    found, verdict = conclude(replace(GOOD, folds=folds))
    assert found == conclusion
    assert ("number of its frames lead to expect" in verdict) == (conclusion == "overfit")


def test_it_is_said_that_bragg_intensities_were_not_held_out():
    joint = replace(GOOD, has_bragg=True)
    told = [light.name for light in six_lights(joint) if "only the map was held out" in light.sentence]
    assert told == ["held-out", "time"]
    assert not any("Bragg" in light.sentence for light in six_lights(GOOD))

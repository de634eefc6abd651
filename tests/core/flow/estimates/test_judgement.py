"""What lights, verdict and sentences say of evidence that is made up, and of samples that miss a well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core.flow.estimates.bar import Acceptance
from mdweights_core.flow.estimates.free_energy import Difference, Occupation, state_difference
from mdweights_core.flow.estimates.importance import Importance, importance
from mdweights_core.flow.estimates.judgement import Evidence, judge
from mdweights_core.flow.estimates.modes import Hole, Minima, Populations
from mdweights_core.flow.estimates.pareto import EQUAL, FITTED, TOO_FEW, ParetoTail
from mdweights_core.flow.estimates.profile import profile
from mdweights_core.flow.estimates.sentences import (
    difference_sentence,
    error_text,
    percent,
    population_sentences,
    profile_sentence,
    tail_sentence,
    weights_sentence,
)

TAIL = ParetoTail(0.4, FITTED, 949, 0.02, 0.7)
WEIGHTS = Importance(
    n=100_000,
    n_without_weight=0,
    ess=0.83,
    ess_clipped=0.84,
    entropy_ess=0.9,
    largest_share=0.0004,
    tail=TAIL,
    log_z=11.02,
    log_z_error=0.001,
    log_z_bias=-1e-6,
    mean_log_w=10.9,
)
HOLE = Hole(beyond=0.0002, error=0.0001, by_chance=0.0004, forward_ess=0.8, gap=0.1)
POPULATIONS = Populations(
    names=("left", "right"),
    reference=np.array([0.967, 0.033]),
    reference_error=np.array([0.004, 0.004]),
    samples=np.array([0.9671, 0.0329]),
    samples_error=np.array([0.0006, 0.0006]),
    raw=np.array([0.96, 0.04]),
    visits=np.array([30, 29]),
)
MINIMA = Minima(above=np.array([-1.0, -2.0]), population=np.array([0.9, 0.03]))
BY_BAR = Acceptance(11.021, 0.002, 0.9, np.zeros(0), 1e-6)
DIFFERENCE = Difference(3.38, 0.02, float("nan"), Occupation(0.967, 0.033, 80_000.0, 2700.0))
GOOD = Evidence(WEIGHTS, HOLE, POPULATIONS, MINIMA, BY_BAR, DIFFERENCE, replace(DIFFERENCE, method="bar"))
ALONE = Evidence(WEIGHTS)
MISSING = replace(POPULATIONS, samples=np.array([1.0, 0.0]))
FAR = Minima(above=np.array([-1.0, 60.0]), population=np.array([0.97, 0.03]))
INFINITE = Difference(np.inf, float("nan"), 5.0, Occupation(1.0, 0.0, 1000.0, 0.0))


def _states(evidence: Evidence) -> list[str]:
    return [light.state for light in judge(evidence).lights]


def test_all_that_is_well_is_supported():
    found = judge(GOOD)
    assert [light.state for light in found.lights] == ["good"] * 4
    assert found.conclusion == "supported"
    assert "83 %" in found.verdict


def test_effective_size_alone_never_decides():
    found = judge(ALONE)
    assert found.conclusion == "weak"
    assert [light.state for light in found.lights] == ["good", "none", "good", "none"]
    assert "nothing tells whether a state is missing" in found.verdict


@pytest.mark.parametrize(
    "evidence",
    [
        replace(ALONE, populations=MISSING),
        replace(ALONE, minima=FAR),
        replace(ALONE, hole=replace(HOLE, beyond=0.3, error=0.01, forward_ess=1e-9)),
        replace(GOOD, minima=FAR),
        replace(GOOD, populations=MISSING),
    ],
)
def test_what_is_missed_is_told_however_good_the_weights_are(evidence):
    found = judge(evidence)
    assert found.conclusion == "mode-dropped"
    assert found.lights[1].state == "bad"
    assert "missing from the samples" in found.verdict


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"ess": 1e-4}, "bad"),
        ({"ess": 1e-3}, "weak"),
        ({"largest_share": 0.3}, "bad"),
        ({"largest_share": 0.1}, "weak"),
        ({"tail": replace(TAIL, k=0.8)}, "weak"),
        ({"tail": replace(TAIL, k=1.4)}, "weak"),
        ({"tail": replace(TAIL, k=1.4, excess=0.4)}, "bad"),
        ({"tail": ParetoTail(-np.inf, EQUAL, 949, 0.0, 0.7)}, "good"),
        ({"tail": ParetoTail(float("nan"), TOO_FEW, 2, float("nan"), 0.5)}, "good"),
    ],
)
def test_weights_are_judged_by_more_than_one_number(change, state):
    assert _states(replace(GOOD, weights=replace(WEIGHTS, **change)))[0] == state


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"by_bar": replace(BY_BAR, log_z=11.5)}, "weak"),
        ({"by_bar": replace(BY_BAR, log_z=13.0)}, "bad"),
        ({"by_bar": replace(BY_BAR, log_z=11.06)}, "good"),
        ({"by_bar": replace(BY_BAR, log_z=13.0, error=1.0)}, "good"),
        ({"weights": replace(WEIGHTS, log_z_error=0.5)}, "weak"),
        ({"weights": replace(WEIGHTS, log_z_error=1.2)}, "bad"),
        ({"weights": replace(WEIGHTS, log_z_bias=-0.2)}, "weak"),
    ],
)
def test_partition_functions_that_differ_are_told(change, state):
    assert _states(replace(GOOD, **change))[2] == state


@pytest.mark.parametrize(
    ("change", "state", "told"),
    [
        ({"difference": INFINITE, "difference_by_bar": None}, "bad", "No sample of any weight lies in state B"),
        ({"difference": replace(DIFFERENCE, error=0.5)}, "weak", "± 0.500"),
        ({"difference": replace(DIFFERENCE, error=1.5)}, "bad", "± 1.500"),
        ({"difference": replace(DIFFERENCE, value=4.0)}, "weak", "differ by 0.62 kT"),
        ({"difference": replace(DIFFERENCE, value=5.0)}, "bad", "differ by 1.62 kT"),
        ({"difference": None, "difference_by_bar": None}, "none", "No two states"),
    ],
)
def test_free_energies_are_judged_by_their_errors_and_each_other(change, state, told):
    light = judge(replace(GOOD, **change)).lights[3]
    assert light.state == state
    assert told in light.sentence


def test_a_weak_light_is_a_reason():
    found = judge(replace(GOOD, difference=INFINITE, difference_by_bar=None))
    assert found.conclusion == "weak"
    assert "the free-energy difference is not known" in found.verdict


def test_too_few_effective_samples_are_unsupported():
    assert judge(replace(GOOD, weights=replace(WEIGHTS, ess=1e-4))).conclusion == "unsupported"


def test_differing_and_new_states_are_weak():
    new = replace(POPULATIONS, reference=np.array([1.0, 0.0]), reference_error=np.array([0.001, 0.001]))
    assert _states(replace(GOOD, populations=new))[1] == "weak"
    assert "hardly in the reference" in population_sentences(new)[0]
    other = replace(POPULATIONS, samples=np.array([0.94, 0.06]))
    assert _states(replace(GOOD, populations=other))[1] == "weak"
    assert "of another population" in population_sentences(other)[0]


def test_states_are_named_with_their_numbers():
    told = population_sentences(MISSING)
    assert told == [
        "1 state of 2 is missing from the samples: right with 0 % ± 0.06 % instead of 3.3 % ± 0.4 % in the reference.",
        *told[1:],
    ]
    assert "left" not in told[0]


def test_a_reference_that_hardly_crosses_is_told():
    told = population_sentences(replace(POPULATIONS, visits=np.array([2, 1])))
    assert told[-1] == "The reference came to right 1 time only: its population there is uncertain."


def test_states_without_anything_are_not_told():
    empty = replace(
        POPULATIONS,
        names=("left", "right", "none"),
        **{name: np.append(getattr(POPULATIONS, name), 0.0) for name in ("reference", "samples", "raw")},
        reference_error=np.full(3, 0.004),
        samples_error=np.full(3, 0.0006),
        visits=np.array([30, 29, 0]),
    )
    assert population_sentences(empty) == ["All 3 states have the populations of the reference, within errors."]


def test_few_samples_in_a_state_are_told():
    few = replace(DIFFERENCE, occupation=Occupation(0.99, 0.01, 900.0, 3.2))
    assert "Only 3.2 effective samples lie in state right" in difference_sentence(few, "left", "right")
    assert _states(replace(GOOD, difference=few))[3] == "weak"


def test_the_empty_state_is_named_whichever_it_is():
    empty = np.zeros(50, dtype=bool)
    first, second = (state_difference(np.zeros(50), *pair) for pair in ((empty, ~empty), (~empty, empty)))
    assert "State in lies above out by more than 2.8 kT" in difference_sentence(first, "in", "out")
    assert "State out lies above in by more than 2.8 kT" in difference_sentence(second, "in", "out")


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (ParetoTail(-np.inf, EQUAL, 949, 0.0, 0.7), "alike"),
        (ParetoTail(float("nan"), TOO_FEW, 2, float("nan"), 0.5), "too few"),
        (replace(TAIL, k=-0.3), "upper bound"),
        (TAIL, "below 0.70: averages can be trusted"),
        (replace(TAIL, k=0.8), "not below 0.70"),
        (replace(TAIL, k=1.2), "do not settle"),
    ],
)
def test_every_tail_has_its_sentence(tail, told):
    assert told in tail_sentence(replace(WEIGHTS, tail=tail))


def test_samples_without_weight_are_counted():
    numbers = importance(np.append(np.zeros(99), -np.inf))
    assert weights_sentence(numbers).endswith("1 sample of infinite energy has none.")


def test_a_profile_is_told_with_its_gaps():
    values = np.repeat([0.5, 1.5, 3.5], [100, 50, 2])
    told = profile_sentence(profile(np.zeros(152), values, np.arange(5.0)), "nm")
    assert told.startswith("The free energy is lowest at 0.5 nm and known up to 3.9 kT above")
    assert told.endswith("1 bin of 4 is empty, 1 bin has fewer than ten effective samples.")


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.0996, "10 %"), (0.0329, "3.3 %"), (4.2e-6, "0.00042 %")]
)
def test_shares_have_two_digits(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("error", "text"), [(0.02, "0.020"), (0.00071, "0.0007"), (0.0, "0.000"), (1.5, "1.500")])
def test_errors_have_digits_enough(error, text):
    assert error_text(error) == text

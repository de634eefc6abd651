"""Whether weighted samples can be believed: four lights and a verdict.

The effective sample size alone never decides: samples that miss half of the target have a high one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.flow.estimates.bar import Acceptance
from mdweights_core.flow.estimates.free_energy import Difference
from mdweights_core.flow.estimates.importance import Importance
from mdweights_core.flow.estimates.modes import Hole, Minima, Populations
from mdweights_core.flow.estimates.sentences import (
    BIASED,
    FEW,
    difference_sentence,
    error_text,
    hole_sentence,
    minima_sentence,
    partition_sentence,
    percent,
    population_sentences,
    size_text,
    weights_sentence,
)
from mdweights_core.lights import BAD, GOOD, NONE, WEAK, Light

SUPPORTED, UNCERTAIN, UNSUPPORTED, DROPPED = "supported", "weak", "unsupported", "mode-dropped"
"""Conclusions: averages can be read; with doubts; not at all; a part of the target is missing."""

_ORDER = (NONE, GOOD, WEAK, BAD)
_HEAVY, _HEAVIEST = 0.05, 0.25  # of the weight on one sample
_ENOUGH, _LEAST = 200.0, 20.0  # effective samples
_DECIDES = 0.1  # of the weight in a tail without a mean
_LARGE = 0.05  # of the reference beyond all samples
_UNEQUAL = 0.1  # effective size that the reference sees, as a part of that of the samples
_APART = 3.0  # standard errors between two estimates
_WORTH, _OFF = 0.05, 1.0  # kT between two estimates that are worth a word, and that forbid to read either
_SURE, _UNSURE = 0.3, 1.0  # kT: standard errors of free energies


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that the lights and the verdict are read from; None where it is missing.

    Attributes
    ----------
    weights : Importance
    hole, populations : Hole, Populations
        From reference frames. Frames that the flow was trained on will do, though they flatter it.
    minima : Minima
    by_bar : Acceptance
        ln Z with reference frames.
    difference, difference_by_bar : Difference
        Of two states that the user drew.
    states : tuple of str
        Their names.
    """

    weights: Importance
    hole: Hole | None = None
    populations: Populations | None = None
    minima: Minima | None = None
    by_bar: Acceptance | None = None
    difference: Difference | None = None
    difference_by_bar: Difference | None = None
    states: tuple[str, str] = ("A", "B")


@dataclass(frozen=True)
class Judgement:
    """Why to believe samples, or why not.

    Attributes
    ----------
    lights : tuple of Light
        Weights, coverage, convergence and free energy.
    conclusion : str
        "supported", "weak", "unsupported" or "mode-dropped".
    verdict : str
        The same in words, with the numbers.
    """

    lights: tuple[Light, ...]
    conclusion: str
    verdict: str


def judge(e: Evidence) -> Judgement:
    """Four lights and a verdict. Coverage is asked first: of what is not there, no weight can tell."""
    lights = weights_light(e), coverage_light(e), convergence_light(e), free_energy_light(e)
    conclusion = _conclusion(*lights)
    return Judgement(lights, conclusion, _verdict(e, conclusion, lights))


def weights_light(e: Evidence) -> Light:
    """Over how many samples the weight is spread, and how heavy its tail is."""
    n = e.weights
    has_no_mean = n.tail.k >= 1 and n.tail.excess > _DECIDES
    if n.n_effective < _LEAST or n.largest_share > _HEAVIEST or has_no_mean:
        state = BAD
    elif n.n_effective < _ENOUGH or n.largest_share > _HEAVY or n.tail.is_heavy:
        state = WEAK
    else:
        state = GOOD
    return Light("weights", state, f"{percent(n.ess)}, {size_text(n.n_effective)} of {n.n}", weights_sentence(n))


def coverage_light(e: Evidence) -> Light:
    """Whether a part of the target is missing from the samples."""
    found = [
        *([] if e.populations is None else [_of_populations(e.populations)]),
        *([] if e.hole is None else [_of_hole(e.hole, e.weights.ess)]),
        *([] if e.minima is None or not len(e.minima.above) else [_of_minima(e.minima)]),
    ]
    if not found:
        return Light(
            "coverage",
            NONE,
            "not known",
            "There are no reference frames and no minima of the energy to compare with, so nothing tells whether a "
            "state is missing; a high effective sample size does not.",
        )
    worst = max(found, key=lambda one: _ORDER.index(one.state))
    return Light("coverage", worst.state, worst.value, " ".join(one.sentence for one in found))


def _of_populations(found: Populations) -> Light:
    missing, odd, count = int(found.missing.sum()), int((found.differing | found.new).sum()), len(found.names)
    state, value = GOOD, f"{counted(count, 'state')} as in the reference"
    if odd:
        state, value = WEAK, f"{odd} of {counted(count, 'state')} unlike the reference"
    if missing:
        state, value = BAD, f"{missing} of {counted(count, 'state')} missing"
    return Light("populations", state, value, " ".join(population_sentences(found)))


def _of_hole(found: Hole, ess: float) -> Light:
    state = WEAK if found.is_there or found.forward_ess < _UNEQUAL * ess else GOOD
    if found.is_there and found.beyond > _LARGE:
        state = BAD
    return Light("hole", state, f"{percent(found.beyond)} of the reference beyond all samples", hole_sentence(found))


def _of_minima(found: Minima) -> Light:
    missed, count = int(found.missed.sum()), len(found.above)
    value = f"{missed} of {count} minima missed" if missed else f"no known minimum of {count} missed"
    return Light("minima", BAD if missed else GOOD, value, minima_sentence(found))


def convergence_light(e: Evidence) -> Light:
    """Whether ln Z is known, and whether reference frames tell the same one."""
    n, value = e.weights, f"ln Z {e.weights.log_z:.3f} ± {error_text(e.weights.log_z_error)}"
    state = GOOD if n.log_z_error < _SURE and abs(n.log_z_bias) < BIASED else WEAK
    if n.log_z_error > _UNSURE:
        state = BAD
    if e.by_bar is not None:
        agreement = _agreement(n.log_z - e.by_bar.log_z, float(np.hypot(n.log_z_error, e.by_bar.error)))
        state = max(state, agreement, key=_ORDER.index)
    return Light("convergence", state, value, partition_sentence(n, e.by_bar))


def _agreement(apart: float, error: float) -> str:
    """State of two estimates of the same free energy, kT."""
    if abs(apart) <= max(_APART * error, _WORTH):
        return GOOD
    return BAD if abs(apart) > _OFF else WEAK


def free_energy_light(e: Evidence) -> Light:
    """Whether the difference between the two states of the user is known."""
    found = [one for one in (e.difference, e.difference_by_bar) if one is not None]
    if not found:
        return Light("free energy", NONE, "not asked", "No two states were drawn.")
    state = max((_of_difference(one) for one in found), key=_ORDER.index)
    told = [difference_sentence(one, *e.states) for one in found]
    if len(found) == 2 and np.isfinite(found[0].value):
        apart, error = found[0].value - found[1].value, float(np.hypot(found[0].error, found[1].error))
        if (agreement := _agreement(apart, error)) != GOOD:
            state = max(state, agreement, key=_ORDER.index)
            told.append(f"The two estimates differ by {abs(apart):.2f} kT, {abs(apart) / error:.1f} standard errors.")
    best = min(found, key=lambda one: one.error if np.isfinite(one.error) else np.inf)
    value = f"{best.value:.3f} ± {error_text(best.error)} kT" if np.isfinite(best.value) else "one state only"
    return Light("free energy", state, value, " ".join(told))


def _of_difference(found: Difference) -> str:
    if not np.isfinite(found.value) or found.error > _UNSURE:
        return BAD
    few = found.occupation.n_least < FEW
    return WEAK if found.error > _SURE or few else GOOD


def _conclusion(weights: Light, coverage: Light, convergence: Light, free_energy: Light) -> str:
    if coverage.state == BAD:
        return DROPPED
    if BAD in (weights.state, convergence.state):
        return UNSUPPORTED
    if WEAK in (weights.state, coverage.state, convergence.state) or coverage.state == NONE:
        return UNCERTAIN
    return UNCERTAIN if free_energy.state in (WEAK, BAD) else SUPPORTED


def _verdict(e: Evidence, conclusion: str, lights: tuple[Light, ...]) -> str:
    n = e.weights
    size = f"effective sample size {percent(n.ess)}, {size_text(n.n_effective)} of {n.n} samples"
    weights, coverage, *_ = lights
    if conclusion == DROPPED:
        return (
            f"A part of the ensemble is missing from the samples ({coverage.value}): averages are those of the rest, "
            f"whatever their weights say ({size}). Add frames or starts there, or train from a higher temperature."
        )
    if conclusion == UNSUPPORTED:
        what = "Too few samples carry the weight" if weights.state == BAD else "ln Z is not determined"
        return f"{what} ({size}): do not read averages. Train longer, or draw more samples."
    reasons = [_REASONS[light.name, light.state] for light in lights if (light.name, light.state) in _REASONS]
    if conclusion == UNCERTAIN:
        return f"The samples carry averages with doubts ({size}): {'; '.join(reasons)}."
    told = f"The weighted samples stand for the ensemble ({size}; {coverage.value})"
    return f"{told}: averages can be read, with their errors."


_REASONS = {
    ("weights", WEAK): "the weights are uneven or have a heavy tail",
    ("coverage", NONE): "nothing tells whether a state is missing",
    ("coverage", WEAK): "populations or weights at the reference do not fit",
    ("convergence", WEAK): "ln Z is uncertain",
    ("free energy", WEAK): "the free-energy difference is uncertain",
    ("free energy", BAD): "the free-energy difference is not known",
}

"""Whether samples can be believed, and free energies of states from them: what command line and window both tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.flow.estimates.bar import state_difference_by_bar
from mdweights_core.flow.estimates.free_energy import Difference, state_difference
from mdweights_core.flow.estimates.gather import gather
from mdweights_core.flow.estimates.importance import importance
from mdweights_core.flow.estimates.judgement import Evidence, Judgement, free_energy_light, judge
from mdweights_core.lights import Light
from mdweights_core.workflow.sampled import Sampled

if TYPE_CHECKING:
    from mdweights_core.workflow.along import States


@dataclass(frozen=True, eq=False)
class Judged:
    """Numbers of a run and what they mean.

    Attributes
    ----------
    evidence : Evidence
    judgement : Judgement
    """

    evidence: Evidence
    judgement: Judgement


def judged(sampled: Sampled) -> Judged:
    """Look at all there is: the weights, reference frames, minima of the energy.

    Raises
    ------
    BadInput
        When no sample has weight.
    """
    samples = sampled.samples
    has_probes = len(samples.probes) > 0
    evidence = gather(
        samples.log_weights,
        reference=sampled.reference,
        minimum_log_w=samples.probe_log_weights if has_probes else None,
        log_mass=samples.probe_log_masses if has_probes else None,
        seed=samples.seed,
    )
    if not sampled.origin.frames_know_populations:
        evidence = replace(evidence, by_bar=None)
    return Judged(evidence, judge(evidence))


@dataclass(frozen=True)
class FreeEnergy:
    """F(second) - F(first).

    Attributes
    ----------
    names : (str, str)
    by_weights : Difference
        From the samples alone.
    by_bar : Difference or None
        With reference frames in both states.
    light : Light
        What to think of it.
    """

    names: tuple[str, str]
    by_weights: Difference
    by_bar: Difference | None
    light: Light


def free_energy(sampled: Sampled, states: States, seed: int = 0) -> FreeEnergy:
    """The free-energy difference of two states, by the weights and, where frames allow it, by the acceptance ratio.

    Raises
    ------
    BadInput
        When states overlap, or neither has a sample.
    """
    has_frames = sampled.reference is not None
    frames = states.masks(sampled.origin.frames) if has_frames else None
    return free_energy_of(sampled, states.names, states.masks(sampled.samples.x), frames, seed)


def free_energy_of(
    sampled: Sampled,
    names: tuple[str, str],
    masks: tuple[np.ndarray, np.ndarray],
    frame_masks: tuple[np.ndarray, np.ndarray] | None,
    seed: int = 0,
) -> FreeEnergy:
    """The same of states that are told by which samples are in them, bool [S] twice, and which frames, bool [T]."""
    log_w, reference = sampled.samples.log_weights, sampled.reference
    by_weights = state_difference(log_w, *masks, seed)
    by_bar = None
    if reference is not None and frame_masks is not None and np.isfinite(by_weights.value):
        has_frames = all((mask & (reference.weights > 0)).any() for mask in frame_masks)
        by_bar = state_difference_by_bar(log_w, *masks, reference, *frame_masks) if has_frames else None
    evidence = Evidence(importance(log_w, seed), difference=by_weights, difference_by_bar=by_bar, states=names)
    return FreeEnergy(names, by_weights, by_bar, free_energy_light(evidence))


def summary(sampled: Sampled, found: Judged) -> dict[str, Any]:
    """The numbers of a run as plain values, for JSON and tables; None for what is not known."""
    samples, numbers = sampled.samples, found.evidence.weights
    return {
        "system": sampled.origin.toy or sampled.origin.energy,
        "temperature_K": sampled.origin.temperature or None,
        "samples": samples.n_samples,
        "without_weight": numbers.n_without_weight,
        "ess": numbers.ess,
        "ess_clipped": numbers.ess_clipped,
        "effective_samples": numbers.n_effective,
        "largest_share": numbers.largest_share,
        "pareto_k": numbers.tail.k if np.isfinite(numbers.tail.k) else None,
        "pareto_k_how": numbers.tail.how,
        "forward_ess": None if found.evidence.hole is None else found.evidence.hole.forward_ess,
        "log_z": numbers.log_z,
        "log_z_error": numbers.log_z_error,
        "training_energies": samples.training_energies,
        "energies": samples.training_energies + samples.energies,
        "seconds": samples.seconds,
        "round_trip_error": samples.round_trip,
        "log_det_error": samples.log_det_error,
        "seed": samples.seed,
        "lights": [vars(light) for light in found.judgement.lights],
        "conclusion": found.judgement.conclusion,
        "verdict": found.judgement.verdict,
        "notes": list(samples.notes),
    }


def difference_values(found: Difference | None, kt: float | None) -> dict[str, Any] | None:
    """A difference as plain values, for JSON; what is infinite or not known is None, and `bound` tells the rest."""
    if found is None:
        return None
    values = {"kT": _finite(found.value), "error_kT": _finite(found.error), "bound_kT": _finite(found.bound)}
    if kt is not None:
        values |= {"kJ_mol": _finite(found.value * kt), "error_kJ_mol": _finite(found.error * kt)}
    return {**values, **found.occupation._asdict()}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""All estimates that samples, reference frames, minima and states allow, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.flow.estimates.bar import log_partition_by_bar, state_difference_by_bar
from mdweights_core.flow.estimates.free_energy import Difference, state_difference
from mdweights_core.flow.estimates.importance import importance
from mdweights_core.flow.estimates.judgement import Evidence
from mdweights_core.flow.estimates.modes import Populations, hole, minima, populations
from mdweights_core.flow.estimates.reference import Reference


@dataclass(frozen=True, eq=False)
class TwoStates:
    """Two states that a user drew.

    Attributes
    ----------
    names : tuple of str
    label : int [S]
        0 for samples in the first, 1 in the second, -1 in neither.
    frame_label : int [T], optional
        The same of reference frames.
    """

    names: tuple[str, str]
    label: np.ndarray
    frame_label: np.ndarray | None = None


def gather(
    log_w: np.ndarray,
    *,
    reference: Reference | None = None,
    minimum_log_w: np.ndarray | None = None,
    log_mass: np.ndarray | None = None,
    states: TwoStates | None = None,
    seed: int = 0,
) -> Evidence:
    """Everything `judgement.judge` reads.

    Parameters
    ----------
    log_w : float64 [S]
        Of independent samples.
    reference : Reference, optional
        Frames of the target: holes in the density of the samples, ln Z by the acceptance ratio.
    minimum_log_w, log_mass : float64 [P], optional
        At minima of the energy; see `modes.minima`.
    states : TwoStates, optional
        Their free-energy difference; with labels of the frames also by the acceptance ratio, and both populations.
    seed : int
        Of the bootstrap.

    Raises
    ------
    BadInput
        When no sample has weight, or arrays do not fit each other.
    """
    return Evidence(
        weights=importance(log_w, seed),
        hole=None if reference is None else hole(log_w, reference),
        populations=_populations(log_w, reference, states, seed),
        minima=None if minimum_log_w is None or log_mass is None else minima(log_w, minimum_log_w, log_mass),
        by_bar=None if reference is None else log_partition_by_bar(log_w, reference),
        difference=_difference(log_w, states, seed),
        difference_by_bar=_difference_by_bar(log_w, reference, states),
        states=("A", "B") if states is None else states.names,
    )


def _populations(
    log_w: np.ndarray, reference: Reference | None, states: TwoStates | None, seed: int
) -> Populations | None:
    if reference is None or states is None or states.frame_label is None:
        return None
    return populations(log_w, states.label, reference, states.frame_label, states.names, seed)


def _difference(log_w: np.ndarray, states: TwoStates | None, seed: int) -> Difference | None:
    """None where neither state has weight, too: the samples then lie elsewhere, and populations tell of it."""
    if states is None or not np.isfinite(log_w[states.label >= 0]).any():
        return None
    return state_difference(log_w, states.label == 0, states.label == 1, seed)


def _difference_by_bar(log_w: np.ndarray, reference: Reference | None, states: TwoStates | None) -> Difference | None:
    """None where a state has no samples or no frames, of which the acceptance ratio needs both."""
    if reference is None or states is None or states.frame_label is None:
        return None
    for state in (0, 1):
        if not np.isfinite(log_w[states.label == state]).any():
            return None
        if not reference.weights[states.frame_label == state].any():
            return None
    first, second = (states.label == state for state in (0, 1))
    return state_difference_by_bar(log_w, first, second, reference, states.frame_label == 0, states.frame_label == 1)

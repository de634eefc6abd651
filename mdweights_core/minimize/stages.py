"""Minimisation in stages, each in other variables: slow modes first, then more of them, then all coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mdweights_core.jobs import Clock, Job, Progress, Stopped
from mdweights_core.minimize.base import End, Evaluate, Objective, Reparametrisation, State
from mdweights_core.minimize.methods import minimizer_of
from mdweights_core.minimize.settings import MinimizeSettings


@dataclass(frozen=True)
class Stage:
    """Variables, and how to minimise in them; `max_evaluations` are those of this stage."""

    variables: Reparametrisation
    settings: MinimizeSettings


@dataclass(frozen=True, eq=False)
class StagedEnd:
    """Where S starts have come to.

    Attributes
    ----------
    x : float64 [S, n_atoms, 3]
        nm.
    energy : float64 [S]
        kJ/mol.
    evaluations : int64 [n_stages, S]
        Gradients spent in each stage.
    ends : list of End
        Why the last stage that was begun ended.
    """

    x: np.ndarray
    energy: np.ndarray
    evaluations: np.ndarray
    ends: list[End]


def minimize_in_stages(evaluate: Evaluate, starts: np.ndarray, stages: Sequence[Stage]) -> Job[StagedEnd]:
    """Bring starts through all stages, each from where the last one ended.

    Parameters
    ----------
    evaluate : callable
        Energies and gradients of coordinates [R, n_atoms, 3].
    starts : float64 [S, n_atoms, 3]
        nm.
    stages : sequence of Stage

    Yields
    ------
    Progress
        With the lowest energy of all starts. Stopped, the job returns where the starts are.
    """
    x = np.array(starts, dtype=np.float64)
    spent = np.zeros((len(stages), len(x)), dtype=np.int64)
    energy, ends = np.full(len(x), np.nan), [End.STOPPED] * len(x)
    for place, stage in enumerate(stages):
        state, ends, is_stopped = yield from _one_stage(evaluate, x, stage, f"stage {place + 1} of {len(stages)}")
        x, energy, spent[place] = stage.variables.coordinates(state.z), state.value.copy(), state.evaluations
        if is_stopped:
            break
    return StagedEnd(x, energy, spent, ends)


def _one_stage(evaluate: Evaluate, x: np.ndarray, stage: Stage, name: str) -> Job[tuple[State, list[End], bool]]:
    minimizer = minimizer_of(stage.settings)
    objective = Objective(evaluate, stage.variables, len(x))
    state = minimizer.init(objective, stage.variables.variables(x))
    ends, clock = [End.GOING] * len(x), Clock()
    try:
        while True:
            ends = minimizer.ended(state, stage.settings)
            state = replace(state, going=np.array([end is End.GOING for end in ends]))
            if not state.going.any():
                return state, ends, False
            if clock.is_due():
                spent, lowest = int(state.evaluations.max()), float(np.nanmin(state.value))
                told = f"{name}, lowest energy {lowest:.6g} kJ/mol"
                yield Progress("minimising", spent, stage.settings.max_evaluations, told, {"energy": lowest})
            state = minimizer.step(objective, state)
    except Stopped:
        return state, [end or End.STOPPED for end in ends], True

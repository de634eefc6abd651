"""The job: many starts brought to minima of an energy, watched, stopped and gone on with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import jax
import numpy as np

from mdweights_core.energy.base import Energy
from mdweights_core.energy.restraints import position_restraints
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.checkpoints import Keeper
from mdweights_core.jobs import Clock, Job, Progress, Stopped
from mdweights_core.minimize.base import End, Objective, State
from mdweights_core.minimize.cartesian import FreeAtoms
from mdweights_core.minimize.close_pairs import curvature_of
from mdweights_core.minimize.evaluation import energy_fingerprint, evaluator
from mdweights_core.minimize.methods import minimizer_of
from mdweights_core.minimize.result import NOT_BEGUN, Minimisation
from mdweights_core.minimize.run import Run, load_run, made_from, save_run, state_of
from mdweights_core.minimize.settings import MinimizeSettings

STAGE = "minimising"
SAVE_SECONDS = 20.0
"""Between two checkpoints."""

_ON_A_CARD = 64  # starts side by side
_SPRINGS = "position restraints"


def minimize(
    energy: Energy,
    starts: np.ndarray,
    settings: MinimizeSettings = MinimizeSettings(),
    *,
    fixed: np.ndarray | None = None,
    restrained: np.ndarray | None = None,
    spring: float = 0.0,
    reference: np.ndarray | None = None,
    checkpoint: Path | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Job[Minimisation]:
    """Bring starts to minima of an energy.

    Stopped, it returns what it has; with a checkpoint, the same call goes on from there and comes to the same end.

    Parameters
    ----------
    energy : Energy
    starts : float [S, n_atoms, 3]
        nm.
    settings : MinimizeSettings
        Of one of `METHODS`.
    fixed : bool [n_atoms], optional
        Atoms that do not move.
    restrained : int [m], optional
        Atoms held by springs where their start has them; their energy counts.
    spring : float
        Force constant of these, kJ/mol/nm^2.
    reference : float [n_atoms, 3], optional
        Conformation that distances are told to, nm.
    checkpoint : Path, optional
        File (.npz) that keeps the state of the run.
    save_seconds : float
        Between two checkpoints.

    Raises
    ------
    BadInput
        Starts of other atoms or that are no numbers, or a checkpoint of something else.
    """
    starts = _checked(energy, starts, fixed)
    free = np.ones(energy.n_atoms, dtype=bool) if fixed is None else ~np.asarray(fixed, dtype=bool)
    held = np.zeros(0, dtype=np.int64) if restrained is None else np.asarray(restrained)
    parts = [starts, free, held, np.array(spring)]
    mark = made_from(energy_fingerprint(energy), parts, settings)
    keeper: Keeper[Run] = Keeper(checkpoint, save_seconds, lambda run, path: save_run(run, mark, path))
    run = (load_run(checkpoint, mark) if checkpoint else None) or Run.begin(starts)
    is_own = fixed is not None or len(held) > 0  # what holds a start is where that start has it
    size = 1 if is_own else settings.together or (1 if jax.default_backend() == "cpu" else _ON_A_CARD)
    try:
        yield Progress(STAGE, 0, len(starts), "compiling the energy")
        while len(run.batch) or run.next_batch(size):
            first = starts[run.batch[0]]
            own = energy.with_term(_SPRINGS, position_restraints(held, first, spring)) if len(held) else energy
            variables = FreeAtoms(first, ~free)
            objective = Objective(evaluator(own), variables, len(run.batch), curvature_of(own))
            yield from _bring_down(run, objective, variables.variables(starts[run.batch]), settings, keeper)
    except Stopped:
        pass
    keeper.save(run)
    return run.result(starts, reference, settings, (*keeper.notes, *_remarks(run)))


def _bring_down(
    run: Run, objective: Objective, z0: np.ndarray, settings: MinimizeSettings, keeper: Keeper[Run]
) -> Job[None]:
    """Bring the batch of a run to its end, or from where its checkpoint was."""
    clock, before = Clock(), run.seconds
    minimizer = minimizer_of(settings)
    if run.state:
        state = state_of(minimizer.state_kind, run.state)
        objective.evaluations[:] = state.evaluations
    else:
        state = minimizer.init(objective, z0)
    while True:
        ends = minimizer.ended(state, settings)
        state.going = np.array([end is End.GOING for end in ends])
        run.record(state, before + clock.elapsed)
        is_over = not state.going.any()
        is_due = keeper.is_due()
        if is_over or is_due:
            run.keep(state, objective.coordinates(state.z), ends, before + clock.elapsed)
        if is_over:
            run.close_batch()
        if is_due:
            keeper.save(run)
        if is_over:
            return
        if clock.is_due():
            try:
                yield _snapshot(run, state, objective)
            except Stopped:
                run.keep(state, objective.coordinates(state.z), ends, before + clock.elapsed)
                raise
        state = minimizer.step(objective, state)


def _snapshot(run: Run, state: State, objective: Objective) -> Progress:
    """What the first start of the batch that still goes looks like."""
    place = int(np.argmax(state.going))
    start, total = int(run.batch[place]), len(run.ends)
    trace = np.array(run.traces[start])
    done = sum(end not in (NOT_BEGUN, End.GOING) for end in run.ends)
    rms_force = float(state.rms_force[place])
    text = (
        f"start {start + 1} of {total}: {state.value[place]:.2f} kJ/mol, rms force {rms_force:.3g} kJ/mol/nm "
        f"after {counted(int(state.evaluations[place]), 'evaluation')}"
    )
    values = {"start": float(start), "energy": float(state.value[place]), "rms_force": rms_force}
    arrays = {
        "evaluations": trace[:, 0],
        "seconds": trace[:, 1],
        "energy": trace[:, 2],
        "rms_force": trace[:, 3],
        "x": objective.coordinates(state.z[place : place + 1])[0],
    }
    return Progress(STAGE, done, total, text, values, arrays)


def _checked(energy: Energy, starts: np.ndarray, fixed: np.ndarray | None) -> np.ndarray:
    starts = np.array(starts, dtype=np.float64)
    if starts.ndim != 3 or starts.shape[1:] != (energy.n_atoms, 3):
        there = starts.shape[1] if starts.ndim == 3 else 0
        raise BadInput(
            f"The starts have {counted(there, 'atom')}, and the molecule {energy.n_atoms}",
            advice="Choose the atoms of the molecule",
        )
    if not len(starts):
        raise BadInput("There are no starts", advice="Choose at least one frame")
    bad = np.flatnonzero(~np.isfinite(starts).all(axis=(1, 2)))
    if len(bad):
        raise BadInput(f"Start {bad[0] + 1} has coordinates that are not numbers", advice="Leave that start out")
    if fixed is not None and np.all(fixed):
        raise BadInput("All atoms are fixed, so there is nothing to minimise", advice="Free some of them")
    return starts


def _remarks(run: Run) -> list[str]:
    """What a user should know of starts that came to no good end."""
    ends = Counter(run.ends)
    told = []
    if count := ends[End.NOT_FINITE]:
        told.append(
            f"The energy of {counted(count, 'start')} is not finite: atoms lie on top of one another. Nothing was done "
            "to such a start; build it again or move these atoms apart."
        )
    if count := ends[End.STALLED]:
        told.append(
            f"{counted(count, 'start')} came to where no lower energy was found before the tolerance was reached. "
            "Rounding allows no more, or the energy has a step there."
        )
    if count := ends[End.LIMIT]:
        told.append(
            f"{counted(count, 'start')} used up the evaluations before the tolerance was reached. Raise the limit, or "
            "go on from the result."
        )
    return told

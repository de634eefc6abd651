"""The job: parameters fitted to targets, watched, stopped and gone on with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mdweights_core.dynamics.tuning.levenberg import bounded_step
from mdweights_core.dynamics.tuning.problem import Linearised, Problem
from mdweights_core.dynamics.tuning.result import End, Tuning
from mdweights_core.dynamics.tuning.scales import Scales
from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.dynamics.tuning.simulator import Response, Simulator, require_finite
from mdweights_core.dynamics.tuning.sloppiness import determination
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.dynamics.tuning.walk import Walk, load_walk, mark_of, save_walk, stepper_of
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Clock, Job, Progress, Stopped, retold

STAGE = "tuning"

_FULL = 1e-12  # damping of a step that is held back by bounds alone
_NOISE = 2.0  # times the gain that noise alone promises, up to which a promise counts as none
_REFUSALS = 4  # steps in a row to where nothing can be simulated, before the fit gives up


def tune(
    simulator: Simulator,
    targets: Targets,
    settings: TuneSettings = TuneSettings(),
    *,
    checkpoint: Path | None = None,
    made_from: str = "",
) -> Job[Tuning]:
    """Fit parameters so that observables agree with targets.

    Stopped, it returns the best it has; with a checkpoint, the same call goes on from there. A step towards parameters
    where nothing can be simulated is taken back.

    Parameters
    ----------
    simulator : Simulator
    targets : Targets
        Of some of its observables; those held out are only looked at.
    settings : TuneSettings
    checkpoint : Path, optional
        File (.npz) that keeps the fit.
    made_from : str
        What tells the simulator from others, for the checkpoint.

    Raises
    ------
    BadInput
        Targets of no observable; parameters outside their bounds; no target that any parameter changes; a simulation
        that cannot be made at the start; a checkpoint of something else.
    """
    scales = Scales.of(simulator.parameters, settings.priors)
    ordered, places = targets.ordered(simulator.observables)
    problem = Problem(ordered, places, scales)
    mark = mark_of(simulator.parameters, simulator.observables, ordered, settings, made_from)
    walk = None
    if checkpoint is not None and (kept := load_walk(checkpoint, mark, settings)):
        walk = kept[0]
        simulator.remember(kept[1])
    clock = Clock()
    before = 0.0 if walk is None else walk.seconds

    def save(walk: Walk) -> None:
        if checkpoint is not None:
            save_walk(replace(walk, seconds=before + clock.elapsed), simulator.memory(), mark, checkpoint)

    if walk is None:
        walk = yield from _begin(simulator, problem, settings)
        save(walk)
    try:
        while (end := _end(walk, problem, settings)) is None or walk.response.effective < 1.0:
            walk = yield from _advance(walk, simulator, problem, settings, confirm=end is not None)
            save(walk)
            told = _sentence(walk), _values(walk), _arrays(walk)
            yield Progress(STAGE, walk.iteration, settings.iterations, *told)
    except Stopped:
        end = End.STOPPED
    return _result(replace(walk, seconds=before + clock.elapsed), problem, simulator, settings, end)


def _begin(simulator: Simulator, problem: Problem, settings: TuneSettings) -> Job[Walk]:
    """Simulate at the start."""
    theta = np.array([one.value for one in simulator.parameters], dtype=np.float64)
    job = simulator.simulate(theta, settings.seed)
    response = yield from retold(job, partial(_told, iteration=0, walk=None))
    require_finite(response, simulator.observables)
    _require_influence(problem, problem.at(theta, response))
    trace = np.array([_line(problem, response, True)])
    stepper = stepper_of(settings)
    return Walk(theta, response, stepper, response.values, theta[None], trace, 0).counted(response)


def _advance(walk: Walk, simulator: Simulator, problem: Problem, settings: TuneSettings, *, confirm: bool) -> Job[Walk]:
    """Try a step, or with `confirm` simulate where the walk is."""
    here = problem.at(walk.theta, walk.response)
    scales, iteration = problem.scales, walk.iteration + 1
    step, stepper = np.zeros_like(here.u), walk.stepper
    if not confirm:
        step, stepper = walk.stepper.step(here, scales.low, scales.high, settings.max_step)
    theta = scales.theta(here.u + step)
    response = None if confirm or settings.reuse >= 1 else simulator.reweighted(theta, settings.reuse)
    try:
        if response is None:
            job = simulator.simulate(theta, settings.seed + walk.simulations)
            response = yield from retold(job, partial(_told, iteration=iteration, walk=walk))
        require_finite(response, simulator.observables)
    except BadInput as problem_there:
        return _refused(walk, theta, problem_there)
    walk = walk.counted(response)
    there = problem.at(theta, response)
    stepper, is_accepted = (stepper, True) if confirm else stepper.after(here, there, step)
    walk = replace(walk.visited(theta, _line(problem, response, is_accepted)), stepper=stepper, refused=0)
    return replace(walk, theta=theta, response=response) if is_accepted else walk


def _refused(walk: Walk, theta: np.ndarray, problem: BadInput) -> Walk:
    """The walk after a step to where nothing can be simulated, or the error when there were too many."""
    if walk.refused + 1 >= _REFUSALS:
        raise problem
    note = f"A step was taken back, because nothing could be simulated there: {problem.sentence}"
    line = (np.nan, np.nan, 0.0, 1.0)
    walk = replace(walk, refused=walk.refused + 1, stepper=walk.stepper.refused())
    return replace(walk.visited(theta, line), notes=tuple(dict.fromkeys((*walk.notes, note))))


def _end(walk: Walk, problem: Problem, settings: TuneSettings) -> End | None:
    """Why to go on no further, if there is a reason."""
    here = problem.at(walk.theta, walk.response)
    if _promise(here, problem.scales) <= settings.tolerance + _NOISE * here.noise_gain:
        return End.CONVERGED
    if walk.iteration >= settings.iterations:
        return End.ITERATIONS
    return End.STUCK if walk.stepper.is_stuck else None


def _promise(here: Linearised, scales: Scales) -> float:
    """By how much a full step within bounds lowers chi-square."""
    return here.expected_gain(bounded_step(here, _FULL, scales.low, scales.high))


def _require_influence(problem: Problem, start: Linearised) -> None:
    """Refuse parameters that touch no observable that is fitted, unless a prior holds them."""
    idle = ~start.jacobian.any(axis=0) & (start.stiffness == 0)
    if idle.any():
        names = [name for name, is_idle in zip(problem.scales.names, idle, strict=True) if is_idle]
        raise BadInput(
            f"No target that is fitted depends on {', '.join(names)}",
            advice="Fit other parameters, add targets that they change, or give them a prior",
        )


def _line(problem: Problem, response: Response, is_accepted: bool) -> tuple[float, float, float, float]:
    """A line of the trace."""
    fitted, held = (problem.per_datum(response, held_out) for held_out in (False, True))
    return fitted, held, float(is_accepted), response.effective


def _told(progress: Progress, iteration: int, walk: Walk | None) -> Progress:
    """A simulation's snapshot with the fit's numbers beside its own."""
    where = "start" if walk is None else f"iteration {iteration}"
    told = replace(progress, message=f"{where}: {progress.message}".rstrip(": "))
    if walk is None:
        return told
    values, arrays = {**progress.values, **_values(walk)}, {**progress.arrays, **_arrays(walk)}
    return replace(told, values=values, arrays=arrays)


def _values(walk: Walk) -> dict[str, float]:
    values = {"iteration": float(walk.iteration), "chi2": float(walk.trace[-1, 0])}
    return values | ({"chi2_held": float(walk.trace[-1, 1])} if np.isfinite(walk.trace[-1, 1]) else {})


def _arrays(walk: Walk) -> dict[str, np.ndarray]:
    return {"theta": walk.thetas.copy(), "trace_chi2": walk.column("chi2"), "trace_held": walk.column("held")}


def _sentence(walk: Walk) -> str:
    chi2, held, accepted, effective = walk.trace[-1]
    if not np.isfinite(chi2):
        return f"iteration {walk.iteration}: nothing could be simulated there; taken back"
    told = f"iteration {walk.iteration}: chi-square per datum {chi2:.3g}"
    told += f", held out {held:.3g}" if np.isfinite(held) else ""
    told += f", {effective:.0%} of the frames count" if effective < 1 else ""
    return told + ("" if accepted else "; taken back")


def _result(walk: Walk, problem: Problem, simulator: Simulator, settings: TuneSettings, end: End | None) -> Tuning:
    here = problem.at(walk.theta, walk.response)
    names = problem.scales.names
    known = determination(here, names)
    seen = walk.response.at(problem.places)
    return Tuning(
        parameters=names,
        units=tuple(one.unit for one in simulator.parameters),
        start=walk.thetas[0].copy(),
        values=walk.theta.copy(),
        errors=known.errors * np.abs(problem.scales.slope(walk.theta)),
        correlation=known.correlation,
        singular_values=known.singular_values,
        directions=known.directions,
        sentences=known.sentences,
        targets=problem.targets,
        before=walk.first[problem.places],
        after=seen.values,
        after_errors=seen.value_errors,
        jacobian=seen.jacobian,
        trace_theta=walk.thetas.copy(),
        trace_chi2=walk.column("chi2"),
        trace_held=walk.column("held"),
        trace_accepted=walk.column("accepted").astype(bool),
        trace_effective=walk.column("effective"),
        end=str(end or End.STOPPED),
        settings=settings,
        steps=walk.steps,
        seconds=walk.seconds,
        notes=tuple(dict.fromkeys((*walk.notes, *walk.response.notes))),
    )

"""The job: an ensemble simulated, its observables and their derivatives, watched, stopped and gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics import accumulate, guards, likelihood
from mdweights_core.dynamics.accumulate import Sums
from mdweights_core.dynamics.models.base import Model, Simulated
from mdweights_core.dynamics.observables.base import Observable
from mdweights_core.dynamics.result import Estimate, Sensitivity
from mdweights_core.dynamics.run import Run, load_run, made_from, save_run
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.simulation import SECONDS, Simulation
from mdweights_core.errors import BadInput
from mdweights_core.io.checkpoints import Keeper
from mdweights_core.jobs import Clock, Job, Progress, Stopped

STAGE = "simulating the ensemble"
SAVE_SECONDS = 20.0
"""Between two checkpoints."""

_LIVE_SHARE = 5.0  # times as long as a live Jacobian takes to compute, until the next one


def sensitivity(
    simulated: Simulated,
    observable: Observable,
    settings: SensitivitySettings = SensitivitySettings(),
    *,
    theta: np.ndarray | None = None,
    starts: np.ndarray | None = None,
    checkpoint: Path | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Job[Sensitivity]:
    """Simulate an ensemble and estimate its observables and their derivatives by the parameters.

    Stopped, it returns what is there, if samples have begun to count; with a checkpoint, the same call goes on from
    there and comes to the same numbers, bit by bit.

    Parameters
    ----------
    simulated : Simulated
    observable : Observable
        Several are joined to one by `observables.base.joined`.
    settings : SensitivitySettings
    theta : float64 [P], optional
        Values of the parameters; those of the model if not given. Other values cost no new compilation.
    starts : float64 [R, N], optional
        Where the replicas begin; all at the start of the system if not given.
    checkpoint : Path, optional
        File (.npz) that keeps the state of the run.
    save_seconds : float
        Between two checkpoints.

    Raises
    ------
    BadInput
        Steps that are too long; observables or energies that are no numbers; parameters that touch nothing; tangents
        that grow where there is no other estimator; a checkpoint of something else.
    """
    theta = np.asarray(simulated.theta if theta is None else theta, dtype=np.float64)
    starts = _starts(simulated, settings, starts)
    _check(simulated, observable, settings, theta)
    simulation = Simulation(simulated, observable, settings, theta, starts)
    mark = made_from(simulation.system, settings, [starts])
    keeper: Keeper[Run] = Keeper(checkpoint, save_seconds, lambda run, path: save_run(run, mark, path))
    teller = _Teller(simulation)
    yield Progress(STAGE, 0, None, "compiling the energy")
    fresh = simulation.begin()
    run = (load_run(checkpoint, mark, fresh) if checkpoint else None) or fresh
    clock, before, stopped = Clock(SECONDS), run.seconds, False
    try:
        while not simulation.is_ended(run):
            after = run
            for after in simulation.advance(run):
                if after is run and clock.is_due():
                    yield teller.snapshot(run, clock)
            run = replace(after, seconds=before + clock.elapsed)
            keeper.save_if_due(run)
            if clock.is_due():
                yield teller.snapshot(run, clock)
    except Stopped:
        stopped = True
    keeper.save(run)
    if stopped and not simulation.counted(run):
        raise Stopped
    return _result(simulation, run, keeper.notes, stopped=stopped)


def _starts(simulated: Simulated, settings: SensitivitySettings, starts: np.ndarray | None) -> np.ndarray:
    if starts is None:
        return np.tile(np.asarray(simulated.start, dtype=np.float64), (settings.replicas, 1))
    starts = np.asarray(starts, dtype=np.float64)
    if starts.shape != (settings.replicas, simulated.n):
        raise BadInput(
            f"Starts of shape {list(starts.shape)} do not fit {settings.replicas} replicas of {simulated.n} variables"
        )
    return starts


def _check(simulated: Simulated, observable: Observable, settings: SensitivitySettings, theta: np.ndarray) -> None:
    if not float(simulated.kt) and set(settings.estimators) != {"pathwise"}:
        raise BadInput(
            "At zero temperature there are neither random forces nor fluctuations to take derivatives from",
            advice="Choose the estimator pathwise alone",
        )
    if theta.shape != (len(simulated.parameters),) or not theta.size:
        raise BadInput(f"{theta.size} values were given for {len(simulated.parameters)} parameters")
    energy, features = _at_start(simulated.model, observable, simulated.start, jnp.asarray(theta))
    if not np.isfinite(energy):
        raise BadInput("The energy at the start is not a number", advice="Give another start or other parameters")
    if not np.isfinite(features).all():
        raise BadInput("An observable is not a number at the start", advice="Leave it out, or give another start")


@jax.jit
def _at_start(model: Model, observable: Observable, x: jax.Array, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
    return model.energy(x, theta), observable.features(x, theta)


def _result(simulation: Simulation, run: Run, notes: tuple[str, ...], *, stopped: bool) -> Sensitivity:
    settings, observable, theta = simulation.settings, simulation.observable, np.asarray(simulation.theta)
    values, errors = accumulate.values_of(observable, simulation.theta, run.sums)
    estimates = _estimates(simulation, run, run.sums)
    _require_numbers(observable.names, values, estimates)
    has_given_up = run.given_up >= 0
    given_up = guards.grew(run.growth, run.given_up * settings.stride, run.exponent) if has_given_up else ""
    verdict = guards.judged(estimates, theta, settings.blocks, given_up=given_up)
    frames = np.zeros((0, settings.replicas, simulation.simulated.n)) if run.frames is None else run.frames
    return Sensitivity(
        observables=tuple(observable.names),
        parameters=simulation.names,
        theta=theta,
        values=values,
        value_errors=errors,
        estimates=estimates,
        recommended=verdict.recommended,
        growth=simulation.growth(run),
        exponent=run.exponent if has_given_up else simulation.exponent(run),
        window=run.window * settings.stride if "likelihood" in settings.estimators else 0,
        temperature=simulation.temperature(run),
        verdicts=verdict.verdicts,
        verdict=verdict.verdict,
        notes=(*verdict.notes, *_remarks(simulation, run, estimates), *notes),
        steps=simulation.counted(run),
        replicas=settings.replicas,
        seconds=run.seconds,
        frames=frames.reshape(-1, frames.shape[2]),
        last=run.x,
        stopped=stopped,
    )


def _remarks(simulation: Simulation, run: Run, estimates: dict[str, Estimate]) -> list[str]:
    """What a user should know beside the verdict."""
    return [
        *([] if run.given_up >= 0 else guards.neutral(simulation.exponent(run))),
        *_of_heat(simulation, run),
        *_untouched(simulation.names, estimates),
        *_of_window(simulation, run),
        *_of_halves(simulation, run, run.sums),
        *simulation.simulated.remarks,
    ]


def _of_heat(simulation: Simulation, run: Run) -> list[str]:
    settings = simulation.settings
    independent = settings.replicas * settings.blocks * simulation.simulated.n
    return guards.off_temperature(simulation.temperature(run), independent, settings.step)


def _estimates(simulation: Simulation, run: Run, sums: Sums) -> dict[str, Estimate]:
    asked = simulation.asked(run)._asdict()
    return {
        name: accumulate.delivered(simulation.observable, simulation.theta, sums, name, simulation.kt).estimate
        for name in simulation.settings.estimators
        if asked[name]
    }


def _require_numbers(names: tuple[str, ...], values: np.ndarray, estimates: dict[str, Estimate]) -> None:
    """Refuse what is no number.

    Raises
    ------
    BadInput
        Naming the first such observable; or where no parameter touches any observable.
    """
    for numbers in (values[:, None], *(estimate.jacobian for estimate in estimates.values())):
        bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(bad):
            raise BadInput(
                f"{names[bad[0]]} or a derivative of it is not a number",
                advice="Leave that observable out, or take shorter steps",
            )
    if not any(np.any(estimate.jacobian) for estimate in estimates.values()):
        raise BadInput("No parameter touches any of the observables", advice="Choose other parameters or observables")


def _untouched(names: tuple[str, ...], estimates: dict[str, Estimate]) -> list[str]:
    """Parameters whose derivatives are exactly zero."""
    touched = np.any([np.any(estimate.jacobian, axis=0) for estimate in estimates.values()], axis=0)
    idle = [name for name, is_touched in zip(names, touched, strict=True) if not is_touched]
    return [f"The observables do not depend on {', '.join(idle)}: these derivatives are zero."] if idle else []


def _of_window(simulation: Simulation, run: Run) -> list[str]:
    """What is said of the window of the likelihood ratio."""
    settings = simulation.settings
    if run.trace is None:
        return []
    wanted = likelihood.chosen_window(run.trace, settings.stride, settings.step, settings.friction)
    steps = run.window * settings.stride
    if wanted > run.window:
        return [
            f"Observables remember about {wanted * settings.stride} steps, and the likelihood ratio holds {steps}: it "
            f"is biased. A stride of {-(-wanted * settings.stride // likelihood.LONGEST)} would hold all."
        ]
    return [f"The likelihood ratio remembers random forces for {steps} steps, chosen from how long observables do."]


def _of_halves(simulation: Simulation, run: Run, sums: Sums) -> list[str]:
    """What is said where the halves of a finished run do not agree."""
    if run.middle is None or run.done < simulation.plan(run).end:
        return []
    first, second = (
        {name: getattr(run.middle, name) for name in ("count", "f")},
        {name: getattr(sums, name) - getattr(run.middle, name) for name in ("count", "f")},
    )
    halves = [
        accumulate.values_of(simulation.observable, simulation.theta, replace(sums, **half)) for half in (first, second)
    ]
    return guards.drifts(simulation.observable.names, halves)


class _Teller:
    """Snapshots of a run, with values and Jacobians as they are so far where these are quick to compute."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._arrays: dict[str, np.ndarray] = {}
        self._of, self._wait = -1, Clock(0.0)

    def snapshot(self, run: Run, clock: Clock) -> Progress:
        """How far a run is."""
        simulation = self._simulation
        plan, stride = simulation.plan(run), simulation.settings.stride
        step, total = run.done * stride, plan.end * stride
        values = {"exponent": simulation.exponent(run), "temperature": simulation.temperature(run)}
        left = clock.remaining(run.done, plan.end)
        values |= {} if left is None else {"seconds_left": left}
        counted = simulation.counted(run)
        text = f"{counted} steps of {simulation.settings.replicas} replicas" if counted else f"burn-in, step {step}"
        if run.given_up >= 0:
            text += "; pathwise derivatives were given up"
        return Progress(STAGE, step, total, text, values, self._so_far(run) if counted else {})

    def _so_far(self, run: Run) -> dict[str, np.ndarray]:
        """Values and derivatives with errors, by name."""
        if run.done != self._of and self._wait.is_due():
            clock, simulation, sums = Clock(), self._simulation, run.sums
            values, errors = accumulate.values_of(simulation.observable, simulation.theta, sums)
            self._arrays = {"values": values, "value_errors": errors, "growth": simulation.growth(run)}
            for name, estimate in _estimates(simulation, run, sums).items():
                self._arrays |= {f"jacobian {name}": estimate.jacobian, f"error {name}": estimate.error}
            self._of, self._wait = run.done, Clock(_LIVE_SHARE * clock.elapsed)
        return self._arrays

"""The course of a simulation: burn-in, how long things are remembered, samples; it knows nothing of files and users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics import likelihood, replicas
from mdweights_core.dynamics.integrators import integrator
from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.replicas import MOST_STRIDES, WATCHED, Asked, Group, System
from mdweights_core.dynamics.run import Run
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Clock

SECONDS = 0.2
"""Between two snapshots."""

_PILOT = 200  # samples from which it is told how long observables remember
_FORGET = 5.0  # decay times of a disturbance that derivatives are given to forget their begin
_ROOM = 64 << 20  # bytes that replicas moved in one call may work in
_HOT = 1.5  # times the temperature at which a step is too long
_HEAT = ("kinetic", "count")
_SURE = 5.0  # standard errors of the temperature


@dataclass(frozen=True)
class Plan:
    """When what happens, in strides; `settle` is not known before the pilot has ended.

    Attributes
    ----------
    burn_in, pilot, settle, samples : int
    """

    burn_in: int
    pilot: int
    settle: int
    samples: int

    @property
    def begin(self) -> int:
        """When samples begin to count."""
        return self.burn_in + self.pilot + max(self.settle, 0)

    @property
    def end(self) -> int:
        """When all is done."""
        return self.begin + self.samples

    @property
    def middle(self) -> int:
        """When half of what counts is done."""
        return self.begin + self.samples // 2

    def marks(self, frames: int) -> list[int]:
        """When configurations are kept."""
        return [self.begin + self.samples * (i + 1) // frames for i in range(frames)]

    def next(self, done: int, frames: int) -> int:
        """The next time at which something happens."""
        if self.settle < 0:
            return self.burn_in if done < self.burn_in else self.burn_in + self.pilot
        return min(at for at in (self.begin, self.middle, self.end, *self.marks(frames)) if at > done)


class _Grew(NamedTuple):
    """When a disturbance of some group had grown, how much, and how fast they all did."""

    strides: int
    growth: float
    exponent: float


class _Moved(NamedTuple):
    """A group some strides on, what was watched of it, and how its tangents grew, if they did."""

    group: Group
    trace: np.ndarray
    grew: _Grew | None


class Simulation:
    """A system and how it is simulated; takes runs from one stride to the next."""

    def __init__(
        self,
        simulated: Simulated,
        observable: Any,
        settings: SensitivitySettings,
        theta: np.ndarray,
        starts: np.ndarray,
    ) -> None:
        self.simulated, self.observable, self.settings = simulated, observable, settings
        self.kt = float(simulated.kt)
        self.theta = jnp.asarray(theta)
        step = integrator(settings.integrator, settings.step, settings.friction, self.kt, simulated.masses)
        dimension = simulated.dimension if simulated.is_free else 0
        self.system = System(
            simulated.model,
            observable,
            step,
            self.theta,
            jnp.asarray(simulated.masses),
            jnp.asarray(self.kt),
            settings.stride,
            dimension,
        )
        self._starts = starts
        watched = np.linspace(0, observable.n_features - 1, min(observable.n_features, WATCHED)).astype(int)
        self._watched = tuple(watched.tolist())
        self._limit = jnp.asarray(np.log(settings.largest_growth))
        self._pace = 0.0  # seconds that a stride of all replicas takes

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters."""
        return tuple(parameter.name for parameter in self.simulated.parameters)

    def plan(self, run: Run) -> Plan:
        """When what happens in a run."""
        settings = self.settings
        pilot = _PILOT if "likelihood" in settings.estimators and not settings.window else 0
        return Plan(-(-settings.burn_in // settings.stride), pilot, run.settle, settings.samples)

    def is_ended(self, run: Run) -> bool:
        """Whether nothing is left to do."""
        return run.settle >= 0 and run.done >= self.plan(run).end

    def counted(self, run: Run) -> int:
        """Steps that count so far."""
        return max(0, run.done - self.plan(run).begin) * self.settings.stride if run.settle >= 0 else 0

    def asked(self, run: Run) -> Asked:
        """Which estimators are carried along."""
        names = self.settings.estimators
        return Asked("pathwise" in names and run.given_up < 0, "likelihood" in names, "covariance" in names)

    def begin(self) -> Run:
        """All replicas at their starts, with velocities and derivatives of none."""
        settings = self.settings
        run = Run((), window=max(1, -(-settings.window // settings.stride)))
        number = settings.blocks // self._blocks_at_once()
        groups = replicas.begin(self.system, self._starts, settings.seed, self.asked(run), settings.blocks, number)
        run = replace(run, groups=groups)
        return self._settled(run) if self.plan(run).next(-1, 0) == 0 else run

    def _blocks_at_once(self) -> int:
        """How many blocks are moved in one call: as many as there is room for, and a divisor of all."""
        settings = self.settings
        n, p, k = self.simulated.n, len(self.theta), self.observable.n_features
        numbers = 8 * n + 4 * k * (p + 1)
        if "pathwise" in settings.estimators:
            numbers += 8 * n * (p + 1) + (3 * n * n if hasattr(self.simulated.model, "curvature") else 0)
        if "likelihood" in settings.estimators:
            numbers += 2 * likelihood.LONGEST * p
        room = _ROOM // (8 * numbers * (settings.replicas // settings.blocks))
        return max(
            size for size in range(1, settings.blocks + 1) if settings.blocks % size == 0 and size <= max(1, room)
        )

    def advance(self, run: Run) -> Iterator[Run]:
        """Yield the same run each time some replicas have been moved, and at last that of all of them moved on."""
        clock, plan = Clock(), self.plan(run)
        strides = min(self._count(), plan.next(run.done, self.settings.frames) - run.done)
        moved: list[_Moved] = []
        for group in run.groups:
            moved.append(self._moved(run, group, strides))
            if len(moved) < len(run.groups):
                yield run
        self._pace = clock.elapsed / strides
        after = replace(run, groups=tuple(it.group for it in moved), done=run.done + strides)
        self._require_finite(after)
        growths = [it.grew for it in moved if it.grew is not None]
        if growths:
            after = self._given_up(after, min(growths, key=lambda it: it.strides))
        if plan.settle < 0 and plan.pilot and run.done >= plan.burn_in:
            after = after.with_trace(np.concatenate([it.trace for it in moved], axis=1))
        yield self._at_marks(after)

    def _count(self) -> int:
        return int(np.clip(SECONDS / self._pace, 1, MOST_STRIDES)) if self._pace else 1

    def _moved(self, run: Run, group: Group, strides: int) -> _Moved:
        """A group some strides on; where its tangents grow it goes on without them."""
        moved, trace = self._go(run, group, strides, self.asked(run))
        if not moved.grows:
            return _Moved(moved.group, trace, None)
        grew = self._grew(run.done + len(trace), moved.group)
        group = replicas.without_tangents(moved.group)
        if len(trace) < strides:
            rest, seen = self._go(run, group, strides - len(trace), self.asked(run)._replace(pathwise=False))
            group, trace = rest.group, np.concatenate([trace, seen])
        return _Moved(group, trace, grew)

    def _go(self, run: Run, group: Group, strides: int, asked: Asked) -> tuple[replicas.Moved, np.ndarray]:
        """A group some strides on, and what was watched at each of them."""
        window, count = jnp.asarray(run.window), jnp.asarray(strides)
        moved = replicas.advance(self.system, group, window, count, self._limit, asked, self._watched)
        return moved, np.asarray(moved.trace)[: int(moved.strides)]

    def _grew(self, strides: int, group: Group) -> _Grew:
        carried = group.replicas.tangents
        assert carried is not None
        rates = np.asarray(carried.grown) / (strides * self.settings.stride * self.settings.step)
        return _Grew(strides, float(np.exp(np.nanmax(np.asarray(carried.largest)))), float(np.mean(rates)))

    def _given_up(self, run: Run, grew: _Grew) -> Run:
        """The run without pathwise derivatives.

        Raises
        ------
        BadInput
            Where there is no other estimator.
        """
        if self.settings.estimators == ("pathwise",):
            raise BadInput(
                f"Tangents grow: within {grew.strides * self.settings.stride} steps a disturbance has grown "
                f"{grew.growth:.0f}-fold (exponent {grew.exponent:+.3g} per unit of time), and derivatives with it",
                advice="Choose more friction or a lower temperature, or the estimators likelihood and covariance",
            )
        return run.without_tangents(grew.strides, grew.growth, grew.exponent)

    def exponent(self, run: Run) -> float:
        """Finite-time Lyapunov exponent, the mean over replicas; NaN without pathwise derivatives."""
        grown = [np.asarray(group.replicas.tangents.grown) for group in run.groups if group.replicas.tangents]
        time = run.done * self.settings.stride * self.settings.step
        return float(np.mean(np.concatenate(grown)) / time) if grown and time else float("nan")

    def growth(self, run: Run) -> np.ndarray:
        """Largest tangent over its geometric mean in time: median, 90 % quantile and largest over replicas."""
        carried = [group.replicas.tangents for group in run.groups if group.replicas.tangents]
        if not carried:
            return np.full(3, np.nan)
        peak = np.concatenate([np.asarray(it.peak) for it in carried])
        logs = np.concatenate([np.asarray(it.logs / np.maximum(it.samples, 1)[:, None]) for it in carried])
        with np.errstate(divide="ignore"):
            ratio = np.where(peak > 0, np.exp(np.log(peak) - logs), 1.0).max(axis=1)
        return np.quantile(ratio, [0.5, 0.9, 1.0])

    def temperature(self, run: Run) -> float:
        """Mean kinetic temperature, in units of the one asked for; NaN at zero temperature."""
        kinetic, count = (sum(float(jnp.sum(getattr(group.sums, of))) for group in run.groups) for of in _HEAT)
        return kinetic / count / self.kt if self.kt and count else float("nan")

    def _at_marks(self, run: Run) -> Run:
        """What is to be done where a run has come to."""
        plan = self.plan(run)
        if run.done in {plan.burn_in, plan.begin, plan.middle, plan.end}:
            self._require_temperature(run)
        if plan.settle < 0:
            return self._settled(run) if run.done == plan.burn_in + plan.pilot else run
        if run.done == plan.begin:
            return self._counted_from_here(run)
        if run.done == plan.middle:
            run = replace(run, middle=run.sums)
        marks = plan.marks(self.settings.frames).count(run.done)
        return run.with_frames(marks) if marks else run

    def _settled(self, run: Run) -> Run:
        """The run with its window, and the strides that derivatives still need to forget their begin."""
        settings = self.settings
        if run.trace is not None:
            wanted = likelihood.chosen_window(run.trace, settings.stride, settings.step, settings.friction)
            run = replace(run, window=min(wanted, likelihood.LONGEST))
        rate, stride_time = -self.exponent(run), settings.stride * settings.step
        needed = int(np.ceil(_FORGET / (rate * stride_time))) - run.done if rate > 0 else 0
        run = replace(run, settle=int(np.clip(needed, 0, settings.samples)))
        return self._counted_from_here(run) if run.settle == 0 else run

    def _counted_from_here(self, run: Run) -> Run:
        return replace(run, groups=tuple(replicas.counted_from_here(group) for group in run.groups))

    def _require_finite(self, run: Run) -> None:
        lost = np.flatnonzero(~np.isfinite(run.x).all(axis=1))
        if len(lost):
            raise BadInput(
                f"Replica {lost[0] + 1} was lost after {run.done * self.settings.stride} steps: its positions are no "
                "numbers any more",
                advice=f"Choose a step shorter than {self.settings.step:g}, or a start of lower energy",
            )

    def _require_temperature(self, run: Run) -> None:
        """Refuse what is far hotter than asked for, as a step makes it that is nearly too long."""
        free = self.settings.replicas * (self.simulated.n - self.system.dimension)
        kinetic = sum(float(jnp.sum(self.system.masses * group.replicas.v**2)) for group in run.groups)
        temperature = kinetic / free / self.kt if self.kt else 0.0
        if temperature > max(_HOT, 1 + _SURE * np.sqrt(2 / free)):
            raise BadInput(
                f"The temperature is {temperature:.3g} times what was asked for after "
                f"{run.done * self.settings.stride} steps of {self.settings.step:g}: they are too long, or the "
                "burn-in is too short",
                advice="Choose a shorter step or a longer burn-in",
            )

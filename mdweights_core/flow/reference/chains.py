"""Chains of many walkers in any target: example frames, and what a flow is compared with at equal cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.reference.moves import Moves, Restraint, Walkers, advance, begin, descend, moves_of, rearrange
from mdweights_core.flow.reference.settings import ChainSettings
from mdweights_core.flow.targets import Target
from mdweights_core.jobs import Clock, Job, Progress, Stopped

STAGE = "reference simulation"


@dataclass(frozen=True)
class Chains:
    """Frames of W walkers.

    Attributes
    ----------
    x : float [T, W, N]
        Configurations, in the precision of the starts.
    energy : float64 [T, W]
        kT.
    acceptance : float
        Share of moves that passed the Metropolis test; 1 for Langevin dynamics.
    evaluations : int
        Energies computed, most of them with forces.
    seconds : float
        With compilation.
    stopped : bool
        Whether it was stopped before its end.
    """

    x: np.ndarray
    energy: np.ndarray
    acceptance: float
    evaluations: int
    seconds: float
    stopped: bool = False

    @property
    def frames(self) -> np.ndarray:
        """All configurations [T * W, N], the walkers of a time side by side."""
        return self.x.reshape(-1, self.x.shape[-1])


def run_chains(
    target: Target, starts: np.ndarray, settings: ChainSettings, *, inertia: np.ndarray | None = None
) -> Job[Chains]:
    """Let walkers walk; stopped, return the frames there are.

    Parameters
    ----------
    target : Target
        A pytree with `reduced`.
    starts : float32 or float64 [W, N]
        Where each walker begins. All is computed in this precision.
    settings : ChainSettings
    inertia : float64 [N], optional
        Mass of each variable divided by kT, where moves have velocities; 1 if not given.

    Raises
    ------
    BadInput
        Starts of no finite energy, or steps so long that walkers are lost.
    """
    clock, x, energy, stopped = Clock(), [], [], False
    course = Course(target, None, starts, settings, inertia)
    try:
        yield Progress(STAGE, 0, settings.frames, "compiling the energy")
        yield from course.burn_in(clock)
        for frame in range(1, settings.frames + 1):
            walkers = course.advance(settings.stride)
            x.append(np.asarray(walkers.x))
            energy.append(np.asarray(walkers.energy, dtype=np.float64))
            if clock.is_due():
                yield course.progress(frame)
    except Stopped:
        stopped = True
    w, n = course.walkers.x.shape
    return Chains(
        np.stack(x) if x else np.zeros((0, w, n), starts.dtype),
        np.stack(energy) if energy else np.zeros((0, w)),
        course.acceptance,
        course.evaluations,
        clock.elapsed,
        stopped,
    )


class Course:
    """Walkers under way, with what they have cost."""

    def __init__(
        self,
        target: Target,
        restraint: Restraint | None,
        starts: np.ndarray,
        settings: ChainSettings,
        inertia: np.ndarray | None,
    ) -> None:
        if starts.ndim != 2 or not len(starts) or starts.dtype not in (np.float32, np.float64):
            raise BadInput("Walkers begin at configurations [W, N] of float32 or float64")
        self.target, self.restraint, self.settings = target, restraint, settings
        self.moves: Moves = moves_of(settings, inertia, starts.shape[1])
        x = (
            descend(target, restraint, jnp.asarray(starts), settings.descent)
            if settings.descent
            else jnp.asarray(starts)
        )
        self.walkers: Walkers = begin(self.moves, target, restraint, x, jax.random.key(settings.seed))
        self.steps, self.evaluations = 0, (settings.descent + 1) * len(starts)
        self._refuse_lost("has no finite energy to begin with", "Begin at configurations of low energy")

    @property
    def acceptance(self) -> float:
        """Share of moves that passed the Metropolis test; 1 where there is none."""
        if self.settings.moves == "langevin" or not self.steps:
            return 1.0
        return int(self.walkers.accepted) / (self.steps * len(self.walkers.x))

    def advance(self, steps: int) -> Walkers:
        """Go on by some steps."""
        self.walkers = advance(self.moves, self.target, self.restraint, self.walkers, steps)
        self.steps += steps
        self.evaluations += steps * len(self.walkers.x)
        self._refuse_lost("was lost: its energy is not finite any more", "Choose shorter steps")
        return self.walkers

    def rearrange(self, order: np.ndarray) -> None:
        """Let walkers change places: in place i comes the one from place order[i]."""
        self.walkers = rearrange(self.target, self.restraint, self.walkers, jnp.asarray(order))
        self.evaluations += len(order)

    def burn_in(self, clock: Clock) -> Iterator[Progress]:
        """Take the steps that are not kept."""
        for part in _parts(self.settings.burn_in, self.settings.stride):
            self.advance(part)
            if clock.is_due():
                yield Progress(STAGE, self.steps, self.settings.burn_in, "steps before the first frame")

    def progress(self, frame: int) -> Progress:
        """Return a snapshot after some frames."""
        values = {"acceptance": self.acceptance, "evaluations": float(self.evaluations)}
        values["energy"] = float(np.mean(np.asarray(self.walkers.energy, dtype=np.float64)))
        return Progress(STAGE, frame, self.settings.frames, f"{self.evaluations} energies", values)

    def _refuse_lost(self, what: str, advice: str) -> None:
        lost = np.flatnonzero(~np.isfinite(np.asarray(self.walkers.energy)))
        if len(lost):
            rest = f" and {counted(len(lost) - 1, 'other')}" if len(lost) > 1 else ""
            raise BadInput(f"Walker {lost[0] + 1}{rest} {what}", advice=advice)


def _parts(total: int, part: int) -> Iterator[int]:
    """Yield the lengths of equal parts of a number of steps, the last one shorter."""
    for begun in range(0, total, part):
        yield min(part, total - begun)


def spread_over(starts: Any, walkers: int, dtype: Any = np.float32) -> np.ndarray:
    """Deal configurations [m, N] out to walkers, one after the other, [walkers, N]."""
    starts = np.asarray(starts, dtype=dtype)
    return starts[np.arange(walkers) % len(starts)]

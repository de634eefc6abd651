"""A fit on its way, in memory and as a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.first_order import FirstOrder
from mdweights_core.dynamics.tuning.levenberg import Damping
from mdweights_core.dynamics.tuning.problem import Linearised
from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.dynamics.tuning.simulator import Response
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.io.checkpoints import fingerprint, load_checkpoint, save_checkpoint
from mdweights_core.io.packing import packed, unpacked

_TRACE = ("chi2", "held", "accepted", "effective")


class Stepper(Protocol):
    """How a fit steps, with what it remembers."""

    @property
    def is_stuck(self) -> bool:
        """Whether no step of any length was of use."""
        ...

    def step(self, at: Linearised, low: np.ndarray, high: np.ndarray, longest: float) -> tuple[np.ndarray, Stepper]:
        """The step [P] within bounds of u, no entry longer than `longest`, and the stepper after it."""
        ...

    def after(self, before: Linearised, now: Linearised, step: np.ndarray) -> tuple[Stepper, bool]:
        """The stepper when the end of the step is known, and whether to go there."""
        ...

    def refused(self) -> Stepper:
        """The stepper when nothing can be simulated there."""
        ...

    def memory(self) -> Mapping[str, np.ndarray]:
        """Its state."""
        ...

    def remembered(self, arrays: Mapping[str, np.ndarray]) -> Stepper:
        """The inverse of `memory`."""
        ...


def stepper_of(settings: TuneSettings) -> Stepper:
    """What makes the first step."""
    if settings.method == "levenberg-marquardt":
        return Damping(settings.damping)
    return FirstOrder(settings.method, settings.learning_rate)


@dataclass(frozen=True, eq=False)
class Walk:
    """Where a fit is and where it was.

    Attributes
    ----------
    theta : float64 [P]
    response : Response
        At theta.
    stepper : Stepper
    first : float64 [M]
        The simulator's observables at the start.
    thetas : float64 [I + 1, P]
        Parameters tried.
    trace : float64 [I + 1, 4]
        Chi-square per datum of fitted and held-out targets, whether accepted, effective share of frames.
    simulations, steps : int
    refused : int
        Steps in a row to where nothing could be simulated.
    seconds : float
    notes : tuple of str
        Of the way; those of `response` are its own.
    """

    theta: np.ndarray
    response: Response
    stepper: Stepper
    first: np.ndarray
    thetas: np.ndarray
    trace: np.ndarray
    simulations: int = 1
    steps: int = 0
    refused: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def iteration(self) -> int:
        """Steps that were tried."""
        return len(self.trace) - 1

    def visited(self, theta: np.ndarray, numbers: Sequence[float]) -> Walk:
        """The walk with another line of its trace."""
        return replace(self, thetas=np.vstack([self.thetas, theta]), trace=np.vstack([self.trace, numbers]))

    def column(self, name: str) -> np.ndarray:
        """A column of the trace: chi2, held, accepted or effective."""
        return self.trace[:, _TRACE.index(name)].copy()

    def counted(self, response: Response) -> Walk:
        """The walk with what a response cost."""
        is_new = response.effective == 1.0
        return replace(self, simulations=self.simulations + is_new, steps=self.steps + response.steps)


def mark_of(
    parameters: Sequence[Parameter], observables: Sequence[str], targets: Targets, settings: TuneSettings, what: str
) -> str:
    """Short text of what a fit is made from; how many iterations it may take is no part of it."""
    plain: dict[str, Any] = {"what": what, "observables": list(observables), "targets": list(targets.names)}
    plain["settings"] = asdict(replace(settings, iterations=1))
    plain["parameters"] = [(one.name, one.value, one.low, one.high) for one in parameters]
    return fingerprint(json.dumps(plain), (targets.values, targets.sigmas, targets.held_out))


def save_walk(walk: Walk, memory: Mapping[str, np.ndarray], mark: str, path: Path) -> None:
    """Write a checkpoint with the simulator's memory; see `save_checkpoint`."""
    arrays: dict[str, np.ndarray] = {}
    record = packed(walk, "walk.", arrays, apart=("response", "stepper"))
    record |= {"response": packed(walk.response, "response.", arrays)}
    arrays |= {f"stepper.{name}": values for name, values in walk.stepper.memory().items()}
    arrays |= {f"memory.{name}": values for name, values in memory.items()}
    save_checkpoint(path, mark, record, arrays)


def load_walk(path: Path, mark: str, settings: TuneSettings) -> tuple[Walk, dict[str, np.ndarray]] | None:
    """Read a checkpoint, the walk and the simulator's memory; see `load_checkpoint`."""

    def read(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Walk, dict[str, np.ndarray]]:
        response = Response(**unpacked(Response, "response.", arrays, plain.pop("response")))
        stepper = stepper_of(settings).remembered(_under("stepper.", arrays))
        own = unpacked(Walk, "walk.", arrays, plain)
        return Walk(**{**own, "response": response, "stepper": stepper}), _under("memory.", arrays)

    return load_checkpoint(path, mark, "another system, other targets or other settings", read)


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}

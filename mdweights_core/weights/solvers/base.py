"""What every solver offers, and what it knows about where it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdweights_core.weights.model import ModelArrays

SOLVERS: dict[str, str] = {
    "gauss-newton": "Gauss-Newton, exact active set",
    "lbfgs": "L-BFGS on softmax weights",
    "adam": "Adam on softmax weights",
    "adam-prototype": "Adam, raw sigmoid weights (prototype, not normalised)",
}


@dataclass(frozen=True)
class SolverSettings:
    """What all solvers share.

    Attributes
    ----------
    theta : float
        Strength of KL(w || w0) against the correlation coefficient.
    prior : float64 [n_frames]
        w0, positive, sums to one.
    max_steps : int
        Iterations after which to give up.
    tolerance : float
        Gain in the objective per iteration under which a solver considers itself done.
    """

    theta: float
    prior: np.ndarray
    max_steps: int
    tolerance: float = 1e-7


@dataclass(frozen=True, eq=False)
class SolverState:
    """Where a solver is.

    Attributes
    ----------
    weights : float64 [n_frames]
        Non-negative, sum one.
    gain : float
        CC - theta KL at these weights.
    iteration : int
    done, converged : bool
        Whether to go on, and whether the end was a good one.
    outcome : str
        Why it ended, as a sentence.
    raw_sum : float
        Sum of the weights before normalisation; 1 except for the prototype.
    memory : object
        The solver's own.
    """

    weights: np.ndarray
    gain: float
    iteration: int = 0
    done: bool = False
    converged: bool = False
    outcome: str = ""
    raw_sum: float = 1.0
    memory: Any = field(default=None, repr=False)


class Solver(ABC):
    """init / step solver in the manner of optimistix: the caller owns the loop."""

    def __init__(self, settings: SolverSettings) -> None:
        self.settings = settings

    @abstractmethod
    def start(self, arrays: ModelArrays, weights: np.ndarray) -> SolverState:
        """The state at the given normalised weights."""

    @abstractmethod
    def step(self, arrays: ModelArrays, state: SolverState) -> SolverState:
        """About 150 ms of work (at least one iteration)."""


def iterations(count: int) -> str:
    """``1 iteration``, ``5 iterations``."""
    return f"{count} iteration{'' if count == 1 else 's'}"

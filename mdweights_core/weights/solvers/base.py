"""What every solver is given and what it tells."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.objectives.base import Objective


@dataclass(frozen=True, eq=False)
class Term:
    """One part of what is fitted: an objective on the reflections of some blocks of frames.

    Attributes
    ----------
    frames : FrameBlocks
    objective : Objective
    weight : float
        Beside the other terms.
    rows : float64 [n_group] or None
        How often each reflection counts, where that is the same for every task.
    order : int [n_group] or None
        Reflections by resolution, for samples of them.
    usual : float64 [n_group] or None
        Intensities at usual weights, by which samples are drawn; None where all reflections are alike.
    """

    frames: FrameBlocks
    objective: Objective
    weight: float = 1.0
    rows: np.ndarray | None = None
    order: np.ndarray | None = None
    usual: np.ndarray | None = None

    def rows_of(self, rows: np.ndarray) -> np.ndarray:
        """Its own reflection counts where it has some, else those of P tasks, `rows` [P, n_group]: [P, n_group]."""
        return rows if self.rows is None else np.broadcast_to(self.rows, (len(rows), len(self.rows)))

    def restricted(self, chosen: np.ndarray) -> Term:
        """The term on some of its reflections (rising numbers, int [n])."""
        rows, usual = (None if part is None else part[chosen] for part in (self.rows, self.usual))
        order = None if self.order is None else np.argsort(np.argsort(self.order)[chosen], kind="stable")
        return Term(self.frames.take(chosen), self.objective.restricted(chosen), self.weight, rows, order, usual)


@dataclass(frozen=True, eq=False)
class Task:
    """One fit of frame weights.

    Attributes
    ----------
    rows : float64 [n_group]
        How often each reflection counts; 0 where it is held out.
    start : float64 [n_frames]
        Weights to begin with: non-negative, sum one, zero where not `allowed`.
    prior : float64 [n_frames]
        w0 of the relative entropy: positive, sum one.
    theta : float
        Strength of KL(w || w0).
    allowed : bool [n_frames]
        Frames that may have a weight.
    n_eff_floor : float
        Kish's effective number of frames that theta is raised for; 0 for none.
    crowding : float64 [n_frames] or None
        Where these are units of several frames: the sum of the squared shares that frames have in each, so that Kish's
        number of frames is 1 / sum crowding w^2.
    """

    rows: np.ndarray
    start: np.ndarray
    prior: np.ndarray
    theta: float = 0.0
    allowed: np.ndarray | None = None
    n_eff_floor: float = 0.0
    crowding: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SolverState:
    """Where a solver is with one task.

    Attributes
    ----------
    weights : float64 [n_frames]
        Non-negative, sum one.
    x : float64 [n_group]
        Their diffuse intensity.
    gain : float
        Objective - theta KL at these weights.
    gradient : float64 [n_frames]
        Of the gain in the weights.
    theta : float
        Used in the end: the task's, or more where a floor on the effective frames asked for it.
    iteration : int
    done, converged : bool
        Whether it is at an end, and whether the end was a good one.
    outcome : str
        Why it ended, as a sentence.
    raw_sum : float
        Sum of the weights before normalisation; 1 except for the prototype.
    """

    weights: np.ndarray
    x: np.ndarray
    gain: float
    gradient: np.ndarray
    theta: float = 0.0
    iteration: int = 0
    done: bool = False
    converged: bool = False
    outcome: str = ""
    raw_sum: float = 1.0


Solve = Generator[list[SolverState], None, list[SolverState]]
"""A solver at work: yields the states of all tasks after each piece of work, and returns the last ones."""


def relative_entropy(weights: np.ndarray, prior: np.ndarray) -> float:
    """KL(w || w0) = sum w ln(w / w0), zero weights contributing nothing."""
    there = weights > 0
    return float(weights[there] @ np.log(weights[there] / prior[there]))

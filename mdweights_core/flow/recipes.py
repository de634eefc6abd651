"""Schedules by name: which losses, for how many steps, at which temperatures; imports without JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.settings import Stage


@dataclass(frozen=True)
class Recipe:
    """A kind of training.

    Attributes
    ----------
    sentence : str
        What it does and what it is for.
    needs_examples : bool
    stages : function
        From the number of steps (1 for the usual) and the batch to stages.
    """

    sentence: str
    needs_examples: bool
    stages: Callable[[float, int], tuple[Stage, ...]]


def _by_example(effort: float, batch: int) -> tuple[Stage, ...]:
    return (Stage(_steps(1500, effort), by_example=1.0, batch=batch, learning_rate=2e-3, last_rate=0.01),)


def _mixed(effort: float, batch: int) -> tuple[Stage, ...]:
    first = Stage(_steps(200, effort), by_example=1.0, batch=batch, learning_rate=2e-3, last_rate=0.5)
    both = Stage(_steps(700, effort), by_example=1.0, by_energy=0.5, batch=batch, learning_rate=2e-3, last_rate=0.2)
    return first, both, *_polish(effort, batch)


def _polish(effort: float, batch: int) -> tuple[Stage, ...]:
    """Draws of the flow itself, reweighted, as examples: the loss that fills in what the flow draws too rarely."""
    fresh = Stage(
        _steps(400, effort), by_example=1.0, by_energy=0.5, batch=batch, learning_rate=1e-3, last_rate=0.2,
        reuse=_REUSED,
    )  # fmt: skip
    last = Stage(
        _steps(400, effort), by_example=1.0, batch=batch, learning_rate=6e-4, last_rate=0.01, reuse=_REUSED
    )  # fmt: skip
    return fresh, last


def _annealed(effort: float, batch: int) -> tuple[Stage, ...]:
    """By energy at a temperature where all is one basin, then down, each step on draws of the last, reweighted.

    Schopmans and Friederich 2025 (TA-BG, arXiv:2501.19077): geometric temperatures, forward divergence on draws.
    """
    temperatures = np.geomspace(_HOTTEST, 1.0, _RUNGS)
    hot = Stage(
        _steps(400, effort), by_energy=1.0, batch=batch, learning_rate=2e-3, last_rate=0.2, temperature=_HOTTEST
    )
    rungs = [
        Stage(
            _steps(100, effort), by_example=1.0, by_energy=1.0, batch=batch, learning_rate=1e-3, last_rate=0.3,
            temperature=float(temperature), reuse=_REUSED,
        )
        for temperature in temperatures[1:]
    ]  # fmt: skip
    return (hot, *rungs, *_polish(effort, batch))


def _by_energy(effort: float, batch: int) -> tuple[Stage, ...]:
    return (Stage(_steps(1200, effort), by_energy=1.0, batch=batch, learning_rate=2e-3, last_rate=0.005),)


_HOTTEST = 20.0
_RUNGS = 8
_REUSED = 50_000


def _steps(usual: int, effort: float) -> int:
    return max(1, round(usual * effort))


RECIPES = {
    "mixed": Recipe("by example first, then by example and energy together", True, _mixed),
    "example": Recipe("by example only, where energies are dear or examples are many and good", True, _by_example),
    "annealed": Recipe("by energy from a high temperature down, on its own draws reweighted", False, _annealed),
    "energy": Recipe("by energy only; finds the basins that it begins in", False, _by_energy),
}
"""Schedules by the names that the command line takes."""


def stages(name: str, effort: float = 1.0, batch: int = 512) -> tuple[Stage, ...]:
    """Stages of a recipe.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    effort : float
        Steps, as a multiple of the usual number.
    batch : int

    Raises
    ------
    BadInput
        There is no such recipe, or no such effort.
    """
    if name not in RECIPES:
        raise BadInput(f"there is no schedule {name!r}", advice=f"Choose one of {', '.join(RECIPES)}")
    if not 0 < effort < float("inf"):
        raise BadInput(f"the effort is {effort:g}, but must be positive", advice="1 is the usual number of steps")
    return RECIPES[name].stages(effort, batch)

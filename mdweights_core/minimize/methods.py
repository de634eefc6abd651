"""Minimisers by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mdweights_core.minimize.adam import Adam
from mdweights_core.minimize.base import Minimizer
from mdweights_core.minimize.fire import Fire
from mdweights_core.minimize.lbfgs import Lbfgs
from mdweights_core.minimize.precondition import Preconditioner
from mdweights_core.minimize.settings import MinimizeSettings

PRECONDITIONED_MEMORY = 4
"""Pairs kept beside a preconditioner, at most: it knows the present curvature, and older pairs only disturb it."""


def _preconditioned(settings: MinimizeSettings) -> Lbfgs:
    return Lbfgs(replace(settings, memory=min(settings.memory, PRECONDITIONED_MEMORY)), Preconditioner())


_MAKERS: dict[str, Callable[[MinimizeSettings], Minimizer[Any]]] = {
    "lbfgs-preconditioned": _preconditioned,
    "lbfgs": Lbfgs,
    "fire": Fire,
    "adam": Adam,
}


def minimizer_of(settings: MinimizeSettings) -> Minimizer[Any]:
    """The minimiser that settings name, all but OpenMM's own (`openmm_yardstick`)."""
    return _MAKERS[settings.method](settings)

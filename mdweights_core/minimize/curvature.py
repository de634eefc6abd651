"""An energy's positive curvature as minimisers ask for it."""

from __future__ import annotations

from functools import partial

from mdweights_core.energy.base import Energy
from mdweights_core.energy.curvature import stiffness_matrix
from mdweights_core.minimize.base import Curvature


def energy_curvature(energy: Energy) -> Curvature:
    """The curvature of all terms of an energy that know it."""
    return partial(stiffness_matrix, energy)

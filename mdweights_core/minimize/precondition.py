"""Curvature as a preconditioner, factorised, and taken anew as a start moves on.

P = C(x) + c I, where C is a positive semidefinite part of the Hessian (`curvature`): the idea of Packwood et al.,
J. Chem. Phys. 144, 164109 (2016), and Mones, Ortner and Csanyi, Sci. Rep. 8, 13991 (2018). Bonds, angles and torsions
bend with the molecule, and a P that is taken anew every 0.02 nm saves a sixth to a third of the evaluations that one
of every 50 steps takes (docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mdweights_core.energy.curvature import Solve, factorised
from mdweights_core.minimize.base import Objective

FLOOR = 1000.0
"""c, kJ/mol/nm^2: the curvature of what C knows nothing of."""

REFRESH_DISTANCE = 0.02
"""The furthest an atom moves before P is taken anew, nm."""

REFRESH_STEPS = 50
"""Steps after which P is taken anew in any case."""


class Anchored(Protocol):
    """What a preconditioner needs of a state."""

    z: np.ndarray
    anchor: np.ndarray
    age: np.ndarray


@dataclass(frozen=True, eq=False)
class _Factor:
    anchor: np.ndarray
    solve: Solve


class Preconditioner:
    """P of each start. Factors are kept, and made again from a state's anchors where they are missing.

    Parameters
    ----------
    floor : float
        c, kJ/mol/nm^2.
    distance : float
        `REFRESH_DISTANCE`, in the unit of coordinates.
    steps : int
        `REFRESH_STEPS`.
    """

    def __init__(self, floor: float = FLOOR, distance: float = REFRESH_DISTANCE, steps: int = REFRESH_STEPS) -> None:
        self.floor, self.distance, self.steps = floor, distance, steps
        self._factors: dict[int, _Factor] = {}

    def refresh(self, objective: Objective, state: Anchored, row: int) -> None:
        """Move the anchor of a start to where it is now, when it is time."""
        now, then = objective.coordinates(np.stack([state.z[row], state.anchor[row]]))
        if state.age[row] >= self.steps or np.abs(now - then).max() > self.distance:
            state.anchor[row], state.age[row] = state.z[row], 0

    def solve(self, objective: Objective, state: Anchored, row: int, q: np.ndarray) -> np.ndarray:
        """P^-1 q for a start, float64 [n_variables]."""
        known = self._factors.get(row)
        if known is None or not np.array_equal(known.anchor, state.anchor[row]):
            anchor = state.anchor[row].copy()
            known = _Factor(anchor, factorised(objective.curvature(anchor), self.floor))
            self._factors[row] = known
        return known.solve(q)

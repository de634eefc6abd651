"""What every minimiser is given and what it tells.

Minimisers are NumPy in float64 and work on a batch of starts: one `step` is one evaluation of every start that still
goes. All they know is in their `State`, arrays only, so that a run can be saved after any step and go on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import numpy as np

from mdweights_core.minimize.settings import MinimizeSettings

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Coordinates float64 [R, n_atoms, 3] (nm) to energies [R] (kJ/mol) and gradients [R, n_atoms, 3] (kJ/mol/nm)."""

Curvature = Callable[[np.ndarray], Any]
"""Coordinates float64 [n_atoms, 3] to a positive semidefinite part of the Hessian, sparse [3 n_atoms, 3 n_atoms]."""


class Reparametrisation(Protocol):
    """A map from variables z to coordinates x, the same for all starts of a batch."""

    n_variables: int

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """X float64 [R, n_atoms, 3] of z float64 [R, n_variables]."""

    def pull_back(self, z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """J(z)^T g: gradients in x, float64 [R, n_atoms, 3], as gradients in z, float64 [R, n_variables]."""

    def variables(self, x: np.ndarray) -> np.ndarray:
        """Variables float64 [R, n_variables] whose coordinates are, or come nearest to, x float64 [R, n_atoms, 3]."""

    def jacobian(self) -> Any | None:
        """dx/dz, sparse or dense [3 n_atoms, n_variables], where it is the same everywhere; else None."""


class Objective:
    """Energies and gradients of a batch of starts in some variables, with every evaluation counted.

    Parameters
    ----------
    evaluate : callable
        Energies and gradients of coordinates.
    variables : Reparametrisation
    n_starts : int
    curvature : callable, optional
        Positive estimate of the Hessian in coordinates, for preconditioners.

    Attributes
    ----------
    evaluations : int64 [n_starts]
        Gradients asked for so far; whoever uses Hessian products adds two for each.
    """

    def __init__(
        self, evaluate: Evaluate, variables: Reparametrisation, n_starts: int, curvature: Curvature | None = None
    ) -> None:
        self._evaluate, self.map, self._curvature = evaluate, variables, curvature
        self.evaluations = np.zeros(n_starts, dtype=np.int64)

    @property
    def has_curvature(self) -> bool:
        """True when there is something to precondition with."""
        return self._curvature is not None and self.map.jacobian() is not None

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Coordinates float64 [R, n_atoms, 3] (nm) of variables [R, n_variables]."""
        return self.map.coordinates(z)

    def value_and_gradient(self, z: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies [R] and gradients [R, n_variables] at z [R, n_variables] of the starts `rows` (int [R])."""
        self.evaluations[rows] += 1
        values, gradients = self._evaluate(self.map.coordinates(z))
        return values, self.map.pull_back(z, gradients)

    def curvature(self, z: np.ndarray) -> Any:
        """Positive semidefinite estimate of the Hessian in the variables of one start, z [n_variables]."""
        assert self._curvature is not None
        jacobian = self.map.jacobian()
        return jacobian.T @ self._curvature(self.map.coordinates(z[None])[0]) @ jacobian  # type: ignore[union-attr]


class End(StrEnum):
    """Why a start goes on no further."""

    GOING = ""
    CONVERGED = "converged"
    LIMIT = "evaluations used up"
    STALLED = "no lower energy found"
    EARLY = "no further gain"
    NOT_FINITE = "energy not finite"
    STOPPED = "stopped"


@dataclass(eq=False)
class State:
    """Where a batch of S starts is; a step writes into the arrays of the state it is given.

    Attributes
    ----------
    z : float64 [S, n_variables]
    value : float64 [S]
        Energies at z, kJ/mol.
    gradient : float64 [S, n_variables]
    evaluations : int64 [S]
    going : bool [S]
        Rows that a step moves.
    stalled : bool [S]
        Rows that the minimiser cannot bring lower.
    """

    z: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    evaluations: np.ndarray
    going: np.ndarray
    stalled: np.ndarray

    @property
    def rms_force(self) -> np.ndarray:
        """Root mean square of the gradient's components, float64 [S]."""
        return np.sqrt(np.mean(self.gradient**2, axis=1))


AnyState = TypeVar("AnyState", bound=State)


class Minimizer(Protocol[AnyState]):
    """A way to lower energies, without memory of its own."""

    @property
    def state_kind(self) -> type[AnyState]:
        """The class of its states, to make one again from its arrays."""

    def init(self, objective: Objective, z0: np.ndarray) -> AnyState:
        """Evaluate the starts z0, float64 [S, n_variables]."""

    def step(self, objective: Objective, state: AnyState) -> AnyState:
        """Spend one evaluation on every row that goes."""

    def ended(self, state: AnyState, settings: MinimizeSettings) -> list[End]:
        """Why each start is at an end, or `End.GOING`."""


def fields_of(state: State) -> dict[str, np.ndarray]:
    """The arrays that all states have, to make one of a minimiser's own from."""
    return {field.name: getattr(state, field.name) for field in fields(State)}


def first_state(objective: Objective, z0: np.ndarray) -> State:
    """Every start evaluated where it begins."""
    z = np.array(z0, dtype=np.float64)
    rows = np.arange(len(z))
    value, gradient = objective.value_and_gradient(z, rows)
    every = np.ones(len(z), dtype=bool)
    return State(z, value, gradient, objective.evaluations.copy(), every, ~every)


def ended(state: State, settings: MinimizeSettings) -> list[End]:
    """The ends that all minimisers share: converged, not finite, stalled, evaluations used up."""
    reasons = [End.GOING] * len(state.z)
    for reason, rows in (
        (End.LIMIT, state.evaluations >= settings.max_evaluations),
        (End.STALLED, state.stalled),
        (End.NOT_FINITE, ~np.isfinite(state.value) | ~np.isfinite(state.gradient).all(axis=1)),
        (End.CONVERGED, state.rms_force <= settings.tolerance),
    ):
        for row in np.flatnonzero(rows):
            reasons[row] = reason
    return reasons


def descend(
    minimizer: Minimizer[AnyState], objective: Objective, z0: np.ndarray, settings: MinimizeSettings
) -> tuple[AnyState, list[End]]:
    """Bring every start to its end and return where they are and why they ended; tells nothing on the way."""
    state = minimizer.init(objective, z0)
    while True:
        reasons = minimizer.ended(state, settings)
        state.going = np.array([reason is End.GOING for reason in reasons])
        if not state.going.any():
            return state, reasons
        state = minimizer.step(objective, state)

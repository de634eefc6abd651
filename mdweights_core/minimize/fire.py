"""FIRE 2.0 for a batch of starts: Newton's dynamics that is turned downhill and stopped when it climbs.

Guenole et al., Comput. Mater. Sci. 175, 109584 (2020), with semi-implicit Euler steps and masses of one. Its longest
time step is bound to the highest frequency met of late, so that it fits any units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.minimize.base import End, Objective, State, ended, fields_of, first_state
from mdweights_core.minimize.settings import MinimizeSettings

_FASTER, _SLOWER = 1.1, 0.5
_MIXING, _LESS_MIXING = 0.25, 0.99
_DELAY = 20  # downhill steps before the time step grows
_STABLE = 1.0  # time step by highest frequency; Euler's limit is 2
_FORGETTING = 0.999  # of curvature, per step


@dataclass(eq=False)
class FireState(State):
    """Where FIRE is.

    Attributes
    ----------
    velocity : float64 [S, n]
    time_step, mixing : float64 [S]
    downhill : int64 [S]
        Steps downhill in a row.
    stiffness : float64 [S]
        Largest ratio of a gradient's change to a step's length, forgotten by one per mille per step.
    """

    velocity: np.ndarray
    time_step: np.ndarray
    mixing: np.ndarray
    downhill: np.ndarray
    stiffness: np.ndarray


class Fire:
    """FIRE 2.0; only `max_step` of the settings concerns it."""

    state_kind = FireState

    def __init__(self, settings: MinimizeSettings) -> None:
        self.max_step = settings.max_step

    def init(self, objective: Objective, z0: np.ndarray) -> FireState:
        """Evaluate the starts, at rest; the first time step moves no coordinate by more than a tenth of the longest."""
        first = first_state(objective, z0)
        n = len(first.z)
        largest = np.abs(first.gradient).max(axis=1, initial=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            time_step = np.where(largest > 0, np.sqrt(0.1 * self.max_step / largest), 1.0)
        return FireState(
            **fields_of(first),
            velocity=np.zeros_like(first.z),
            time_step=time_step,
            mixing=np.full(n, _MIXING),
            downhill=np.zeros(n, dtype=np.int64),
            stiffness=np.zeros(n),
        )

    def step(self, objective: Objective, state: FireState) -> FireState:
        """One time step of every row that goes."""
        rows = np.flatnonzero(state.going)
        begin = self._turned(state, rows)
        move = state.time_step[rows, None] * state.velocity[rows]
        furthest = np.abs(move).max(axis=1)
        shorter = np.minimum(1.0, self.max_step / np.maximum(furthest, 1e-300))[:, None]
        state.velocity[rows] *= shorter
        z = begin + move * shorter
        values, gradients = objective.value_and_gradient(z, rows)
        state.evaluations[rows] = objective.evaluations[rows]
        is_number = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
        _move(state, rows[is_number], z[is_number], values[is_number], gradients[is_number])
        _brake(state, rows[~is_number])
        return state

    def ended(self, state: FireState, settings: MinimizeSettings) -> list[End]:
        """Converged, not finite, or at the limit."""
        return ended(state, settings)

    def _turned(self, state: FireState, rows: np.ndarray) -> np.ndarray:
        """Where this step begins, [R, n]; velocities are new, and turned towards the forces."""
        force, velocity = -state.gradient[rows], state.velocity[rows]
        is_climbing = np.sum(force * velocity, axis=1) < 0
        back = np.where(is_climbing, 0.5 * state.time_step[rows], 0.0)[:, None]
        begin = state.z[rows] - back * velocity
        _brake(state, rows[is_climbing])
        _hasten(state, rows[~is_climbing])
        time_step, mixing = state.time_step[rows, None], state.mixing[rows, None]
        velocity = state.velocity[rows] + time_step * force
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        strength = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-300)
        state.velocity[rows] = (1 - mixing) * velocity + mixing * speed * force / strength
        return begin


def _brake(state: FireState, rows: np.ndarray) -> None:
    state.velocity[rows] = 0.0
    state.time_step[rows] *= _SLOWER
    state.mixing[rows], state.downhill[rows] = _MIXING, 0


def _hasten(state: FireState, rows: np.ndarray) -> None:
    state.downhill[rows] += 1
    steady = rows[state.downhill[rows] > _DELAY]
    state.time_step[steady] *= _FASTER
    state.mixing[steady] *= _LESS_MIXING
    known = rows[state.stiffness[rows] > 0]
    state.time_step[known] = np.minimum(state.time_step[known], _STABLE / np.sqrt(state.stiffness[known]))


def _move(state: FireState, rows: np.ndarray, z: np.ndarray, values: np.ndarray, gradients: np.ndarray) -> None:
    length = np.maximum(np.linalg.norm(z - state.z[rows], axis=1), 1e-300)
    met = np.linalg.norm(gradients - state.gradient[rows], axis=1) / length
    state.stiffness[rows] = np.maximum(_FORGETTING * state.stiffness[rows], met)
    state.z[rows], state.value[rows], state.gradient[rows] = z, values, gradients

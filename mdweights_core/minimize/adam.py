"""Adam for a batch of starts, with the early stopping of Dehmamy et al. (2024), who call it gradient descent.

Kingma and Ba, ICLR 2015 (arXiv:1412.6980), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.minimize.base import End, Objective, State, ended, fields_of, first_state
from mdweights_core.minimize.settings import MinimizeSettings

_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8


@dataclass(eq=False)
class AdamState(State):
    """Where Adam is.

    Attributes
    ----------
    mean, square : float64 [S, n]
        Running means of the gradient and its square.
    steps : int64 [S]
    rate : float64 [S]
        Learning rate: that of the settings, halved whenever a step leads to where the energy is no number.
    best : float64 [S]
        Lowest energy at a check.
    idle : int64 [S]
        Checks in a row without a lower one.
    """

    mean: np.ndarray
    square: np.ndarray
    steps: np.ndarray
    rate: np.ndarray
    best: np.ndarray
    idle: np.ndarray


class Adam:
    """Adam: `learning_rate`, `min_delta`, `patience` and `check_every` of the settings concern it."""

    state_kind = AdamState

    def __init__(self, settings: MinimizeSettings) -> None:
        self.settings = settings

    def init(self, objective: Objective, z0: np.ndarray) -> AdamState:
        """Evaluate the starts."""
        first = first_state(objective, z0)
        n = len(first.z)
        return AdamState(
            **fields_of(first),
            mean=np.zeros_like(first.z),
            square=np.zeros_like(first.z),
            steps=np.zeros(n, dtype=np.int64),
            rate=np.full(n, self.settings.learning_rate),
            best=first.value.copy(),
            idle=np.zeros(n, dtype=np.int64),
        )

    def step(self, objective: Objective, state: AdamState) -> AdamState:
        """One step of every row that goes."""
        rows = np.flatnonzero(state.going)
        gradient = state.gradient[rows]
        count = state.steps[rows, None] + 1
        mean = _FIRST * state.mean[rows] + (1 - _FIRST) * gradient
        square = _SECOND * state.square[rows] + (1 - _SECOND) * gradient**2
        scale = np.sqrt(square / (1 - _SECOND**count)) + _TINY
        z = state.z[rows] - state.rate[rows, None] * mean / (1 - _FIRST**count) / scale
        values, gradients = objective.value_and_gradient(z, rows)
        state.evaluations[rows] = objective.evaluations[rows]
        fine = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
        moved = rows[fine]
        state.z[moved], state.value[moved], state.gradient[moved] = z[fine], values[fine], gradients[fine]
        state.mean[moved], state.square[moved] = mean[fine], square[fine]
        state.steps[moved] += 1
        state.rate[rows[~fine]] /= 2
        self._check(state, moved)
        return state

    def ended(self, state: AdamState, settings: MinimizeSettings) -> list[End]:
        """Converged, not finite, at the limit, or without further gain."""
        reasons = ended(state, settings)
        if not settings.patience:
            return reasons
        idle = state.idle >= settings.patience
        return [End.EARLY if not r and tired else r for r, tired in zip(reasons, idle, strict=True)]

    def _check(self, state: AdamState, rows: np.ndarray) -> None:
        rows = rows[state.steps[rows] % self.settings.check_every == 0]
        is_lower = state.value[rows] < state.best[rows] - self.settings.min_delta
        state.idle[rows] = np.where(is_lower, 0, state.idle[rows] + 1)
        state.best[rows] = np.minimum(state.best[rows], state.value[rows])

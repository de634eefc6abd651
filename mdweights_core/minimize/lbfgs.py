"""L-BFGS for a batch of starts, plain or on a preconditioner.

Two-loop recursion of Nocedal and Wright, *Numerical Optimization* (2006), algorithm 7.4, with the inverse of the
preconditioner in place of the scaled identity (Packwood et al., J. Chem. Phys. 144, 164109, 2016). A step is taken when
it lowers the energy enough (Armijo) or, where the energy no longer resolves that, by the slope alone: the approximate
Wolfe condition of Hager and Zhang, SIAM J. Optim. 16, 170 (2005), without which no force below about 1e-8 of the
energy's curvature is reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.minimize.base import End, Objective, State, ended, fields_of, first_state
from mdweights_core.minimize.precondition import FLOOR, Preconditioner
from mdweights_core.minimize.settings import MinimizeSettings

_ARMIJO = 1e-4
_WOLFE = 0.8  # the slope may rise to this share of the first one's size where energies say nothing
_RESOLUTION = 1e-11  # of the energy: smaller differences are rounding
_MOST_TRIALS = 20  # along one line
_CURVED = 1e-10  # s.y over |s||y|: less tells of no positive curvature
_FIRST_STEP = 0.1  # of the longest step, for want of a scale
_STIFFEST = 5e7  # kJ/mol/nm^2, a hundred bonds: a force above that times the longest step comes of overlapping atoms


@dataclass(eq=False)
class LbfgsState(State):
    """Where L-BFGS is: besides the point a line being searched, and the pairs that tell of curvature.

    Attributes
    ----------
    direction : float64 [S, n]
    slope : float64 [S]
        Gradient along it at z; 0 where no line has been laid yet.
    length : float64 [S]
        Of the next trial along the line.
    trials : int64 [S]
        Along this line.
    steps, changes : float64 [S, memory, n]
        s and y, the newest at `newest`.
    overlap : float64 [S, memory]
        s.y; 0 for an empty place.
    newest : int64 [S]
    anchor : float64 [S, n]
        Where the preconditioner was taken.
    age : int64 [S]
        Steps since then.
    """

    direction: np.ndarray
    slope: np.ndarray
    length: np.ndarray
    trials: np.ndarray
    steps: np.ndarray
    changes: np.ndarray
    overlap: np.ndarray
    newest: np.ndarray
    anchor: np.ndarray
    age: np.ndarray


class Lbfgs:
    """L-BFGS; with a preconditioner the method of choice for molecules.

    Parameters
    ----------
    settings : MinimizeSettings
        Its `memory` and `max_step`.
    preconditioner : Preconditioner, optional
    """

    state_kind = LbfgsState

    def __init__(self, settings: MinimizeSettings, preconditioner: Preconditioner | None = None) -> None:
        self.memory, self.max_step, self.preconditioner = settings.memory, settings.max_step, preconditioner

    def init(self, objective: Objective, z0: np.ndarray) -> LbfgsState:
        """Evaluate the starts and lay the first lines."""
        first = first_state(objective, z0)
        n_starts, n = first.z.shape
        zero, none = np.zeros(n_starts), np.zeros(n_starts, dtype=np.int64)
        pairs = (n_starts, self.memory, n)
        state = LbfgsState(
            **fields_of(first),
            direction=np.zeros_like(first.z),
            slope=zero,
            length=zero.copy(),
            trials=none,
            steps=np.zeros(pairs),
            changes=np.zeros(pairs),
            overlap=np.zeros(pairs[:2]),
            newest=none.copy(),
            anchor=first.z.copy(),
            age=none.copy(),
        )
        for row in np.flatnonzero(np.isfinite(first.value)).tolist():
            self._lay_line(objective, state, row)
        return state

    def step(self, objective: Objective, state: LbfgsState) -> LbfgsState:
        """Try the next point along every line that goes."""
        rows = np.flatnonzero(state.going)
        trial = state.z[rows] + state.length[rows, None] * state.direction[rows]
        values, gradients = objective.value_and_gradient(trial, rows)
        state.evaluations[rows] = objective.evaluations[rows]
        state.trials[rows] += 1
        for row, z, value, gradient in zip(rows.tolist(), trial, values, gradients, strict=True):
            if _is_lower(state, row, value, gradient):
                self._take(state, row, z, value, gradient)
                self._lay_line(objective, state, row)
            elif state.trials[row] < _MOST_TRIALS:
                _shorten(state, row, value)
            else:
                self._start_over(objective, state, row)
        return state

    def ended(self, state: LbfgsState, settings: MinimizeSettings) -> list[End]:
        """Converged, stalled, not finite, or at the limit."""
        return ended(state, settings)

    def _take(self, state: LbfgsState, row: int, z: np.ndarray, value: float, gradient: np.ndarray) -> None:
        """Move to z, and keep the pair where it tells of positive curvature."""
        before, step, change = state.gradient[row].copy(), z - state.z[row], gradient - state.gradient[row]
        state.z[row], state.value[row], state.gradient[row] = z, value, gradient
        state.age[row] += 1
        if not self._overlaps(before):
            _remember(state, row, step, change)

    def _lay_line(self, objective: Objective, state: LbfgsState, row: int) -> None:
        """A new direction at z, and the length of the first trial along it."""
        if self.preconditioner is not None:
            self.preconditioner.refresh(objective, state, row)
        if self._overlaps(state.gradient[row]):
            _forget(state, row)
            direction = -np.clip(state.gradient[row] / FLOOR, -self.max_step, self.max_step)
        else:
            direction = self._direction(objective, state, row)
        slope = float(state.gradient[row] @ direction)
        if slope >= 0:  # rounding, or pairs from where the surface bends otherwise
            _forget(state, row)
            direction = self._direction(objective, state, row)
            slope = float(state.gradient[row] @ direction)
        furthest = np.abs(direction).max(initial=0.0)
        is_blind = self.preconditioner is None and not state.overlap[row].any()
        reach = self.max_step * (_FIRST_STEP if is_blind else 1.0)
        longest = reach / furthest if furthest > 0 else 0.0
        state.direction[row], state.slope[row] = direction, slope
        state.length[row] = longest if is_blind else min(1.0, longest)
        state.trials[row] = 0

    def _overlaps(self, gradient: np.ndarray) -> bool:
        """Atoms lie on one another: curvature falls so fast on the way out that what was met tells nothing."""
        return bool(np.abs(gradient).max(initial=0.0) > _STIFFEST * self.max_step)

    def _direction(self, objective: Objective, state: LbfgsState, row: int) -> np.ndarray:
        """-H g by the two-loop recursion."""
        order = (state.newest[row] - np.arange(self.memory)) % self.memory
        order = order[state.overlap[row, order] > 0]
        steps, changes, overlap = state.steps[row], state.changes[row], state.overlap[row]
        q = state.gradient[row].copy()
        shares = []
        for i in order:
            shares.append((steps[i] @ q) / overlap[i])
            q -= shares[-1] * changes[i]
        q = self._initial(objective, state, row, q)
        if len(order):  # the newest pair tells how far the estimate is off as a whole
            newest = changes[order[0]]
            q *= overlap[order[0]] / (newest @ self._initial(objective, state, row, newest))
        for i, share in zip(order[::-1], shares[::-1], strict=True):
            q += (share - (changes[i] @ q) / overlap[i]) * steps[i]
        return -q

    def _initial(self, objective: Objective, state: LbfgsState, row: int, q: np.ndarray) -> np.ndarray:
        """The first estimate of H q: by the preconditioner, or q itself."""
        return q if self.preconditioner is None else self.preconditioner.solve(objective, state, row, q)

    def _start_over(self, objective: Objective, state: LbfgsState, row: int) -> None:
        """Without pairs a new line may go lower; where that was one already, nothing does."""
        if state.overlap[row].any():
            _forget(state, row)
            self._lay_line(objective, state, row)
        else:
            state.stalled[row] = True


def _is_lower(state: LbfgsState, row: int, value: float, gradient: np.ndarray) -> bool:
    """Armijo's condition, or Hager and Zhang's where energies differ by rounding only."""
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return False
    before, slope = state.value[row], state.slope[row]
    if value <= before + _ARMIJO * state.length[row] * slope:
        return True
    is_level = value <= before + _RESOLUTION * abs(before)
    return bool(is_level and gradient @ state.direction[row] <= _WOLFE * abs(slope))


def _shorten(state: LbfgsState, row: int, value: float) -> None:
    """To the minimum of the parabola through what is known, within a tenth and a half of the trial."""
    length, slope = state.length[row], state.slope[row]
    rise = value - state.value[row] - slope * length
    best = -slope * length**2 / (2 * rise) if np.isfinite(rise) and rise > 0 else 0.0
    state.length[row] = float(np.clip(best, 0.1 * length, 0.5 * length))


def _remember(state: LbfgsState, row: int, step: np.ndarray, change: np.ndarray) -> None:
    """Keep a pair where it tells of positive curvature."""
    overlap = float(step @ change)
    if overlap <= _CURVED * np.linalg.norm(step) * np.linalg.norm(change):
        return
    place = (state.newest[row] + 1) % state.steps.shape[1]
    state.steps[row, place], state.changes[row, place] = step, change
    state.overlap[row, place], state.newest[row] = overlap, place


def _forget(state: LbfgsState, row: int) -> None:
    state.overlap[row] = 0.0

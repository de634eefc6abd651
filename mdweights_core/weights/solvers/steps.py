"""One step of a fit: where a frozen problem wants it to go, and how far the true gain follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mdweights_core.weights.solvers.base import Task
from mdweights_core.weights.solvers.frozen import FrozenGain

ENOUGH = 0.3
"""Share of the promised gain that a step must bring: with less, shorter ones are tried, and shared Gram matrices go."""

LOWEST_THETA = 1e-6
"""Of fits with a floor on the effective frames."""


def maximum(frozen: FrozenGain, now: np.ndarray, task: Task, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """The best weights of a frozen problem, and theta, raised until they keep the floor on effective frames.

    Parameters
    ----------
    frozen : FrozenGain
        Over n columns.
    now : float64 [n]
        Weights to begin with.
    task : Task
        Has the floor, and the least theta.
    chosen : int [n]
        Frames the columns are; of use with a floor only, when no column is a mixture.

    Returns
    -------
    float64 [n], float
    """
    best = frozen.maximum(now)
    if task.n_eff_floor <= 0:
        return best, frozen.theta
    crowding = np.ones(len(best)) if task.crowding is None else task.crowding[chosen]
    return _with_floor(frozen, best, task, crowding)


def _with_floor(frozen: FrozenGain, best: np.ndarray, task: Task, crowding: np.ndarray) -> tuple[np.ndarray, float]:
    """Bisect the logarithm of theta for the least that keeps Kish's number at the floor."""

    def kish(w: np.ndarray) -> float:
        return float(1.0 / (crowding @ w**2))

    def at(theta: float, near: np.ndarray) -> np.ndarray:
        return replace(frozen, theta=theta).maximum(near)

    floor = min(task.n_eff_floor, 0.999 * kish(frozen.prior / frozen.prior.sum()))
    lowest = max(task.theta, LOWEST_THETA)
    low = high = frozen.theta
    found = best
    while kish(found) < floor and high < 1e6:
        low, high = high, 4 * high
        found = at(high, found)
    while low > lowest and kish(trial := at(low, found)) >= floor:
        high, found, low = low, trial, max(low / 4, lowest)
    for _ in range(12):
        if high / low < 1.002:
            break
        middle = float(np.sqrt(low * high))
        trial = at(middle, found)
        if kish(trial) >= floor:
            high, found = middle, trial
        else:
            low = middle
    return found, high


def best_steps(
    gains: Callable[[np.ndarray], np.ndarray], start: np.ndarray, promised: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step lengths of at most 1 and the gains there; 0 where nothing rises.

    Parameters
    ----------
    gains : callable
        Gains of all fits at step lengths float64 [P]: float64 [P].
    start : float64 [P]
        Gains at length 0.
    promised : float64 [P]
        What is hoped to be gained at length 1.

    Returns
    -------
    float64 [P], float64 [P]
    """
    alpha = np.ones(len(start))
    best, best_gain = np.zeros(len(start)), start.copy()
    for _ in range(8):
        now = gains(alpha)
        better = now > best_gain
        best, best_gain = np.where(better, alpha, best), np.where(better, now, best_gain)
        short = best_gain - start < ENOUGH * best * promised
        if not (short | (best == 0)).any():
            break
        # the parabola through the start, its slope (what was promised, to first order twice) and this trial
        bend = np.minimum(now - start - 2 * promised * alpha, -1e-300)
        alpha = np.clip(-promised * alpha**2 / bend, 0.1 * alpha, 0.6 * alpha)
    return best, best_gain

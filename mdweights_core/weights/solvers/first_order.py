"""First-order solvers, kept for comparison: Adam and L-BFGS on softmax weights, and the published prototype.

They cost two passes over the structure factors per gradient, and hundreds of gradients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
import optax

from mdweights_core.errors import counted
from mdweights_core.weights.frames.passes import Means, contractions, intensities_and_means
from mdweights_core.weights.objectives.base import Linearisation
from mdweights_core.weights.solvers.base import Solve, SolverState, Task, Term, relative_entropy
from mdweights_core.weights.solvers.places import linearised, total_gain

LEARNING_RATE = 0.05
_LOOK_SECONDS = 0.15
_TOLERANCE = 1e-7  # gain in an iteration that still counts as one
_MEMORY = 20  # pairs that L-BFGS keeps
_ARMIJO = 1e-4


@dataclass(frozen=True, eq=False)
class _Point:
    """Gain and its gradient at some weights."""

    weights: np.ndarray
    x: np.ndarray
    gain: float
    gradient: np.ndarray


class _Gain:
    """Sum of the terms less theta KL, for weights of any sum."""

    def __init__(self, terms: Sequence[Term], task: Task) -> None:
        self.terms, self.task = terms, task
        self.rows = [(task.rows if term.rows is None else term.rows)[None] for term in terms]

    def value(self, weights: np.ndarray) -> float:
        """The gain alone."""
        return self._seen(weights)[0]

    def point(self, weights: np.ndarray) -> _Point:
        """The gain and its gradient in the weights."""
        gain, found, linear = self._seen(weights)
        total = np.zeros(len(weights))
        for term, (_, means), lin in zip(self.terms, found, linear, strict=True):
            total += term.weight * contractions(term.frames, weights[None], lin.gradient[None], means)[0, 0]
        if self.task.theta > 0:
            total -= self.task.theta * np.log(np.maximum(weights, 1e-300) / self.task.prior)
        return _Point(weights, found[0][0][0], gain, total)

    def _seen(self, weights: np.ndarray) -> tuple[float, list[tuple[np.ndarray, Means]], list[Linearisation]]:
        """The gain, and per term the intensities, the means behind them and the objective."""
        found = [intensities_and_means(term.frames, weights[None]) for term in self.terms]
        linear = linearised(self.terms, self.rows, [x for x, _ in found])
        gain = float(total_gain(self.terms, linear)[0])
        if self.task.theta > 0:
            gain -= self.task.theta * relative_entropy(weights, self.task.prior)
        return gain, found, linear


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponential = np.exp(logits - logits.max())
    return exponential / exponential.sum()


def _logits(weights: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(weights, 1e-8))


def _through_softmax(point: _Point) -> np.ndarray:
    return point.weights * (point.gradient - point.weights @ point.gradient)


def adam(terms: Sequence[Term], tasks: Sequence[Task], limit: int) -> Solve:
    """Adam, learning rate 0.05, on the logits of normalised weights; one task."""
    gain = _Gain(terms, tasks[0])
    logits = _logits(tasks[0].start)
    return (yield from _iterated(_adam_steps(gain.point, logits, _softmax, _through_softmax), tasks[0], limit, 50))


def adam_prototype(terms: Sequence[Term], tasks: Sequence[Task], limit: int) -> Solve:
    """The published prototype: sigmoid weights that are never normalised, Adam 0.05, no entropy; one task.

    Its sum s differs from one, so Bragg intensity leaks into what it fits: x is that of normalised weights with one
    more frame that scatters nothing and has the weight 1 - s. The weights returned are divided by their sum, which is
    reported as `SolverState.raw_sum`.
    """
    task = tasks[0]
    empty = [replace(term, frames=term.frames.with_empty_frame()) for term in terms]
    gain = _Gain(empty, replace(task, theta=0.0))

    def point(raw: np.ndarray) -> _Point:
        found = gain.point(np.append(raw, 1.0 - raw.sum()))
        return _Point(raw, found.x, found.gain, found.gradient[:-1] - found.gradient[-1])

    def through_sigmoid(found: _Point) -> np.ndarray:
        return found.weights * (1.0 - found.weights) * found.gradient

    def sigmoid(logits: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-logits))

    start = np.clip(task.start, 1e-8, 1 - 1e-8)
    steps = _adam_steps(point, np.log(start / (1 - start)), sigmoid, through_sigmoid)
    return (yield from _iterated(steps, task, limit, patience=limit + 1))  # it always runs all its steps, as published


def lbfgs(terms: Sequence[Term], tasks: Sequence[Task], limit: int) -> Solve:
    """L-BFGS on the logits of normalised weights, with a backtracking line search; one task."""
    gain = _Gain(terms, tasks[0])
    return (yield from _iterated(_lbfgs_steps(gain, _logits(tasks[0].start)), tasks[0], limit, patience=20))


_Steps = Callable[[], _Point | None]
"""The next point of a solver; None when it is stuck."""


def _adam_steps(
    point: Callable[[np.ndarray], _Point],
    logits: np.ndarray,
    weights: Callable[[np.ndarray], np.ndarray],
    pulled_back: Callable[[_Point], np.ndarray],
) -> _Steps:
    method = optax.adam(LEARNING_RATE)
    update, memory = jax.jit(method.update), method.init(logits)
    now = point(weights(logits))

    def step() -> _Point:
        nonlocal logits, memory, now
        updates, memory = update(-pulled_back(now), memory)
        logits = logits + np.asarray(updates, dtype=np.float64)
        now = point(weights(logits))
        return now

    return step


def _lbfgs_steps(gain: _Gain, logits: np.ndarray) -> _Steps:
    method = optax.scale_by_lbfgs(memory_size=_MEMORY)
    update, memory = jax.jit(method.update), method.init(logits)
    now = gain.point(_softmax(logits))
    length = 1.0

    def step() -> _Point | None:
        nonlocal logits, memory, now, length
        slope = _through_softmax(now)
        updates, memory = update(-slope, memory, logits)
        direction = -np.asarray(updates, dtype=np.float64)
        if direction @ slope <= 0:
            direction = slope
        length = min(1.0, 4 * length)
        for _ in range(20):
            trial = logits + length * direction
            if gain.value(_softmax(trial)) >= now.gain + _ARMIJO * length * (direction @ slope):
                logits, now = trial, gain.point(_softmax(trial))
                return now
            length /= 2
        return None

    return step


def _iterated(steps: _Steps, task: Task, limit: int, patience: int) -> Solve:
    """Drive a solver: a look at it now and then, and an end when the gain has not risen for a while."""
    best, since_best, looked = -np.inf, 0, time.monotonic()
    nothing = np.zeros(0)
    state = SolverState(task.start, nothing, -np.inf, nothing, task.theta)
    for count in range(1, limit + 1):
        point = steps()
        if point is None or not np.isfinite(point.gain):
            text = "The line search stalled" if point is None else "The objective is no longer a number"
            state = replace(state, done=True, outcome=f"{text} after {counted(count, 'iteration')}.")
            break
        since_best = 0 if point.gain > best + _TOLERANCE else since_best + 1
        best = max(best, point.gain)
        total = float(point.weights.sum())
        state = SolverState(
            point.weights / total, point.x, point.gain, point.gradient, task.theta, count, raw_sum=total
        )
        if since_best >= patience:
            text = f"No further gain in the last {since_best} of {counted(count, 'iteration')}."
            state = replace(state, done=True, converged=True, outcome=text)
            break
        if time.monotonic() - looked > _LOOK_SECONDS:
            yield [state]
            looked = time.monotonic()
    else:
        state = replace(state, done=True, outcome=f"Stopped at the limit of {counted(limit, 'iteration')}.")
    yield [state]
    return [state]

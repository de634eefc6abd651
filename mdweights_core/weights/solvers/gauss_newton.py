"""Gauss-Newton over the simplex.

With the mean structure factors m frozen the intensity is linear in the weights, x = sum_t w_t D_t with
D_t = |F_t - m|^2, and its derivative along the simplex is exact. The frozen problem (the best correlation of a
non-negative combination of the D_t with the map) is solved exactly: non-negative least squares without entropy, a
damped Newton iteration with it. The step towards its solution is then taken as far as the true objective keeps rising.
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

from mdweights_core.weights.model import (
    ModelArrays,
    QuadraticModel,
    correlation_along,
    gain_and_gradient,
    quadratic_model,
    segment,
)
from mdweights_core.weights.solvers.base import Solver, SolverSettings, SolverState, iterations

_NOISE = 1e-7  # relative rounding of single-precision products summed in blocks
_FEW = 800  # frames
_COLLAPSED = 0.97  # beyond it the correlation only creeps up while the rest of the weights goes to zero
_LONGEST_MOVE = 4.0  # in the logarithm of a weight
_ALPHAS = np.concatenate([np.geomspace(1e-3, 1.0, 31), np.linspace(1.05, 1.5, 10)])


class GaussNewton(Solver):
    """The default: a handful of iterations, an exact active set, and a certificate."""

    def start(self, arrays: ModelArrays, weights: np.ndarray) -> SolverState:
        gain, _ = gain_and_gradient(weights, arrays, self.settings.theta, self.settings.prior)
        return SolverState(np.asarray(weights, dtype=np.float64), float(gain))

    def step(self, arrays: ModelArrays, state: SolverState) -> SolverState:
        model = quadratic_model(jnp.asarray(state.weights), arrays)
        target = solve_frozen(model, state.weights, self.settings)
        weights, gain = _line_search(state, target, arrays, self.settings)
        return _conclude(state, weights, gain, self.settings)


def _conclude(state: SolverState, weights: np.ndarray, gain: float, settings: SolverSettings) -> SolverState:
    iteration, gained = state.iteration + 1, gain - state.gain
    moved = replace(state, weights=weights, gain=gain, iteration=iteration)
    if weights.max() > _COLLAPSED:
        text = (
            f"The correlation keeps rising as all weight moves onto frame {int(weights.argmax())}: there is no optimum."
        )
        return replace(moved, done=True, outcome=text)
    if gained < settings.tolerance:
        return replace(moved, done=True, converged=True, outcome=f"Converged after {iterations(iteration)}.")
    if iteration >= settings.max_steps:
        return replace(moved, done=True, outcome=f"Stopped at the limit of {iterations(iteration)}.")
    return moved


def solve_frozen(model: QuadraticModel, weights: np.ndarray, settings: SolverSettings) -> np.ndarray:
    """Weights that maximise the frozen correlation less theta KL: float64 [n_frames], normalised."""
    gram, overlap = np.asarray(model.gram), np.asarray(model.overlap)
    # Small factorisations are many times slower on threads that XLA's keep waiting for a core.
    with threadpool_limits(1 if len(gram) < _FEW else None):
        if settings.theta > 0:
            return _entropic(gram, overlap, weights, settings)
        return _nonnegative(gram, overlap, weights)


def _nonnegative(gram: np.ndarray, overlap: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """argmin_u>=0 u.N.u / 2 - b.u, normalised; the present weights when nothing correlates.

    Solved for u |D_t|: a frame far larger than the others would push all of them under the noise.
    """
    length = np.sqrt(np.maximum(np.diag(gram), 0.0))
    length[length == 0] = 1.0
    # not scipy.linalg: that holds the interpreter lock, and the window waits
    values, vectors = np.linalg.eigh(gram / np.outer(length, length))
    kept = values > _NOISE * values[-1]  # with more frames than reflections N has no full rank
    factor = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    right = vectors[:, kept].T @ (overlap / length) / np.sqrt(values[kept])
    solution, _ = scipy.optimize.nnls(factor, right, maxiter=30 * len(gram))
    solution /= length
    total = solution.sum()
    return solution / total if total > 0 else weights


def _entropic(gram: np.ndarray, overlap: np.ndarray, weights: np.ndarray, settings: SolverSettings) -> np.ndarray:
    """Damped Newton in the logits of the weights.

    With P = 1 - x x^T/|x|^2 the curvature of -CC is taken as CC/|x|^2 D P D^T (its positive part) and the entropy's is
    exact, so that the step in logits is -(H J + theta + damping)^-1 g with J = diag(w) - w w^T.
    """
    theta, prior = settings.theta, settings.prior
    logits = np.log(np.maximum(weights, 1e-12))
    damping = 1e-3 * theta
    value, gradient, curvature = _frozen_gain(gram, overlap, _softmax(logits), theta, prior)
    for _ in range(100):
        w = _softmax(logits)
        centred = gradient - w @ gradient
        if w @ np.abs(centred) < 1e-10:
            break
        jacobian = np.diag(w) - np.outer(w, w)
        move = np.linalg.solve(curvature @ jacobian + (theta + damping) * np.eye(len(w)), centred)
        # each by itself, so that weights on their way to nothing do not hold up the others
        move = np.clip(move - w @ move, -_LONGEST_MOVE, _LONGEST_MOVE)
        trial = _frozen_gain(gram, overlap, _softmax(logits + move), theta, prior)
        if trial[0] > value:
            logits, damping = logits + move, damping / 4
            finished = trial[0] - value < 1e-13
            value, gradient, curvature = trial
            if finished:
                break
        elif damping > 1e6 * theta:
            break
        else:
            damping = max(8 * damping, 1e-6 * theta)
    return _softmax(logits)


def _frozen_gain(
    gram: np.ndarray, overlap: np.ndarray, w: np.ndarray, theta: float, prior: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value and gradient of b.w/|x| - theta KL, and the positive part of the curvature of -b.w/|x|."""
    nw = gram @ w
    norm2 = max(w @ nw, 1e-300)
    cc = overlap @ w / np.sqrt(norm2)
    log_ratio = np.log(np.maximum(w, 1e-300) / prior)
    gradient = overlap / np.sqrt(norm2) - cc * nw / norm2 - theta * (log_ratio + 1)
    curvature = max(cc, 0.0) * (gram - np.outer(nw, nw) / norm2) / norm2
    return float(cc - theta * w @ log_ratio), gradient, curvature


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponential = np.exp(logits - logits.max())
    return exponential / exponential.sum()


def _line_search(
    state: SolverState, target: np.ndarray, arrays: ModelArrays, settings: SolverSettings
) -> tuple[np.ndarray, float]:
    """The best point on the line from the present weights to (and a little beyond) `target`; never a worse one."""
    line = segment(jnp.asarray(state.weights), jnp.asarray(target), arrays)
    alphas = _ALPHAS[_longest_step(state.weights, target) >= _ALPHAS]
    points = state.weights + alphas[:, None] * (target - state.weights)
    points = np.maximum(points, 0.0)
    gains = correlation_along(line, alphas)
    if settings.theta > 0:
        safe = np.maximum(points, 1e-300)
        gains = gains - settings.theta * (points * np.log(safe / settings.prior)).sum(axis=1)
    best = int(np.argmax(gains))
    weights = points[best] / points[best].sum()
    gain = float(gain_and_gradient(jnp.asarray(weights), arrays, settings.theta, settings.prior)[0])
    return (weights, gain) if gain > state.gain else (state.weights, state.gain)


def _longest_step(weights: np.ndarray, target: np.ndarray) -> float:
    """How far the line can be followed before a weight turns negative; at least 1."""
    falling = target < weights
    with np.errstate(divide="ignore"):
        limits = weights[falling] / (weights[falling] - target[falling])
    return max(1.0, float(limits.min(initial=np.inf)))

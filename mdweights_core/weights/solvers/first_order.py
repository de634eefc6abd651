"""First-order solvers from optax: L-BFGS, Adam, and the prototype's Adam on raw sigmoid weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mdweights_core.weights.model import ModelArrays, correlation, gain, raw_intensity
from mdweights_core.weights.solvers.base import Solver, SolverSettings, SolverState, iterations

Array = jax.Array
_CHUNK_SECONDS = 0.15


class _Carry(NamedTuple):
    parameters: Array
    optimiser: Any
    best: Array  # float64 []  smallest loss so far
    since_best: Array  # int64 []  iterations since the loss last fell by more than the tolerance


@dataclass(frozen=True)
class _Memory:
    carry: _Carry
    chunk: int = 1


def _softmax_loss(logits: Array, arrays: ModelArrays, theta: Array, prior: Array) -> Array:
    return -gain(jax.nn.softmax(logits), arrays, theta, prior)


def _prototype_loss(logits: Array, arrays: ModelArrays, theta: Array, prior: Array) -> Array:
    # Weights are not divided by their sum: the published prototype's formula, kept for comparison.
    del theta, prior
    return -correlation(raw_intensity(jax.nn.sigmoid(logits), arrays), arrays)


_LOSSES = {"softmax": _softmax_loss, "prototype": _prototype_loss}


def _optimiser(name: str, learning_rate: float) -> optax.GradientTransformationExtraArgs:
    if name == "lbfgs":
        return optax.lbfgs(memory_size=20)
    return optax.with_extra_args_support(optax.adam(learning_rate))


@partial(jax.jit, static_argnames=("loss", "optimiser", "learning_rate"))
def _advance(
    carry: _Carry,
    n: Array,
    patience: Array,
    tolerance: Array,
    arrays: ModelArrays,
    theta: Array,
    prior: Array,
    *,
    loss: str,
    optimiser: str,
    learning_rate: float,
) -> tuple[_Carry, Array, Array]:
    """Up to `n` iterations in one compiled loop: the carry, how many were done, and the loss at the new parameters.

    Patience is counted iteration by iteration, so that where it ends does not depend on how the work was cut in chunks.
    """
    method, function = _optimiser(optimiser, learning_rate), _LOSSES[loss]

    def value(parameters: Array) -> Array:
        return function(parameters, arrays, theta, prior)

    def unfinished(loop: tuple[Array, _Carry]) -> Array:
        done, carry = loop
        return (done < n) & (carry.since_best < patience)

    def iterate(loop: tuple[Array, _Carry]) -> tuple[Array, _Carry]:
        done, (parameters, state, best, since_best) = loop
        now, gradient = jax.value_and_grad(value)(parameters)
        updates, state = method.update(gradient, state, parameters, value=now, grad=gradient, value_fn=value)
        since_best = jnp.where(now < best - tolerance, 0, since_best + 1)
        return done + 1, _Carry(optax.apply_updates(parameters, updates), state, jnp.minimum(now, best), since_best)

    done, carry = jax.lax.while_loop(unfinished, iterate, (jnp.zeros_like(n), carry))
    return carry, done, value(carry.parameters)


class _FirstOrder(Solver):
    """Common loop: chunks sized by time, done when the gain has not risen for a while."""

    loss = "softmax"
    optimiser = "adam"
    learning_rate = 0.05
    patience = 50

    def start(self, arrays: ModelArrays, weights: np.ndarray) -> SolverState:
        parameters = jnp.asarray(self._to_parameters(weights))
        state = _optimiser(self.optimiser, self.learning_rate).init(parameters)
        value = _LOSSES[self.loss](
            parameters, arrays, jnp.asarray(self.settings.theta), jnp.asarray(self.settings.prior)
        )
        carry = _Carry(parameters, state, jnp.asarray(np.inf), jnp.asarray(0))
        return SolverState(np.asarray(weights), -float(value), memory=_Memory(carry))

    def step(self, arrays: ModelArrays, state: SolverState) -> SolverState:
        memory: _Memory = state.memory
        n = min(memory.chunk, self.settings.max_steps - state.iteration)
        started = time.monotonic()
        carry, done, value = _advance(
            memory.carry,
            jnp.asarray(n),
            jnp.asarray(self.patience),
            jnp.asarray(self.settings.tolerance),
            arrays,
            jnp.asarray(self.settings.theta),
            jnp.asarray(self.settings.prior),
            loss=self.loss,
            optimiser=self.optimiser,
            learning_rate=self.learning_rate,
        )
        found, iteration = -float(value), state.iteration + int(done)
        if not np.isfinite(found):
            text = "The objective is no longer a number; these are the last weights before."
            return replace(state, iteration=iteration, done=True, outcome=text)
        memory = _Memory(carry, _next_chunk(n, time.monotonic() - started))
        weights, total = self._to_weights(np.asarray(carry.parameters, dtype=np.float64))
        moved = replace(state, weights=weights, gain=found, iteration=iteration, raw_sum=total, memory=memory)
        return self._conclude(moved, int(carry.since_best))

    def _conclude(self, state: SolverState, since_best: int) -> SolverState:
        if since_best >= self.patience:
            text = f"No further gain in the last {since_best} of {iterations(state.iteration)}."
            return replace(state, done=True, converged=True, outcome=text)
        if state.iteration >= self.settings.max_steps:
            return replace(state, done=True, outcome=f"Stopped at the limit of {iterations(state.iteration)}.")
        return state

    def _to_parameters(self, weights: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(weights, 1e-8))

    def _to_weights(self, parameters: np.ndarray) -> tuple[np.ndarray, float]:
        exponential = np.exp(parameters - parameters.max())
        return exponential / exponential.sum(), 1.0


def _next_chunk(n: int, seconds: float) -> int:
    """Aim the next chunk at `_CHUNK_SECONDS`, growing at most fourfold (the first chunk includes compilation)."""
    return int(np.clip(n * _CHUNK_SECONDS / max(seconds, 1e-6), 1, 4 * n))


class LBFGS(_FirstOrder):
    """optax.lbfgs with its zoom line search."""

    optimiser = "lbfgs"
    patience = 20


class Adam(_FirstOrder):
    """Adam, learning rate 0.05, on the logits of normalised weights."""


class AdamPrototype(_FirstOrder):
    """The published prototype: sigmoid weights that are never normalised, Adam 0.05, no entropy.

    Its sum differs from one, so Bragg intensity leaks into what it fits. Kept for comparison only: the weights
    returned are divided by their sum, which is reported as `SolverState.raw_sum`.
    """

    loss = "prototype"
    patience = 1_000_000  # it always runs all its steps, as published

    def __init__(self, settings: SolverSettings) -> None:
        super().__init__(replace(settings, theta=0.0))

    def _to_parameters(self, weights: np.ndarray) -> np.ndarray:
        w = np.clip(weights, 1e-8, 1 - 1e-8)
        return np.log(w / (1 - w))

    def _to_weights(self, parameters: np.ndarray) -> tuple[np.ndarray, float]:
        raw = 1.0 / (1.0 + np.exp(-parameters))
        return raw / raw.sum(), float(raw.sum())

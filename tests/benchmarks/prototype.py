"""Frame weights as a short script would fit them: all structure factors in one array, automatic differentiation, optax.

The yardstick of `bench_solvers`. It maximises the same coefficient over the same reflections as the package does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mdweights_core.crystal.shells import AnisotropicOperator

LEARNING_RATE = 0.05
_GAIN = 1e-7  # of the coefficient, that still counts as one
_PATIENCE = 20

Array = jax.Array
Loss = Callable[..., Array]


def loss_of(weights_of: Callable[[Array], Array]) -> Loss:
    """Minus the anisotropic CC as a function of parameters [T] that `weights_of` turns into weights."""

    def loss(parameters: Array, factors: Array, observed: Array, member: Array, mean: Array, spline: Array) -> Array:
        weights = weights_of(parameters)
        x = weights @ jnp.abs(factors) ** 2 - jnp.abs(weights @ factors) ** 2
        x = x - spline @ jax.ops.segment_sum(mean * x, member, num_segments=spline.shape[1])
        x, y = x - x.mean(), observed - observed.mean()
        return -(x @ y) / jnp.sqrt((x @ x) * (y @ y))

    return loss


def data_of(
    factors: np.ndarray, observed: np.ndarray, operator: AnisotropicOperator, work: np.ndarray
) -> tuple[Array, ...]:
    """What the loss is of: structure factors complex64 [T, H] and the map float32, on the reflections `work`."""
    parts = (operator(observed)[work], operator.mean_weight[work], operator.spline[work])
    y, mean, spline = (jnp.asarray(part, dtype=jnp.float32) for part in parts)
    return jnp.asarray(factors[:, work], dtype=jnp.complex64), y, jnp.asarray(operator.member[work]), mean, spline


def adam(data: tuple[Array, ...], steps: int) -> Iterator[np.ndarray]:
    """Weights [T] after every step, sigmoid and never normalised, as published."""
    n = len(data[0])
    method = optax.adam(LEARNING_RATE)
    slope = jax.jit(jax.value_and_grad(loss_of(jax.nn.sigmoid)))
    logits = jnp.full(n, -np.log(n - 1.0), dtype=jnp.float32)
    memory = method.init(logits)
    for _ in range(steps):
        _, gradient = slope(logits, *data)
        updates, memory = method.update(gradient, memory)
        logits = optax.apply_updates(logits, updates)
        yield np.asarray(jax.nn.sigmoid(logits), dtype=np.float64)


def lbfgs(data: tuple[Array, ...], steps: int) -> Iterator[np.ndarray]:
    """Weights [T] after every step, softmax in single precision, until the coefficient no longer rises."""
    method, loss = optax.lbfgs(), loss_of(jax.nn.softmax)

    @jax.jit
    def step(logits: Array, memory: optax.OptState, *data: Array) -> tuple[Array, optax.OptState, Array]:
        def of(values: Array) -> Array:
            return loss(values, *data)

        value, gradient = optax.value_and_grad_from_state(of)(logits, state=memory)
        updates, memory = method.update(gradient, memory, logits, value=value, grad=gradient, value_fn=of)
        return optax.apply_updates(logits, updates), memory, value

    logits = jnp.zeros(len(data[0]), dtype=jnp.float32)
    memory = method.init(logits)
    lowest, waited = np.inf, 0
    for _ in range(steps):
        logits, memory, value = step(logits, memory, *data)
        waited = 0 if float(value) < lowest - _GAIN else waited + 1
        lowest = min(lowest, float(value))
        yield np.asarray(jax.nn.softmax(logits), dtype=np.float64)
        if waited >= _PATIENCE:
            return

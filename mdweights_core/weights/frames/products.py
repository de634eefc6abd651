"""Products of matrices that are a few rows high and very long: parts in their own precision, summed in float64."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.weights.frames.threads import one_blas_thread

Array = jax.Array
_COLUMNS = 4096  # of a part


def products(v: Array, others: Array) -> tuple[Array | np.ndarray, Array | np.ndarray]:
    """V V^T and V others^T of V [n, G] and others [m, G]: float64 [n, n] and [n, m]."""
    if any(device.platform != "cpu" for device in v.devices()):
        on_card: tuple[Array, Array] = _on_card(v, others)
        return on_card
    return _on_host(np.asarray(v), np.asarray(others))


@jax.jit
def _on_card(v: Array, others: Array) -> tuple[Array, Array]:
    """By XLA."""
    n, m, length = len(v), len(others), min(_COLUMNS, v.shape[1])
    n_whole = v.shape[1] // length

    def both(v: Array, other: Array) -> tuple[Array, Array]:
        return (v @ v.T).astype(jnp.float64), (v @ other.T).astype(jnp.float64)

    def add(i: Array, total: tuple[Array, Array]) -> tuple[Array, Array]:
        parts = (jax.lax.dynamic_slice_in_dim(x, i * length, length, axis=1) for x in (v, others))
        return jax.tree.map(jnp.add, total, both(*parts))

    nothing = (jnp.zeros((n, n), dtype=jnp.float64), jnp.zeros((n, m), dtype=jnp.float64))
    rest = slice(n_whole * length, None)
    return jax.tree.map(jnp.add, jax.lax.fori_loop(0, n_whole, add, nothing), both(v[:, rest], others[:, rest]))


def _on_host(v: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By BLAS, which forms one triangle of V V^T only; parts side by side, each on one thread."""
    n, (m, size), n_threads = len(v), others.shape, os.cpu_count() or 1
    total, length = (np.zeros((n, n)), np.zeros((n, m))), min(_COLUMNS, -(-size // n_threads))

    def both(first: int) -> tuple[np.ndarray, np.ndarray]:
        part, other = (x[:, first : first + length] for x in (v, others))
        return part @ part.T, part @ other.T

    with one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        for parts in pool.map(both, range(0, size, length)):
            for sum_, part in zip(total, parts, strict=True):
                sum_ += part
    return total

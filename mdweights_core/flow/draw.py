"""Configurations drawn from a flow in batches, with energies and log-weights, in either precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.losses import System
from mdweights_core.flow.model import Flow

Array = jax.Array

BATCH = 4096
"""Configurations in one call."""


class Draws(NamedTuple):
    """A batch, in arrays of JAX or NumPy.

    Attributes
    ----------
    y : [S, n]
    x : [S, N]
    u : [S]
        kT; infinite where it is no number.
    log_q : [S]
        Log-density of x, from the generating direction.
    """

    y: Any
    x: Any
    u: Any
    log_q: Any


@eqx.filter_jit
def draw(flow: Flow, system: System, key: Array, count: int, dtype: Any) -> Draws:
    """Draw `count` configurations in that precision."""
    z = flow.latents(key, count, dtype)
    y, of_flow = jax.vmap(flow.generate)(z)
    x, of_coordinates = jax.vmap(system.coordinates.place)(y)
    u = jax.vmap(system.target.reduced)(x.astype(jnp.float64))
    log_q = jax.vmap(flow.latent_log_density)(z) - of_flow - of_coordinates
    return Draws(y, x, jnp.where(jnp.isfinite(u), u, jnp.inf), log_q)


def batches(flow: Flow, system: System, count: int, seed: int, dtype: Any) -> Iterator[Draws]:
    """Draw `count` configurations batch by batch: the same ones however far it gets."""
    size = max(min(BATCH, count), 1)
    for i in range(-(-count // size)):
        found = draw(flow, system, jax.random.fold_in(jax.random.key(seed), i), size, dtype)
        yield Draws(*(np.asarray(part)[: count - i * size] for part in found))


def draw_in_single(
    flow: Flow, system: System, count: int, seed: int, temperature: float, *, energies_only: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Variables [S, n] and log-weights [S] at a temperature, or energies [S], for use within the training."""
    found = [(part.y, part.u, part.log_q) for part in batches(flow, system, count, seed, jnp.float32)]
    y, u, log_q = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return y, u if energies_only else np.nan_to_num(-u / temperature - log_q, nan=-np.inf)

"""Configurations drawn from a flow in batches, with energies and log-weights, in either precision."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.losses import System
from mdweights_core.flow.model import Flow

Array = jax.Array

BATCH = 4096
"""Configurations in one call."""
IMAGES_AT_ONCE = 256
"""Configurations whose images are looked at in one go."""


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
    if system.symmetry is not None:
        log_q = jax.lax.map(partial(_of_all_images, flow, system), (x, log_q), batch_size=IMAGES_AT_ONCE)
    return Draws(y, x, jnp.where(jnp.isfinite(u), u, jnp.inf), log_q)


def log_density(flow: Flow, system: System, x: Array) -> Array:
    """Log q of a configuration x [N]: of the mixture of all images, where the system has a symmetry."""
    if system.symmetry is not None:
        return _of_all_images(flow, system, (x, _log_density(flow, system, x)))
    return _log_density(flow, system, x)


def _log_density(flow: Flow, system: System, x: Array) -> Array:
    y, log_det = system.coordinates.read(x)
    return flow.log_density(y) + log_det


def _of_all_images(flow: Flow, system: System, drawn: tuple[Array, Array]) -> Array:
    """Log-density of the mixture at x, whose own log-density is known."""
    assert system.symmetry is not None
    x, own = drawn
    others = jax.vmap(partial(_log_density, flow, system))(system.symmetry.images(x)[1:])
    return jax.nn.logsumexp(jnp.append(others, own)) - jnp.log(system.symmetry.order)


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
    if energies_only:
        return y, u
    log_weights = -u / temperature - log_q
    if not np.isfinite(log_weights).any():
        raise BadInput(
            "No configuration drawn from the flow has a finite energy",
            advice="Begin with examples, or at a lower learning rate",
        )
    return y, np.where(np.isfinite(log_weights), log_weights, -np.inf)

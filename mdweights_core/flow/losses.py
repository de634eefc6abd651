"""What the training lowers: Noé, Olsson, Köhler, Wu 2019 (Science 365, eaaw1147), equations of J_ML, J_KL and J_RC.

Energies of generated configurations are differentiated by themselves, and their gradients are looked at before they
enter the chain rule: one configuration with overlapping atoms must not spoil a batch.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mdweights_core.flow.coordinates.base import Coordinates
from mdweights_core.flow.model import Flow
from mdweights_core.flow.reaction import Reaction
from mdweights_core.flow.symmetry import Symmetry
from mdweights_core.flow.targets import Target

Array = jax.Array

_CENTRES = 11  # Gaussians along the reaction coordinate


class System(NamedTuple):
    """What a flow is trained on: the target and its coordinates.

    Perhaps a coordinate to spread along, and operations that do not change the energy.
    """

    target: Target
    coordinates: Coordinates
    reaction: Reaction | None = None
    symmetry: Symmetry | None = None


class Dials(NamedTuple):
    """Numbers of a stage that may change without compiling anew; scalars but for the latents' temperatures [k]."""

    by_example: Array
    by_energy: Array
    by_reaction: Array
    high_energy: Array
    temperature: Array
    latents: Array


class Losses(NamedTuple):
    """Parts of the loss, and the effective share of the batch's configurations at the first temperature."""

    example: Array
    energy: Array
    reaction: Array
    effective: Array


def example_loss(flow: Flow, y: Array) -> Array:
    """Negative mean log-density of examples y [S, n]."""
    return -jnp.mean(jax.vmap(flow.log_density)(y))


def energy_loss(flow: Flow, system: System, key: Array, draws: int, dials: Dials) -> tuple[Array, Array, Array]:
    """Mean of u/T - log |dx/dz| over draws, the same for each of the latents' temperatures, and the other two parts."""
    keys = jax.random.split(key, dials.latents.shape[0])
    parts = [_at_one(flow, system, keys[i], draws, dials, dials.latents[i]) for i in range(len(keys))]
    return sum((part[0] for part in parts), jnp.zeros(())) / len(parts), parts[0][1], parts[0][2]


def _at_one(flow: Flow, system: System, key: Array, draws: int, dials: Dials, tau: Array) -> tuple[Array, Array, Array]:
    z = flow.latents(key, draws, flow.dtype, tau)
    x, log_det = jax.vmap(lambda at: generate(flow, system.coordinates, at))(z)
    u, guarded, heard = _guarded(system.target, x, dials.temperature * tau, dials.high_energy)
    log_q = jax.vmap(lambda at: flow.latent_log_density(at, tau))(z) - log_det
    reaction = jnp.zeros((), x.dtype) if system.reaction is None else reaction_loss(system.reaction, x)
    # Volume pulls no more than energy does: else a flow gains without end by making all of high energy larger.
    volume = heard * log_det + (1 - heard) * jax.lax.stop_gradient(log_det)
    found = jnp.where(jnp.isfinite(log_det), guarded - volume, dials.high_energy)  # coordinates may end somewhere
    return jnp.mean(found), reaction, effective_share(jax.lax.stop_gradient(-u - log_q))


def generate(flow: Flow, coordinates: Coordinates, z: Array) -> tuple[Array, Array]:
    """Configuration x [N] of latents z [n], and log |dx/dz|."""
    y, of_flow = flow.generate(z)
    x, of_coordinates = coordinates.place(y)
    return x, of_flow + of_coordinates


def _guarded(target: Target, x: Array, temperature: Array, high: Array) -> tuple[Array, Array, Array]:
    """Energies u/T [S], and numbers [S] with their values up to `high`, logarithms above, and finite gradients by x.

    The last numbers [S] say by how much gradients are shortened: 1 up to `high`, less and less above.
    """
    exact = jax.lax.stop_gradient(x).astype(jnp.float64)  # differences of large terms: single precision is too coarse
    raw, slope = jax.vmap(jax.value_and_grad(target.reduced))(exact)
    u, gradient = (raw / temperature).astype(x.dtype), (slope / temperature).astype(x.dtype)
    is_fine = jnp.isfinite(u) & jnp.all(jnp.isfinite(gradient), axis=1)
    excess = jnp.maximum(jnp.where(is_fine, u, high) - high, 0.0)
    value = jnp.where(is_fine, jnp.minimum(u, high), high) + jnp.log1p(excess)
    heard = jnp.where(is_fine, 1 / (1 + excess), 0.0)
    pull = jnp.where(is_fine[:, None], gradient, 0.0) * heard[:, None]
    moved = jnp.sum(jax.lax.stop_gradient(pull) * (x - jax.lax.stop_gradient(x)), axis=1)
    return jnp.where(is_fine, u, jnp.inf), jax.lax.stop_gradient(value) + moved, jax.lax.stop_gradient(heard)


def effective_share(log_weights: Array) -> Array:
    """Kish's effective sample size over the number of log-weights [S]."""
    weights = jnp.exp(log_weights - jnp.max(log_weights))
    return jnp.sum(weights) ** 2 / (jnp.sum(weights**2) * len(weights))


def reaction_loss(reaction: Reaction, x: Array) -> Array:
    """Negative entropy of configurations x [S, N] along a coordinate, from a smooth histogram."""
    values = reaction.measure(x)
    low, high = jnp.asarray(reaction.low, x.dtype), jnp.asarray(reaction.high, x.dtype)
    centres = low + (high - low) * jnp.arange(_CENTRES, dtype=x.dtype) / (_CENTRES - 1)
    width = (high - low) / _CENTRES
    heights = jnp.mean(jnp.exp(-0.5 * ((values[:, None] - centres) / width) ** 2), axis=0) + 1e-9
    shares = heights / jnp.sum(heights)
    return jnp.sum(shares * jnp.log(shares))


def total(flow: Flow, system: System, y: Array | None, key: Array, draws: int, dials: Dials) -> tuple[Array, Losses]:
    """The weighted loss of examples y [S, n], if any, and of so many draws."""
    zero = jnp.zeros((), jnp.float32)
    example = zero if y is None else example_loss(flow, y)
    energy, reaction, effective = energy_loss(flow, system, key, draws, dials) if draws else (zero, zero, zero)
    loss = dials.by_example * example + dials.by_energy * energy + dials.by_reaction * reaction
    return loss, Losses(example, energy, reaction, effective)

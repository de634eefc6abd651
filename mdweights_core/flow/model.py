"""The flow: an invertible network between a simple density and the variables of a system.

Generating runs from latents z (normal, on circles uniform) through couplings, a linear layer and splines of single
variables to the variables y of the system's coordinates.
"""

from __future__ import annotations

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flowjax.bijections import AbstractBijection, Chain, Scan

from mdweights_core.flow.layers.correlation import correlation
from mdweights_core.flow.layers.coupling import SplineCoupling
from mdweights_core.flow.layers.marginal import marginals
from mdweights_core.flow.settings import FlowSettings

Array = jax.Array
AnyTree = TypeVar("AnyTree")

AT_ONCE = 4096
"""Configurations that are taken through side by side: of hundreds of thousands, all bins would fill the memory."""


class Flow(eqx.Module):
    """Density and sampler of variables y [n].

    Attributes
    ----------
    bijection : flowjax bijection
        From latents to variables.
    circular : bool [n]
    """

    bijection: AbstractBijection
    circular: Array

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.circular)

    @property
    def dtype(self) -> Any:
        """Of its numbers."""
        return jax.tree.leaves(eqx.filter(self, eqx.is_inexact_array))[0].dtype

    def latents(self, key: Array, count: int, dtype: Any, temperature: Array | float = 1.0) -> Array:
        """Draws of latents [count, n]: normal with that variance, on circles uniform."""
        normal, uniform = jax.random.split(key)
        plain = jnp.sqrt(jnp.asarray(temperature, dtype)) * jax.random.normal(normal, (count, self.n), dtype)
        return jnp.where(self.circular, jax.random.uniform(uniform, (count, self.n), dtype, -np.pi, np.pi), plain)

    def latent_log_density(self, z: Array, temperature: Array | float = 1.0) -> Array:
        """Log-density of latents z [n]."""
        temperature = jnp.asarray(temperature, z.dtype)
        plain = -0.5 * z**2 / temperature - 0.5 * jnp.log(2 * np.pi * temperature)
        return jnp.sum(jnp.where(self.circular, -np.log(2 * np.pi), plain))

    def generate(self, z: Array) -> tuple[Array, Array]:
        """Variables y [n] of latents, and log |dy/dz|."""
        return self.bijection.transform_and_log_det(z)

    def read(self, y: Array) -> tuple[Array, Array]:
        """Latents z [n] of variables, and log |dz/dy|."""
        return self.bijection.inverse_and_log_det(y)

    def log_density(self, y: Array) -> Array:
        """Log q(y) of variables y [n]."""
        z, log_det = self.read(y)
        return self.latent_log_density(z) + log_det


def make_flow(circular: np.ndarray, settings: FlowSettings, seed: int, examples: np.ndarray | None = None) -> Flow:
    """A flow near the identity, or one that has the examples' marginals and correlations already.

    Parameters
    ----------
    circular : bool [n]
        Which variables are angles on [-pi, pi).
    settings : FlowSettings
    seed : int
    examples : float [T, n], optional
    """
    circular = np.asarray(circular, dtype=bool)
    parts: list[AbstractBijection] = []  # from the variables to the latents
    if settings.marginal_bins:
        parts.append(marginals(circular, settings.marginal_bins, examples))
        examples = None if examples is None else _read(parts[0], examples)
    plain = np.flatnonzero(~circular)
    if settings.correlation and len(plain) > 1:
        parts.append(correlation(plain, len(circular), examples))
    if settings.layers and len(circular) > 1:
        parts.append(_couplings(circular, settings, seed))
    return Flow(Chain(parts[::-1]) if parts else Chain([]), jnp.asarray(circular))


def _read(bijection: AbstractBijection, y: np.ndarray) -> np.ndarray:
    return np.asarray(_inverse(bijection, jnp.asarray(y, jnp.float32)), dtype=np.float64)


@eqx.filter_jit
def _inverse(bijection: AbstractBijection, y: Array) -> Array:
    return jax.lax.map(bijection.inverse, y, batch_size=AT_ONCE)


def _couplings(circular: np.ndarray, settings: FlowSettings, seed: int) -> AbstractBijection:
    """All couplings as one scan: compiled once, however many there are."""
    taken, given = map(jnp.asarray, _halves(len(circular), settings.layers, np.random.default_rng(seed)))
    keys = jax.random.split(jax.random.key(seed), settings.layers)
    return Scan(_layers(keys, taken, given, jnp.asarray(circular), settings.bins, settings.width, settings.depth))


@eqx.filter_jit  # else each of the many small steps is compiled by itself
def _layers(
    keys: Array, taken: Array, given: Array, circular: Array, bins: int, width: int, depth: int
) -> SplineCoupling:
    def coupling(key: Array, taken: Array, given: Array) -> SplineCoupling:
        return SplineCoupling(key, taken, given, circular, bins=bins, width=width, depth=depth)

    layers: SplineCoupling = eqx.filter_vmap(coupling)(keys, taken, given)
    return layers


def _halves(n: int, layers: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which variables each layer bends [layers, m] and reads [layers, n - m]: both halves of one split in turn."""
    half = (n + 1) // 2 if n > 2 else 1
    taken, given = [], []
    for layer in range(layers):
        if layer % 2 == 0:
            order = rng.permutation(n)
        chosen = order[:half] if layer % 2 == 0 else order[n - half :]
        taken.append(np.sort(chosen))
        given.append(np.setdiff1d(np.arange(n), chosen))
    return np.array(taken), np.array(given)


def cast(tree: AnyTree, dtype: Any) -> AnyTree:
    """The same tree with all floating arrays of that precision."""

    def one(leaf: Any) -> Any:
        return (
            jnp.asarray(leaf, dtype)
            if eqx.is_inexact_array(leaf) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")
            else leaf
        )

    return jax.tree.map(one, tree)

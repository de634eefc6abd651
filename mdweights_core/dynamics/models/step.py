"""How long a step of the integrator may be."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Simulated
from mdweights_core.dynamics.models.checks import thermal_places
from mdweights_core.errors import BadInput

_SHARE_OF_PERIOD = 0.2  # of the fastest motion's 1 / omega
_MOTIONS = 60  # power iterations
_PLACES = 9  # the start, and places in eight directions from it
_SHARES = (0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1.0, -1.0)  # of the length that heat brings about
_SIGMAS = 2.0  # of the energy above its mean, were it harmonic


def suggested_step(system: Simulated) -> float:
    """A fifth of one over the fastest frequency where the simulation begins and where heat takes it.

    In ps, or the unit of time of a small system.
    """
    begin = jnp.asarray(np.random.default_rng(0).normal(size=system.n))
    places = _visited(system)
    found = np.asarray(_fastest(system.model, places, system.theta, jnp.sqrt(system.masses), begin))
    found = found[np.isfinite(found) & (found > 0)]
    if not len(found):
        raise BadInput("No force acts where the simulation begins", advice="Give --step, or another start")
    step = _SHARE_OF_PERIOD / np.sqrt(found.max())
    return float(f"{step:.2g}")


def _visited(system: Simulated) -> Array:
    """The start and configurations about it [K, N] whose energy a long simulation has often enough."""
    start, *others = (x for x, _ in thermal_places(system, _PLACES))
    warm = jnp.stack(others) - start
    places = jnp.concatenate([start[None], *(start + share * warm for share in _SHARES)])
    energies = jax.lax.map(lambda x: system.model.energy(x, system.theta), places)
    usual = system.n / 2
    most = (usual + _SIGMAS * np.sqrt(usual)) * system.kt
    above = energies - system.model.energy(system.start, system.theta)
    return places[np.asarray(above <= most)]


@jax.jit
def _fastest(model: Any, places: Any, theta: Any, root: Any, begin: Any) -> Any:
    """Largest curvature along a mass-weighted direction at each place [K, N], by power iteration."""
    gradient = jax.grad(model.energy)

    def product(x: Any, v: Any) -> Any:
        return jax.jvp(lambda at: gradient(at, theta), (x,), (v / root,))[1] / root

    def turn(x: Any, v: Any) -> Any:
        along = product(x, v)
        return along / jnp.linalg.norm(along)

    def at(x: Any) -> Any:
        return jnp.linalg.norm(product(x, jax.lax.fori_loop(0, _MOTIONS, lambda _, v: turn(x, v), begin)))

    return jax.lax.map(at, places)

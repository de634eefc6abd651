"""The one-dimensional crystal of two kinds of atoms in closed form: what fits of three springs are tried on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.harmonic import covariance, diffuse_intensities
from mdweights_core.dynamics.models.toys import DiatomicRing, diatomic_ring
from mdweights_core.dynamics.observables.base import Observable, joined
from mdweights_core.dynamics.observables.displacements import mean_square_displacements
from mdweights_core.dynamics.observables.waves import DiffuseIntensities, Equivalents, Waves
from mdweights_core.dynamics.tuning.exact import Exact
from mdweights_core.dynamics.tuning.targets import Targets

TRUE = np.array([2.0, 6.0, 1.5])
START = {"k1": 0.8, "k2": 2.5, "k3": 4.0}
MILLER = (1, 2, 3, 5, 7, 11)
NAMES = ("<u^2> of atom 1", "<u^2> of atom 2", *(f"diffuse intensity {h}" for h in MILLER))


def ring_values(model: DiatomicRing, theta: jax.Array) -> jax.Array:
    """Two mean square displacements and six diffuse intensities of the ring at kT = 1."""
    u = jax.hessian(model.energy)(model.sites, theta)
    spread = covariance(u, jnp.ones(model.n), 1.0)
    length = model.n * (model.sites[1] - model.sites[0])
    q = 2 * jnp.pi * jnp.array(MILLER, dtype=float)[:, None] / length
    factors = jnp.tile(jnp.array([1.0, 2.0]), model.n // 2) * jnp.ones((len(MILLER), 1))
    waves = diffuse_intensities(q, factors, model.sites[:, None], spread)
    return jnp.concatenate([jnp.diagonal(spread)[:2], waves])


@cache
def ring_simulator() -> Exact:
    """The closed form as a simulator, beginning at `START`."""
    system = diatomic_ring().with_values(START)
    return Exact(NAMES, system.parameters, ring_values, system.model)


def ring_targets(sigma: float = 0.02, held_out: tuple[int, ...] = ()) -> Targets:
    """Values at the true springs with errors of so much of them."""
    model = diatomic_ring().model
    values = np.asarray(jax.jit(ring_values)(model, jnp.asarray(TRUE)))
    return Targets.of(NAMES, values, sigma * values, np.isin(np.arange(len(NAMES)), held_out))


def ring_observable() -> Observable:
    """The same as observables of a simulation."""
    model = diatomic_ring().model
    sites = np.asarray(model.sites)[:, None]
    squares = replace(mean_square_displacements(sites, [0, 1], ["1", "2"]), factor=jnp.asarray(1.0), names=NAMES[:2])
    q = 2 * np.pi * np.array(MILLER, dtype=float)[:, None] / model.n
    waves = Waves(jnp.asarray(q), jnp.outer(jnp.array([1.0, 2.0]), jnp.ones(len(q))), _kinds(model.n))
    return joined([squares, DiffuseIntensities(waves, Equivalents.none(len(q)), NAMES[2:])])


def _kinds(n: int) -> jax.Array:
    return jnp.asarray(np.tile(np.eye(2), (n // 2, 1)))

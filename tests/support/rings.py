"""A one-dimensional crystal of two kinds of atoms: observables of a simulation, and their closed form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics import harmonic
from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.observables.base import Observable, joined
from mdweights_core.dynamics.observables.displacements import SQUARE_ANGSTROM, covariances
from mdweights_core.dynamics.observables.waves import DiffuseIntensities, Equivalents, MeanStructureFactors, Waves

WAVES = np.array([0.35, 0.8, 1.3, 1.9, 2.5, np.pi])
"""Scattering vectors; none is a lattice vector, so that no mean structure factor vanishes."""

PAIRS = np.array([[0, 0], [1, 1], [0, 1], [0, 2]])
STRENGTHS = np.array([6.0, 8.0])
"""Form factors of both kinds of atoms."""


def ring_observables(simulated: Simulated) -> Observable:
    """Four covariances, the real parts of six mean structure factors, and six diffuse intensities."""
    sites = np.asarray(simulated.start)[:, None]
    kinds = np.tile(np.eye(2), (simulated.n // 2, 1))
    waves = Waves(jnp.asarray(WAVES)[:, None], jnp.outer(jnp.asarray(STRENGTHS), jnp.ones(len(WAVES))), kinds)
    names = tuple(f"wave {i + 1}" for i in range(len(WAVES)))
    together = covariances(sites, PAIRS, [f"atoms {a + 1} and {b + 1}" for a, b in PAIRS])
    real = MeanStructureFactors(waves, "real part", names)
    return joined([together, real, DiffuseIntensities(waves, Equivalents.none(len(WAVES)), names)])


def ring_in_closed_form(simulated: Simulated, scheme: harmonic.Scheme) -> np.ndarray:
    """Derivatives [16, 3] of these observables for one discretisation."""
    hessian = jax.hessian(simulated.model.energy)
    factors = jnp.tile(jnp.asarray(STRENGTHS), (len(WAVES), simulated.n // 2))

    def observables(theta: jax.Array) -> jax.Array:
        spread = harmonic.covariance(hessian(simulated.start, theta), simulated.masses, float(simulated.kt), scheme)
        given = (jnp.asarray(WAVES)[:, None], factors, simulated.start[:, None], spread)
        means = jnp.real(harmonic.mean_structure_factors(*given))
        together = SQUARE_ANGSTROM * spread[PAIRS[:, 0], PAIRS[:, 1]]
        return jnp.concatenate([together, means, harmonic.diffuse_intensities(*given)])

    return np.asarray(jax.jit(jax.jacfwd(observables))(simulated.theta))

"""Small problems whose minima are known."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.base import Energy
from mdweights_core.energy.bonded import HarmonicAngles, HarmonicBonds, PeriodicTorsions


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LennardJones:
    """Every pair of atoms attracts, with depth 1 kJ/mol and diameter `sigma` (nm)."""

    sigma: jax.Array

    def energy(self, x: jax.Array) -> jax.Array:
        i, j = np.triu_indices(len(x), 1)
        s6 = (self.sigma**2 / jnp.sum((x[i] - x[j]) ** 2, axis=1)) ** 3
        return 4 * jnp.sum(s6**2 - s6)


@pytest.fixture(scope="session")
def cluster() -> Energy:
    """Thirteen atoms, the lowest minimum of which is the icosahedron of -44.326801 kJ/mol."""
    return Energy({"pairs": LennardJones(jnp.asarray(0.3))}, 13)


@pytest.fixture(scope="session")
def icosahedron() -> np.ndarray:
    """Its shape, with neighbours about 2^(1/6) sigma apart, nm."""
    golden = (1 + 5**0.5) / 2
    corner = np.array([[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)])
    shell = np.concatenate([np.roll(corner, k, axis=1) for k in range(3)])
    return np.concatenate([np.zeros((1, 3)), shell * 0.3 * 2 ** (1 / 6) / np.linalg.norm(shell[0])])


def chain_energy(n: int) -> Energy:
    """A chain with stiff bonds, angles and soft torsions, as unevenly conditioned as a molecule is."""
    i = np.arange(n)
    bonds, angles, torsions = (np.stack([i[k : n - m + k] for k in range(m + 1)], axis=1) for m in (1, 2, 3))
    return Energy(
        {
            "bonds": HarmonicBonds(bonds, jnp.full(n - 1, 0.15), jnp.full(n - 1, 2.5e5)),
            "angles": HarmonicAngles(angles, jnp.full(n - 2, 1.9), jnp.full(n - 2, 500.0)),
            "torsions": PeriodicTorsions(torsions, jnp.full(n - 3, 3.0), jnp.full(n - 3, 0.0), jnp.full(n - 3, 6.0)),
        },
        n,
    )


@pytest.fixture(scope="session")
def chain() -> Energy:
    return chain_energy(20)


@pytest.fixture(scope="session")
def bent_chains() -> np.ndarray:
    """Four zigzags of the chain with noise, nm: float64 [4, 20, 3]."""
    i = np.arange(20)
    zigzag = np.stack([0.122 * i, 0.087 * (i % 2), np.zeros(20)], axis=1)
    return zigzag + 0.02 * np.random.default_rng(5).normal(size=(4, 20, 3))

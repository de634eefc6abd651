"""Hessians by products against JAX's and closed forms, and what they cost."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from mdweights_core.energy.base import Energy
from mdweights_core.energy.elastic import elastic_network
from mdweights_core.energy.loops import Loops
from mdweights_core.modes.hessians import HessianProducts, coloured

SYSTEM = Loops(24)
PLACE = SYSTEM.chain_starts(1, seed=1)[0]


def bare() -> Energy:
    """Without the repulsion of random pairs."""
    return SYSTEM.energy().without("repulsion")


def exact(energy: Energy, x: np.ndarray) -> np.ndarray:
    return np.asarray(jax.jit(jax.hessian(lambda at: energy(at)))(jnp.asarray(x))).reshape(x.size, x.size)


def test_dense_hessian_is_that_of_jax_and_costs_two_gradients_a_coordinate() -> None:
    products = HessianProducts(bare(), PLACE)
    expected = exact(bare(), PLACE)
    np.testing.assert_allclose(products.dense(), expected, atol=1e-12 * np.abs(expected).max())
    assert products.gradients == 2 * 3 * 24


def test_sparse_hessian_is_the_dense_one_by_few_products() -> None:
    products = HessianProducts(bare(), PLACE)
    expected = exact(bare(), PLACE)
    np.testing.assert_allclose(products.sparse(SYSTEM.coupled).toarray(), expected, atol=1e-12 * np.abs(expected).max())
    assert products.gradients <= 2 * 3 * 8 < 2 * 3 * 24


def test_masses_scale_both_sides() -> None:
    masses = np.random.default_rng(2).uniform(1, 30, 24)
    scale = np.repeat(masses, 3) ** -0.5
    found = HessianProducts(bare(), PLACE, masses).dense()
    np.testing.assert_allclose(found, scale[:, None] * exact(bare(), PLACE) * scale, atol=1e-12)


def test_sparse_hessian_of_a_network_is_that_in_closed_form() -> None:
    x = np.random.default_rng(3).uniform(0, 1.2, (30, 3))
    network = elastic_network(x, cutoff=0.6)
    found = HessianProducts(Energy({"springs": network}, 30), x).sparse(np.asarray(network.atoms))
    expected = network.hessian(x).toarray()
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-9 * np.abs(expected).max())


def test_atoms_of_one_colour_share_no_neighbour() -> None:
    pairs = np.random.default_rng(4).integers(0, 40, (60, 2))
    graph = np.eye(40)
    graph[pairs[:, 0], pairs[:, 1]] = graph[pairs[:, 1], pairs[:, 0]] = 1
    colours = coloured(scipy.sparse.csr_array(graph))
    same = (colours[:, None] == colours) & ~np.eye(40, dtype=bool)
    assert not (same & (graph @ graph > 0)).any()
    assert colours.max() + 1 <= (graph @ graph > 0).sum(axis=1).max()

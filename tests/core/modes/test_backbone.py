"""Backbone Laplacians against dense Hessians by hand, the published program's couplings, and their limit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from mdweights_core.energy.base import Energy
from mdweights_core.energy.elastic import elastic_network
from mdweights_core.energy.loops import LOOP, Loops
from mdweights_core.modes.backbone import averaged_norms, backbone_modes, block_norms, perturbed

SYSTEM = Loops(30)


@pytest.mark.parametrize("power", [1, 2])
def test_couplings_are_averages_of_block_norms(power: int) -> None:
    energy, samples = SYSTEM.energy(), SYSTEM.samples(3, seed=1)
    expected = 0.0
    second_derivatives = jax.jit(jax.hessian(lambda x: energy(x)))
    for x in samples:
        hessian = np.asarray(second_derivatives(jnp.asarray(x)))  # [n, 3, n, 3]
        expected = expected + np.sqrt((hessian**2).sum(axis=(1, 3))) ** power / 3
    found, gradients = averaged_norms(energy, samples, power=power)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)
    assert gradients == 3 * 2 * 90


def test_averages_about_a_minimum_of_springs_are_their_constants() -> None:
    """By small perturbations the block of a spring at rest is k u u^T, of norm k."""
    x = np.random.default_rng(4).uniform(0, 1, (12, 3))
    network = elastic_network(x, cutoff=0.7, constant=3.0)
    samples = perturbed(x, 1e-5, 20, seed=5)
    assert (samples - x).std() == pytest.approx(1e-5, rel=0.1)
    energy = Energy({"springs": network}, 12)
    found = averaged_norms(energy, samples, power=2, pairs=np.asarray(network.atoms))[0].toarray()
    first, second = np.asarray(network.atoms).T
    np.testing.assert_allclose(found[first, second], 9.0, rtol=1e-3)


def test_couplings_of_known_pairs_are_the_same_and_cost_less() -> None:
    energy, samples = SYSTEM.energy().without("repulsion"), SYSTEM.samples(2, seed=2)
    dense, full_cost = averaged_norms(energy, samples)
    sparse, cost = averaged_norms(energy, samples, pairs=SYSTEM.coupled)
    np.testing.assert_allclose(sparse.toarray(), dense, atol=1e-12 * dense.max())
    assert cost < full_cost / 3


def test_block_norms_of_a_dense_and_a_sparse_matrix_agree() -> None:
    matrix = np.kron(np.array([[1.0, 2], [0, 3]]), np.arange(9.0).reshape(3, 3))
    expected = np.array([[1.0, 2], [0, 3]]) * np.sqrt(204)
    np.testing.assert_allclose(block_norms(matrix), expected)
    np.testing.assert_allclose(block_norms(scipy.sparse.csr_array(matrix)).toarray(), expected)


@pytest.mark.parametrize("power", [1, 2])
def test_samples_average_to_their_closed_form_limit(power: int) -> None:
    energy = SYSTEM.energy().without("repulsion")
    found = averaged_norms(energy, SYSTEM.samples(300, seed=3), power=power, pairs=SYSTEM.coupled)[0].toarray()
    limit = SYSTEM.expected_norms(power=power).toarray()
    for pairs in (SYSTEM.chain, SYSTEM.loops):
        mean = found[pairs[:, 0], pairs[:, 1]].mean()
        assert mean == pytest.approx(limit[pairs[0, 0], pairs[0, 1]], rel=0.1)
    assert limit[0, LOOP] == pytest.approx(0.1**power * limit[0, 1], rel=1e-12)


def test_modes_are_the_slowest_of_the_laplacian() -> None:
    coupling = SYSTEM.expected_norms()
    modes = backbone_modes(coupling, 12)
    dense = coupling.toarray()
    values = np.linalg.eigvalsh(np.diag(dense.sum(axis=1)) - dense)
    np.testing.assert_allclose(modes.values, values[:12], atol=1e-12 * values[-1])
    assert modes.values[0] == pytest.approx(0, abs=1e-12 * values[-1])
    np.testing.assert_allclose(np.abs(modes.vectors[:, 0]), 30**-0.5)
    expected = [mode @ dense @ mode for mode in modes.vectors.T]
    np.testing.assert_allclose(modes.coupling, expected, rtol=1e-10)
    np.testing.assert_allclose(modes.first(5).vectors, modes.vectors[:, :5])


def test_modes_of_a_plain_chain_are_cosines() -> None:
    """In closed form: cos(pi k (i + 1/2) / n) with eigenvalues 2 - 2 cos(pi k / n)."""
    n = 20
    modes = backbone_modes(np.eye(n, k=1) + np.eye(n, k=-1), 6)
    k = np.arange(6)
    np.testing.assert_allclose(modes.values, 2 - 2 * np.cos(np.pi * k / n), atol=1e-12)
    expected = np.cos(np.pi * k * (np.arange(n)[:, None] + 0.5) / n)
    expected /= np.linalg.norm(expected, axis=0)
    np.testing.assert_allclose(np.abs(np.sum(expected * modes.vectors, axis=0)), 1, atol=1e-10)

"""Slow modes against dense eigenproblems, closed forms and vibrations known by hand."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.energy.base import Energy
from mdweights_core.energy.bonded import HarmonicBonds
from mdweights_core.energy.curvature import gauss_newton
from mdweights_core.energy.elastic import ElasticNetwork, elastic_network
from mdweights_core.errors import BadInput
from mdweights_core.modes import spectrum
from mdweights_core.modes.eigen import lowest
from mdweights_core.modes.rigid import block_motions, compact_blocks, rigid_motions
from mdweights_core.modes.spectrum import block_modes, elastic_modes, hessian_modes


def ball(n: int, seed: int = 0) -> np.ndarray:
    """Points as dense as the C-alpha atoms of a globular protein, nm."""
    lattice = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3), axis=-1).reshape(-1, 3)
    points = lattice + 0.25 * np.random.default_rng(seed).normal(size=lattice.shape)
    return 0.51 * points[np.argsort((points**2).sum(axis=1))[:n]]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class OfUnknownStiffness:
    """Springs that do not tell of their curvature."""

    springs: ElasticNetwork

    def energy(self, x: jax.Array) -> jax.Array:
        return self.springs.energy(x)


def molecule(n: int) -> tuple[Energy, np.ndarray, np.ndarray]:
    """Stiff bonds from atom to atom among soft springs, positions, and the Hessian in closed form."""
    x = ball(n, seed=3)
    first = jnp.arange(n - 1)
    bonds = HarmonicBonds(
        jnp.stack([first, first + 1], axis=1), jnp.linalg.norm(jnp.diff(x, axis=0), axis=1), jnp.full(n - 1, 2e4)
    )
    springs = elastic_network(x, cutoff=1.2)
    energy = Energy({"bonds": bonds, "springs": OfUnknownStiffness(springs)}, n)
    return energy, x, (gauss_newton([bonds.stiffness(x)], n) + springs.hessian(x)).toarray()


def dense_values(matrix: np.ndarray, free: int, count: int) -> np.ndarray:
    return np.linalg.eigvalsh(matrix)[free : free + count]


@pytest.mark.parametrize("with_masses", [False, True])
def test_modes_of_a_network_are_those_of_the_dense_matrix(with_masses: bool) -> None:
    x = ball(500)
    masses = np.random.default_rng(1).uniform(12, 32, 500) if with_masses else None
    network = elastic_network(x, cutoff=1.2)
    found = jobs.run(elastic_modes(network, x, 20, masses=masses))
    scale = np.ones(1500) if masses is None else np.repeat(masses, 3) ** -0.5
    matrix = scale[:, None] * network.hessian(x).toarray() * scale
    np.testing.assert_allclose(found.values, dense_values(matrix, 6, 20), rtol=1e-6)
    assert found.has_converged
    flat = found.vectors.reshape(1500, 20)
    np.testing.assert_allclose(flat.T @ flat, np.eye(20), atol=1e-10)
    np.testing.assert_allclose(flat.T @ rigid_motions(x, masses), 0, atol=1e-10)
    residuals = np.linalg.norm(matrix @ flat - flat * found.values, axis=0)
    np.testing.assert_allclose(found.residuals, residuals, rtol=1e-3, atol=1e-9 * found.values[-1])


def test_modes_of_a_crystal_leave_out_translations_only() -> None:
    x = ball(450, seed=2)
    network = elastic_network(x, cutoff=1.1, cell=4.2 * np.eye(3))
    found = jobs.run(elastic_modes(network, x, 10, is_crystal=True))
    np.testing.assert_allclose(found.values, dense_values(network.hessian(x).toarray(), 3, 10), rtol=1e-6)


@pytest.mark.parametrize("is_dense", [True, False])
def test_modes_by_products_are_those_of_the_dense_hessian(is_dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, or by a search that only the bonds precondition."""
    monkeypatch.setattr(spectrum, "DENSE", 1200 if is_dense else 0)
    energy, x, hessian = molecule(60)
    masses = np.random.default_rng(3).uniform(1, 16, 60)
    found = jobs.run(hessian_modes(energy, x, 8, masses=masses))
    scale = np.repeat(masses, 3) ** -0.5
    np.testing.assert_allclose(found.values, dense_values(scale[:, None] * hessian * scale, 6, 8), rtol=1e-6)
    assert found.has_converged
    assert found.gradients == 2 * 180 if is_dense else found.gradients > 0


def test_a_network_by_products_is_that_in_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum, "DENSE", 0)
    x = ball(60, seed=4)
    network = elastic_network(x, cutoff=1.2)
    by_products = jobs.run(hessian_modes(Energy({"springs": network}, 60), x, 5))
    np.testing.assert_allclose(by_products.values, jobs.run(elastic_modes(network, x, 5)).values, rtol=1e-6)


def test_an_energy_that_tells_no_curvature_is_searched_by_that_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    x = ball(150, seed=12)
    network = elastic_network(x, cutoff=1.2)
    energy, exact = Energy({"springs": OfUnknownStiffness(network)}, 150), jobs.run(elastic_modes(network, x, 8)).values
    monkeypatch.setattr(spectrum, "DENSE", 0)
    found = jobs.run(hessian_modes(energy, x, 8))
    monkeypatch.setattr(
        spectrum, "_stiff_start", lambda curvature, count: (None, np.random.default_rng(0).normal(size=(450, count)))
    )
    plain = jobs.run(hessian_modes(energy, x, 8))
    np.testing.assert_allclose(found.values, exact, rtol=1e-6)
    assert found.gradients < 0.7 * plain.gradients


def test_blocks_of_one_atom_give_the_exact_modes_and_larger_ones_stiffer_ones() -> None:
    x = ball(60, seed=5)
    network = elastic_network(x, cutoff=1.2)
    hessian = network.hessian(x)
    exact = dense_values(hessian.toarray(), 6, 10)
    single = block_modes(hessian, x, np.arange(60), 10)
    np.testing.assert_allclose(single.values, exact, rtol=1e-9)
    blocks = compact_blocks(x, 6)
    coarse = block_modes(hessian, x, blocks, 10)
    assert (coarse.values > exact).all()
    assert coarse.residuals.min() > 100 * single.residuals.max()
    basis = block_motions(x, blocks).toarray()
    np.testing.assert_allclose(coarse.values, dense_values(basis.T @ hessian.toarray() @ basis, 6, 10), rtol=1e-9)


def test_block_motions_are_orthonormal_and_hold_the_motions_of_the_whole() -> None:
    x = ball(50, seed=6)
    masses = np.random.default_rng(7).uniform(1, 20, 50)
    basis = block_motions(x, np.random.default_rng(8).integers(0, 5, 50), masses).toarray()
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    whole = rigid_motions(x, masses)
    np.testing.assert_allclose(basis @ (basis.T @ whole), whole, atol=1e-12)


@pytest.mark.parametrize(("x", "free"), [(ball(9), 6), (np.arange(12.0).reshape(4, 3), 5), (np.ones((1, 3)), 3)])
def test_a_body_a_line_and_a_point_have_their_rigid_motions(x: np.ndarray, free: int) -> None:
    assert rigid_motions(x).shape == (3 * len(x), free)
    assert rigid_motions(x, only_translations=True).shape == (3 * len(x), 3)


def test_blocks_are_compact_and_as_large_as_asked() -> None:
    x = ball(100, seed=9)
    labels = compact_blocks(x, 16)
    sizes = np.bincount(labels)
    assert sizes.tolist() == [16] * 6 + [4]
    widths = [np.ptp(x[labels == label], axis=0).max() for label in range(len(sizes))]
    assert max(widths) < 0.8 * np.ptp(x, axis=0).max()


def test_a_diatomic_has_its_textbook_frequency() -> None:
    """Carbon monoxide: k = 1902 N/m, about 2170 /cm; here 1.1454e6 kJ/mol/nm^2."""
    bond = HarmonicBonds(jnp.array([[0, 1]]), jnp.array([0.11283]), jnp.array([1.1454e6]))
    x = np.array([[0.0, 0, 0], [0, 0, 0.11283]])
    masses = np.array([12.0, 15.9949])
    found = jobs.run(hessian_modes(Energy({"bond": bond}, 2), x, 1, masses=masses))
    reduced = masses.prod() / masses.sum()
    assert found.values[0] == pytest.approx(1.1454e6 / reduced)
    assert found.wavenumbers[0] == pytest.approx(2170, rel=1e-3)
    share = masses[::-1] ** 2 / np.sum(masses**2)
    assert found.collectivity[0] == pytest.approx(np.exp(-np.sum(share * np.log(share))) / 2)


def test_fluctuations_are_those_of_the_inverse_matrix() -> None:
    """kT times the diagonal of the pseudo-inverse, by all modes."""
    x = ball(20, seed=10)
    network = elastic_network(x, cutoff=1.2)
    found = jobs.run(elastic_modes(network, x, 54)).fluctuations(300.0)
    inverse = np.linalg.pinv(network.hessian(x).toarray(), rcond=1e-10)
    np.testing.assert_allclose(found, 300 * 8.314462618e-3 * np.diag(inverse).reshape(20, 3).sum(axis=1), rtol=1e-7)


def test_a_mode_along_which_the_energy_falls_is_told_by_its_sign() -> None:
    x = np.array([[0.0, 0, 0], [0.3, 0.1, 0], [0.1, 0.3, 0.1]])
    flipped = HarmonicBonds(jnp.array([[0, 1], [1, 2], [0, 2]]), jnp.full(3, 1.0), jnp.full(3, 100.0))
    found = jobs.run(hessian_modes(Energy({"bonds": flipped}, 3), x, 2))
    assert found.values[0] < 0
    assert found.wavenumbers[0] < 0
    with pytest.raises(BadInput, match="falls along a mode"):
        found.fluctuations(300.0)


def test_signs_of_modes_are_fixed() -> None:
    x = ball(30, seed=11)
    vectors = jobs.run(elastic_modes(elastic_network(x, cutoff=1.2), x, 4)).vectors.reshape(90, 4)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(4)] > 0).all()


def test_more_modes_than_there_are_is_refused() -> None:
    x = ball(5)
    with pytest.raises(BadInput, match="10 modes of 9"):
        jobs.run(elastic_modes(elastic_network(x, cutoff=2.0), x, 10))


def test_a_stopped_search_returns_its_estimates() -> None:
    matrix = np.diag(np.arange(1.0, 201.0))
    start = np.random.default_rng(12).normal(size=(200, 6))
    job = lowest(lambda columns: matrix @ columns, start, 4)
    next(job)
    found = jobs.stop(job)
    assert found is not None
    assert not found.has_converged
    assert found.values.shape == (4,)


def test_search_without_a_preconditioner_finds_close_and_equal_values() -> None:
    values = np.concatenate([[1.0, 1.0, 1.0 + 1e-9, 2.0], np.linspace(5, 50, 96)])
    turn = np.linalg.qr(np.random.default_rng(13).normal(size=(100, 100)))[0]
    matrix = turn * values @ turn.T
    fixed = turn[:, :1]
    found = jobs.run(
        lowest(lambda c: matrix @ c, np.random.default_rng(14).normal(size=(100, 6)), 3, constraints=fixed)
    )
    np.testing.assert_allclose(found.values, [1.0, 1.0, 2.0], rtol=1e-7)
    np.testing.assert_allclose(fixed.T @ found.vectors, 0, atol=1e-12)

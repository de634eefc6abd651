"""Elastic networks against sums over pairs and images by hand, finite differences and exact zero modes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.curvature import gauss_newton
from mdweights_core.energy.elastic import ElasticNetwork, elastic_network
from mdweights_core.errors import BadInput

CELL = np.array([[1.6, 0.0, 0.0], [0.3, 1.5, 0.0], [-0.2, 0.4, 1.7]])


def scattered(n: int, seed: int = 0) -> np.ndarray:
    """Atoms about 0.4 nm apart."""
    lattice = np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)[:n]
    return 0.4 * (lattice + 0.2 * np.random.default_rng(seed).normal(size=(n, 3)))


def by_hand(reference: np.ndarray, x: np.ndarray, cutoff: float, power: float, cell: np.ndarray | None) -> float:
    """Half the double sum over atoms and over all images out to three cells."""
    reach = [0] if cell is None else range(-3, 4)
    total = 0.0
    for step in np.stack(np.meshgrid(reach, reach, reach), axis=-1).reshape(-1, 3):
        shift = step @ cell if cell is not None else np.zeros(3)
        rest, now = (np.linalg.norm(at[:, None] - at[None] - shift, axis=-1) for at in (reference, x))
        is_tied = (rest <= cutoff) & ~np.eye(len(x), dtype=bool)
        total += np.sum((418.4 * rest[is_tied] ** -power) * (now[is_tied] - rest[is_tied]) ** 2) / 4
    return total


@pytest.mark.parametrize("power", [0.0, 2.0])
@pytest.mark.parametrize("cell", [None, CELL])
def test_energy_is_the_sum_over_close_pairs(power: float, cell: np.ndarray | None) -> None:
    reference = scattered(20) + np.array([5.0, -3.0, 0.1])  # outside the cell
    x = reference + 0.05 * np.random.default_rng(1).normal(size=reference.shape)
    network = elastic_network(reference, cutoff=1.1, power=power, cell=cell)
    assert float(network.energy(jnp.asarray(x))) == pytest.approx(by_hand(reference, x, 1.1, power, cell), rel=1e-10)


@pytest.mark.parametrize("cell", [None, CELL])
@pytest.mark.parametrize("shift", [0.0, 0.04])
def test_hessian_in_closed_form_is_that_of_jax(cell: np.ndarray | None, shift: float) -> None:
    reference = scattered(12)
    x = reference + shift * np.random.default_rng(2).normal(size=reference.shape)
    network = elastic_network(reference, cutoff=0.9, cell=cell)
    expected = jax.hessian(network.energy)(jnp.asarray(x)).reshape(36, 36)
    np.testing.assert_allclose(network.hessian(x).toarray(), expected, atol=1e-8 * np.abs(expected).max())


def test_stiffness_at_rest_is_the_hessian() -> None:
    reference = scattered(15)
    network = elastic_network(reference, cutoff=0.8)
    expected = network.hessian(reference).toarray()
    np.testing.assert_allclose(gauss_newton([network.stiffness(reference)], 15).toarray(), expected, atol=1e-9)


@pytest.mark.parametrize(("cell", "free"), [(None, 6), (CELL, 3)])
def test_only_rigid_motions_cost_nothing(cell: np.ndarray | None, free: int) -> None:
    """All six of a molecule, the three translations of a crystal."""
    reference = scattered(25, seed=3)
    values = np.linalg.eigvalsh(elastic_network(reference, cutoff=1.0, cell=cell).hessian(reference).toarray())
    np.testing.assert_allclose(values[:free], 0, atol=1e-9)
    assert values[free] > 1.0


def test_lattice_translations_of_single_atoms_change_nothing() -> None:
    reference = scattered(10, seed=4)
    moved = reference.copy()
    moved[3] += CELL[0] - 2 * CELL[2]
    both = [elastic_network(at, cutoff=0.9, cell=CELL).hessian(at).toarray() for at in (reference, moved)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-8)


def test_two_atoms_vibrate_as_one_spring() -> None:
    network = elastic_network(np.array([[0.0, 0, 0], [0, 0, 0.5]]), cutoff=1.0, constant=7.0)
    assert isinstance(network, ElasticNetwork)
    values = np.linalg.eigvalsh(network.hessian(np.array([[0.0, 0, 0], [0, 0, 0.5]])).toarray())
    np.testing.assert_allclose(values, [0, 0, 0, 0, 0, 14.0], atol=1e-12)


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        ([[0, 0, 0], [0, 0, 0.5], [0, 0, 9.0]], "2 pieces"),
        ([[0, 0, 0], [0, 0, 0.5], [0, 0, 0.5]], "atoms 2 and 3 lie in the same place"),
        ([[0, 0, 0], [0, 0, np.nan]], "not finite"),
    ],
)
def test_what_cannot_be_a_network_is_refused_in_a_sentence(positions: list[list[float]], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        elastic_network(np.array(positions, dtype=float), cutoff=1.0)

"""Curvature of close pairs against second derivatives of an energy written out pair by pair."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.blocks import pair_blocks
from mdweights_core.energy.nonbonded import COULOMB, Nonbonded
from mdweights_core.minimize.close_pairs import close_pairs

N = 40
EXCLUDED = np.array([[0, 1], [1, 2], [17, 30], [38, 39]])
SPECIAL = np.array([[17, 30]])


@pytest.fixture(scope="module")
def crowd() -> tuple[Nonbonded, np.ndarray]:
    rng = np.random.default_rng(4)
    x = 0.9 * rng.random((N, 3))
    x[30] = x[17] + [0.2, 0.1, 0.1]
    atoms = {"charge": rng.normal(size=N), "radius": 0.15 + 0.02 * rng.random(N), "well": rng.random(N)}
    special = (np.array([0.3]), np.array([0.25]), np.array([0.4]))
    blocks = pair_blocks(x, EXCLUDED)
    parts = {name: jnp.asarray(values) for name, values in atoms.items()}
    return Nonbonded(blocks, parts, {}, SPECIAL, *map(jnp.asarray, special), None, jnp.asarray(0.0)), x


def second_derivatives(term: Nonbonded, x: np.ndarray) -> dict[tuple[int, int], float]:
    """By differences of the energy of each pair on its own."""
    charge, radius, well = (np.asarray(term.atoms[name]) for name in ("charge", "radius", "well"))
    excluded = set(map(tuple, EXCLUDED.tolist()))
    found = {}
    for i, j in itertools.combinations(range(N), 2):
        if (i, j) in excluded and (i, j) != (17, 30):
            continue
        of_pair = (charge[i] * charge[j], radius[i] + radius[j], well[i] * well[j])
        charges, sigma, epsilon = (0.3, 0.25, 0.4) if (i, j) == (17, 30) else of_pair
        r = np.linalg.norm(x[i] - x[j]) + 1e-5 * np.arange(-1, 2)
        energy = 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6) + COULOMB * charges / r
        found[i, j] = float(np.diff(energy, 2)[0] / 1e-10)
    return found


def test_close_pairs_have_the_curvature_of_their_energy(crowd: tuple[Nonbonded, np.ndarray]) -> None:
    term, x = crowd
    stiffness = close_pairs(term, x)
    expected = {
        pair: k
        for pair, k in second_derivatives(term, x).items()
        if k > 1e-3 and np.linalg.norm(x[pair[0]] - x[pair[1]]) < 0.4
    }
    found = {tuple(sorted(pair)): k for pair, k in zip(stiffness.atoms.tolist(), stiffness.constants, strict=True)}
    assert set(found) == set(expected)
    assert (17, 30) in found
    for pair, k in expected.items():
        assert found[pair] == pytest.approx(k, rel=1e-3)


def test_they_point_along_the_pair(crowd: tuple[Nonbonded, np.ndarray]) -> None:
    term, x = crowd
    stiffness = close_pairs(term, x)
    first, second = x[stiffness.atoms.T]
    along = (first - second) / np.linalg.norm(first - second, axis=1, keepdims=True)
    np.testing.assert_allclose(stiffness.gradients[:, 0], along)
    np.testing.assert_array_equal(stiffness.gradients[:, 1], -stiffness.gradients[:, 0])

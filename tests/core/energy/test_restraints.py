"""Springs that hold atoms in place."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mdweights_core.energy.restraints import position_restraints

X = np.arange(12.0).reshape(4, 3) / 10


def test_springs_pull_back_to_where_atoms_were() -> None:
    restraints = position_restraints(np.array([1, 3]), X, 50.0)
    moved = X.copy()
    moved[3] += [0.1, 0.0, -0.2]
    moved[0] += 1.0  # is free
    energy, gradient = jax.jit(jax.value_and_grad(restraints.energy))(moved)
    assert energy == pytest.approx(50 * 0.05 / 2)
    np.testing.assert_allclose(gradient, [[0, 0, 0], [0, 0, 0], [0, 0, 0], [5, 0, -10]], atol=1e-12)


def test_stiffness_is_the_whole_hessian() -> None:
    found = position_restraints(np.array([2]), X, 50.0).stiffness(X)
    np.testing.assert_array_equal(found.atoms, [[2], [2], [2]])
    np.testing.assert_array_equal(found.gradients[:, 0], np.eye(3))
    np.testing.assert_array_equal(found.constants, [50.0, 50.0, 50.0])

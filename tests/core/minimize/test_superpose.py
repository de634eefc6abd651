"""Distances of conformations after superposition."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from mdweights_core.minimize.superpose import rmsd


def test_rmsd_knows_no_rotation_and_translation_but_mirrors() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 12, 3))
    turned = np.einsum("sij,skj->ski", Rotation.random(3, rng=1).as_matrix(), a) + rng.normal(size=(3, 1, 3))
    np.testing.assert_allclose(rmsd(turned, a), 0.0, atol=1e-7)
    assert (rmsd(-a, a) > 0.3).all()


def test_rmsd_is_scipys() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 9, 3))
    _, left = Rotation.align_vectors(a - a.mean(axis=0), b - b.mean(axis=0))
    np.testing.assert_allclose(rmsd(a[None], b), left / 3, rtol=1e-10)


def test_what_is_no_number_has_no_distance() -> None:
    x = np.random.default_rng(3).normal(size=(2, 5, 3))
    x[1, 0, 0] = np.nan
    assert np.isnan(rmsd(x, x[0])).tolist() == [False, True]

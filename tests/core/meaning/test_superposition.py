"""Superposition against a known motion, principal components against NumPy's singular values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mdweights_core.crystal.superposition import fit
from mdweights_core.meaning import superposition
from mdweights_core.meaning.superposition import angle, principal_components, superpose


def test_frames_about_a_mean_are_superposed_on_it():
    rng = np.random.default_rng(4)
    mean = rng.normal(scale=8.0, size=(30, 3))
    turns = Rotation.random(300, random_state=5).as_matrix()
    frames = np.einsum("nij,nkj->nki", turns, mean + 0.1 * rng.normal(size=(300, 30, 3))) + 7.0
    done = [how for _, how in superpose(frames) if how is not None]
    assert sum(len(how.rmsd) for how in done) == 300
    assert fit(frames.mean(axis=0)[None], mean).rmsd[0] < 0.02
    # six of 90 degrees of freedom are gone with the superposition
    assert np.sqrt(frames.var(axis=0).sum(axis=1).mean()) == pytest.approx(0.1 * np.sqrt(3 * 84 / 90), rel=0.01)


@pytest.mark.parametrize(("n_frames", "n_atoms"), [(40, 25), (300, 8)])
def test_principal_components_are_those_of_the_singular_values(n_frames: int, n_atoms: int):
    rng = np.random.default_rng(6)
    flat = rng.normal(size=(n_frames, 6)) * [9, 5, 3, 1, 1, 1] @ rng.normal(size=(6, 3 * n_atoms))
    found = principal_components(flat.reshape(n_frames, n_atoms, 3), 3)
    left, values, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    expected = left[:, :3] * values[:3]
    signs = np.sign((expected * found.values).sum(axis=0))
    np.testing.assert_allclose(found.values, expected * signs, atol=1e-8 * values[0])
    np.testing.assert_allclose(found.variance, values[:3] ** 2 / (n_frames - 1))
    assert found.total == pytest.approx((values**2).sum() / (n_frames - 1))


def test_of_too_many_atoms_every_nth_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(superposition, "MOST_COLUMNS", 30)
    frames = np.random.default_rng(7).normal(size=(12, 20, 3))
    np.testing.assert_allclose(principal_components(frames, 2).values, principal_components(frames[:, ::2], 2).values)


def test_angles_are_those_about_the_mean_orientation():
    turns = Rotation.from_rotvec([[0, 0, 10], [0, 0, 20], [0, 0, 30]], degrees=True).as_matrix()
    np.testing.assert_allclose(angle(turns), [10, 0, 10], atol=1e-5)

"""Superposition against a known motion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mdweights_core.crystal.superposition import fit


def test_a_moved_molecule_lies_on_itself_again():
    rng = np.random.default_rng(0)
    reference = rng.normal(scale=5.0, size=(20, 3))
    turns = Rotation.random(6, random_state=1).as_matrix()
    frames = np.einsum("nij,kj->nki", turns, reference) + rng.normal(scale=30.0, size=(6, 1, 3))
    how = fit(frames, reference)
    assert how.rmsd.max() < 1e-6
    np.testing.assert_allclose(how.moved(frames), np.tile(reference - reference.mean(axis=0), (6, 1, 1)), atol=1e-9)


def test_a_mirror_image_stays_one():
    reference = np.random.default_rng(2).normal(size=(12, 3))
    how = fit((reference * [1, 1, -1])[None], reference)
    assert np.linalg.det(how.rotation[0]) == pytest.approx(1.0)
    assert how.rmsd[0] > 0.3


def test_rmsd_is_that_of_the_moved_positions():
    rng = np.random.default_rng(3)
    frames, reference = rng.normal(size=(5, 9, 3)), rng.normal(size=(9, 3))
    how = fit(frames, reference)
    left = how.moved(frames) - (reference - reference.mean(axis=0))
    np.testing.assert_allclose(how.rmsd, np.sqrt((left**2).sum(axis=2).mean(axis=1)))


def test_frames_may_have_a_reference_each():
    frames, references = np.random.default_rng(4).normal(size=(2, 4, 7, 3))
    together = fit(frames, references)
    for i in range(4):
        alone = fit(frames[i : i + 1], references[i])
        np.testing.assert_allclose(together.rotation[i], alone.rotation[0], atol=1e-12)
        assert together.rmsd[i] == pytest.approx(alone.rmsd[0])

"""Trajectories made of known amplitudes are read back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mdweights_core import jobs
from mdweights_core.energy.elastic import elastic_network
from mdweights_core.modes.spectrum import Modes, elastic_modes
from mdweights_core.modes.trajectories import animated, explained, project


@pytest.fixture(scope="module")
def modes() -> Modes:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1.5, (40, 3)) + 3.0
    network = elastic_network(x, cutoff=0.9)
    return jobs.run(elastic_modes(network, x, 5, masses=rng.uniform(1, 16, 40)))


def moved(modes: Modes, amplitudes: np.ndarray) -> np.ndarray:
    return modes.reference + np.einsum("fk,axk->fax", amplitudes, modes.displacements)


def test_amplitudes_are_read_back(modes: Modes) -> None:
    amplitudes = np.random.default_rng(1).normal(size=(300, 5))
    frames = moved(modes, amplitudes)
    np.testing.assert_allclose(project(frames, modes, superposed=False), amplitudes, atol=1e-12)


def test_tumbling_changes_amplitudes_in_second_order_only(modes: Modes) -> None:
    rng = np.random.default_rng(2)
    amplitudes = 1e-3 * rng.normal(size=(20, 5))
    turns = Rotation.random(20, random_state=3).as_matrix()
    frames = np.einsum("fij,faj->fai", turns, moved(modes, amplitudes)) + rng.normal(size=(20, 1, 3))
    unweighted = Modes(
        modes.values, modes.vectors, np.ones(40), modes.reference, modes.residuals, modes.gradients, True
    )
    still = project(moved(modes, amplitudes), unweighted)
    np.testing.assert_allclose(project(frames, unweighted), still, atol=1e-10)


def test_no_frames_have_no_amplitudes(modes: Modes) -> None:
    assert project(np.zeros((0, 40, 3)), modes).shape == (0, 5)


def test_explained_shares_are_those_of_the_variances_put_in(modes: Modes) -> None:
    """Without masses the superposition takes away nothing of a mode, to first order."""
    flat = Modes(modes.values, _unweighted(modes), np.ones(40), modes.reference, modes.residuals, 0, True)
    sizes = np.array([3.0, 2.0, 1.0, 0.0, 0.0])
    amplitudes = 1e-4 * sizes * np.random.default_rng(4).choice([-1.0, 1.0], size=(4000, 5))
    np.testing.assert_allclose(explained(moved(flat, amplitudes), flat), sizes**2 / 14, atol=0.02)


def _unweighted(modes: Modes) -> np.ndarray:
    """The first modes of the same network with equal masses."""
    network = elastic_network(modes.reference, cutoff=0.9)
    return jobs.run(elastic_modes(network, modes.reference, 5)).vectors


def test_an_animation_swings_through_the_reference_by_the_asked_distance(modes: Modes) -> None:
    frames = animated(modes, 2, n_frames=8, rms=0.05)
    assert frames.shape == (8, 40, 3)
    np.testing.assert_allclose(frames[[0, 4]], np.stack([modes.reference] * 2))
    distance = np.sqrt(np.mean(np.sum((frames[2] - modes.reference) ** 2, axis=1)))
    assert distance == pytest.approx(0.05)
    np.testing.assert_allclose(frames[2] + frames[6], 2 * modes.reference)
    amplitudes = project(frames, modes, superposed=False)
    np.testing.assert_allclose(amplitudes[:, [0, 1, 3, 4]], 0, atol=1e-12)

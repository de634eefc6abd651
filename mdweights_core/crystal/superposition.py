"""Conformations laid onto one another by least squares. All in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Fit(NamedTuple):
    """How frames lie on a reference: rotation [n, 3, 3] about centres [n, 3], and the rms distance left [n]."""

    rotation: np.ndarray
    centre: np.ndarray
    rmsd: np.ndarray

    def moved(self, positions: np.ndarray) -> np.ndarray:
        """Positions [n, n_atoms, 3] superposed, about the origin."""
        return np.einsum("nij,nkj->nki", self.rotation, positions - self.centre[:, None])


def fit(positions: np.ndarray, reference: np.ndarray) -> Fit:
    """Least-squares superposition of frames [n, n_atoms, 3] on a reference, or one each (Kabsch 1976).

    Parameters
    ----------
    positions : float [n, n_atoms, 3]
    reference : float [n_atoms, 3] or [n, n_atoms, 3]
    """
    positions = np.asarray(positions, dtype=np.float64)
    centre = positions.mean(axis=1)
    about, target = positions - centre[:, None], reference - reference.mean(axis=-2, keepdims=True)
    left, values, right = np.linalg.svd(about.swapaxes(1, 2) @ target)
    turn = np.sign(np.linalg.det(left) * np.linalg.det(right))
    right[:, 2] *= turn[:, None]
    values[:, 2] *= turn
    rotation = np.einsum("nia,naj->nji", left, right)
    square = (about**2).sum(axis=(1, 2)) + (target**2).sum(axis=(-2, -1)) - 2 * values.sum(axis=1)
    return Fit(rotation, centre, np.sqrt(np.maximum(square, 0) / positions.shape[1]))

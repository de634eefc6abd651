"""Frames of a molecule laid onto each other, and the directions in which they vary most. All in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mdweights_core.crystal.superposition import Fit, fit

_ROUNDS = 3  # the mean of superposed frames hardly changes after that
CHUNK = 128
"""Frames at a time."""

MOST_COLUMNS = 4000
"""Coordinates whose covariance is still taken; of more, every n-th atom."""


def superpose(positions: np.ndarray) -> Iterator[tuple[int, Fit | None]]:
    """Superpose frames [n_frames, n_atoms, 3] on their mean, which is found by turns, in place.

    Yields after every chunk its first frame, and in the last round what the superposition was; the mean is taken in the
    orientation of the first frame.
    """
    reference = np.asarray(positions[0], dtype=np.float64)
    for turn in range(_ROUNDS):
        total = np.zeros_like(reference)
        for start in range(0, len(positions), CHUNK):
            part = positions[start : start + CHUNK]
            how = fit(part, reference)
            moved = how.moved(part)
            total += moved.sum(axis=0)
            if turn == _ROUNDS - 1:
                positions[start : start + CHUNK] = moved
            yield start, how if turn == _ROUNDS - 1 else None
        reference = total / len(positions)


class Components(NamedTuple):
    """Principal components: coordinates of frames [n_frames, n], in the unit of the positions; variance [n] and sum."""

    values: np.ndarray
    variance: np.ndarray
    total: float


def principal_components(positions: np.ndarray, count: int) -> Components:
    """The first principal components of frames [n_frames, n_atoms, 3], which are superposed.

    By the smaller of the covariance of coordinates and the products of frames with one another, summed over chunks. The
    largest entry of a direction is positive, so that the same frames give the same signs.
    """
    from scipy.linalg import eigh

    step = -(-3 * positions.shape[1] // MOST_COLUMNS)
    flat = positions[:, ::step].reshape(len(positions), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    count = min(count, flat.shape[1], len(flat) - 1)
    if len(flat) <= flat.shape[1]:
        about = flat - mean
        gram = about @ about.T
        total = float(np.trace(gram))
        values, vectors = eigh(gram, subset_by_index=(len(gram) - count, len(gram) - 1))
        directions = about.T @ vectors
        directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(float).tiny)
    else:
        covariance = np.zeros((flat.shape[1], flat.shape[1]))
        for start in range(0, len(flat), CHUNK):
            about = flat[start : start + CHUNK] - mean
            covariance += about.T @ about
        total = float(np.trace(covariance))
        values, directions = eigh(covariance, subset_by_index=(len(covariance) - count, len(covariance) - 1))
    directions = directions[:, ::-1]
    directions = directions * np.where(np.ptp(directions, axis=0) > 2 * directions.max(axis=0), -1.0, 1.0)
    projected = [(flat[n : n + CHUNK] - mean) @ directions for n in range(0, len(flat), CHUNK)]
    n = max(len(flat) - 1, 1)
    return Components(np.concatenate(projected), np.maximum(values[::-1], 0) / n, total / n)


def angle(rotation: np.ndarray) -> np.ndarray:
    """Angle in degrees of each rotation [n, 3, 3] against their mean, float64 [n]."""
    left, _, right = np.linalg.svd(rotation.mean(axis=0))
    mean = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    trace = np.einsum("nij,ij->n", rotation, mean)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0)))

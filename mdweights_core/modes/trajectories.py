"""Trajectories seen along modes, and modes shown as trajectories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mdweights_core.crystal.superposition import fit
from mdweights_core.modes.spectrum import Modes

_CHUNK = 128
"""Frames at a time."""


def project(positions: np.ndarray, modes: Modes, *, superposed: bool = True) -> np.ndarray:
    """Amplitudes of modes in frames.

    Parameters
    ----------
    positions : float [n_frames, n_atoms, 3]
        nm.
    modes : Modes
        Of the same atoms.
    superposed : bool
        True to lay every frame on the reference of the modes first; False for atoms of a crystal, which do not turn.

    Returns
    -------
    float64 [n_frames, k]
        nm Da^1/2.
    """
    return np.concatenate([np.zeros((0, len(modes.values))), *_projected(_chunks(positions), modes, superposed)])


def _chunks(positions: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(positions), _CHUNK):
        yield np.asarray(positions[start : start + _CHUNK], dtype=np.float64)


def _projected(chunks: Iterable[np.ndarray], modes: Modes, superposed: bool) -> Iterator[np.ndarray]:
    centre = modes.reference.mean(axis=0)
    for frames in chunks:
        placed = fit(frames, modes.reference).moved(frames) + centre if superposed else frames
        moved = (placed - modes.reference) * np.sqrt(modes.masses)[:, None]
        yield np.einsum("fax,axk->fk", moved, modes.vectors)


def explained(positions: np.ndarray, modes: Modes) -> np.ndarray:
    """Share of the superposed frames' mass-weighted mean square displacement along each mode, float64 [k].

    Displacements are those from the mean of the frames (first superposed on the reference of the modes).
    """
    total, amplitudes = 0.0, project(positions, modes)
    mean = sum(fit(frames, modes.reference).moved(frames).sum(axis=0) for frames in _chunks(positions)) / len(positions)
    for frames in _chunks(positions):
        moved = fit(frames, modes.reference).moved(frames) - mean
        total += float(np.sum(modes.masses[:, None] * moved**2))
    about = amplitudes - amplitudes.mean(axis=0)
    return (about**2).sum(axis=0) / max(total, np.finfo(float).tiny)


def animated(modes: Modes, mode: int, *, n_frames: int = 24, rms: float = 0.1) -> np.ndarray:
    """Frames of one full swing along a mode, which may be played in a loop.

    Parameters
    ----------
    modes : Modes
    mode : int
        Which one, from 0.
    n_frames : int
    rms : float
        Root mean square displacement of the atoms at the turning points, nm.

    Returns
    -------
    float64 [n_frames, n_atoms, 3]
        nm; the first frame is the reference.
    """
    move = modes.displacements[:, :, mode]
    amplitude = rms / np.sqrt(np.mean(np.sum(move**2, axis=1)))
    phases = np.sin(2 * np.pi * np.arange(n_frames) / n_frames)
    return modes.reference + amplitude * phases[:, None, None] * move

"""All frames of a trajectory seen along modes, some at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.crystal.superposition import fit
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.modes.spectrum import Modes
from mdweights_core.modes.trajectories import project

if TYPE_CHECKING:
    from mdweights_core.io.frames.trajectories import FrameSource

STAGE = "projecting frames"
_PER_NM = 10.0  # angstrom


@dataclass(frozen=True, eq=False)
class Along:
    """Where frames lie along modes.

    Attributes
    ----------
    amplitudes : float64 [n_frames, k]
        nm Da^1/2.
    shares : float64 [k]
        Part of the frames' mass-weighted motion about their mean that goes along each mode.
    """

    amplitudes: np.ndarray
    shares: np.ndarray


def frames_along(source: FrameSource, modes: Modes) -> Job[Along]:
    """Project the frames of the atoms of modes, each laid on their reference."""
    amplitudes, total = yield from _projected(source, modes)
    about = amplitudes - amplitudes.mean(axis=0)
    return Along(amplitudes, (about**2).sum(axis=0) / max(total, np.finfo(float).tiny))


def _projected(source: FrameSource, modes: Modes) -> Job[tuple[np.ndarray, float]]:
    """Amplitudes of all frames, nm Da^1/2, and the sum of their mass-weighted squared displacements."""
    clock, parts = Clock(), []
    total, square = np.zeros(modes.reference.shape), 0.0
    for chunk in source.chunks():
        x = chunk.positions.astype(np.float64) / _PER_NM
        parts.append(project(x, modes))
        moved = fit(x, modes.reference).moved(x) - (modes.reference - modes.reference.mean(axis=0))
        total += moved.sum(axis=0)
        square += float(np.sum(modes.masses[:, None] * moved**2))
        if clock.is_due():
            yield Progress(STAGE, chunk.start + len(x), source.n_frames)
    mean = total / source.n_frames
    about_mean = square - source.n_frames * float(np.sum(modes.masses[:, None] * mean**2))
    return np.concatenate(parts), about_mean

"""A molecule of two states whose weights, shapes and fluctuations are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.scattering.storage.store import FrameTable

N_FRAMES, N_RESIDUES = 240, 12
SIGMA = (0.15, 0.30)  # angstrom per axis of the residues, in state A and in state B
SHIFT = np.array([3.0, 0.0, 0.0])  # of the second half of the chain, from A to B


@dataclass(frozen=True)
class TwoStates:
    """Frames in state A (0) or B (1): B weighs three times as much as A."""

    source: FrameSource
    frames: FrameTable
    state: np.ndarray
    mean: np.ndarray  # float64 [2, n_residues, 3]
    weights: np.ndarray

    @property
    def prior(self) -> np.ndarray:
        """Equal weights."""
        return np.full(N_FRAMES, 1 / N_FRAMES)


def two_states(path: Path) -> TwoStates:
    """Frames of one chain, turned and shifted at random, written to `path` as models of a PDB file; the first is A."""
    rng = np.random.default_rng(0)
    state = np.repeat(rng.permutation(np.arange(N_FRAMES // 4) % 2), 4)
    state = state ^ state[0]
    first = np.column_stack([3.0 * np.arange(N_RESIDUES), 2.2 * (np.arange(N_RESIDUES) % 2), np.zeros(N_RESIDUES)])
    mean = np.array([first, first + np.where(np.arange(N_RESIDUES)[:, None] < 6, 0.0, SHIFT)])
    positions = mean[state] + np.array(SIGMA)[state, None, None] * rng.normal(size=(N_FRAMES, N_RESIDUES, 3))
    turns = Rotation.random(N_FRAMES, random_state=1).as_matrix()
    positions = np.einsum("nij,nkj->nki", turns, positions) + rng.normal(size=(N_FRAMES, 1, 3))
    write_models(path, positions)
    weights = np.where(state == 1, 3.0, 1.0)
    table = FrameTable.blank([str(path)] * N_FRAMES, np.arange(N_FRAMES))
    return TwoStates(open_frames([path]), table, state, mean, weights / weights.sum())


def write_models(path: Path, positions: np.ndarray, numbers: Sequence[int] = ()) -> None:
    """Write frames [n, n_residues, 3] of a chain of alanine C-alpha atoms, numbered from 1 unless `numbers` say it."""
    lines, numbers = [], numbers or range(1, positions.shape[1] + 1)
    for number, frame in enumerate(positions, 1):
        lines.append(f"MODEL     {number:4d}")
        lines += [
            f"ATOM  {row:5d}  CA  ALA A{row:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C"
            for row, (x, y, z) in zip(numbers, frame, strict=True)
        ]
        lines.append("ENDMDL")
    path.write_text("\n".join([*lines, "END", ""]))

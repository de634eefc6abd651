"""Configurations of a simulated ensemble as frames that `predict` and `fit` take."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.workflow.ensemble_files import superposed
from mdweights_core.workflow.sensitivity_systems import Studied


def write_ensemble_frames(studied: Studied, frames: np.ndarray, path: Path) -> list[Path]:
    """Write configurations [S, N] in nm as frames (.pdb, .xtc), and beside an XTC its topology; the files.

    Molecules that are free to turn are laid on the structure; a crystal, or what springs hold in place, is left as it
    is.

    Raises
    ------
    BadInput
        For a system without atoms, or when there are no configurations.
    DiskProblem
        When a file cannot be written.
    """
    from mdweights_core.minimize.frames import write_with_topology

    if studied.topology is None:
        raise BadInput(f"{studied.told} has no atoms, and its ensemble cannot be frames")
    if not len(frames):
        raise BadInput("No configurations were kept", advice="Run longer")
    x = frames.reshape(len(frames), -1, 3)
    if studied.simulated.is_free and studied.box is None:
        x = superposed(x, studied.reference)
    return [place for place in write_with_topology(studied.topology, x, path) if place is not None]

"""What a selection writes: a table of frames, and a GROMACS index of those kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdweights_core.io.files import atomic_write_text
from mdweights_core.io.frames.gromacs_index import index_group
from mdweights_core.weights.selection.result import Selection


def write_csv(selection: Selection, path: str | Path) -> None:
    """Write a row for each frame: number (from 0), kept (1) or not (0), and in which deletion it went (from 1).

    Raises
    ------
    DiskProblem
        When the file cannot be written.
    """
    rows = zip(selection.kept, selection.order, strict=True)
    lines = [f"{t},{int(kept)},{order if order > 0 else ''}" for t, (kept, order) in enumerate(rows)]
    atomic_write_text(path, "\n".join(["frame,kept,deletion", *lines]) + "\n")


def write_ndx(selection: Selection, path: str | Path) -> None:
    """Write a GROMACS index file of the frames kept, numbered from 1 (for `gmx trjconv -fr`).

    Raises
    ------
    DiskProblem
        When the file cannot be written.
    """
    atomic_write_text(path, "\n".join(index_group(np.flatnonzero(selection.kept))) + "\n")

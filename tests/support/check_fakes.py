"""A look at frames that nobody took."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdweights_core.scattering.frames.checks import FrameCheck
from mdweights_core.scattering.frames.remarks import Remark

REMARKS = (
    Remark("good", "frames", "All 4 frames were looked at"),
    Remark("note", "atoms", "608 of 776 atoms scatter"),
    Remark("warning", "box", "The box is < the cell"),
)


def a_check(**changes: Any) -> FrameCheck:
    """Every second of eight frames, drifting along x, in a breathing box."""
    n = 4
    boxes = np.tile([20.0, 30.0, 40.0, 90.0, 95.0, 90.0], (n, 1))
    boxes[:, 0] *= [0.99, 1.0, 1.0, 1.01]
    fields: dict[str, Any] = {
        "remarks": REMARKS,
        "frames": np.array([0, 2, 4, 6]),
        "time": np.array([0.0, 20.0, 40.0, 60.0]),
        "drift": np.outer(np.arange(n), [3.0, 4.0, 0.0]),
        "boxes": boxes,
        "duplicates": (),
        "n_frames": 8,
        "n_atoms": 608,
        "n_hkl": 13184,
        "bytes_needed": 11_600_000,
        "bytes_free": 2_000_000_000,
        "seconds_per_frame": 0.0031,
        "seconds_needed": 300.0,
    }
    return FrameCheck(**{**fields, **changes})

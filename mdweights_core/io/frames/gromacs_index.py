"""GROMACS index files of frames."""

from __future__ import annotations

import numpy as np

_ON_A_LINE = 15


def index_group(frames: np.ndarray) -> list[str]:
    """Lines of the group of frames kept, which counts them from 1 (for `gmx trjconv -fr`); `frames` int, from 0."""
    numbers = (frames + 1).astype(str)
    return ["[ kept_frames ]", *(" ".join(numbers[i : i + _ON_A_LINE]) for i in range(0, len(numbers), _ON_A_LINE))]

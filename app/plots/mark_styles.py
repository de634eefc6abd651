"""How marks of frames look in every plot: each has its own shape, so that no colour is needed to tell them apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.models.marks import Mark


class MarkStyle(NamedTuple):
    """A pyqtgraph symbol, its size in pixels, and the name of its colour in a `Theme`."""

    symbol: str
    size: int
    colour: str


NO_MARK = MarkStyle("o", 6, "neutral")
MARK_STYLES = {
    Mark.KEEP: MarkStyle("t1", 9, "good"),
    Mark.DROP: MarkStyle("x", 9, "bad"),
    Mark.UNSURE: MarkStyle("s", 8, "subtle"),
}


def marks_of(marks: np.ndarray, n_frames: int) -> np.ndarray:
    """The marks of `n_frames` frames, int8; none while those known are of other frames."""
    return marks if len(marks) == n_frames else np.zeros(n_frames, dtype=np.int8)

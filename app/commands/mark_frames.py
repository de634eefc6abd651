"""Marking frames, undoable."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QUndoCommand

from app.models.marks import Mark, MarksModel


class MarkFrames(QUndoCommand):
    """Give some frames a mark; undo gives each its former mark back."""

    def __init__(self, marks: MarksModel, frames: np.ndarray, mark: Mark) -> None:
        plural = f"{len(frames)} frames" if len(frames) != 1 else f"frame {int(frames[0])}"
        super().__init__(f"mark {plural} {mark.label or 'as unmarked'}")
        self._marks = marks
        self._frames = frames.copy()
        self._new = mark
        self._old = marks.values[frames]

    def redo(self) -> None:
        """Set the new mark."""
        self._marks.assign(self._frames, self._new)

    def undo(self) -> None:
        """Set the former marks."""
        self._marks.assign(self._frames, self._old)

"""Marking frames, undoable."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QUndoCommand

from app.models.marks import Mark, MarksModel


class _GiveMarks(QUndoCommand):
    """Give frames their marks; undo gives each its former mark back."""

    def __init__(self, text: str, marks: MarksModel, frames: np.ndarray, new: np.ndarray | Mark) -> None:
        super().__init__(text)
        self._marks = marks
        self._frames = frames.copy()
        self._new = new
        self._old = marks.values[frames]

    def redo(self) -> None:
        """Set the new marks."""
        self._marks.assign(self._frames, self._new)

    def undo(self) -> None:
        """Set the former marks."""
        self._marks.assign(self._frames, self._old)


class MarkFrames(_GiveMarks):
    """Give some frames one mark."""

    def __init__(self, marks: MarksModel, frames: np.ndarray, mark: Mark) -> None:
        plural = f"{len(frames)} frames" if len(frames) != 1 else f"frame {int(frames[0])}"
        super().__init__(f"mark {plural} {mark.label or 'as unmarked'}", marks, frames, mark)


class MarkSelection(_GiveMarks):
    """Mark frames that a selection keeps (bool [n_frames]) keep, and all others drop."""

    def __init__(self, marks: MarksModel, kept: np.ndarray) -> None:
        new = np.where(kept, Mark.KEEP, Mark.DROP).astype(np.int8)
        text = f"mark {int(kept.sum())} frames keep and {int((~kept).sum())} drop"
        super().__init__(text, marks, np.arange(len(kept)), new)

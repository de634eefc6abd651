"""What the user thinks of each frame: keep, drop, unsure or nothing; kept beside the project."""

from __future__ import annotations

import json
from enum import IntEnum
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal

from mdweights_core.errors import DiskProblem
from mdweights_core.io.files import atomic_write_text

FILE_NAME = "marks.json"


class Mark(IntEnum):
    """A verdict on a frame."""

    NONE = 0
    KEEP = 1
    DROP = 2
    UNSURE = 3

    @property
    def label(self) -> str:
        """The word shown; empty for no mark."""
        return "" if self is Mark.NONE else self.name.lower()


class MarksModel(QObject):
    """One mark per frame."""

    marks_changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._marks = np.zeros(0, dtype=np.int8)

    @property
    def values(self) -> np.ndarray:
        """A copy of the marks, int8 [n_frames], values of `Mark`."""
        return self._marks.copy()

    def set_n_frames(self, n_frames: int) -> None:
        """Start afresh with `n_frames` unmarked frames."""
        self._marks = np.zeros(max(n_frames, 0), dtype=np.int8)
        self.marks_changed.emit(np.arange(len(self._marks)))

    def assign(self, frames: np.ndarray, marks: np.ndarray | Mark) -> None:
        """Give `frames` their marks (one for all or one each)."""
        self._marks[frames] = marks
        self.marks_changed.emit(np.array(frames, copy=True))

    def frames_with(self, mark: Mark) -> np.ndarray:
        """Frames that carry `mark`, int64, rising."""
        return np.flatnonzero(self._marks == mark)

    def save(self, project: Path) -> None:
        """Write the marks into the project folder."""
        named = {mark.label: self.frames_with(mark).tolist() for mark in Mark if mark is not Mark.NONE}
        atomic_write_text(project / FILE_NAME, json.dumps(named))

    def load(self, project: Path) -> None:
        """Read the marks of a project; none when it has none. Marks of frames that are not there are left out.

        Raises
        ------
        DiskProblem
            When the file of marks cannot be understood.
        """
        path = project / FILE_NAME
        self._marks[:] = Mark.NONE
        if path.is_file():
            self._fill(path)
        self.marks_changed.emit(np.arange(len(self._marks)))

    def _fill(self, path: Path) -> None:
        try:
            named = json.loads(path.read_text(encoding="utf-8"))
            chosen = {mark: np.array(named.get(mark.label, []), dtype=np.int64) for mark in Mark if mark}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise DiskProblem(
                "The marks of the frames cannot be read", where=path, advice="Delete the file to start without marks"
            ) from error
        for mark, frames in chosen.items():
            self._marks[frames[(frames >= 0) & (frames < len(self._marks))]] = mark

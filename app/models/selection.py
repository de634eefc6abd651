"""What the user looks at: one frame, a brushed set of frames and one reflection, shared by every view."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot


class SelectionModel(QObject):
    """The one selection of the window. Views set it and listen to it; none keeps its own."""

    frame_changed = Signal(int)
    brushed_changed = Signal(object)
    cursor_changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._n_frames = 0
        self._frame = -1
        self._brushed = np.empty(0, dtype=np.int64)
        self._cursor: tuple[int, int, int] | None = None

    @property
    def n_frames(self) -> int:
        """How many frames there are to choose from."""
        return self._n_frames

    @property
    def frame(self) -> int:
        """The selected frame, -1 when there is none."""
        return self._frame

    @property
    def brushed(self) -> np.ndarray:
        """Frames brushed in a plot or picked in the table, int64, rising."""
        return self._brushed

    @property
    def cursor(self) -> tuple[int, int, int] | None:
        """Miller indices under the cursor of the slices."""
        return self._cursor

    def set_n_frames(self, n_frames: int) -> None:
        """Tell how many frames there are; a selection beyond them moves to the last."""
        self._n_frames = n_frames
        self.set_brushed(self._brushed[self._brushed < n_frames])
        self.select(min(max(self._frame, 0), n_frames - 1))

    @Slot(int)
    def select(self, frame: int) -> None:
        """Select one frame; out of range is clamped."""
        frame = max(-1, min(int(frame), self._n_frames - 1))
        if frame != self._frame:
            self._frame = frame
            self.frame_changed.emit(frame)

    @Slot(object)
    def set_brushed(self, frames: object) -> None:
        """Select a set of frames (any integer sequence)."""
        chosen = np.unique(np.asarray(frames, dtype=np.int64).reshape(-1))
        chosen = chosen[(chosen >= 0) & (chosen < self._n_frames)]
        if not np.array_equal(chosen, self._brushed):
            self._brushed = chosen
            self.brushed_changed.emit(chosen.copy())

    @Slot(object)
    def set_cursor(self, hkl: object) -> None:
        """Put the reflection cursor on `hkl` (three integers) or None."""
        cursor = None if hkl is None else (int(hkl[0]), int(hkl[1]), int(hkl[2]))  # type: ignore[index]
        if cursor != self._cursor:
            self._cursor = cursor
            self.cursor_changed.emit(cursor)

    def walk(self, weights: np.ndarray, step: int) -> None:
        """Select the frame `step` places heavier (lighter when negative) than the selected one; stays at the ends.

        Parameters
        ----------
        weights : float [n_frames]
            Frames of equal weight stand in order of their number, so that a walk meets every frame once.
        step : int
        """
        by_weight = np.argsort(weights, kind="stable")
        if len(by_weight) != self._n_frames or self._frame < 0:
            return
        place = int(np.flatnonzero(by_weight == self._frame)[0]) + step
        self.select(int(by_weight[min(max(place, 0), len(by_weight) - 1)]))

    def targets(self) -> np.ndarray:
        """Frames an action applies to: the brushed ones, else the selected one; int64."""
        if len(self._brushed):
            return self._brushed.copy()
        return np.array([self._frame] if self._frame >= 0 else [], dtype=np.int64)

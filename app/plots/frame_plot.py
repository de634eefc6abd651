"""What the plots of frames share: a click selects a frame, a drag with Shift brushes some, and others may tell them."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel
from app.plots.brush import BrushViewBox

HAND = "Click selects a frame, Shift and drag brushes, drag moves, wheel zooms"


class FramePlot(PlotPanel):
    """A plot in whose `box` frames can be selected and brushed. Frames are counted from 0.

    A subclass says which frames a click and a brush mean (`_click`, `_brush`) and draws what is highlighted
    (`_draw_highlights`, `_draw_brushed`).

    Signals
    -------
    frame_selected(int)
        The frame that was clicked.
    frames_brushed(object)
        Frames under the brush, int64 array, rising (empty when the brush was taken away): a copy.
    """

    frame_selected = Signal(int)
    frames_brushed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brushed = np.empty(0, dtype=np.int64)
        self._selected: int | None = None
        self.canvas.setToolTip(HAND)
        self.box = BrushViewBox()
        self.box.clicked.connect(self._click)
        self.box.brushed.connect(self._brush)

    @property
    def brushed(self) -> np.ndarray:
        """Frames under the brush, int64: a copy."""
        return self._brushed.copy()

    @property
    def selected(self) -> int | None:
        """The frame that is pointed at."""
        return self._selected

    def set_selected(self, frame: int | None) -> None:
        """Point at a frame (None: at none), without emitting."""
        self._selected = frame
        self._draw_highlights()

    def set_brushed(self, frames: np.ndarray) -> None:
        """Highlight frames brushed elsewhere, int [n], without emitting."""
        self._brushed = np.array(frames, dtype=np.int64)
        self._draw_brushed()

    def _pick(self, frame: int) -> None:
        """Point at a frame and say so."""
        self.set_selected(frame)
        self.frame_selected.emit(frame)

    def _take_brush(self, frames: np.ndarray) -> None:
        """Highlight frames that were brushed here and say so."""
        self._brushed = np.sort(np.asarray(frames, dtype=np.int64))
        self._draw_brushed()
        self.frames_brushed.emit(self._brushed.copy())

    def _draw_highlights(self) -> None:
        """Draw what points at the selected frame."""
        raise NotImplementedError

    def _draw_brushed(self) -> None:
        """Draw the brushed frames; here together with the selected one."""
        self._draw_highlights()

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        """The left button was pressed at a place of the plot."""
        raise NotImplementedError

    @Slot(QRectF)
    def _brush(self, area: QRectF) -> None:
        """A part of the plot was dragged over with Shift."""
        raise NotImplementedError

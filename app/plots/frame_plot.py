"""What the plots of frames share: a click selects a frame, a drag with Shift brushes some, and others may tell them."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel
from app.plots.brush import BrushViewBox
from app.theme import Theme

MANY_POINTS = 20_000
"""More points than this take longer to paint than a blink."""

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


class FramePoints(FramePlot):
    """One point per frame: a click selects the nearest, a rectangle brushes those in it.

    A subclass says where the points are (`points`) and puts `overlays` on its plot.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brushed_dots = pg.ScatterPlotItem(symbol="o", size=7, pen=None)
        self._ring = pg.ScatterPlotItem(symbol="o", size=14, brush=None)
        self.overlays = (self._brushed_dots, self._ring)

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each frame is, float64 [n_frames] each; NaN where it is nowhere."""
        raise NotImplementedError

    def set_selected(self, frame: int | None) -> None:
        """Ring a frame (None: none), without emitting."""
        n_frames = len(self.points()[0])
        super().set_selected(frame if frame is not None and 0 <= frame < n_frames else None)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        self._brushed_dots.setBrush(theme.accent)
        self._ring.setPen(pg.mkPen(theme.accent, width=2))

    def _draw_highlights(self) -> None:
        x, y = self.points()
        inside = self._brushed[(self._brushed >= 0) & (self._brushed < len(x))][:MANY_POINTS]
        inside = inside[np.isfinite(x[inside]) & np.isfinite(y[inside])]
        self._brushed_dots.setData(x=x[inside], y=y[inside])
        chosen = [] if self._selected is None or self._selected >= len(x) else [self._selected]
        chosen = [frame for frame in chosen if np.isfinite(x[frame]) and np.isfinite(y[frame])]
        self._ring.setData(x=x[chosen], y=y[chosen])

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        x, y = self.points()
        (left, right), (low, high) = self.box.viewRange()
        distance = ((x - where.x()) / (right - left)) ** 2 + ((y - where.y()) / (high - low)) ** 2
        if np.isfinite(distance).any():
            self._pick(int(np.nanargmin(distance)))

    @Slot(QRectF)
    def _brush(self, area: QRectF) -> None:
        x, y = self.points()
        inside = (x >= area.left()) & (x <= area.right()) & (y >= area.top()) & (y <= area.bottom())
        self._take_brush(np.flatnonzero(inside))

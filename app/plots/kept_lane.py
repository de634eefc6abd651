"""Over the weights: which frames a selection keeps, as a strip with gaps where frames are left out."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from app.plots.base import style_axis
from app.plots.frame_bars import FrameOrder
from app.theme import Theme

LABEL = "kept"
TIP = "Frames that the selection keeps; gaps are frames left out"
HEIGHT = 18


class KeptLane(pg.PlotItem):
    """A strip in the order of the frames below."""

    def __init__(self) -> None:
        super().__init__(viewBox=pg.ViewBox(enableMenu=False, enableMouse=False))
        self.kept = np.empty(0, dtype=bool)
        self._order: FrameOrder | None = None
        self.hideButtons()
        self.hideAxis("bottom")
        self.setToolTip(TIP)
        self.setYRange(0, 1, padding=0)
        self.getAxis("left").setWidth(64)
        self.getAxis("left").setStyle(tickLength=0)
        self.getAxis("left").setTicks([[(0.5, LABEL)]])
        self._strip = pg.BarGraphItem(x=[], y0=[], height=[], width=1)
        self.addItem(self._strip, ignoreBounds=True)
        self.set_kept(None)

    def set_kept(self, kept: np.ndarray | None) -> None:
        """Show which frames are kept, bool [T]; None hides the strip."""
        self.kept = np.empty(0, dtype=bool) if kept is None else np.array(kept, dtype=bool)
        self.setVisible(kept is not None)
        self.setFixedHeight(HEIGHT if kept is not None else 0)
        self._draw()

    def set_order(self, order: FrameOrder) -> None:
        """Lay the frames out as the weights are."""
        self._order = order
        self._draw()

    def style(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        style_axis(self.getAxis("left"), theme)
        self.getAxis("left").setPen(None)
        self._strip.setOpts(brush=theme.good, pen=pg.mkPen(theme.good, width=1))

    def _draw(self) -> None:
        known = self._order is not None and len(self._order.x) == len(self.kept)
        x = self._order.x[self.kept] if known and self._order is not None else np.empty(0)
        width = 1.0 if self._order is None else self._order.width
        self._strip.setOpts(x=x, y0=np.full(len(x), 0.25), height=np.full(len(x), 0.5), width=width)

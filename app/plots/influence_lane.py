"""Under the weights: how much each frame of the prior ensemble helps or harms the agreement."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from app.plots.base import plain_axis, style_axis
from app.plots.frame_bars import FrameOrder
from app.theme import Theme

LABEL = "influence"
TIP = "Change of the score when one frame counts twice before any fit: blue helps, orange harms"


class InfluenceLane(pg.PlotItem):
    """Bars about zero, in the order of the frames above."""

    def __init__(self) -> None:
        super().__init__(viewBox=pg.ViewBox(enableMenu=False))
        self.values = np.empty(0)
        self._order: FrameOrder | None = None
        self.hideButtons()
        self.setMouseEnabled(x=True, y=False)
        self.getAxis("left").setWidth(64)
        self.getAxis("bottom").setStyle(showValues=False)
        plain_axis(self.getAxis("left"), LABEL)
        self._helps, self._harms = (pg.BarGraphItem(x=[], height=[], width=1) for _ in range(2))
        self._zero = pg.InfiniteLine(angle=0, pos=0.0)
        for item in (self._helps, self._harms, self._zero):
            self.addItem(item, ignoreBounds=True)

    def set_values(self, values: np.ndarray) -> None:
        """Take the influence of every frame, float [T]; NaN where unknown."""
        self.values = np.array(values, dtype=np.float64)
        self._draw()

    def set_order(self, order: FrameOrder) -> None:
        """Lay the frames out as the weights are."""
        self._order = order
        self._draw()

    def style(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        for name in ("left", "bottom"):
            style_axis(self.getAxis(name), theme)
        self._zero.setPen(pg.mkPen(theme.plot_foreground, width=1))
        for bars, colour in ((self._helps, theme.good), (self._harms, theme.bad)):
            bars.setOpts(brush=colour, pen=pg.mkPen(colour, width=1))

    def _draw(self) -> None:
        if self._order is None or len(self._order.x) != len(self.values):
            return
        for bars, chosen in ((self._helps, self.values > 0), (self._harms, self.values < 0)):
            bars.setOpts(x=self._order.x[chosen], height=self.values[chosen], width=self._order.width)
        known = self.values[np.isfinite(self.values)]
        top = float(np.abs(known).max()) if known.size else 0.0
        self.setYRange(-1.1 * (top or 1.0), 1.1 * (top or 1.0), padding=0)

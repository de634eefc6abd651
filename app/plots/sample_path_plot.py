"""Energies along a path between two configurations."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, plain_axis, style_plot
from app.theme import Theme

_HIGHEST = 100.0  # kT above the ends that the view makes room for by itself


class SamplePathPlot(PlotPanel):
    """Energy above the first configuration, and a ring where the path is looked at."""

    title = "Path between two configurations"
    empty_text = "Press Go to walk from one configuration to another through the flow."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._x, self._y = np.empty(0), np.empty(0)
        self.plot = self.canvas.addPlot()
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        plain_axis(self.plot.getAxis("bottom"), "part of the way")
        plain_axis(self.plot.getAxis("left"), "energy above the first (kT)")
        self._curve = pg.PlotDataItem(connect="finite", symbol="o", symbolSize=5)
        self._ring = pg.ScatterPlotItem(size=14)
        for item in (self._curve, self._ring):
            self.plot.addItem(item, ignoreBounds=True)
        self.apply_theme(self.theme)

    def set_path(self, along: np.ndarray, u: np.ndarray) -> None:
        """Show a path: how far each configuration is, 0 to 1, and energies, kT; float64 [P] each, inf in clashes."""
        self._x, self._y = np.asarray(along, dtype=np.float64), np.asarray(u, dtype=np.float64) - u[0]
        shown = np.where(np.isfinite(self._y), self._y, np.nan)
        self._curve.setData(self._x, shown)
        ends = max(self._y[0], self._y[-1])
        low, high = float(np.nanmin(shown)), float(min(np.nanmax(shown), ends + _HIGHEST))
        self.plot.vb.setRange(xRange=(0.0, 1.0), yRange=(low, max(high, low + 1.0)), padding=0.05)
        self.set_place(0)
        self.show_content()

    def set_place(self, place: int) -> None:
        """Ring one configuration of the path."""
        there = slice(place, place + 1)
        known = np.isfinite(self._y[there])
        self._ring.setData(x=self._x[there][known], y=self._y[there][known])

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self._curve.setPen(pg.mkPen(theme.neutral, width=1))
        self._curve.setSymbolBrush(theme.good)
        self._curve.setSymbolPen(None)
        self._ring.setPen(pg.mkPen(theme.accent, width=2))
        self._ring.setBrush(None)

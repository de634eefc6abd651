"""Frequencies of slow modes: a click chooses the mode that is shown."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, plain_axis, style_plot
from app.plots.brush import BrushViewBox
from app.plots.convergence_plot import StepAxis
from app.theme import Theme


class SpectrumPlot(PlotPanel):
    """A dot on a stem for each mode, counted from 1.

    Signals
    -------
    mode_chosen(int)
        The mode that was clicked, from 0.
    """

    mode_chosen = Signal(int)

    title = "Slow modes"
    empty_text = "Press Compute to see the slowest motions of the molecule."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._heights = np.empty(0)
        self._chosen = -1
        self.summary = self.add_controls()
        self.box, self._axis = BrushViewBox(), StepAxis()
        self.plot = self.canvas.addPlot(viewBox=self.box, axisItems={"bottom": self._axis})
        self.plot.hideButtons()
        self.canvas.setToolTip("Click chooses a mode, drag moves, wheel zooms")
        self._stems, self._ground = pg.PlotCurveItem(connect="pairs"), pg.InfiniteLine(angle=0)
        self._dots, self._ring = pg.ScatterPlotItem(symbol="o", size=7, pen=None), pg.ScatterPlotItem(size=14)
        for item in (self._ground, self._stems, self._dots, self._ring):
            self.plot.addItem(item, ignoreBounds=True)
        plain_axis(self._axis, "mode")
        self.box.clicked.connect(self._click)
        self.apply_theme(self.theme)

    def set_spectrum(self, heights: np.ndarray, label: str) -> None:
        """Show modes: float [k] in rising order, negative where the energy falls; `label` names them, unit included."""
        self._heights, self._chosen = np.array(heights, dtype=np.float64), -1
        plain_axis(self.plot.getAxis("left"), label)
        style_plot(self.plot, self.theme)
        x = np.arange(1.0, len(heights) + 1)
        self._dots.setData(x=x, y=self._heights)
        ends = np.zeros(2 * len(x))
        ends[1::2] = self._heights
        self._stems.setData(np.repeat(x, 2), ends)
        self.set_chosen(-1)
        low, high = min(0.0, float(self._heights.min())), max(float(self._heights.max()), 1e-6)
        self.box.setRange(xRange=(0.5, len(x) + 0.5), yRange=(low, high), padding=0.06)
        self.show_content()

    def set_chosen(self, mode: int, words: str = "") -> None:
        """Ring a mode (-1: none) and say something of it, without emitting."""
        self._chosen = mode
        shown = [mode] if 0 <= mode < len(self._heights) else []
        self._ring.setData(x=[at + 1 for at in shown], y=self._heights[shown])
        self.summary.setText(words)

    @property
    def chosen(self) -> int:
        """The mode that is ringed, -1 for none."""
        return self._chosen

    def clear(self) -> None:
        """Forget the modes."""
        self._heights, self._chosen = np.empty(0), -1
        super().clear()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self._stems.setPen(pg.mkPen(theme.neutral, width=1))
        self._ground.setPen(pg.mkPen(theme.grid, width=1))
        self._dots.setBrush(theme.good)
        self._ring.setPen(pg.mkPen(theme.accent, width=2))
        self._ring.setBrush(None)

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        if len(self._heights):
            self.mode_chosen.emit(int(np.clip(round(where.x()) - 1, 0, len(self._heights) - 1)))

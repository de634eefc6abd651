"""Free energy along a coordinate, with two states that are drawn on it."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from app.plots.base import LateDraw, PlotPanel, glass, known_curve, plain_axis, style_plot
from app.theme import Theme

Region = tuple[float, float]


class SampleProfilePlot(PlotPanel):
    """A curve with a band of one standard error, over two bands that can be dragged: states A and B.

    Signals
    -------
    states_drawn(object)
        The two states, from low to high each, a moment after they were moved.
    """

    states_drawn = Signal(object)

    title = "Free energy along a coordinate"
    empty_text = "Free energies stand here when samples are drawn."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._late = LateDraw(self._tell, self)
        self.plot = self.canvas.addPlot()
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        plain_axis(self.plot.getAxis("left"), "free energy (kT)")
        self.canvas.setToolTip("Drag a band, or one of its edges, to draw a state")
        self._curve = pg.PlotCurveItem(connect="finite")
        self._bounds = [pg.PlotCurveItem(connect="finite") for _ in range(2)]
        self._band = pg.FillBetweenItem(*self._bounds)
        self.regions = tuple(pg.LinearRegionItem(values=(0, 1)) for _ in range(2))
        self._letters = tuple(pg.InfLineLabel(region.lines[0], text, position=0.93, anchors=[(0, 0.5)] * 2)
                              for region, text in zip(self.regions, "AB", strict=True))  # fmt: skip
        for item in (*self.regions, self._band, self._curve):
            self.plot.addItem(item, ignoreBounds=True)
        for region in self.regions:
            region.sigRegionChanged.connect(self._on_moved)
        self.apply_theme(self.theme)

    def set_profile(self, x: np.ndarray, y: np.ndarray, error: np.ndarray, span: Region, label: str) -> None:
        """Show a profile.

        Parameters
        ----------
        x, y, error : float64 [n]
            Middles of the bins, free energies and standard errors, kT; NaN in empty bins.
        span : (float, float)
            First and last edge.
        label : str
            Of the coordinate, with its unit.
        """
        self._curve.setData(*known_curve(x, y))
        for bound, sign in zip(self._bounds, (-1, 1), strict=True):
            bound.setData(*known_curve(x, y + sign * error))
        plain_axis(self.plot.getAxis("bottom"), label)
        style_plot(self.plot, self.theme)
        top = float(np.nanmax(y, initial=1.0))
        self.plot.vb.setRange(xRange=span, yRange=(-0.05 * top, 1.1 * top), padding=0)
        for region in self.regions:
            region.setBounds(span)
        self.show_content()

    @property
    def states(self) -> tuple[Region, Region]:
        """The states, from low to high each."""
        first, second = (tuple(map(float, region.getRegion())) for region in self.regions)
        return (first[0], first[1]), (second[0], second[1])

    def set_states(self, first: Region, second: Region) -> None:
        """Draw the two states, without telling."""
        for region, values in zip(self.regions, (first, second), strict=True):
            region.blockSignals(True)
            region.setRegion(values)
            region.blockSignals(False)

    def clear(self) -> None:
        """Forget the profile."""
        self._late.stop()
        super().clear()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self._curve.setPen(pg.mkPen(theme.accent, width=2))
        self._band.setBrush(glass(theme.accent, 60))
        for region, letter, colour in zip(self.regions, self._letters, (theme.good, theme.bad), strict=True):
            region.setBrush(glass(colour, 35))
            region.setHoverBrush(glass(colour, 60))
            letter.setColor(colour)
            for line in region.lines:
                line.setPen(pg.mkPen(colour, width=1))
                line.setHoverPen(pg.mkPen(colour, width=3))

    @Slot()
    def _on_moved(self) -> None:
        self._late.soon()

    def _tell(self) -> None:
        self.states_drawn.emit(self.states)

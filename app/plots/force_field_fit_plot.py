"""How a fit of parameters goes: chi-square of fitted and held-out data, and the parameters, by iteration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from app.plots.base import LateDraw, PlotPanel, known_curve, paint_legend, plain_axis, style_plot
from app.plots.convergence_plot import StepAxis
from app.theme import Theme

_NAMED = 6  # curves that the legend names
_LETTERS = 18
_LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
_COLOURS = ("good", "bad", "accent", "neutral")
_LEAST = 1e-6  # of a chi-square that has a logarithm


class ForceFieldFitPlot(PlotPanel):
    """Chi-square per datum at the left, parameters over where they began at the right."""

    title = "Fit of parameters"
    empty_text = "Choose 'Tune parameters' in the Force field panel to see chi-square and parameters by iteration."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chi2 = {"fitted": np.zeros(0), "held out": np.zeros(0)}
        self._names: tuple[str, ...] = ()
        self._theta = np.zeros((0, 0))
        self._late = LateDraw(self._draw, self)
        self.legends = (self.add_legend(2), self.add_legend(2, column=1))
        self.errors, self.values = (self.canvas.addPlot(row=1, col=column) for column in range(2))
        self._chi2_curves = {name: pg.PlotDataItem(connect="finite", symbolSize=6) for name in self._chi2}
        self._curves: list[pg.PlotDataItem] = []
        for name, curve in self._chi2_curves.items():
            self.errors.addItem(curve)
            self.legends[0].addItem(curve, name)
        self._level = pg.InfiniteLine(0.0, angle=0)
        self.errors.addItem(self._level, ignoreBounds=True)
        for plot, left in ((self.errors, "chi-square per datum (log10)"), (self.values, "parameter, over its start")):
            plot.setAxisItems({"bottom": StepAxis()})
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plain_axis(plot.getAxis("bottom"), "iteration")
            plain_axis(plot.getAxis("left"), left)
        self.apply_theme(self.theme)

    def set_trace(self, names: Sequence[str], theta: np.ndarray, chi2: np.ndarray, held: np.ndarray) -> None:
        """Show the way of a fit: parameters [I + 1, P], chi-square of fitted and held-out data [I + 1]."""
        self._names, self._theta = tuple(names), np.array(theta)
        self._chi2 = {"fitted": np.array(chi2), "held out": np.array(held)}
        self.show_content()
        self._late.soon()

    def chi2(self, name: str) -> np.ndarray:
        """Logarithms of chi-square of "fitted" or "held out" data, float64 [I + 1]."""
        return np.log10(np.maximum(self._chi2[name], _LEAST))

    def relative(self) -> np.ndarray:
        """Parameters over where they began, float64 [I + 1, P]; those that began at zero as they are."""
        start = self._theta[:1]
        return self._theta / np.where(start == 0, 1.0, start)

    def clear(self) -> None:
        """Forget the fit."""
        self._late.stop()
        self._names, self._theta = (), np.zeros((0, 0))
        self._chi2 = {name: np.zeros(0) for name in self._chi2}
        super().clear()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot in (self.errors, self.values):
            style_plot(plot, theme)
        for (name, curve), symbol in zip(self._chi2_curves.items(), "os", strict=True):
            colour = theme.good if name == "fitted" else theme.bad
            curve.setPen(pg.mkPen(colour, width=2))
            curve.setSymbol(symbol)
            curve.setSymbolBrush(colour)
            curve.setSymbolPen(None)
        self._level.setPen(pg.mkPen(theme.neutral, width=1, style=Qt.PenStyle.DashLine))
        self._paint_curves()
        for legend in self.legends:
            paint_legend(legend, theme)

    def _draw(self) -> None:
        iterations = np.arange(float(len(self._theta)))
        for name, curve in self._chi2_curves.items():
            curve.setData(*known_curve(iterations, self.chi2(name)))
        if len(self._curves) != len(self._names):
            self._make_curves()
        for curve, values in zip(self._curves, self.relative().T, strict=True):
            curve.setData(*known_curve(iterations, values))

    def _make_curves(self) -> None:
        for curve in self._curves:
            self.values.removeItem(curve)
        self.legends[1].clear()
        self._curves = [pg.PlotDataItem(connect="finite", symbol="o", symbolSize=5) for _ in self._names]
        for place, (curve, name) in enumerate(zip(self._curves, self._names, strict=True)):
            self.values.addItem(curve)
            if place < _NAMED:
                self.legends[1].addItem(curve, _short(name))
        self._paint_curves()
        paint_legend(self.legends[1], self.theme)

    def _paint_curves(self) -> None:
        for place, curve in enumerate(self._curves):
            colour = getattr(self.theme, _COLOURS[place % len(_COLOURS)])
            curve.setPen(pg.mkPen(colour, width=2, style=_LINES[place // len(_COLOURS) % len(_LINES)]))
            curve.setSymbolBrush(colour)
            curve.setSymbolPen(None)


def _short(name: str) -> str:
    """A name that gives way in its middle: its end tells it from others."""
    half = _LETTERS // 2
    return name if len(name) <= _LETTERS else f"{name[: half - 1]}…{name[-half:]}"

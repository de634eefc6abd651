"""Whether derivatives can be believed: estimators beside each other, and how far disturbances grow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from app.plots.base import LateDraw, PlotPanel, known_curve, paint_legend, plain_axis, style_plot
from app.theme import Theme

AGREE = 4.0  # combined standard errors within which two estimators agree, as the core judges them
_ROOM = 6.0  # that the view shows at least, to both sides
_GROWTH = ("median", "90 % of the replicas below", "largest")
_COLOURS = ("good", "bad", "accent")


class ForceFieldAgreementPlot(PlotPanel):
    """Differences of estimators in standard errors at the left, growth of tangents at the right."""

    title = "Agreement of estimators"
    empty_text = "Whether estimators agree, and whether disturbances grow, is seen here while an ensemble is simulated."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._differences: dict[str, np.ndarray] = {}
        self._growth = np.zeros((0, 4))
        self._late = LateDraw(self._draw, self)
        # names below each other: a narrow window has no room for them in a row
        self.legends = (self.add_legend(1), self.add_legend(1, column=1))
        self.apart, self.grown = (self.canvas.addPlot(row=1, col=column) for column in range(2))
        self._limits = [pg.InfiniteLine(AGREE * sign, angle=0) for sign in (-1, 1)]
        for line in self._limits:
            self.apart.addItem(line, ignoreBounds=True)
        self._points: list[pg.ScatterPlotItem] = []
        self._curves = [pg.PlotCurveItem(connect="finite") for _ in _GROWTH]
        for curve, name in zip(self._curves, _GROWTH, strict=True):
            self.grown.addItem(curve)
            self.legends[1].addItem(curve, name)
        for plot, bottom, left in (
            (self.apart, "observable and parameter", "difference (combined standard errors)"),
            (self.grown, "step", "tangent, over its mean in time (log10)"),
        ):
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plain_axis(plot.getAxis("bottom"), bottom)
            plain_axis(plot.getAxis("left"), left)
        self.apply_theme(self.theme)

    def set_differences(self, differences: Mapping[str, np.ndarray]) -> None:
        """Show how far estimators are apart, in combined standard errors, by "first - second"."""
        self._differences = {name: np.array(values) for name, values in differences.items()}
        self.show_content()
        self._late.soon()

    def add_growth(self, step: int, growth: np.ndarray) -> None:
        """Show the growth of tangents at a step: median, 90 % quantile and largest; a lower step begins anew."""
        if len(self._growth) and step < self._growth[-1, 0]:
            self._growth = self._growth[:0]
        self._growth = np.vstack([self._growth, [step, *growth]])
        self.show_content()
        self._late.soon()

    @property
    def growth(self) -> np.ndarray:
        """Steps and growth, float64 [n, 4]: a copy."""
        return self._growth.copy()

    def differences(self, name: str) -> np.ndarray:
        """What is shown of two estimators, float64 [M * P]: a copy."""
        return self._differences[name].copy()

    def clear(self) -> None:
        """Forget the run."""
        self._late.stop()
        self._differences, self._growth = {}, np.zeros((0, 4))
        super().clear()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot in (self.apart, self.grown):
            style_plot(plot, theme)
        for line in self._limits:
            line.setPen(pg.mkPen(theme.warning, width=1, style=Qt.PenStyle.DashLine))
        for curve, colour in zip(self._curves, _COLOURS, strict=True):
            curve.setPen(pg.mkPen(getattr(theme, colour), width=2))
        self._paint_points()
        for legend in self.legends:
            paint_legend(legend, theme)

    def _draw(self) -> None:
        self._draw_differences()
        for place, curve in enumerate(self._curves, start=1):
            with np.errstate(divide="ignore", invalid="ignore"):
                curve.setData(*known_curve(self._growth[:, 0], np.log10(self._growth[:, place])))

    def _draw_differences(self) -> None:
        for item in self._points:
            self.apart.removeItem(item)
        self.legends[0].clear()
        self._points = []
        for values in self._differences.values():
            known = np.isfinite(values)
            item = pg.ScatterPlotItem(x=np.arange(1.0, len(values) + 1)[known], y=values[known], size=7, pen=None)
            self.apart.addItem(item, ignoreBounds=True)
            self._points.append(item)
        for item, name in zip(self._points, self._differences, strict=True):
            self.legends[0].addItem(item, name)
        self._paint_points()
        paint_legend(self.legends[0], self.theme)
        every = np.concatenate([np.zeros(1), *self._differences.values()])
        most = max(_ROOM, float(np.abs(every[np.isfinite(every)]).max()))
        count = max((len(values) for values in self._differences.values()), default=1)
        self.apart.vb.setRange(xRange=(0.5, count + 0.5), yRange=(-most, most), padding=0.03)

    def _paint_points(self) -> None:
        for item, colour in zip(self._points, _COLOURS, strict=False):
            item.setBrush(pg.mkBrush(getattr(self.theme, colour)))

"""Folds, restarts and bootstrap of a validation, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QWidget

from app.plots.base import SCORE_NAMES, PlotPanel, glass, paint_legend, plain_axis, style_plot
from app.theme import Theme

if TYPE_CHECKING:
    from mdweights_core.weights.validation.result import Bootstrap, Folds, Restarts, Validation

_BINS = 12
_EACH = 12  # folds that are numbered one by one
_LEAST = 0.01  # of a correlation: the view never zooms in on less by itself


class ValidationPlot(PlotPanel):
    """What the lights held-out, starts and time are read from.

    Left the held-out agreement of each fold, fitted and with the prior weights; in the middle fits from other starts;
    right the held-out agreement of bootstrap samples.
    """

    title = "Validation"
    empty_text = "Validate a fit to see held-out folds, fits from other starts and bootstrap samples."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_plots()
        self.apply_theme(self.theme)

    def set_validation(self, validation: Validation) -> None:
        """Show the parts there are; those left out say so."""
        name = SCORE_NAMES[validation.score]
        self._show_folds(validation.folds, name)
        self._show_starts(validation.restarts, name)
        self._show_samples(validation.bootstrap, name)
        self.show_content()
        self.apply_theme(self.theme)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot in self.plots:
            style_plot(plot, theme)
            plot.getAxis("left").setGrid(40)
            plot.setTitle(plot.titleLabel.text, color=theme.plot_foreground, size="8pt")
        for dots in (self._fitted, self._starts):
            dots.setBrush(theme.good)
        self._plain.setBrush(glass(theme.plot_background, 255))
        self._plain.setPen(pg.mkPen(theme.neutral, width=2))
        self._gains.setPen(pg.mkPen(theme.neutral, width=1))
        looks = (
            (self._drawn, glass(theme.good, 150), pg.mkPen(theme.good)),
            (self._drawn_plain, glass(theme.neutral, 60), pg.mkPen(theme.neutral, width=2)),
        )
        for key, (bars, brush, pen) in zip(self._keys, looks, strict=True):
            bars.setOpts(brush=brush, pen=pen)
            key.setBrush(brush)
            key.setPen(pen)
        for legend in self.legends:
            paint_legend(legend, theme)

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 120)

    # ---- building

    def _make_plots(self) -> None:
        self.folds, self.starts, self.samples = self.plots = tuple(self.canvas.addPlot(row=1, col=c) for c in range(3))
        self.legends = [self.add_legend(2, column) for column in (0, 2)]
        for plot in self.plots:
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.getAxis("left").setWidth(60)
        self._gains = pg.PlotCurveItem(connect="pairs")
        self._plain = pg.ScatterPlotItem(symbol="s", size=8, hoverable=True, tip=_fold_tip)
        self._fitted = pg.ScatterPlotItem(symbol="o", size=9, pen=None, hoverable=True, tip=_fold_tip)
        self._starts = pg.ScatterPlotItem(symbol="o", size=8, pen=None)
        self._drawn_plain = pg.BarGraphItem(x=[], height=[], width=1)
        self._drawn = pg.BarGraphItem(x=[], height=[], width=1)
        for plot, items in (
            (self.folds, (self._gains, self._plain, self._fitted)),
            (self.starts, (self._starts,)),
            (self.samples, (self._drawn_plain, self._drawn)),
        ):
            for item in items:
                plot.addItem(item)
        self.folds.getAxis("bottom").setStyle(maxTickLevel=0)
        self.legends[0].addItem(self._fitted, "fitted")
        self.legends[0].addItem(self._plain, "prior weights")
        self._keys = [pg.ScatterPlotItem(symbol="s", size=9) for _ in range(2)]
        for key, word in zip(self._keys, ("fitted", "prior weights"), strict=True):
            self.legends[1].addItem(key, word)

    # ---- drawing

    def _show_folds(self, folds: Folds | None, name: str) -> None:
        self.folds.setTitle("held-out folds" if folds is not None else "no folds were held out")
        plain_axis(self.folds.getAxis("bottom"), "fold")
        plain_axis(self.folds.getAxis("left"), f"{name}, held out")
        score, plain = (folds.score, folds.uniform) if folds is not None else (np.empty(0), np.empty(0))
        x = np.arange(1.0, len(score) + 1.0)
        self.legends[0].setVisible(len(score) > 0)
        self._fitted.setData(x=x, y=score, data=x)
        self._plain.setData(x=x, y=plain, data=x)
        self._gains.setData(np.repeat(x, 2), np.column_stack([plain, score]).ravel())
        ticks = [(place, f"{place:.0f}") for place in x] if len(x) <= _EACH else None
        self.folds.getAxis("bottom").setTicks(None if ticks is None else [ticks])
        _fit(self.folds, np.append(x, [0.5, len(x) + 0.5]), np.concatenate([score, plain]), _LEAST)

    def _show_starts(self, restarts: Restarts | None, name: str) -> None:
        self.starts.setTitle("fits from other starts" if restarts is not None else "no fits from other starts")
        plain_axis(self.starts.getAxis("bottom"), name)
        plain_axis(self.starts.getAxis("left"), "correlation of weights")
        x, y = (restarts.score, restarts.agreement) if restarts is not None else (np.empty(0), np.empty(0))
        self._starts.setData(x=x, y=y)
        _fit(self.starts, x, y, _LEAST)
        low = min([1.0 - _LEAST, *y[np.isfinite(y)]])
        self.starts.setYRange(low - 0.08 * (1.0 - low), 1.0 + 0.08 * (1.0 - low), padding=0)  # none is beyond one

    def _show_samples(self, bootstrap: Bootstrap | None, name: str) -> None:
        self.samples.setTitle("bootstrap samples" if bootstrap is not None else "no bootstrap samples")
        plain_axis(self.samples.getAxis("bottom"), f"{name}, not drawn")
        plain_axis(self.samples.getAxis("left"), "samples")
        score = np.empty(0) if bootstrap is None else bootstrap.score
        plain = np.empty(0) if bootstrap is None or bootstrap.uniform is None else bootstrap.uniform
        known = np.concatenate([score, plain])
        known = known[np.isfinite(known)]
        edges = np.histogram_bin_edges(known, _BINS) if known.size else np.linspace(0.0, 1.0, _BINS + 1)
        middle, width = 0.5 * (edges[1:] + edges[:-1]), float(edges[1] - edges[0])
        tallest = 0
        for bars, values in ((self._drawn, score), (self._drawn_plain, plain)):
            heights = np.histogram(values[np.isfinite(values)], edges)[0]
            bars.setOpts(x=middle, height=heights, width=0.9 * width)
            tallest = max(tallest, int(heights.max(initial=0)))
        self.samples.setRange(xRange=(edges[0], edges[-1]), yRange=(0, 1.08 * max(tallest, 1)), padding=0.03)
        self.legends[1].setVisible(len(score) > 0)


def _fold_tip(x: float, y: float, data: float) -> str:
    return f"fold {data:.0f}: {y:.3f}"


def _fit(plot: pg.PlotItem, x: np.ndarray, y: np.ndarray, least: float) -> None:
    """Show all of a few points, with their surroundings where they are alike."""
    ranges = []
    for values in (x, y):
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        lacking = max(least - (high - low), 0.0) / 2
        ranges.append((low - lacking, high + lacking))
    plot.setRange(xRange=ranges[0], yRange=ranges[1], padding=0.08)

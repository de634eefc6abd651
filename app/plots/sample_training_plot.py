"""How a flow learns: its losses and what its draws are worth, step by step."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from app.plots.base import LateDraw, PlotPanel, glass, known_curve, paint_legend, plain_axis, style_plot
from app.theme import Theme

_COLUMNS = {"by example": 0, "by energy": 1}
_EFFECTIVE = 3
_SMOOTH = 100  # running means take one part of so many of all steps
_QUANTILES = (0.0, 0.97)  # of a loss that the view makes room for: it begins far above all the rest


class SampleTrainingPlot(PlotPanel):
    """Losses at the left, effective share of a batch at the right; running means over thin lines."""

    title = "Training of the flow"
    empty_text = "Press Start in the Sample panel to watch a flow learn."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = np.zeros((0, 4))
        self._late = LateDraw(self._draw, self)
        self.summary = self.add_controls()
        self.legend = self.add_legend(2)
        self.losses, self.shares = (self.canvas.addPlot(row=1, col=column) for column in range(2))
        self._thin = {name: pg.PlotCurveItem(connect="finite") for name in (*_COLUMNS, "share")}
        self._mean = {name: pg.PlotCurveItem(connect="finite") for name in (*_COLUMNS, "share")}
        for plot, names, label in (
            (self.losses, tuple(_COLUMNS), "loss (nats)"),
            (self.shares, ("share",), "effective share of a batch"),
        ):
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plain_axis(plot.getAxis("bottom"), "step")
            plain_axis(plot.getAxis("left"), label)
            for name in names:
                plot.addItem(self._thin[name], ignoreBounds=True)
                plot.addItem(self._mean[name], ignoreBounds=True)
        for name in _COLUMNS:
            self.legend.addItem(self._mean[name], name)
        self.apply_theme(self.theme)

    def set_history(self, history: np.ndarray, words: str = "") -> None:
        """Show the history of a training, float [steps, 4], and say something of it."""
        self._history = np.array(history, dtype=np.float64)
        self.summary.setText(words)
        if len(history):
            self.show_content()
            self._late.soon()

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and running means of "by example", "by energy" or "share"; NaN where a step had no such part."""
        values = self._values(name)
        return np.arange(1.0, len(values) + 1), running_mean(values, max(1, len(values) // _SMOOTH))

    def clear(self) -> None:
        """Forget the training."""
        self._late.stop()
        self._history = np.zeros((0, 4))
        super().clear()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        colours = {"by example": theme.good, "by energy": theme.bad, "share": theme.accent}
        for name, colour in colours.items():
            self._thin[name].setPen(pg.mkPen(glass(colour, 70), width=1))
            self._mean[name].setPen(pg.mkPen(colour, width=2))
        for plot in (self.losses, self.shares):
            style_plot(plot, theme)
        paint_legend(self.legend, theme)

    def _values(self, name: str) -> np.ndarray:
        values = self._history[:, _COLUMNS.get(name, _EFFECTIVE)].copy()
        values[values == 0] = np.nan  # the step had no such part
        return values

    def _draw(self) -> None:
        for name in self._mean:
            x, mean = self.curve(name)
            self._mean[name].setData(*known_curve(x, mean))
            self._thin[name].setData(*known_curve(x, self._values(name)))
        end = max(len(self._history), 2)
        known = [part[np.isfinite(part)] for part in (self._values(name) for name in _COLUMNS)]
        ranges = [np.quantile(part, _QUANTILES) for part in known if len(part)]
        if ranges:
            low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
            self.losses.vb.setRange(xRange=(1, end), yRange=(low, max(high, low + 0.1)), padding=0.04)
        self.shares.vb.setRange(xRange=(1, end), yRange=(0.0, 1.0), padding=0.02)


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Means of the last `width` values that are known, float64 [n]; NaN where none is."""
    known = np.isfinite(values)
    sums, counts = (np.concatenate([[0.0], np.cumsum(part)]) for part in (np.where(known, values, 0.0), known))
    begin = np.maximum(np.arange(len(values)) + 1 - width, 0)
    total, number = sums[1:] - sums[begin], counts[1:] - counts[begin]
    return np.where(known, total / np.maximum(number, 1), np.nan)

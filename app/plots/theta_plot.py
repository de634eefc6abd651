"""How strong the pull towards the prior weights should be: what theta costs in agreement, and what it predicts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.plots.base import (
    SCORE_NAMES,
    PlotPanel,
    glass,
    paint_legend,
    plain_axis,
    style_plot,
    subtle_label,
)
from app.plots.brush import BrushViewBox
from app.theme import Theme

if TYPE_CHECKING:
    from mdweights_core.weights.validation.result import ThetaScan

_THETA = "\N{GREEK SMALL LETTER THETA}"
_HINT = f"Click a point to set its {_THETA} for the next fit"


class DecadeAxis(pg.AxisItem):
    """A bottom axis in powers of ten whose numbers are the values themselves."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Whole decades, as many as have 55 pixels each (called by pyqtgraph)."""
        step = max(1, math.ceil(55.0 * (maxVal - minVal) / max(size, 1.0)))
        first = math.ceil(minVal / step) * step
        return [(float(step), [float(place) for place in range(first, math.floor(maxVal) + 1, step)])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The value at each position (called by pyqtgraph)."""
        return [f"{10.0**value:g}" for value in values]


class ThetaPlot(PlotPanel):
    """Left the L-curve: agreement against relative entropy. Right the held-out agreement over theta, with errors.

    Signals
    -------
    theta_chosen(float)
        A point of either curve was clicked.
    """

    theta_chosen = Signal(float)

    title = "Scan of theta"
    empty_text = "Validate a fit to see how strong the pull towards the prior weights should be."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scan: ThetaScan | None = None
        self._chosen: int | None = None
        self._make_controls()
        self._make_plots()
        self.curve_box.clicked.connect(self._click_curve)
        self.held_box.clicked.connect(self._click_held)
        self.apply_theme(self.theme)

    # ---- data in

    def set_scan(self, scan: ThetaScan, score: str, theta: float) -> None:
        """Show a scan.

        Parameters
        ----------
        scan : ThetaScan
        score : str
            Which correlation its numbers are: ``cc_aniso`` or ``cc``.
        theta : float
            That of the fit; 0 has no place on the logarithmic axis and is told in words.
        """
        self._scan, self._chosen, theta = scan, None, float(theta)  # Qt takes no truth of NumPy's
        name = SCORE_NAMES[score]
        plain_axis(self.curve.getAxis("left"), name)
        plain_axis(self.held.getAxis("left"), f"{name}, held out")
        self._l_curve.setData(scan.entropy, scan.score)
        x = np.log10(scan.theta)
        self._held_curve.setData(x, scan.held_out)
        self._errors.setData(x=x, y=scan.held_out, height=2.0 * np.nan_to_num(scan.held_out_error), beam=0.08)
        self._even.setVisible(math.isfinite(scan.uniform))
        if math.isfinite(scan.uniform):
            self._even.setPos(scan.uniform)
        self._now.setVisible(theta > 0)
        if theta > 0:
            self._now.setPos(math.log10(theta))
        self.summary.setText(_summary(scan, theta))
        self._write_legend(theta)
        self._mark()
        self.show_content()
        self.reset_view(theta)
        self.apply_theme(self.theme)

    def clear(self) -> None:
        """Forget the scan."""
        self._scan = None
        super().clear()

    # ---- state out

    @property
    def chosen(self) -> int | None:
        """The row of the scan that was clicked."""
        return self._chosen

    def reset_view(self, theta: float = 0.0) -> None:
        """Show all of both curves and the theta of the fit."""
        if self._scan is None:
            return
        scan = self._scan
        x = np.log10(np.append(scan.theta, theta if theta > 0 else scan.theta[0]))
        error = np.nan_to_num(scan.held_out_error)
        y = np.concatenate([scan.held_out - error, scan.held_out + error, [scan.uniform]])
        for box, across, up in ((self.curve_box, scan.entropy, scan.score), (self.held_box, x, y)):
            box.setRange(xRange=_span(across), yRange=_span(up), padding=0.06)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot in (self.curve, self.held):
            style_plot(plot, theme)
            plot.getAxis("left").setGrid(40)
        for item in (self._l_curve, self._held_curve):
            item.setPen(pg.mkPen(theme.good, width=1))
            item.setSymbolPen(pg.mkPen(theme.good, width=1))
            item.setSymbolBrush(theme.good)
        self._errors.setData(pen=pg.mkPen(theme.good, width=1))
        self._even.setPen(pg.mkPen(theme.neutral, width=1, style=Qt.PenStyle.DashLine))
        self._now.setPen(pg.mkPen(theme.plot_foreground, width=1, style=Qt.PenStyle.DotLine))
        for rings in self._proposed:
            rings.setPen(pg.mkPen(theme.bad, width=2))
            rings.setBrush(glass(theme.bad, 0))
        for rings in self._picked:
            rings.setPen(pg.mkPen(theme.accent, width=2))
            rings.setBrush(glass(theme.accent, 0))
        paint_legend(self.legend, theme)

    # ---- building

    def _make_controls(self) -> None:
        self.summary = self.add_controls(subtle_label(_HINT))
        self.canvas.setToolTip(_HINT)

    def _make_plots(self) -> None:
        self.legend = self.add_legend(4, span=2)
        self.curve_box, self.held_box = BrushViewBox(), BrushViewBox()
        self.curve = self.canvas.addPlot(row=1, col=0, viewBox=self.curve_box)
        self.held = self.canvas.addPlot(
            row=1, col=1, viewBox=self.held_box, axisItems={"bottom": DecadeAxis(orientation="bottom")}
        )
        self.canvas.ci.layout.setColumnStretchFactor(0, 2)
        self.canvas.ci.layout.setColumnStretchFactor(1, 3)
        plain_axis(self.curve.getAxis("bottom"), "relative entropy KL(w || prior) (nats)")
        plain_axis(self.held.getAxis("bottom"), f"{_THETA} (units of the objective)")
        self._l_curve = self.curve.plot(symbol="o", symbolSize=7)
        self._held_curve = self.held.plot(symbol="o", symbolSize=7)
        self._errors = pg.ErrorBarItem(x=np.empty(0), y=np.empty(0), height=np.empty(0))
        self._even = pg.InfiniteLine(angle=0)
        self._now = pg.InfiniteLine(angle=90)
        self._even_key, self._now_key = pg.PlotCurveItem(), pg.PlotCurveItem()
        self._proposed = [pg.ScatterPlotItem(symbol="d", size=16) for _ in range(2)]
        self._picked = [pg.ScatterPlotItem(symbol="o", size=18) for _ in range(2)]
        for plot, rings in zip((self.curve, self.held), zip(self._proposed, self._picked, strict=True), strict=True):
            plot.hideButtons()
            plot.getAxis("left").setWidth(58)
            for ring in rings:
                plot.addItem(ring, ignoreBounds=True)
        for item in (self._errors, self._even, self._now):
            self.held.addItem(item, ignoreBounds=True)

    def _write_legend(self, theta: float) -> None:
        assert self._scan is not None
        self.legend.clear()
        self.legend.addItem(self._held_curve, "fits of the scan")
        if self._scan.proposed is not None:
            self.legend.addItem(self._proposed[1], "proposed")
        if theta > 0:
            self._now_key.setPen(self._now.pen)
            self.legend.addItem(self._now_key, "this fit")
        if math.isfinite(self._scan.uniform):
            self._even_key.setPen(self._even.pen)
            self.legend.addItem(self._even_key, "prior weights")
        paint_legend(self.legend, self.theme)

    # ---- drawing

    def _mark(self) -> None:
        """Diamonds on the proposed point, rings on the clicked one."""
        for items, row in (
            (self._proposed, None if self._scan is None else self._scan.proposed),
            (self._picked, self._chosen),
        ):
            for item, (x, y) in zip(items, self._curves(), strict=True):
                rows = [] if row is None else [row]
                item.setData(x=x[rows], y=y[rows])

    def _curves(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        assert self._scan is not None
        scan = self._scan
        return (scan.entropy, scan.score), (np.log10(scan.theta), scan.held_out)

    # ---- hand

    @Slot(QPointF)
    def _click_curve(self, where: QPointF) -> None:
        self._choose(0, where)

    @Slot(QPointF)
    def _click_held(self, where: QPointF) -> None:
        self._choose(1, where)

    def _choose(self, which: int, where: QPointF) -> None:
        if self._scan is None:
            return
        x, y = self._curves()[which]
        (left, right), (low, high) = (self.curve_box, self.held_box)[which].viewRange()
        distance = ((x - where.x()) / (right - left)) ** 2 + ((y - where.y()) / (high - low)) ** 2
        if np.isfinite(distance).any():
            self._chosen = int(np.nanargmin(distance))
            self._mark()
            self.theta_chosen.emit(float(self._scan.theta[self._chosen]))


def _summary(scan: ThetaScan, theta: float) -> str:
    now = f"this fit {_THETA} {theta:.3g}"
    if scan.proposed is None:
        return now
    row = scan.proposed
    return f"proposed {_THETA} {scan.theta[row]:.3g} ({scan.n_eff[row]:.1f} effective frames), {now}"


def _span(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)

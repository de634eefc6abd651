"""How the frames drift as a whole, and how their boxes change: what was seen before anything was computed."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Slot
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QWidget

from app.plots.base import known_curve, paint_legend, plain_axis, style_plot
from app.plots.frame_bars import is_rising, order_frames
from app.plots.frame_plot import FramePlot
from app.theme import Theme

_DRIFT, _EDGES, _ANGLES = "drift", "box edges", "box angles"
_ORDERS = ("frame", "time")
_LINES = (
    ("plot_foreground", Qt.PenStyle.SolidLine),
    ("good", Qt.PenStyle.SolidLine),
    ("bad", Qt.PenStyle.DashLine),
    ("subtle", Qt.PenStyle.DashDotLine),
)
_STEADY = 1e-4  # change of a box (% or degrees) that is rounding
_LEAST = 0.1  # angstrom, % or degrees: the view never zooms in on less by itself, for the digits of files


class _Quantity(NamedTuple):
    """Four curves, float64 [4, n] (the first is none for boxes), their names and the axis they belong to."""

    values: np.ndarray
    names: tuple[str, ...]
    axis: str


class CheckPlot(FramePlot):
    """Drift or box of the frames that were looked at, against frame number or time."""

    title = "Check of the frames"
    empty_text = "Open a map and frames to see whether they fit together."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frames = np.empty(0, dtype=np.int64)
        self._time, self._x = np.empty(0), np.empty(0)
        self._quantities: dict[str, _Quantity] = {}
        self._make_controls()
        self._make_plot()
        self.quantity.currentIndexChanged.connect(self._change)
        self.order.currentIndexChanged.connect(self._change)
        self.apply_theme(self.theme)

    # ---- data in

    def set_check(self, frames: np.ndarray, time: np.ndarray, drift: np.ndarray, boxes: np.ndarray) -> None:
        """Show what was seen.

        Parameters
        ----------
        frames : int [n]
            Numbers of the frames looked at, rising.
        time : float [n]
            ps; NaN where unknown.
        drift : float [n, 3]
            Common translation against the first frame, angstrom.
        boxes : float [n, 6]
            Angstrom and degrees; NaN where there is none.
        """
        self._frames, self._time = np.array(frames, dtype=np.int64), np.array(time, dtype=np.float64)
        self._quantities = _quantities(np.asarray(drift, dtype=np.float64), np.asarray(boxes, dtype=np.float64))
        self._brushed = self._brushed[:0]
        self._offer()
        self.show_content()
        self._change()

    def clear(self) -> None:
        """Forget what was seen."""
        self._frames, self._quantities = self._frames[:0], {}
        super().clear()

    # ---- state out

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """What a click is near to: the bold curve of a drift, or the first edge or angle; float64 [n] each."""
        shown = self._quantities.get(self.quantity.currentText())
        if shown is None:
            return np.empty(0), np.empty(0)
        return self._x, shown.values[0] if np.isfinite(shown.values[0]).any() else shown.values[1]

    @Slot()
    def reset_view(self) -> None:
        """Show all that is known."""
        shown = self._quantities.get(self.quantity.currentText())
        if shown is None or not len(self._x):
            return
        known = shown.values[np.isfinite(shown.values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
        lacking = max(_LEAST - (high - low), 0.0) / 2
        low, high = low - lacking, high + lacking
        margin = max(0.02 * float(np.ptp(self._x)), 0.5 if len(self._x) < 2 else 0.0)
        self.box.setRange(
            xRange=(float(self._x[0]) - margin, float(self._x[-1]) + margin),
            yRange=(low - 0.06 * (high - low), high + 0.06 * (high - low)),
            padding=0,
        )

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self.plot.getAxis("left").setGrid(40)
        for curve, (colour, line), width in zip(self._curves, _LINES, (2, 1, 1, 1), strict=True):
            curve.setPen(pg.mkPen(getattr(theme, colour), width=width, style=line))
        self._dots.setBrush(theme.plot_foreground)
        self._brushed_dots.setBrush(theme.accent)
        self._ring.setPen(pg.mkPen(theme.accent, width=2))
        self._cursor.setPen(pg.mkPen(theme.accent, width=1))
        paint_legend(self.legend, theme)

    # ---- building

    def _make_controls(self) -> None:
        self.quantity, self.order = QComboBox(), QComboBox()
        self.quantity.addItems([_DRIFT, _EDGES, _ANGLES])
        self.quantity.setAccessibleName("Quantity of the check")
        self.order.addItems(["by frame", "by time"])
        self.order.setAccessibleName("Check against")
        self.summary = self.add_controls(self.quantity, self.order)

    def _make_plot(self) -> None:
        self.legend = self.add_legend(4)
        self.plot = self.canvas.addPlot(row=1, col=0, viewBox=self.box)
        self.plot.hideButtons()
        self.plot.getAxis("left").setWidth(56)
        self.plot.getAxis("bottom").setStyle(maxTickLevel=1)
        self._curves = [pg.PlotCurveItem(connect="finite") for _ in _LINES]
        self._cursor = pg.InfiniteLine(angle=90)
        self._dots = pg.ScatterPlotItem(symbol="o", size=5, pen=None)
        self._brushed_dots = pg.ScatterPlotItem(symbol="o", size=7, pen=None)
        self._ring = pg.ScatterPlotItem(symbol="o", size=14, brush=None)
        for item in (*reversed(self._curves), self._cursor, self._dots, self._brushed_dots, self._ring):
            self.plot.addItem(item, ignoreBounds=True)

    # ---- drawing

    def _offer(self) -> None:
        """Only what is known can be chosen."""
        for box, known, why in (
            (self.quantity, [name in self._quantities for name in (_DRIFT, _EDGES, _ANGLES)], "The frames have no box"),
            (self.order, [True, is_rising(self._time)], "The times are unknown or do not rise from frame to frame"),
        ):
            model = cast(QStandardItemModel, box.model())
            for row, is_known in enumerate(known):
                model.item(row).setEnabled(is_known)
                model.item(row).setToolTip("" if is_known else why)
            if not known[box.currentIndex()]:
                box.blockSignals(True)
                box.setCurrentIndex(0)
                box.blockSignals(False)

    @Slot()
    def _change(self) -> None:
        shown = self._quantities.get(self.quantity.currentText())
        if shown is None:
            return
        order = order_frames(_ORDERS[self.order.currentIndex()], np.zeros(len(self._frames)), self._time)
        self._x = order.x if order.label != "frame" else self._frames.astype(np.float64)
        plain_axis(self.plot.getAxis("bottom"), order.label)
        plain_axis(self.plot.getAxis("left"), shown.axis)
        style_plot(self.plot, self.theme)
        self.legend.clear()
        for curve, values, name in zip(self._curves, shown.values, shown.names, strict=True):
            curve.setData(*known_curve(self._x, values))
            if name:
                self.legend.addItem(curve, name)
        paint_legend(self.legend, self.theme)
        self.summary.setText(_summary(self.quantity.currentText(), shown))
        self._dots.setData(*(column[np.isfinite(self.points()[1])] for column in self.points()))
        self._draw_highlights()
        self.reset_view()

    def _draw_highlights(self) -> None:
        x, y = self.points()
        rows = np.flatnonzero(np.isin(self._frames, self._brushed) & np.isfinite(y)) if len(x) else np.empty(0, int)
        self._brushed_dots.setData(x=x[rows], y=y[rows])
        chosen = np.flatnonzero(self._frames == self._selected) if self._selected is not None and len(x) else rows[:0]
        self._ring.setData(x=x[chosen][np.isfinite(y[chosen])], y=y[chosen][np.isfinite(y[chosen])])
        self._cursor.setVisible(bool(len(chosen)))
        if len(chosen):
            self._cursor.setPos(float(x[chosen[0]]))

    # ---- hand

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        if len(self._x) and self._quantities:
            self._pick(int(self._frames[np.argmin(np.abs(self._x - where.x()))]))

    @Slot(QRectF)
    def _brush(self, area: QRectF) -> None:
        if self._quantities:
            self._take_brush(self._frames[(self._x >= area.left()) & (self._x <= area.right())])


def _quantities(drift: np.ndarray, boxes: np.ndarray) -> dict[str, _Quantity]:
    """What there is to show, by its name in the list."""
    size = np.linalg.norm(drift, axis=1)
    found = {_DRIFT: _Quantity(np.vstack([size, drift.T]), ("total", "x", "y", "z"), "drift (Å)")}
    known = np.isfinite(boxes).all(axis=1)
    if known.any():
        mean, none = boxes[known].mean(axis=0), np.full(len(boxes), np.nan)
        edges, angles = 100.0 * (boxes[:, :3] / mean[:3] - 1.0), boxes[:, 3:] - mean[3:]
        found[_EDGES] = _Quantity(np.vstack([none, edges.T]), ("", "a", "b", "c"), "against mean (%)")
        found[_ANGLES] = _Quantity(np.vstack([none, angles.T]), ("", "α", "β", "γ"), "against mean (°)")
    return found


def _summary(name: str, shown: _Quantity) -> str:
    """The largest value in words."""
    known = shown.values[np.isfinite(shown.values)]
    largest = float(np.abs(known).max()) if known.size else 0.0
    if name == _DRIFT:
        return f"up to {largest:.2g} Å"
    unit = "%" if name == _EDGES else "°"
    return "all boxes alike" if largest < _STEADY else f"up to {largest:.2g} {unit} from the mean"

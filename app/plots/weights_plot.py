"""The weight of every frame, with its error, marks, selection and brush."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut, QStandardItemModel
from PySide6.QtWidgets import QCheckBox, QComboBox, QWidget

from app.models.marks import Mark
from app.plots.base import glass, plain_axis, style_axis, subtle_label
from app.plots.frame_bars import ORDERS, is_rising, order_frames
from app.plots.frame_plot import HAND, FramePlot
from app.plots.influence_lane import TIP, InfluenceLane
from app.plots.kept_lane import KeptLane
from app.plots.mark_styles import MARK_STYLES, NO_MARK, marks_of
from app.theme import Theme

_ORDER_NAMES = ("frame number", "time", "sorted by weight")
# above this many bars error bars and truth ticks are a grey fog and cost a second: they are drawn only zoomed in
_MANY = 4000
# bars thinner than a pixel vanish without an outline
_THIN = 300


class WeightsPlot(FramePlot):
    """Weight per frame as bars, in the order of frames, of time, or sorted; arrow keys step from bar to bar."""

    title = "Frame weights"
    empty_text = "Run a fit to see the weight of every frame."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._weights = np.empty(0)
        self._errors: np.ndarray | None = None
        self._time: np.ndarray | None = None
        self._hidden: np.ndarray | None = None
        self._uniform = 0.0
        self._marks = np.empty(0, dtype=np.int8)
        self._order = order_frames("frame", self._weights, None)
        self._make_controls()
        self._make_plot()
        self._connect()
        self.apply_theme(self.theme)

    # ---- data in

    def set_weights(
        self,
        weights: np.ndarray,
        errors: np.ndarray | None = None,
        time: np.ndarray | None = None,
        uniform: float | None = None,
    ) -> None:
        """Show weights.

        Parameters
        ----------
        weights : float [T]
        errors : float [T], optional
            Standard uncertainty of each; NaN where unknown.
        time : float [T], optional
            Time of each frame, ps.
        uniform : float, optional
            The weight every frame would have unweighted; 1/T when not given.
        """
        weights = np.array(weights, dtype=np.float64)
        if len(weights) == 0:
            self.clear()
            return
        fresh = len(weights) != len(self._weights)
        if fresh:
            self._forget_frames(len(weights))
        self._weights = weights
        self._take_errors(errors)
        self._time = None if time is None else np.array(time, dtype=np.float64)
        self._uniform = 1.0 / len(weights) if uniform is None else float(uniform)
        self._offer_time()
        self._lay_out()
        self.show_content()
        if fresh:
            self.reset_view()

    def set_errors(self, errors: np.ndarray | None) -> None:
        """Standard uncertainty of each weight, float [T], NaN where unknown; None takes error bars away."""
        self._take_errors(errors)
        self._draw_detail()
        if errors is not None:
            self.reset_view()  # they reach higher

    def set_influence(self, influence: np.ndarray | None) -> None:
        """What each frame does to the agreement, float [T]; None takes the choice to see it away."""
        self.influence.setVisible(influence is not None)
        if influence is None:
            self.influence.setChecked(False)
        else:
            self.influence_lane.set_values(influence)

    def set_kept(self, kept: np.ndarray | None) -> None:
        """Show in a strip which frames a selection keeps, bool [T]; None takes the strip away."""
        self.kept_lane.set_kept(kept)

    def show_influence(self) -> None:
        """Show the influence of the frames under their weights, where it is known."""
        if not self.influence.isHidden():
            self.influence.setChecked(True)

    def set_hidden(self, weights: np.ndarray | None) -> None:
        """Overlay the known true weights of the example, float [T], as small ticks; None takes them away."""
        self._hidden = None if weights is None else np.array(weights, dtype=np.float64)
        self.truth.setVisible(self._hidden is not None)
        self._draw_detail()

    def set_marks(self, marks: np.ndarray) -> None:
        """Show marks, int8 [T], values of `Mark`: keep (blue triangle), drop (orange cross), unsure (square)."""
        self._marks = np.array(marks, dtype=np.int8)
        self._draw_bars()

    def set_selected(self, frame: int | None) -> None:
        """Put the selection marker on a frame (None: on none), without emitting."""
        super().set_selected(frame if frame is not None and 0 <= frame < len(self._weights) else None)

    def set_brushed(self, frames: np.ndarray) -> None:
        """Highlight frames brushed elsewhere, int [n], without emitting; a brush drawn here goes away."""
        self._region.hide()
        super().set_brushed(frames)

    def clear(self) -> None:
        """Forget weights, marks and selection."""
        self._weights, self._time, self._hidden = np.empty(0), None, None
        self.set_errors(None)
        self.set_influence(None)
        self.set_kept(None)
        self._forget_frames(0)
        super().clear()

    # ---- state out

    @Slot()
    def reset_view(self) -> None:
        """Show all frames."""
        if len(self._weights):
            edge = 1.5 * self._order.width
            errors = np.zeros(1) if self._errors is None else np.nan_to_num(self._errors)
            top = max(float(np.nanmax(self._weights + errors)), self._uniform, 1e-12)
            self.box.setRange(
                xRange=(self._order.x.min() - edge, self._order.x.max() + edge), yRange=(0, 1.06 * top), padding=0
            )

    @Slot()
    def clear_brush(self) -> None:
        """Take the brush away and say so."""
        self._region.hide()
        self._take_brush(np.empty(0, dtype=np.int64))

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for axis in (*(self.plot.getAxis(n) for n in ("left", "bottom")), self.lane.getAxis("left")):
            style_axis(axis, theme)
        self.lane.getAxis("left").setPen(None)
        self.influence_lane.style(theme)
        self.kept_lane.style(theme)
        colours = [getattr(theme, style.colour) for style in (NO_MARK, *MARK_STYLES.values())]
        for bars, colour in zip(self._bars, (*colours, theme.accent), strict=True):
            bars.setOpts(brush=colour, pen=pg.mkPen(colour, width=1) if len(self._weights) > _THIN else None)
        self._error_bars.setData(pen=pg.mkPen(glass(theme.plot_foreground, 130), width=1))
        self._truth.setPen(pg.mkPen(theme.plot_foreground, width=2))
        self._line.setPen(pg.mkPen(theme.plot_foreground, width=1, style=Qt.PenStyle.DashLine))
        self._line.label.setColor(theme.plot_foreground)
        self._line.label.fill = pg.mkBrush(glass(theme.plot_background, 150))
        self._cursor.setPen(pg.mkPen(theme.accent, width=1))
        self._pointer.setBrush(theme.accent)
        self._region.setBrush(glass(theme.accent, 45))
        self._region.setHoverBrush(glass(theme.accent, 45))
        for edge in self._region.lines:
            edge.setPen(pg.mkPen(theme.accent, width=1))
        for points, colour in zip(self._mark_points, colours[1:], strict=True):
            points.setBrush(colour)
            points.setPen(pg.mkPen(theme.plot_background, width=1))  # marks of neighbours touch but do not merge

    # ---- building

    def _make_controls(self) -> None:
        self.order = QComboBox()
        self.order.addItems(_ORDER_NAMES)
        self.order.setAccessibleName("Order of the frames")
        self.truth = QCheckBox("true weights")
        self.truth.setToolTip("The example knows its true weights: ticks show them")
        self.truth.setChecked(True)
        self.truth.hide()
        self.error_bars, self.influence = QCheckBox("errors"), QCheckBox("influence")
        self.error_bars.setToolTip("Standard error of each weight over bootstrap samples")
        self.error_bars.setChecked(True)
        self.influence.setToolTip(TIP)
        for box in (self.error_bars, self.influence):
            box.hide()
        self.summary = self.add_controls(subtle_label("order"), self.order, self.truth, self.error_bars, self.influence)
        self.canvas.setToolTip(f"{HAND}, arrows step")

    def _make_plot(self) -> None:
        self.plot = self.canvas.addPlot(row=2, col=0, viewBox=self.box)
        self.lane = self.canvas.addPlot(row=0, col=0, viewBox=pg.ViewBox(enableMenu=False, enableMouse=False))
        self.lane.setXLink(self.plot)
        self.lane.setFixedHeight(20)
        self.lane.hideAxis("bottom")
        self.lane.setYRange(0, 1, padding=0)
        self.kept_lane, self.influence_lane = KeptLane(), InfluenceLane()
        for row, lane in ((1, self.kept_lane), (3, self.influence_lane)):
            self.canvas.addItem(lane, row=row, col=0)
            lane.setXLink(self.plot)
        self._show_lane(False)
        self.canvas.ci.layout.setRowStretchFactor(2, 5)
        self.canvas.ci.layout.setVerticalSpacing(0)
        for plot in (self.plot, self.lane):
            plot.hideButtons()
            plot.getAxis("left").setWidth(64)
        self.lane.getAxis("left").setStyle(tickLength=0)
        self.lane.getAxis("left").setTicks([[(0.5, "marks")]])
        plain_axis(self.plot.getAxis("left"), "weight")
        plain_axis(self.plot.getAxis("bottom"), self._order.label)
        self.box.setLimits(yMin=0)
        self.box.setMouseEnabled(x=True, y=False)
        self._bars = [pg.BarGraphItem(x=[], height=[], width=1) for _ in range(len(MARK_STYLES) + 2)]
        self._error_bars = pg.ErrorBarItem(x=np.empty(0), y=np.empty(0), height=np.empty(0))
        self._truth = pg.PlotCurveItem(connect="pairs")
        self._line = pg.InfiniteLine(
            angle=0, label="uniform", labelOpts={"position": 0.995, "anchors": [(1, 1), (1, 1)]}
        )
        self._cursor = pg.InfiniteLine(angle=90)
        self._region = pg.LinearRegionItem(swapMode="sort")
        self._region.hide()
        for depth, item in enumerate(
            [*self._bars, self._error_bars, self._truth, self._line, self._cursor, self._region]
        ):
            item.setZValue(depth)
            self.plot.addItem(item, ignoreBounds=True)
        self._mark_points = [pg.ScatterPlotItem(symbol=s.symbol, size=s.size, pen=None) for s in MARK_STYLES.values()]
        self._pointer = pg.ScatterPlotItem(symbol="d", size=12, pen=None)
        for points in (*self._mark_points, self._pointer):
            self.lane.addItem(points, ignoreBounds=True)

    def _connect(self) -> None:
        self.order.currentIndexChanged.connect(self._change_order)
        self.truth.toggled.connect(self._draw_detail)
        self.error_bars.toggled.connect(self._draw_detail)
        self.influence.toggled.connect(self._show_lane)
        self.box.sigXRangeChanged.connect(self._draw_detail)
        self._region.sigRegionChangeFinished.connect(self._move_region)
        for key, slot in (
            (Qt.Key.Key_Left, self._select_left),
            (Qt.Key.Key_Right, self._select_right),
            (Qt.Key.Key_Escape, self.clear_brush),
        ):
            shortcut = QShortcut(QKeySequence(key), self.canvas)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(slot)

    # ---- drawing

    def _forget_frames(self, n_frames: int) -> None:
        self._marks = np.zeros(n_frames, dtype=np.int8)
        self._brushed = np.empty(0, dtype=np.int64)
        self._selected = None
        self._region.hide()
        if self._hidden is not None and len(self._hidden) != n_frames:
            self.set_hidden(None)

    def _take_errors(self, errors: np.ndarray | None) -> None:
        self._errors = None if errors is None else np.array(errors, dtype=np.float64)
        self.error_bars.setVisible(errors is not None)

    def _offer_time(self) -> None:
        item = cast(QStandardItemModel, self.order.model()).item(ORDERS.index("time"))
        known = is_rising(self._time)
        item.setEnabled(known)
        item.setToolTip("" if known else "The times of the frames are unknown or do not rise from frame to frame")
        if not known and self.order.currentIndex() == ORDERS.index("time"):
            self.order.setCurrentIndex(0)

    @Slot()
    def _change_order(self) -> None:
        self._region.hide()
        self._lay_out()
        self.reset_view()

    def _lay_out(self) -> None:
        self._order = order_frames(ORDERS[self.order.currentIndex()], self._weights, self._time)
        plain_axis(self.plot.getAxis("bottom"), self._order.label)
        for lane in (self.kept_lane, self.influence_lane):
            lane.set_order(self._order)
        self._line.setPos(self._uniform)
        effective = self._weights.sum() ** 2 / max(float((self._weights**2).sum()), 1e-300)
        self.summary.setText(f"{len(self._weights)} frames, n_eff {effective:.{1 if effective < 1000 else 0}f}")
        self._draw_bars()
        self._draw_detail()

    def _draw_bars(self) -> None:
        n = len(self._weights)
        marks = marks_of(self._marks, n)
        brushed = np.zeros(n, dtype=bool)
        brushed[self._brushed[(self._brushed >= 0) & (self._brushed < n)]] = True
        groups = (*((marks == mark) & ~brushed for mark in (Mark.NONE, *MARK_STYLES)), brushed)
        for bars, group in zip(self._bars, groups, strict=True):
            bars.setOpts(x=self._order.x[group], height=self._weights[group], width=self._order.width)
        for points, mark in zip(self._mark_points, MARK_STYLES, strict=True):
            x = self._order.x[marks == mark]
            points.setData(x=x, y=np.full(len(x), 0.5))
        self.apply_theme(self.theme)
        self._draw_highlights()

    @Slot()
    def _draw_detail(self) -> None:
        """Error bars and truth ticks of the frames in view, unless they are too many to be told apart."""
        low, high = self.box.viewRange()[0]
        frames = self._order.between(low, high)
        x = self._order.x[frames]
        few = 0 < len(frames) <= _MANY
        hidden = self._hidden if self._hidden is not None and len(self._hidden) == len(self._weights) else None
        errors = self._errors if self.error_bars.isChecked() else None
        has_errors = few and errors is not None and len(errors) == len(self._weights)
        if has_errors and errors is not None:
            height = np.nan_to_num(2.0 * errors[frames])
            self._error_bars.setData(x=x, y=self._weights[frames], height=height, beam=0.25 * self._order.width)
        self._error_bars.setVisible(has_errors)
        if few and hidden is not None:
            ends = np.column_stack([x - 0.5 * self._order.width, x + 0.5 * self._order.width]).ravel()
            self._truth.setData(ends, np.repeat(hidden[frames], 2))
        self._truth.setVisible(few and hidden is not None and self.truth.isChecked())

    def _draw_brushed(self) -> None:
        self._draw_bars()

    @Slot(bool)
    def _show_lane(self, shown: bool) -> None:
        self.influence_lane.setVisible(shown)
        self.influence_lane.setMaximumHeight(16777215 if shown else 0)
        self.influence_lane.setMinimumHeight(54 if shown else 0)
        self.canvas.ci.layout.setRowStretchFactor(3, 2 if shown else 0)

    def _draw_highlights(self) -> None:
        self._cursor.setVisible(self._selected is not None)
        if self._selected is None:
            self._pointer.setData(x=[], y=[])
            return
        x = float(self._order.x[self._selected])
        self._cursor.setPos(x)
        self._pointer.setData(x=[x], y=[0.5])

    # ---- hand

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        if len(self._weights):
            self._pick(self._order.nearest(where.x()))

    @Slot()
    def _select_left(self) -> None:
        self._step(-1)

    @Slot()
    def _select_right(self) -> None:
        self._step(1)

    def _step(self, step: int) -> None:
        if len(self._weights):
            self._pick(0 if self._selected is None else self._order.neighbour(self._selected, step))

    @Slot(QRectF)
    def _brush(self, area: QRectF) -> None:
        self._region.blockSignals(True)
        self._region.setRegion((area.left(), area.right()))
        self._region.blockSignals(False)
        self._region.show()
        self._take_brush(self._order.between(area.left(), area.right()))

    @Slot()
    def _move_region(self) -> None:
        if self._region.isVisible():
            self._take_brush(self._order.between(*self._region.getRegion()))

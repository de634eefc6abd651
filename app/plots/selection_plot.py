"""How the agreement goes while whole frames are left out: on the reflections it is raised on, and on held-out ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from app.plots.base import (
    SCORE_NAMES,
    LateDraw,
    PlotPanel,
    known_curve,
    paint_legend,
    plain_axis,
    style_plot,
    subtle_label,
)
from app.plots.brush import BrushViewBox
from app.plots.convergence_plot import StepAxis
from app.theme import Theme

if TYPE_CHECKING:
    from mdweights_core.weights.selection.result import Selection

KEPT, STEP = "frames kept", "step"
_ROWS = ("", "_free")  # what follows the name of a score: on the work set, held out
_NAMES = ("work", "held out")
_LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DotLine)
_LEAST = 0.005  # of a correlation: the view never zooms in on less by itself


class SelectionPlot(PlotPanel):
    """Agreement against the number of frames kept, or the step; continuous weights beside it as level lines.

    Diamonds are the best of each curve, the vertical line is the step that is looked at.

    Signals
    -------
    step_chosen(int)
        A point of the path was clicked.
    """

    step_chosen = Signal(int)

    title = "Selection of frames"
    empty_text = "Select frames to see how the agreement goes while others are left out."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path: dict[str, list[float]] = {}
        self._score = "cc_aniso"
        self._chosen: int | None = None
        self._has_order = True
        self._levels: tuple[float, float] = (float("nan"), float("nan"))
        self._redraw = LateDraw(self._draw, self)
        self._make_controls()
        self._make_plot()
        self.abscissa.currentIndexChanged.connect(self._draw)
        self.box.clicked.connect(self._click)
        self.apply_theme(self.theme)

    # ---- data in

    def start(self, score: str, levels: tuple[float, float], *, has_order: bool) -> None:
        """Begin an empty path.

        Parameters
        ----------
        score : str
            Which correlation is raised: ``cc_aniso`` or ``cc``.
        levels : (float, float)
            What continuous weights reach on the work set and held out; NaN where unknown.
        has_order : bool
            Frames go one after another. Else their number goes up and down, and only generations are an axis.
        """
        self._path, self._chosen, self._score, self._levels = {}, None, score, levels
        if has_order != self._has_order:
            self._has_order = has_order
            self.abscissa.clear()
            self.abscissa.addItems([KEPT, "deletion"] if has_order else ["generation"])
        plain_axis(self.plot.getAxis("left"), SCORE_NAMES[score])

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add a snapshot of a running selection: n_kept and the scores; another one of the same step replaces it."""
        if self._path.get(STEP) and self._path[STEP][-1] == step:
            for series in self._path.values():
                series.pop()
        for key in ("n_kept", *(self._score + row for row in _ROWS)):
            self._path.setdefault(key, []).append(float(values.get(key, float("nan"))))
        self._path.setdefault(STEP, []).append(float(step))
        self.show_content()
        self._redraw.soon()

    def set_selection(self, selection: Selection, levels: tuple[float, float]) -> None:
        """Show a finished selection; `levels` as in `start`."""
        self._redraw.stop()
        self.start(selection.score, levels, has_order=selection.has_order)
        keys = (STEP, "n_kept", *(selection.score + row for row in _ROWS))
        self._path = {key: [float(value) for value in selection.path[key]] for key in keys}
        self.show_content()
        self._draw()

    def set_chosen(self, step: int | None) -> None:
        """Put the line on a step (None: on none), without emitting."""
        self._chosen = step
        self._draw_chosen()

    def clear(self) -> None:
        """Forget the selection."""
        self._redraw.stop()
        self._path, self._chosen = {}, None
        super().clear()

    # ---- state out

    def series(self, key: str) -> np.ndarray:
        """One of ``step``, ``n_kept`` and the scores, float64 [n_step]: a copy."""
        return np.array(self._path.get(key, []), dtype=np.float64)

    def best(self, *, held_out: bool = False) -> int | None:
        """The row where a curve is highest; None where it is nowhere known."""
        values = self.series(self._score + _ROWS[held_out])
        return int(np.nanargmax(values)) if np.isfinite(values).any() else None

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self.plot.getAxis("left").setGrid(40)
        for curve, level, line in zip(self._curves, self._level_lines, _LINES, strict=True):
            curve.setPen(pg.mkPen(theme.good, width=1, style=line))
            level.setPen(pg.mkPen(theme.plot_foreground, width=1, style=line))
        self._level_key.setPen(pg.mkPen(theme.plot_foreground, width=1))
        self._best.setPen(pg.mkPen(theme.bad, width=2))
        self._best.setBrush(None)
        self._cursor.setPen(pg.mkPen(theme.accent, width=1))
        self._dots.setBrush(theme.accent)
        paint_legend(self.legend, theme)

    # ---- building

    def _make_controls(self) -> None:
        self.abscissa = QComboBox()
        self.abscissa.addItems([KEPT, "deletion"])
        self.abscissa.setAccessibleName("Agreement against")
        self.abscissa.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.summary = self.add_controls(subtle_label("against"), self.abscissa)
        self.canvas.setToolTip("Click looks at a step, drag moves, wheel zooms")

    def _make_plot(self) -> None:
        self.legend = self.add_legend(4)
        self.box, self._axis = BrushViewBox(), StepAxis()
        self.plot = self.canvas.addPlot(row=1, col=0, viewBox=self.box, axisItems={"bottom": self._axis})
        self.plot.hideButtons()
        self.plot.getAxis("left").setWidth(58)
        self._curves = [pg.PlotCurveItem(connect="finite") for _ in _ROWS]
        self._level_lines = [pg.InfiniteLine(angle=0) for _ in _ROWS]
        self._level_key = pg.PlotCurveItem()
        self._best = pg.ScatterPlotItem(symbol="d", size=14)
        self._cursor = pg.InfiniteLine(angle=90)
        self._dots = pg.ScatterPlotItem(symbol="o", size=7, pen=None)
        for item in (*self._level_lines, *self._curves, self._cursor, self._best, self._dots):
            self.plot.addItem(item, ignoreBounds=True)

    # ---- drawing

    @property
    def _by_step(self) -> bool:
        return self.abscissa.currentText() != KEPT

    def _x(self) -> np.ndarray:
        return self.series(STEP if self._by_step else "n_kept")

    @Slot()
    def _draw(self) -> None:
        x, scores = self._x(), [self.series(self._score + row) for row in _ROWS]
        plain_axis(self._axis, self.abscissa.currentText())
        self.box.invertX(not self._by_step)  # either way the selection goes from left to right
        for curve, y, level, height in zip(self._curves, scores, self._level_lines, self._levels, strict=True):
            curve.setData(*known_curve(x, y))
            level.setVisible(bool(np.isfinite(height)))
            if np.isfinite(height):
                level.setPos(height)
        rows = [
            (row, y) for row, y in ((self.best(), scores[0]), (self.best(held_out=True), scores[1])) if row is not None
        ]
        self._best.setData(x=[x[row] for row, _ in rows], y=[y[row] for row, y in rows])
        self._write_legend(scores)
        self._draw_chosen()
        self._fit_view(x, np.concatenate([*scores, self._levels]))

    def _draw_chosen(self) -> None:
        x, row = self._x(), self._chosen
        shown = row is not None and 0 <= row < len(x)
        self._cursor.setVisible(shown)
        if row is None or not shown:
            self._dots.setData(x=[], y=[])
            row = len(x) - 1
        else:
            self._cursor.setPos(x[row])
            heights = np.array([self.series(self._score + part)[row] for part in _ROWS])
            known = np.isfinite(heights)
            self._dots.setData(x=np.full(2, x[row])[known], y=heights[known])
        self._write_summary(row)

    def _fit_view(self, x: np.ndarray, y: np.ndarray) -> None:
        y = y[np.isfinite(y)]
        if not len(x) or not len(y):
            return
        middle, half = (y.max() + y.min()) / 2, max(y.max() - y.min(), _LEAST) / 2
        across = max(x.max() - x.min(), 1.0)
        self.box.setRange(xRange=(x.min(), x.min() + across), yRange=(middle - half, middle + half), padding=0.06)

    def _write_legend(self, scores: list[np.ndarray]) -> None:
        entries = [
            (curve, name) for curve, name, y in zip(self._curves, _NAMES, scores, strict=True) if np.isfinite(y).any()
        ]
        entries += [(self._best, "best")] if entries else []
        entries += [(self._level_key, "weights")] if np.isfinite(self._levels).any() else []
        if [name for _, name in entries] == [label.text for _, label in self.legend.items]:
            return
        self.legend.clear()
        for item, name in entries:
            self.legend.addItem(item, name)
        paint_legend(self.legend, self.theme)

    def _write_summary(self, row: int) -> None:
        if row < 0:
            self.summary.setText("")
            return
        work, free = (self.series(self._score + part)[row] for part in _ROWS)
        held = f", held out {free:.4f}" if np.isfinite(free) else ""
        self.summary.setText(f"{self.series('n_kept')[row]:.0f} frames: {work:.4f}{held}")

    # ---- hand

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        x = self._x()
        if len(x):
            row = int(np.abs(x - where.x()).argmin())
            self.set_chosen(row)
            self.step_chosen.emit(row)

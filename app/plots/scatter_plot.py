"""Any two per-frame quantities against each other: does weight follow energy, drift or time?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from app.models.marks import Mark
from app.plots.base import glass, plain_axis, style_plot, subtle_label
from app.plots.frame_plot import MANY_POINTS, FramePoints
from app.plots.mark_styles import MARK_STYLES, NO_MARK, marks_of
from app.theme import Theme, intensity_colours

_CELLS = 128  # along each axis, that too many points to paint are counted into


class FrameScatter(FramePoints):
    """One point per frame."""

    title = "Frames: one quantity against another"
    empty_text = "Run a fit to compare what is known of every frame."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: dict[str, tuple[np.ndarray, str]] = {}
        self._marks = np.empty(0, dtype=np.int8)
        self._make_controls()
        self._make_plot()
        self.horizontal.currentIndexChanged.connect(self._change_quantity)
        self.vertical.currentIndexChanged.connect(self._change_quantity)
        self.apply_theme(self.theme)

    # ---- data in

    def set_columns(self, columns: Mapping[str, tuple[np.ndarray, str]]) -> None:
        """Offer quantities: name to (values float [T], unit; an empty unit for pure numbers). The choice is kept."""
        if not columns:
            self.clear()
            return
        chosen = self.horizontal.currentText(), self.vertical.currentText()
        n_before = self.n_frames
        self._columns = {name: (np.array(v, dtype=np.float64), unit) for name, (v, unit) in columns.items()}
        if self.n_frames != n_before:
            self._marks = np.zeros(self.n_frames, dtype=np.int8)
            self._brushed, self._selected = self._brushed[:0], None
        names = list(self._columns)
        for box, name, fallback in zip(
            (self.horizontal, self.vertical), chosen, (0, min(1, len(names) - 1)), strict=True
        ):
            box.blockSignals(True)
            box.clear()
            box.addItems(names)
            box.setCurrentIndex(names.index(name) if name in names else fallback)
            box.blockSignals(False)
        self._change_quantity()
        self.show_content()

    def set_marks(self, marks: np.ndarray) -> None:
        """Show marks, int8 [T], values of `Mark`: keep (blue triangle), drop (orange cross), unsure (square), none."""
        self._marks = np.array(marks, dtype=np.int8)
        self._draw()

    def clear(self) -> None:
        """Forget all quantities."""
        self._columns = {}
        self._selected, self._brushed = None, self._brushed[:0]
        super().clear()

    # ---- state out

    @property
    def n_frames(self) -> int:
        """Frames shown."""
        return len(next(iter(self._columns.values()))[0]) if self._columns else 0

    @Slot()
    def reset_view(self) -> None:
        """Show all points."""
        x, y = self.points()
        known = np.isfinite(x) & np.isfinite(y)
        if known.any():
            self.box.setRange(xRange=_range(x[known]), yRange=_range(y[known]), padding=0.05)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        for dots, style in zip(self._dots, (NO_MARK, *MARK_STYLES.values()), strict=True):
            dots.setBrush(glass(getattr(theme, style.colour), 190))

    # ---- building

    def _make_controls(self) -> None:
        self.vertical, self.horizontal = QComboBox(), QComboBox()
        for box in (self.vertical, self.horizontal):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.vertical.setAccessibleName("Vertical quantity")
        self.horizontal.setAccessibleName("Horizontal quantity")
        self.summary = self.add_controls(self.vertical, subtle_label("against"), self.horizontal)

    def _make_plot(self) -> None:
        self.plot = self.canvas.addPlot(viewBox=self.box)
        self.plot.hideButtons()
        self._density = pg.ImageItem(axisOrder="row-major")
        styles = (NO_MARK, *MARK_STYLES.values())
        self._dots = [pg.ScatterPlotItem(symbol=style.symbol, size=style.size, pen=None) for style in styles]
        for item in (self._density, *self._dots, *self.overlays):
            self.plot.addItem(item, ignoreBounds=True)

    # ---- drawing

    @Slot()
    def _change_quantity(self) -> None:
        for side, box in (("bottom", self.horizontal), ("left", self.vertical)):
            name = box.currentText()
            unit = self._columns[name][1] if name in self._columns else ""
            plain_axis(self.plot.getAxis(side), f"{name} ({unit})" if unit else name)
        style_plot(self.plot, self.theme)
        self._draw()
        self.reset_view()

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The chosen quantities of each frame, float64 [n_frames] each."""
        empty = (np.empty(0), "")
        x, y = (self._columns.get(box.currentText(), empty)[0] for box in (self.horizontal, self.vertical))
        return x, y

    def _draw(self) -> None:
        x, y = self.points()
        marks = marks_of(self._marks, len(x))
        known = np.isfinite(x) & np.isfinite(y)
        crowd = int(known.sum()) > MANY_POINTS
        for dots, mark in zip(self._dots, (Mark.NONE, *MARK_STYLES), strict=True):
            group = known & (marks == mark) & (not crowd or mark is not Mark.NONE)
            dots.setData(x=x[group], y=y[group])
        self._density.setVisible(crowd)
        if crowd:
            self._draw_density(x[known], y[known])
        absent = len(x) - int(known.sum())
        counted = ", counted into cells" if crowd else ""
        self.summary.setText(f"{len(x)} frames{counted}" + (f", {absent} without a value" if absent else ""))
        self._draw_highlights()

    def _draw_density(self, x: np.ndarray, y: np.ndarray) -> None:
        counts, x_edges, y_edges = np.histogram2d(x, y, bins=_CELLS, range=[_range(x), _range(y)])
        colours = intensity_colours()
        colours[0, 3] = 0  # where no frame is, the ground shows
        picture = np.ascontiguousarray(np.log1p(counts.T), dtype=np.float32)
        self._density.setImage(picture, levels=(0.0, float(picture.max())), lut=colours, autoLevels=False)
        self._density.setRect(QRectF(QPointF(x_edges[0], y_edges[0]), QPointF(x_edges[-1], y_edges[-1])))


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)

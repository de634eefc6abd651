"""Clusters of frames, and the weight they have together beside what they had before the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, glass, paint_legend, plain_axis, style_plot
from app.plots.brush import BrushViewBox
from app.theme import Theme

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Clusters

_WIDTH = 0.38
_TWO_LINES = 54  # pixels of an axis whose ticks take two lines


class ClusterPlot(PlotPanel):
    """Two bars per cluster: summed weight with its error, and the prior weight.

    Signals
    -------
    cluster_clicked(int)
        The cluster nearest to a click.
    """

    cluster_clicked = Signal(int)

    title = "Clusters of frames"
    empty_text = "There are no clusters: they need the positions of the atoms."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._n = 0
        self._chosen: int | None = None
        self._make_plot()
        self.box.clicked.connect(self._click)
        self.apply_theme(self.theme)

    def set_clusters(self, clusters: Clusters) -> None:
        """Show clusters, heaviest first."""
        self._n, self._chosen = len(clusters.weight), None
        x = np.arange(self._n, dtype=float)
        self._weighted.setOpts(x=x - _WIDTH / 2, height=clusters.weight, width=_WIDTH)
        self._prior.setOpts(x=x + _WIDTH / 2, height=clusters.prior, width=_WIDTH)
        known = np.isfinite(clusters.error)
        self._errors.setVisible(bool(known.any()))
        if known.any():
            places, error = x[known] - _WIDTH / 2, clusters.error[known]
            self._errors.setData(x=places, y=clusters.weight[known], height=2.0 * error, beam=0.1)
        ticks = [(n, f"{n + 1}\n{int(size)} frames") for n, size in enumerate(clusters.n_frames)]
        self.plot.getAxis("bottom").setTicks([ticks])
        self.summary.setText(clusters.rule)
        self.summary.setToolTip(clusters.rule)
        self.show_chosen(None)
        self.show_content()
        top = np.concatenate([clusters.weight + np.nan_to_num(clusters.error), clusters.prior])
        self.box.setRange(xRange=(-0.6, max(self._n, 1) - 0.4), yRange=(0, 1.06 * float(top.max())), padding=0)

    def show_chosen(self, cluster: int | None) -> None:
        """Put a band behind one cluster (None: none), without emitting."""
        self._chosen = cluster
        self._band.setVisible(cluster is not None)
        if cluster is not None:
            self._band.setRegion((cluster - 0.5, cluster + 0.5))

    @property
    def chosen(self) -> int | None:
        """The cluster with the band."""
        return self._chosen

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self.plot.getAxis("left").setGrid(40)
        self._weighted.setOpts(brush=theme.good, pen=None)
        self._prior.setOpts(brush=glass(theme.neutral, 60), pen=pg.mkPen(theme.neutral, width=2))
        self._keys[0].setBrush(theme.good)
        self._keys[1].setBrush(glass(theme.neutral, 60))
        self._keys[1].setPen(pg.mkPen(theme.neutral, width=2))
        self._errors.setData(pen=pg.mkPen(theme.plot_foreground, width=1))
        self._band.setBrush(glass(theme.accent, 45))
        paint_legend(self.legend, theme)

    def _make_plot(self) -> None:
        self.summary = self.add_controls()
        self.summary.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.canvas.setToolTip("Click brushes the frames of a cluster")
        self.box = BrushViewBox()
        self.box.setMouseEnabled(x=False, y=False)
        self.legend = self.add_legend(2)
        self.plot = self.canvas.addPlot(row=1, col=0, viewBox=self.box)
        self.plot.hideButtons()
        plain_axis(self.plot.getAxis("left"), "summed weight")
        plain_axis(self.plot.getAxis("bottom"), "cluster")
        self.plot.getAxis("bottom").setHeight(_TWO_LINES)
        self._band = pg.LinearRegionItem(movable=False, pen=pg.mkPen(None))
        self._weighted, self._prior = (pg.BarGraphItem(x=[], height=[], width=_WIDTH) for _ in range(2))
        self._errors = pg.ErrorBarItem(x=np.empty(0), y=np.empty(0), height=np.empty(0))
        for item in (self._band, self._weighted, self._prior, self._errors):
            self.plot.addItem(item, ignoreBounds=True)
        self._band.hide()
        self._keys = [pg.ScatterPlotItem(symbol="s", size=9, pen=None) for _ in range(2)]
        for key, name in zip(self._keys, ("fitted", "prior"), strict=True):
            self.legend.addItem(key, name)

    @Slot(QPointF)
    def _click(self, where: QPointF) -> None:
        if self._n and -0.5 <= where.x() <= self._n - 0.5:
            cluster = round(where.x())
            self.show_chosen(cluster)
            self.cluster_clicked.emit(cluster)

"""Good frames against bad ones: how residues fluctuate in both sets, and which distances differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.plots.base import (
    PlotPanel,
    figures_font,
    glass,
    known_curve,
    paint_legend,
    plain_axis,
    style_axis,
    style_plot,
    subtle_label,
)
from app.theme import Theme, difference_colours

if TYPE_CHECKING:
    from mdweights_core.meaning.result import SetComparison

_HINT = "Point at a distance, or at a residue, to read its change"


class ResidueAxis(pg.AxisItem):
    """An axis that counts residues and writes their names."""

    def __init__(self, side: str) -> None:
        super().__init__(side)
        self.names: tuple[str, ...] = ()
        self.setStyle(hideOverlappingLabels=False)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Every n-th residue, as many as have room (called by pyqtgraph)."""
        pixels = 50.0 if self.orientation == "bottom" else 22.0
        step = next(
            (n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500) if n * size / max(maxVal - minVal, 1) > pixels), 1000
        )
        first = max(int(np.ceil(minVal / step)) * step, 0)
        last = min(int(maxVal), len(self.names) - 1)
        return [(float(step), [float(place) for place in range(first, last + 1, step)])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The residue at each position (called by pyqtgraph)."""
        return [self.names[int(value)] if 0 <= int(value) < len(self.names) else "" for value in values]


class SetsPlot(PlotPanel):
    """Left root mean square fluctuations of both sets, right the difference of mean distances, good less bad."""

    title = "Good frames against bad ones"
    empty_text = "There are no two sets to compare: the weights are those of before, or there are no positions."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sets: SetComparison | None = None
        self._make_controls()
        self._make_plots()
        self.canvas.scene().sigMouseMoved.connect(self._point)
        self.apply_theme(self.theme)

    def set_sets(self, sets: SetComparison) -> None:
        """Show a comparison; one without positions is told in place of the plots."""
        if not len(sets.residue):
            self.clear()
            self.show_empty(
                "There are no positions of atoms to compare the two sets by; their features are at the left."
            )
            return
        self._sets = sets
        x = np.arange(len(sets.residue), dtype=float)
        self._good.setData(*known_curve(x, sets.rmsf_good))
        self._bad.setData(*known_curve(x, sets.rmsf_bad))
        self._draw_certain(x, sets)
        for axis, names in (
            (self._residues, sets.residue),
            *((axis, tuple(sets.residue[row] for row in sets.distance_row)) for axis in self._rows),
        ):
            axis.names = names
            axis.picture = None
        self._draw_distances(sets.distance_difference)
        self.readout.setText("")
        self.show_content()
        self.reset_view()

    def clear(self) -> None:
        """Forget the comparison."""
        self._sets = None
        super().clear()

    def reset_view(self) -> None:
        """Show all residues and distances."""
        if self._sets is None:
            return
        top = np.nanmax(np.concatenate([self._sets.rmsf_good, self._sets.rmsf_bad, [0.1]]))
        self.rmsf.setRange(xRange=(-0.5, len(self._sets.residue) - 0.5), yRange=(0, 1.1 * float(top)), padding=0)
        n = len(self._sets.distance_row)
        self.map.setRange(xRange=(-0.5, n - 0.5), yRange=(-0.5, n - 0.5), padding=0)

    def read(self, row: int, column: int) -> str:
        """What is said of one distance of the map."""
        sets = self._sets
        if sets is None or not (0 <= row < len(sets.distance_row) and 0 <= column < len(sets.distance_row)):
            return ""
        one, other = (sets.residue[sets.distance_row[at]] for at in (row, column))
        change, error = sets.distance_difference[row, column], sets.distance_error[row, column]
        if not np.isfinite(change):
            return f"{one} to {other}: not in one molecule"
        return f"{one} to {other}: {change:+.2f} ± {error:.2f} Å"

    def read_residue(self, residue: int) -> str:
        """What is said of the fluctuation of one residue."""
        sets = self._sets
        if sets is None or not 0 <= residue < len(sets.residue):
            return ""
        return (
            f"{sets.residue[residue]}: good {sets.rmsf_good[residue]:.2f} Å, bad {sets.rmsf_bad[residue]:.2f} Å, "
            f"difference {sets.rmsf_difference[residue]:+.2f} ± {sets.rmsf_error[residue]:.2f} Å"
        )

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot in (self.rmsf, self.map):
            style_plot(plot, theme)
        self.rmsf.getAxis("left").setGrid(40)
        self._good.setPen(pg.mkPen(theme.good, width=2))
        self._bad.setPen(pg.mkPen(theme.bad, width=2, style=Qt.PenStyle.DashLine))
        self._certain.setBrush(theme.plot_foreground)
        style_axis(self.scale.axis, theme)
        paint_legend(self.legend, theme)
        self.map.getViewBox().setBackgroundColor(glass(theme.missing, 255))

    # ---- building

    def _make_controls(self) -> None:
        self.hint, self.readout = subtle_label(_HINT), subtle_label()
        self.readout.setFont(figures_font(self.readout))
        self.readout.setAccessibleName("Change under the pointer")
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 0)
        row.addWidget(self.hint)
        row.addStretch(1)
        row.addWidget(self.readout)
        self.body.insertLayout(0, row)

    def _make_plots(self) -> None:
        self._residues = ResidueAxis("bottom")
        self._rows = (ResidueAxis("bottom"), ResidueAxis("left"))
        self.rmsf = self.canvas.addPlot(row=1, col=0, axisItems={"bottom": self._residues})
        self.map = self.canvas.addPlot(row=1, col=1, axisItems={axis.orientation: axis for axis in self._rows})
        self.legend = self.add_legend(3, span=2)
        for plot in (self.rmsf, self.map):
            plot.setMenuEnabled(False)
            plot.hideButtons()
        plain_axis(self.rmsf.getAxis("left"), "fluctuation (Å)")
        self._good, self._bad = self.rmsf.plot(connect="finite"), self.rmsf.plot(connect="finite")
        self._certain = pg.ScatterPlotItem(symbol="t", size=7, pen=None)
        self.rmsf.addItem(self._certain, ignoreBounds=True)
        for item, name in ((self._good, "good"), (self._bad, "bad"), (self._certain, "beyond 2 errors")):
            self.legend.addItem(item, name)
        self._image = pg.ImageItem(axisOrder="row-major")
        self.map.addItem(self._image)
        self.scale = pg.ColorBarItem(width=12, interactive=False, colorMap=_colour_map())
        self.scale.setImageItem(self._image, insert_in=self.map)
        plain_axis(self.scale.axis, "distance, good less bad (Å)")
        for column in range(2):
            self.canvas.ci.layout.setColumnPreferredWidth(column, 300)
            self.canvas.ci.layout.setColumnStretchFactor(column, 1)

    # ---- drawing

    def _draw_certain(self, x: np.ndarray, sets: SetComparison) -> None:
        """A triangle over residues whose fluctuation differs by more than twice its error."""
        with np.errstate(invalid="ignore"):
            sure = np.abs(sets.rmsf_difference) > 2.0 * sets.rmsf_error
        top = np.nanmax(np.vstack([sets.rmsf_good, sets.rmsf_bad, np.zeros(len(x))]), axis=0)
        self._certain.setData(x=x[sure], y=top[sure] * 1.04)

    def _draw_distances(self, change: np.ndarray) -> None:
        largest = float(np.nanmax(np.abs(change))) if np.isfinite(change).any() else 0.0
        largest = largest or 1.0
        self._image.setImage(change.astype(np.float32), levels=(-largest, largest), autoLevels=False)
        n = len(change)
        self._image.setRect(QRectF(-0.5, -0.5, n, n))
        self.scale.setLevels((-largest, largest))

    # ---- hand

    @Slot(QPointF)
    def _point(self, where: QPointF) -> None:
        if self._sets is None:
            return
        for plot in (self.map, self.rmsf):
            if plot.getViewBox().sceneBoundingRect().contains(where):
                at = plot.getViewBox().mapSceneToView(where)
                column, row = round(at.x()), round(at.y())
                self.readout.setText(self.read(row, column) if plot is self.map else self.read_residue(column))
                return


def _colour_map() -> pg.ColorMap:
    table = difference_colours()
    return pg.ColorMap(np.linspace(0.0, 1.0, len(table)), table)

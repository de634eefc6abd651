"""How good draws of a flow are: their energies as drawn and as weighted beside those of frames, and their weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, glass, paint_legend, plain_axis, style_plot
from app.theme import Theme

NAMES = {"reference": "frames", "raw": "as drawn", "weighted": "as weighted"}


class SampleWeightsPlot(PlotPanel):
    """Histograms of energies at the left, of log-weights at the right."""

    title = "Energies and weights of samples"
    empty_text = "Energies and weights stand here when samples are drawn."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.summary = self.add_controls()
        self.legend = self.add_legend(3)
        self.energies, self.weights = (self.canvas.addPlot(row=1, col=column) for column in range(2))
        for plot, x, y in (
            (self.energies, "energy (kT)", "density (per kT)"),
            (self.weights, "ln weight, about that of the mean", "samples"),
        ):
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plain_axis(plot.getAxis("bottom"), x)
            plain_axis(plot.getAxis("left"), y)
        self._curves = {name: pg.PlotCurveItem(stepMode="center", x=[0, 1], y=[0]) for name in NAMES}
        self._bars = pg.PlotCurveItem(stepMode="center", x=[0, 1], y=[0], fillLevel=0)
        self._mean = pg.InfiniteLine(0.0)
        for name, curve in self._curves.items():
            self.energies.addItem(curve, ignoreBounds=True)
            self.legend.addItem(curve, NAMES[name])
        self.weights.addItem(self._bars, ignoreBounds=True)
        self.weights.addItem(self._mean, ignoreBounds=True)
        self.apply_theme(self.theme)

    def set_histograms(
        self, energies: Mapping[str, np.ndarray], edges: np.ndarray, counts: np.ndarray, words: str = ""
    ) -> None:
        """Show histograms.

        Parameters
        ----------
        energies : mapping
            ``edges`` [n + 1] in kT, and densities ``raw``, ``weighted`` [n] and ``reference`` [n] or empty.
        edges, counts : float [m + 1], int [m]
            Of log-weights.
        words : str
            What is said of them.
        """
        top = 0.0
        for name, curve in self._curves.items():
            shown = len(energies[name]) > 0
            curve.setVisible(shown)
            if shown:
                curve.setData(x=energies["edges"], y=energies[name])
                top = max(top, float(energies[name].max()))
        at = energies["edges"]
        self.energies.vb.setRange(xRange=(at[0], at[-1]), yRange=(0.0, max(top, 1e-9)), padding=0.02)
        self._bars.setData(x=edges, y=counts)
        high = max(float(counts.max()), 1.0)
        self.weights.vb.setRange(xRange=(min(edges[0], 0.0), max(edges[-1], 0.0)), yRange=(0.0, high), padding=0.03)
        self.summary.setText(words)
        self.summary.setToolTip(words)
        self.show_content()

    def shown(self, name: str) -> np.ndarray:
        """Heights of a histogram of energies: "reference", "raw" or "weighted"; empty when it is not shown."""
        curve = self._curves[name]
        return np.array(curve.yData) if curve.isVisible() else np.empty(0)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for name, colour in (("reference", theme.neutral), ("raw", theme.bad), ("weighted", theme.good)):
            self._curves[name].setPen(pg.mkPen(colour, width=2))
        self._bars.setPen(pg.mkPen(theme.good, width=1))
        self._bars.setBrush(glass(theme.good, 90))
        self._mean.setPen(pg.mkPen(theme.plot_foreground, width=1))
        for plot in (self.energies, self.weights):
            style_plot(plot, theme)
        paint_legend(self.legend, theme)

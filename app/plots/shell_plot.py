"""The anisotropic correlation shell by shell: where in resolution the weighted ensemble agrees better."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, glass, known_curve, paint_legend, plain_axis, style_plot
from app.theme import Theme

_NICE_D = (50.0, 20.0, 10.0, 7.0, 5.0, 4.0, 3.5, 3.0, 2.7, 2.5, 2.3, 2.1, 2.0)
_FINE_D = (1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6)


class ShellScores(Protocol):
    """What is drawn per shell: float [n_shell] each, d in angstrom, n the number of reflections."""

    @property
    def d_max(self) -> np.ndarray: ...
    @property
    def d_min(self) -> np.ndarray: ...
    @property
    def n(self) -> np.ndarray: ...
    @property
    def cc_aniso(self) -> np.ndarray: ...
    @property
    def cc_aniso_free(self) -> np.ndarray: ...


class ResolutionAxis(pg.AxisItem):
    """A bottom axis in 1/d^2 whose numbers are d in angstrom."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Positions of familiar d spacings, no closer than 45 pixels (called by pyqtgraph)."""
        room = 45.0 * (maxVal - minVal) / max(size, 1.0)
        kept: list[float] = []
        for d in (*_NICE_D, *_FINE_D):
            position = 1.0 / d**2
            if minVal <= position <= maxVal and (not kept or position - kept[-1] >= room):
                kept.append(position)
        return [(room, kept)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The d spacing at each position (called by pyqtgraph)."""
        return [f"{value**-0.5:.3g}" for value in values]


class ShellPlot(PlotPanel):
    """Anisotropic CC per resolution shell: fitted weights for work and free reflections, uniform weights dashed."""

    title = "Agreement per resolution shell"
    empty_text = "Run a fit to see the agreement shell by shell."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fitted: ShellScores | None = None
        self._uniform: ShellScores | None = None
        self._make_plot()
        self.apply_theme(self.theme)

    def set_shells(self, fitted: ShellScores, uniform: ShellScores | None = None) -> None:
        """Show the scores of the fitted weights, and of uniform ones beside them."""
        self._fitted, self._uniform = fitted, uniform
        x = middles(fitted)
        self._draw_series(self._work, x, fitted.cc_aniso)
        self._draw_series(self._free, x, fitted.cc_aniso_free)
        uniform_x, uniform_y = (middles(uniform), uniform.cc_aniso) if uniform is not None else (x[:0], x[:0])
        self._draw_series(self._even, uniform_x, uniform_y)
        self._write_legend()
        self._fit_view(x)
        self.show_content()

    def clear(self) -> None:
        """Forget the scores."""
        self._fitted = self._uniform = None
        super().clear()

    def tip(self, x: float, y: float, data: int) -> str:
        """What is said about the shell `data` under the mouse: limits, reflections, scores."""
        assert self._fitted is not None
        shell, row = self._fitted, int(data)
        lines = [
            f"{shell.d_max[row]:.2f} to {shell.d_min[row]:.2f} \N{ANGSTROM SIGN}",
            f"{int(shell.n[row])} reflections",
            f"anisotropic CC {shell.cc_aniso[row]:.3f}",
        ]
        if np.isfinite(shell.cc_aniso_free[row]):
            lines.append(f"free {shell.cc_aniso_free[row]:.3f}")
        if self._uniform is not None and row < len(self._uniform.cc_aniso):
            lines.append(f"uniform weights {self._uniform.cc_aniso[row]:.3f}")
        return "\n".join(lines)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self.plot.getAxis("left").setGrid(40)
        self._zero.setPen(pg.mkPen(theme.plot_foreground, width=1))
        for item, colour, line in (
            (self._work, theme.good, Qt.PenStyle.SolidLine),
            (self._free, theme.good, Qt.PenStyle.DotLine),
            (self._even, theme.neutral, Qt.PenStyle.DashLine),
        ):
            item.setPen(pg.mkPen(colour, width=1, style=line))
            item.setSymbolPen(pg.mkPen(colour, width=1))
            item.setSymbolBrush(glass(theme.plot_background, 255) if item is self._free else colour)
        paint_legend(self.legend, theme)

    def _make_plot(self) -> None:
        self.legend = self.add_legend(3)
        axis = ResolutionAxis("bottom")
        axis.setStyle(hideOverlappingLabels=False)
        self.plot = self.canvas.addPlot(row=1, col=0, axisItems={"bottom": axis})
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        plain_axis(self.plot.getAxis("left"), "anisotropic CC")
        plain_axis(axis, "d (\N{ANGSTROM SIGN}), even in 1/d\N{SUPERSCRIPT TWO}")
        self._zero = pg.InfiniteLine(angle=0, pos=0.0)
        self.plot.addItem(self._zero, ignoreBounds=True)
        self._even = self.plot.plot(symbol="s", symbolSize=6, connect="finite")
        self._free = self.plot.plot(symbol="o", symbolSize=7, connect="finite")
        self._work = self.plot.plot(symbol="o", symbolSize=7, connect="finite")
        for item in (self._work, self._free):
            item.scatter.setData(hoverable=True, tip=self.tip)

    @staticmethod
    def _draw_series(item: pg.PlotDataItem, x: np.ndarray, y: np.ndarray) -> None:
        x, y = known_curve(x, y)
        item.setData(x, y, data=np.arange(len(x)))

    def _write_legend(self) -> None:
        self.legend.clear()
        self.legend.addItem(self._work, "weighted, work")
        if self._fitted is not None and np.isfinite(self._fitted.cc_aniso_free).any():
            self.legend.addItem(self._free, "weighted, free")
        if self._uniform is not None:
            self.legend.addItem(self._even, "uniform weights")
        paint_legend(self.legend, self.theme)

    def _fit_view(self, x: np.ndarray) -> None:
        series = [s for s in (self._work, self._free, self._even) if s.yData is not None and len(s.yData)]
        values = np.concatenate([s.yData[np.isfinite(s.yData)] for s in series]) if series else np.zeros(1)
        low, high = float(values.min(initial=0.0)), float(values.max(initial=0.1))
        margin = 0.06 * (high - low)
        span = 0.04 * float(np.ptp(x)) or 0.01
        self.plot.setRange(
            xRange=(float(x.min()) - span, float(x.max()) + span), yRange=(low - margin, high + margin), padding=0
        )


def middles(shells: ShellScores) -> np.ndarray:
    """Middle of each shell in 1/d^2, 1/angstrom^2, float64 [n_shell]; an infinite d_max counts as 1/d = 0."""
    with np.errstate(divide="ignore"):
        return 0.5 * (1.0 / np.asarray(shells.d_max, float) ** 2 + 1.0 / np.asarray(shells.d_min, float) ** 2)

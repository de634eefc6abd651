"""How the scores of a fit rise while it runs, and how many frames are left to carry them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from app.plots.base import (
    LateDraw,
    PlotPanel,
    glass,
    known_curve,
    paint_legend,
    plain_axis,
    style_axis,
    style_plot,
    subtle_label,
)
from app.theme import Theme

# key of the history, what the legend says, theme colour, line
_CURVES = {
    "cc_aniso": ("anisotropic CC, work", "good", Qt.PenStyle.SolidLine),
    "cc_aniso_free": ("anisotropic CC, free", "good", Qt.PenStyle.DotLine),
    "cc": ("CC, work", "neutral", Qt.PenStyle.SolidLine),
    "cc_free": ("CC, free", "neutral", Qt.PenStyle.DotLine),
}


class StepAxis(pg.AxisItem):
    """A bottom axis whose ticks are whole numbers while it counts iterations."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.counts = True

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        """Distances of major and minor ticks (called by pyqtgraph)."""
        levels = super().tickSpacing(minVal, maxVal, size)
        return [level for level in levels if level[0] >= 1.0] or [(1.0, 0.0)] if self.counts else levels


class ConvergencePlot(PlotPanel):
    """Correlations against the iteration or the seconds of a fit, the effective number of frames below.

    Work curves are solid, free curves dotted, the values of uniform weights dashed. Blue is anisotropic, grey total.
    """

    title = "Convergence"
    empty_text = "Start a fit to watch its scores converge."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history: dict[str, list[float]] = {}
        self._uniform: dict[str, float] = {}
        self._redraw = LateDraw(self._draw, self)
        self._make_controls()
        self._make_plots()
        self.abscissa.currentIndexChanged.connect(self._draw)
        self.apply_theme(self.theme)

    # ---- data in

    def append(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Add one snapshot of a running fit: any of ``cc``, ``cc_aniso``, ``cc_free``, ``cc_aniso_free``, ``n_eff``."""
        row = {"step": float(step), "seconds": float(seconds), **{key: float(values[key]) for key in values}}
        for key in ("step", "seconds", "n_eff", *_CURVES):
            self._history.setdefault(key, []).append(row.get(key, float("nan")))
        self.show_content()
        self._redraw.soon()

    def set_history(self, history: Mapping[str, np.ndarray]) -> None:
        """Show a finished fit: arrays ``step``, ``seconds`` and the scores, float [n_step] each."""
        n = len(history.get("step", ()))
        if n == 0:
            self.clear()
            return
        self._history = {
            key: [float(value) for value in history[key]] if key in history else [float("nan")] * n
            for key in ("step", "seconds", "n_eff", *_CURVES)
        }
        self.show_content()
        self._draw()

    def set_uniform(self, values: Mapping[str, float]) -> None:
        """Show what uniform weights score, as dashed lines: any of the correlations."""
        self._uniform = {key: float(value) for key, value in values.items() if np.isfinite(value)}
        self._draw()

    def clear(self) -> None:
        """Forget the fit."""
        self._redraw.stop()
        self._history, self._uniform = {}, {}
        super().clear()

    # ---- state out

    def series(self, key: str) -> np.ndarray:
        """One of the recorded series, float64 [n_step]: a copy."""
        return np.array(self._history.get(key, []), dtype=np.float64)

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot in (self.scores, self.frames):
            style_plot(plot, theme)
            plot.getAxis("left").setGrid(40)
        for key, (_, colour, line) in _CURVES.items():
            self._curves[key].setPen(pg.mkPen(getattr(theme, colour), width=1, style=line))
            self._levels[key].setPen(pg.mkPen(glass(getattr(theme, colour), 170), width=1, style=Qt.PenStyle.DashLine))
        self._n_eff.setPen(pg.mkPen(theme.plot_foreground, width=1))
        self._key_to_dashes.setPen(pg.mkPen(theme.plot_foreground, width=1, style=Qt.PenStyle.DashLine))
        paint_legend(self.legend, theme)
        style_axis(self.frames.getAxis("bottom"), theme)

    # ---- building

    def _make_controls(self) -> None:
        self.abscissa = QComboBox()
        self.abscissa.addItems(["iteration", "time"])
        self.abscissa.setAccessibleName("Convergence against")
        self.summary = self.add_controls(subtle_label("against"), self.abscissa)

    def _make_plots(self) -> None:
        self.legend = self.add_legend(len(_CURVES) + 1)
        self.scores = self.canvas.addPlot(row=1, col=0)
        self.frames = self.canvas.addPlot(row=2, col=0)
        self._steps = (StepAxis(), StepAxis())
        for plot, axis in zip((self.scores, self.frames), self._steps, strict=True):
            plot.setAxisItems({"bottom": axis})
        self.canvas.ci.layout.setRowStretchFactor(1, 3)
        self.canvas.ci.layout.setRowStretchFactor(2, 1)
        self.scores.setMinimumHeight(48)
        self.frames.setMinimumHeight(80)
        self.frames.setXLink(self.scores)
        self.scores.getAxis("bottom").setStyle(showValues=False)
        for plot, label in ((self.scores, "CC"), (self.frames, "n_eff")):
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.getAxis("left").setWidth(56)
            plain_axis(plot.getAxis("left"), label)
        plain_axis(self.frames.getAxis("bottom"), "iteration")
        self._curves = {key: pg.PlotCurveItem(connect="finite") for key in _CURVES}
        self._levels = {key: pg.InfiniteLine(angle=0) for key in _CURVES}
        for key, curve in self._curves.items():
            self.scores.addItem(self._levels[key])
            self.scores.addItem(curve)
            self._levels[key].hide()
        self._key_to_dashes = pg.PlotCurveItem()
        self._n_eff = pg.PlotCurveItem(connect="finite")
        self.frames.addItem(self._n_eff)

    # ---- drawing

    @Slot()
    def _draw(self) -> None:
        by_time = self.abscissa.currentIndex() == 1
        x = self.series("seconds" if by_time else "step")
        for axis in self._steps:
            axis.counts = not by_time
            axis.picture = None
        plain_axis(self.frames.getAxis("bottom"), "time (s)" if by_time else "iteration")
        for key, curve in self._curves.items():
            curve.setData(*known_curve(x, self.series(key)))
            known = key in self._uniform
            self._levels[key].setVisible(known)
            if known:
                self._levels[key].setPos(self._uniform[key])
        self._n_eff.setData(*known_curve(x, self.series("n_eff")))
        self._write_legend()
        self._write_summary(by_time)

    def _write_legend(self) -> None:
        shown = [key for key in _CURVES if np.isfinite(self.series(key)).any()]
        wanted = [_CURVES[key][0] for key in shown] + (["uniform weights"] if self._uniform else [])
        if wanted == [label.text for _, label in self.legend.items]:
            return
        self.legend.clear()
        for key in shown:
            self.legend.addItem(self._curves[key], _CURVES[key][0])
        if self._uniform:
            self.legend.addItem(self._key_to_dashes, "uniform weights")
        paint_legend(self.legend, self.theme)

    def _write_summary(self, by_time: bool) -> None:
        if not self._history:
            self.summary.setText("")
            return
        last = {key: series[-1] for key, series in self._history.items()}
        parts = [f"{last['seconds']:.1f} s" if by_time else f"iteration {last['step']:.0f}"]
        if np.isfinite(last["cc_aniso"]):
            free = f" (free {last['cc_aniso_free']:.3f})" if np.isfinite(last["cc_aniso_free"]) else ""
            parts.append(f"anisotropic CC {last['cc_aniso']:.3f}{free}")
        if np.isfinite(last["n_eff"]):
            parts.append(f"n_eff {last['n_eff']:.1f}")
        self.summary.setText(", ".join(parts))

"""The weight of every frame, or its pseudo-energy, against one feature of the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Slot
from PySide6.QtWidgets import QComboBox, QWidget

from app.models.marks import Mark
from app.plots.base import glass, paint_legend, plain_axis, style_plot
from app.plots.frame_plot import FramePoints
from app.plots.mark_styles import MARK_STYLES, NO_MARK, marks_of
from app.theme import Theme

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Feature, Meaning, States

_QUANTITIES = ("weight", "pseudo-energy")
_ABOVE = "above: weight zero"
_SPREAD = 0.7  # of a state's place, over which its frames stand beside each other
_MANY_ERRORS = 2000
_POPULATIONS = ": weighted (prior)"
_TWO_LINES = 54  # pixels of an axis whose ticks take two lines


class FeaturePlot(FramePoints):
    """Frames of weight zero have no pseudo-energy: an arrow stands where it is known to be above.

    Of a feature of states the frames of each stand side by side, with the populations below.
    """

    title = "Weight against a feature"
    empty_text = "Fit weights to see what they go with."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._meaning: Meaning | None = None
        self._feature: Feature | None = None
        self._weights, self._errors = np.empty(0), np.empty(0)
        self._marks = np.empty(0, dtype=np.int8)
        self._x, self._y = np.empty(0), np.empty(0)
        self._make_controls()
        self._make_plot()
        self.quantity.currentIndexChanged.connect(self._change)
        self.apply_theme(self.theme)

    # ---- data in

    def set_meaning(self, meaning: Meaning, weights: np.ndarray, errors: np.ndarray | None) -> None:
        """Take pseudo-energies, the weights float [T] and their standard errors, where these are known."""
        self._meaning, self._weights = meaning, np.array(weights, dtype=np.float64)
        self._errors = np.full(len(weights), np.nan) if errors is None else np.array(errors, dtype=np.float64)
        self._feature = None

    def set_feature(self, name: str) -> None:
        """Show the feature of this name."""
        if self._meaning is None:
            return
        self._feature = self._meaning.feature(name)
        self.show_content()
        self._change()

    def set_marks(self, marks: np.ndarray) -> None:
        """Show marks, int8 [T], values of `Mark`."""
        self._marks = np.array(marks, dtype=np.int8)
        self._draw()

    def clear(self) -> None:
        """Forget the meaning."""
        self._meaning = self._feature = None
        self._x = self._y = np.empty(0)
        self._selected, self._brushed = None, self._brushed[:0]
        super().clear()

    # ---- state out

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The feature and the chosen quantity of each frame, float64 [T] each."""
        return self._x, self._y

    def reset_view(self) -> None:
        """Show all points and their error bars."""
        known = np.isfinite(self._x) & np.isfinite(self._y)
        if not known.any():
            return
        x, y, error = self._x[known], self._y[known], np.nan_to_num(self._shown_errors()[known])
        low, high = float((y - error).min()), float((y + error).max())
        if self.quantity.currentText() == "weight":
            low = 0.0
        wide = (float(x.min()), float(x.max()))
        if self._feature is not None and self._feature.states is not None:
            wide = (-0.5, len(self._feature.states.names) - 0.5)
        self.box.setRange(xRange=_opened(*wide), yRange=_opened(low, high), padding=0.05)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self.plot.getAxis("left").setGrid(40)
        for dots, style in zip(self._dots, (NO_MARK, *MARK_STYLES.values()), strict=True):
            dots.setBrush(glass(getattr(theme, style.colour), 200))
        self._arrows.setBrush(glass(theme.neutral, 120))
        self._arrows.setPen(pg.mkPen(theme.plot_foreground, width=1))
        self._error_bars.setData(pen=pg.mkPen(glass(theme.neutral, 150), width=1))
        self._zero.setPen(pg.mkPen(theme.plot_foreground, width=1))
        self.legend.setBrush(glass(theme.plot_background, 210))
        paint_legend(self.legend, theme)

    # ---- building

    def _make_controls(self) -> None:
        self.quantity = QComboBox()
        self.quantity.addItems(_QUANTITIES)
        self.quantity.setAccessibleName("Quantity against the feature")
        self.summary = self.add_controls(self.quantity)

    def _make_plot(self) -> None:
        self.plot = self.canvas.addPlot(viewBox=self.box)
        self.plot.hideButtons()
        self._zero = pg.InfiniteLine(angle=0, pos=0.0)
        self._error_bars = pg.ErrorBarItem(x=np.empty(0), y=np.empty(0), height=np.empty(0))
        styles = (NO_MARK, *MARK_STYLES.values())
        self._dots = [pg.ScatterPlotItem(symbol=style.symbol, size=style.size, pen=None) for style in styles]
        self._arrows = pg.ScatterPlotItem(symbol="t1", size=9)
        for item in (self._zero, self._error_bars, *self._dots, self._arrows, *self.overlays):
            self.plot.addItem(item, ignoreBounds=True)
        self.legend = pg.LegendItem(offset=(-8, 4), labelTextSize="8pt")
        self.legend.setParentItem(self.box)

    # ---- drawing

    @Slot()
    def _change(self) -> None:
        feature = self._feature
        if feature is None or self._meaning is None:
            return
        self._x = feature.values if feature.states is None else side_by_side(feature.values)
        is_energy = self.quantity.currentText() == "pseudo-energy"
        energy, bound = self._meaning.pseudo_energy, self._meaning.pseudo_energy_bound
        self._y = np.where(np.isfinite(energy), energy, bound) if is_energy else self._weights
        plain_axis(self.plot.getAxis("left"), "pseudo-energy (kJ/mol)" if is_energy else "weight")
        plain_axis(
            self.plot.getAxis("bottom"), feature.label if feature.states is None else f"{feature.name}{_POPULATIONS}"
        )
        self.plot.getAxis("bottom").setTicks(None if feature.states is None else [_ticks(feature.states)])
        self.plot.getAxis("bottom").setHeight(None if feature.states is None else _TWO_LINES)
        self._zero.setVisible(is_energy)
        self.summary.setText(_summary(feature))
        self.summary.setToolTip(_tip(feature, self._meaning))
        style_plot(self.plot, self.theme)
        self._draw()
        self.reset_view()

    def _shown_errors(self) -> np.ndarray:
        if self.quantity.currentText() == "pseudo-energy" and self._meaning is not None:
            return np.where(np.isfinite(self._meaning.pseudo_energy), self._meaning.pseudo_energy_error, np.nan)
        return self._errors

    def _draw(self) -> None:
        x, y = self.points()
        known = np.isfinite(x) & np.isfinite(y)
        bounded = np.zeros(len(x), dtype=bool)
        if self.quantity.currentText() == "pseudo-energy" and self._meaning is not None and len(x):
            bounded = ~np.isfinite(self._meaning.pseudo_energy)
        marks = marks_of(self._marks, len(x))
        for dots, mark in zip(self._dots, (Mark.NONE, *MARK_STYLES), strict=True):
            group = known & ~bounded & (marks == mark)
            dots.setData(x=x[group], y=y[group])
        self._arrows.setData(x=x[known & bounded], y=y[known & bounded])
        self._draw_errors(known & ~bounded)
        self.legend.clear()
        if (known & bounded).any():
            self.legend.addItem(self._arrows, _ABOVE)
            paint_legend(self.legend, self.theme)
        self._draw_highlights()

    def _draw_errors(self, frames: np.ndarray) -> None:
        frames = frames & np.isfinite(self._shown_errors()) if len(frames) else frames
        few = 0 < int(frames.sum()) <= _MANY_ERRORS
        self._error_bars.setVisible(few)
        if few:
            self._error_bars.setData(x=self._x[frames], y=self._y[frames], height=2.0 * self._shown_errors()[frames])


def side_by_side(states: np.ndarray) -> np.ndarray:
    """Places along the axis of frames in states 0, 1...: those of one state beside each other in order, float64 [T]."""
    places = np.array(states, dtype=np.float64)
    for state in np.unique(places[np.isfinite(places)]):
        frames = np.flatnonzero(places == state)
        places[frames] = state + _SPREAD * ((np.arange(len(frames)) + 0.5) / len(frames) - 0.5)
    return places


def _summary(feature: Feature) -> str:
    return f"Spearman {feature.spearman:.2f}, z {feature.z:.1f}"


def _tip(feature: Feature, meaning: Meaning) -> str:
    """How the correlation was judged, and the means over good and bad frames."""
    lines = [f"{feature.n_independent:.0f} independent frames", f"Pearson {feature.pearson:.2f}"]
    if meaning.sets is not None:
        row = next(row for row, other in enumerate(meaning.features) if other is feature)
        good, bad, error = (
            float(values[row])
            for values in (meaning.sets.feature_good, meaning.sets.feature_bad, meaning.sets.feature_error)
        )
        unit = f" {feature.unit}" if feature.unit else ""
        lines.append(
            f"mean over good frames {good:.4g}, bad {bad:.4g}, difference {good - bad:.2g} ± {error:.2g}{unit}"
        )
    return "\n".join(lines)


def _ticks(states: States) -> list[tuple[float, str]]:
    told = zip(states.names, states.weighted, states.prior, strict=True)
    return [
        (float(place), f"{name}\n{100 * weighted:.0f} % ({100 * prior:.0f} %)")
        for place, (name, weighted, prior) in enumerate(told)
    ]


def _opened(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)

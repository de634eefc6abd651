"""How starts come down to their minima: energy, rms force and distance from the start, while it happens and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from app.plots.base import LateDraw, PlotPanel, glass, paint_legend, plain_axis, style_plot, subtle_label
from app.theme import Theme

ABSCISSAE = {"evaluations": "evaluations", "seconds": "time (s)"}
ENERGY, FORCE, RMSD = "energy (kJ/mol)", "rms force (kJ/mol/nm)", "RMSD to start (Å)"
REFERENCE = "RMSD to reference (Å)"
MANY = 5
"""Starts from which on their median and quartiles are drawn."""

_KEYS = {ENERGY: "energy", FORCE: "rms_force"}
_DISTANCES = (RMSD, REFERENCE)
_POINTS = 200  # of the median
_STEEP = 0.1  # part of a trace at its begin whose heights the view does not make room for
_LEAST = 1.0  # kJ/mol: the view never zooms in on less by itself
_COLOURS, _STYLES = ("good", "bad", "neutral", "warning"), (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine)
_MOST = len(_COLOURS) * len(_STYLES)  # methods that can be told apart

Curve = tuple[np.ndarray, np.ndarray]
Place = tuple[int, int]
"""Number of a start, and of the method it is given to."""


class MinimaPlot(PlotPanel):
    """Energies at the left, forces (on a logarithmic scale) or distances at the right.

    Every start is a thin line, the one looked at a thick one. Of five starts or more the median is drawn, and between
    the quartiles a band; a start counts with its last value after its end. Where methods are compared, each has a
    colour of its own instead.
    """

    title = "Minimisation"
    empty_text = "Press Start in the Minimise panel to watch the energy fall."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._traces: dict[Place, dict[str, np.ndarray]] = {}
        self._distances: dict[Place, list[tuple[float, ...]]] = {}
        self._methods: tuple[str, ...] = ()
        self._chosen: Place = (-1, 0)
        self._tolerance = float("nan")
        self._redraw = LateDraw(self._draw, self)
        self._make_controls()
        self.legend = self.add_legend(_MOST, span=2)
        self._sides = [_Side(self.canvas, column) for column in range(2)]
        for box in (self.abscissa, self.right):
            box.currentIndexChanged.connect(self._draw)
        self.apply_theme(self.theme)

    # ---- data in

    def start(self, tolerance: float, methods: Sequence[str] = (), *, with_reference: bool = False) -> None:
        """Begin anew.

        Parameters
        ----------
        tolerance : float
            Rms force that starts are brought to, kJ/mol/nm.
        methods : sequence of str
            Those that are compared.
        with_reference : bool
            Whether distances to a reference will be told.
        """
        self.clear()
        self._prepare(tolerance, methods, with_reference=with_reference)

    def append(self, place: Place, arrays: Mapping[str, np.ndarray], distances: tuple[float, float]) -> None:
        """Show how far a start is.

        Parameters
        ----------
        place : (int, int)
            Start and method, each from 0.
        arrays : mapping
            ``evaluations``, ``seconds``, ``energy`` (kJ/mol) and ``rms_force`` (kJ/mol/nm) so far, float [n] each.
        distances : (float, float)
            How far it is now from where it began, and from the reference (NaN where there is none), angstrom.
        """
        trace = self._keep(place, arrays)
        if len(trace["evaluations"]):
            now = (float(trace["evaluations"][-1]), float(trace["seconds"][-1]), *distances)
            self._distances.setdefault(place, [(0.0, 0.0, 0.0, np.nan)]).append(now)
        self.show_content()
        self._redraw.soon()

    def set_traces(
        self,
        traces: Mapping[Place, tuple[Mapping[str, np.ndarray], tuple[float, float]]],
        tolerance: float,
        methods: Sequence[str] = (),
        *,
        with_reference: bool = False,
    ) -> None:
        """Show a finished minimisation: the traces of all starts, and their distances in the end.

        What was seen of the distances meanwhile stays.
        """
        self._traces = {}
        self._prepare(tolerance, methods, with_reference=with_reference)
        for place, (arrays, distances) in traces.items():
            self.append(place, arrays, distances)
        self._redraw.stop()
        self._draw()

    def set_chosen(self, place: Place) -> None:
        """Draw one start thick; (-1, 0) for none."""
        self._chosen = place
        self._draw()

    def clear(self) -> None:
        """Forget all starts."""
        self._redraw.stop()
        self._traces, self._distances, self._chosen = {}, {}, (-1, 0)
        super().clear()

    def _prepare(self, tolerance: float, methods: Sequence[str], *, with_reference: bool) -> None:
        self._tolerance, self._methods = tolerance, tuple(methods)
        self.legend.clear()
        for curve, method in zip(self._sides[0].groups, methods, strict=False):
            self.legend.addItem(curve, method)
        paint_legend(self.legend, self.theme)
        there = self.right.findData(REFERENCE)
        if with_reference and there < 0:
            self.right.addItem(REFERENCE.partition(" (")[0], REFERENCE)
        elif not with_reference and there >= 0:
            self.right.removeItem(there)

    # ---- state out

    def curves(self, quantity: str) -> dict[Place, Curve]:
        """Abscissa and ordinate of each start, float64 [n] each; `quantity` is one that the plot names."""
        along = self.abscissa.currentData()
        if quantity in _DISTANCES:
            column, row = list(ABSCISSAE).index(along), len(ABSCISSAE) + _DISTANCES.index(quantity)
            points = {place: np.array(seen) for place, seen in self._distances.items()}
            return {place: (seen[:, column], seen[:, row]) for place, seen in points.items()}
        return {place: (trace[along], trace[_KEYS[quantity]]) for place, trace in self._traces.items()}

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for side in self._sides:
            side.apply_theme(theme)
        paint_legend(self.legend, theme)

    # ---- building

    def _make_controls(self) -> None:
        self.abscissa, self.right = QComboBox(), QComboBox()
        for name, title in ABSCISSAE.items():
            self.abscissa.addItem(title, name)
        for title in (FORCE, RMSD):
            self.right.addItem(title.partition(" (")[0], title)
        self.abscissa.setAccessibleName("Energies against")
        self.right.setAccessibleName("Plot at the right")
        self.summary = self.add_controls(self.right, subtle_label("against"), self.abscissa)
        self.canvas.setToolTip("Drag moves, wheel zooms")

    # ---- drawing

    def _keep(self, place: Place, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        keys = (*ABSCISSAE, "energy", "rms_force")
        self._traces[place] = {key: np.array(arrays[key], dtype=np.float64) for key in keys}
        return self._traces[place]

    @Slot()
    def _draw(self) -> None:
        along = self.abscissa.currentText()
        for side, quantity in zip(self._sides, (ENERGY, self.right.currentData()), strict=True):
            level = self._tolerance if quantity == FORCE else float("nan")
            side.draw(self.curves(quantity), self._chosen, (along, quantity), level=level, n_groups=len(self._methods))
        self.summary.setText(self._words())
        self.summary.setToolTip(self.summary.text())

    def _words(self) -> str:
        if not self._traces:
            return ""
        place = self._chosen if self._chosen in self._traces else next(reversed(self._traces))
        energy, force = (self._traces[place][key] for key in ("energy", "rms_force"))
        if not len(energy):
            return ""
        *_, to_start, to_reference = self._distances[place][-1]
        beside = f", {to_reference:.2f} Å to the reference" if np.isfinite(to_reference) else ""
        return f"{energy[-1]:.2f} kJ/mol, {force[-1]:.2g} kJ/mol/nm, {to_start:.2f} Å{beside}"


class _Side:
    """One of the two plots."""

    def __init__(self, canvas: pg.GraphicsLayoutWidget, column: int) -> None:
        self.plot = canvas.addPlot(row=1, col=column)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.getAxis("left").setWidth(58)
        self.all, self.chosen = (pg.PlotCurveItem(connect="finite") for _ in range(2))
        self.middle = pg.PlotCurveItem(connect="finite")
        self.bounds = [pg.PlotCurveItem(connect="finite") for _ in range(2)]
        self.band = pg.FillBetweenItem(*self.bounds)
        self.level = pg.InfiniteLine(angle=0)
        self.groups = [pg.PlotCurveItem(connect="finite") for _ in range(_MOST)]
        for item in (self.band, self.level, self.all, *self.groups, self.middle, self.chosen):
            self.plot.addItem(item, ignoreBounds=True)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        style_plot(self.plot, theme)
        self.all.setPen(pg.mkPen(glass(theme.neutral, 150), width=1))
        self.chosen.setPen(pg.mkPen(theme.accent, width=2))
        self.middle.setPen(pg.mkPen(theme.good, width=2))
        self.band.setBrush(glass(theme.good, 50))
        self.level.setPen(pg.mkPen(theme.plot_foreground, width=1, style=Qt.PenStyle.DotLine))
        for number, curve in enumerate(self.groups):
            style, colour = divmod(number, len(_COLOURS))
            curve.setPen(pg.mkPen(getattr(theme, _COLOURS[colour]), width=1.5, style=_STYLES[style]))

    def draw(
        self, curves: Mapping[Place, Curve], chosen: Place, titles: tuple[str, str], *, level: float, n_groups: int
    ) -> None:
        """Draw all starts, those of each of several methods in its colour and against a logarithmic scale.

        Forces are drawn as their logarithms, with a line at the `level` they are brought to.
        """
        is_log = titles[1] == FORCE
        shown = {
            place: _known(_log(x) if n_groups else x, _log(y) if is_log else y) for place, (x, y) in curves.items()
        }
        shown = {place: curve for place, curve in shown.items() if len(curve[0])}
        plain_axis(self.plot.getAxis("bottom"), titles[0])
        plain_axis(self.plot.getAxis("left"), titles[1])
        self.plot.getAxis("left").setLogMode(y=is_log)
        self.plot.getAxis("bottom").setLogMode(x=n_groups > 0)
        self.all.setData(*_joined([] if n_groups else list(shown.values())))
        for number, item in enumerate(self.groups):
            own = [curve for (_, method), curve in shown.items() if method == number]
            item.setData(*_joined(own if n_groups else []))
        self.chosen.setData(*shown.get(chosen, (np.empty(0), np.empty(0))))
        self._draw_spread([] if n_groups else list(shown.values()))
        self.level.setVisible(bool(np.isfinite(level)))
        if np.isfinite(level):
            self.level.setPos(np.log10(level))
        self._fit_view(list(shown.values()), is_energy=titles[1] == ENERGY, from_zero=not n_groups)

    def _draw_spread(self, curves: list[Curve]) -> None:
        is_shown = len(curves) >= MANY
        for item in (self.band, self.middle):
            item.setVisible(is_shown)
        if is_shown:
            x, (low, middle, high) = spread(curves)
            self.middle.setData(x, middle)
            for bound, y in zip(self.bounds, (low, high), strict=True):
                bound.setData(x, y)

    def _fit_view(self, curves: list[Curve], *, is_energy: bool, from_zero: bool) -> None:
        if not curves:
            return
        x = np.concatenate([curve[0] for curve in curves])
        spent = [curve[0] if from_zero else 10.0 ** curve[0] for curve in curves]
        y = np.concatenate(
            [later(at, curve[1]) if is_energy else curve[1] for at, curve in zip(spent, curves, strict=True)]
        )
        low, high = float(y.min()), float(y.max())
        if is_energy:
            high = max(high, low + _LEAST)
        elif high == low:
            low, high = low - 0.5, high + 0.5
        begin = 0.0 if from_zero else float(x.min())
        self.plot.vb.setRange(xRange=(begin, max(float(x.max()), begin + 1e-3)), yRange=(low, high), padding=0.04)


def spread(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """Lower quartile, median and upper quartile of steps that keep their last value.

    Parameters
    ----------
    curves : sequence of (float [n], float [n])
        Rising abscissae, and values.

    Returns
    -------
    x : float64 [200]
    quartiles : float64 [3, 200]
    """
    x = np.linspace(0.0, max(float(curve[0][-1]) for curve in curves), _POINTS)
    values = [y[np.clip(np.searchsorted(at, x, side="right") - 1, 0, None)] for at, y in curves]
    return x, np.quantile(np.array(values), (0.25, 0.5, 0.75), axis=0)


def later(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The values of a trace after its steep begin; all where it is short."""
    after = y[x >= x[-1] * _STEEP]
    return after if len(after) else y


def _log(y: np.ndarray) -> np.ndarray:
    return np.log10(y, where=y > 0, out=np.full(len(y), np.nan))


def _known(x: np.ndarray, y: np.ndarray) -> Curve:
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _joined(curves: list[Curve]) -> Curve:
    """All curves as one, with gaps between them."""
    if not curves:
        return np.empty(0), np.empty(0)
    gap = np.array([np.nan])
    x, y = (np.concatenate([part for curve in curves for part in (curve[side], gap)]) for side in range(2))
    return x, y

"""How starts come down to their minima: energy, rms force and distance from the start, while it happens and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from app.plots.base import PlotPanel, glass, plain_axis, style_plot, subtle_label, summary_label
from app.theme import Theme

ABSCISSAE = {"evaluations": "evaluations", "seconds": "time (s)"}
ENERGY, FORCE, RMSD = "energy (kJ/mol)", "rms force (kJ/mol/nm)", "RMSD to start (Å)"
MANY = 5
"""Starts from which on their median and quartiles are drawn."""

_KEYS = {ENERGY: "energy", FORCE: "rms_force", RMSD: "rmsd"}
_POINTS = 200  # of the median
_REDRAW_MS = 60
_STEEP = 0.1  # part of a trace at its begin whose heights the view does not make room for
_LEAST = 1.0  # kJ/mol: the view never zooms in on less by itself

Curve = tuple[np.ndarray, np.ndarray]


class MinimaPlot(PlotPanel):
    """Energies at the left, forces (on a logarithmic scale) or distances from the start at the right.

    Every start is a thin line, the one looked at a thick one. Of five starts or more the median is drawn, and between
    the quartiles a band; a start counts with its last value after its end.
    """

    title = "Minimisation"
    empty_text = "Press Start in the Minimise panel to watch the energy fall."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._traces: dict[int, dict[str, np.ndarray]] = {}
        self._distances: dict[int, list[tuple[float, float, float]]] = {}
        self._chosen = -1
        self._tolerance = float("nan")
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(_REDRAW_MS)
        self._redraw.timeout.connect(self._draw)
        self._make_controls()
        self._sides = [_Side(self.canvas, column) for column in range(2)]
        for box in (self.abscissa, self.right):
            box.currentIndexChanged.connect(self._draw)
        self.apply_theme(self.theme)

    # ---- data in

    def start(self, tolerance: float) -> None:
        """Begin anew; `tolerance` is the rms force, kJ/mol/nm, that starts are brought to."""
        self.clear()
        self._tolerance = tolerance

    def append(self, start: int, arrays: Mapping[str, np.ndarray], rmsd: float) -> None:
        """Show how far a start is.

        Parameters
        ----------
        start : int
            From 0.
        arrays : mapping
            ``evaluations``, ``seconds``, ``energy`` (kJ/mol) and ``rms_force`` (kJ/mol/nm) so far, float [n] each.
        rmsd : float
            Its present distance from where it began, angstrom.
        """
        trace = self._keep(start, arrays)
        if len(trace["evaluations"]):
            self._distances.setdefault(start, [(0.0, 0.0, 0.0)]).append(
                (float(trace["evaluations"][-1]), float(trace["seconds"][-1]), float(rmsd))
            )
        self.show_content()
        if not self._redraw.isActive():
            self._redraw.start()

    def set_traces(self, traces: Sequence[Mapping[str, np.ndarray]], rmsd: np.ndarray, tolerance: float) -> None:
        """Show a finished minimisation: the traces of all starts, and their distances in the end, angstrom [S].

        What was seen of the distances meanwhile stays.
        """
        self._redraw.stop()
        self._traces, self._tolerance = {}, tolerance
        for start, arrays in enumerate(traces):
            self.append(start, arrays, float(rmsd[start]))
        self._redraw.stop()
        self._draw()

    def set_chosen(self, start: int) -> None:
        """Draw one start thick; -1 for none."""
        self._chosen = start
        self._draw()

    def clear(self) -> None:
        """Forget all starts."""
        self._redraw.stop()
        self._traces, self._distances, self._chosen = {}, {}, -1
        super().clear()

    # ---- state out

    def curves(self, quantity: str) -> dict[int, Curve]:
        """Abscissa and ordinate of each start, float64 [n] each; `quantity` is one that the plot names."""
        along = self.abscissa.currentData()
        if quantity == RMSD:
            column = list(ABSCISSAE).index(along)
            points = {start: np.array(seen) for start, seen in self._distances.items()}
            return {start: (seen[:, column], seen[:, 2]) for start, seen in points.items()}
        return {start: (trace[along], trace[_KEYS[quantity]]) for start, trace in self._traces.items()}

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for side in self._sides:
            side.apply_theme(theme)

    # ---- building

    def _make_controls(self) -> None:
        self.abscissa, self.right = QComboBox(), QComboBox()
        for name, title in ABSCISSAE.items():
            self.abscissa.addItem(title, name)
        for title in (FORCE, RMSD):
            self.right.addItem(title.partition(" (")[0], title)
        self.abscissa.setAccessibleName("Energies against")
        self.right.setAccessibleName("Plot at the right")
        self.summary = summary_label()
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 0)
        for widget in (self.right, subtle_label("against"), self.abscissa):
            row.addWidget(widget)
        row.addWidget(self.summary, stretch=1)
        self.body.insertLayout(0, row)
        self.canvas.setToolTip("Drag moves, wheel zooms")

    # ---- drawing

    def _keep(self, start: int, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        keys = (*ABSCISSAE, "energy", "rms_force")
        self._traces[start] = {key: np.array(arrays[key], dtype=np.float64) for key in keys}
        return self._traces[start]

    @Slot()
    def _draw(self) -> None:
        along = self.abscissa.currentText()
        for side, quantity in zip(self._sides, (ENERGY, self.right.currentData()), strict=True):
            level = self._tolerance if quantity == FORCE else float("nan")
            side.draw(self.curves(quantity), self._chosen, (along, quantity), level=level)
        self.summary.setText(self._words())

    def _words(self) -> str:
        if not self._traces:
            return ""
        start = self._chosen if self._chosen in self._traces else max(self._traces)
        energy, force = (self._traces[start][key] for key in ("energy", "rms_force"))
        if not len(energy):
            return ""
        distance = self._distances[start][-1][2]
        return f"{energy[-1]:.2f} kJ/mol, {force[-1]:.2g} kJ/mol/nm, {distance:.2f} Å"


class _Side:
    """One of the two plots."""

    def __init__(self, canvas: pg.GraphicsLayoutWidget, column: int) -> None:
        self.plot = canvas.addPlot(row=0, col=column)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.getAxis("left").setWidth(58)
        self.all, self.chosen = (pg.PlotCurveItem(connect="finite") for _ in range(2))
        self.middle = pg.PlotCurveItem(connect="finite")
        self.bounds = [pg.PlotCurveItem(connect="finite") for _ in range(2)]
        self.band = pg.FillBetweenItem(*self.bounds)
        self.level = pg.InfiniteLine(angle=0)
        for item in (self.band, self.level, self.all, self.middle, self.chosen):
            self.plot.addItem(item, ignoreBounds=True)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        style_plot(self.plot, theme)
        self.all.setPen(pg.mkPen(glass(theme.neutral, 150), width=1))
        self.chosen.setPen(pg.mkPen(theme.accent, width=2))
        self.middle.setPen(pg.mkPen(theme.good, width=2))
        self.band.setBrush(glass(theme.good, 50))
        self.level.setPen(pg.mkPen(theme.plot_foreground, width=1, style=Qt.PenStyle.DotLine))

    def draw(self, curves: Mapping[int, Curve], chosen: int, titles: tuple[str, str], *, level: float) -> None:
        """Draw all starts; forces are drawn as their logarithms, with a line at the `level` they are brought to."""
        is_log = titles[1] == FORCE
        shown = {start: _known(x, _log(y) if is_log else y) for start, (x, y) in curves.items()}
        shown = {start: curve for start, curve in shown.items() if len(curve[0])}
        plain_axis(self.plot.getAxis("bottom"), titles[0])
        plain_axis(self.plot.getAxis("left"), titles[1])
        self.plot.getAxis("left").setLogMode(y=is_log)
        self.all.setData(*_joined(list(shown.values())))
        self.chosen.setData(*shown.get(chosen, (np.empty(0), np.empty(0))))
        self._draw_spread(list(shown.values()))
        self.level.setVisible(bool(np.isfinite(level)))
        if np.isfinite(level):
            self.level.setPos(np.log10(level))
        self._fit_view(list(shown.values()), is_energy=titles[1] == ENERGY)

    def _draw_spread(self, curves: list[Curve]) -> None:
        is_shown = len(curves) >= MANY
        for item in (self.band, self.middle):
            item.setVisible(is_shown)
        if is_shown:
            x, (low, middle, high) = spread(curves)
            self.middle.setData(x, middle)
            for bound, y in zip(self.bounds, (low, high), strict=True):
                bound.setData(x, y)

    def _fit_view(self, curves: list[Curve], *, is_energy: bool) -> None:
        if not curves:
            return
        x = np.concatenate([curve[0] for curve in curves])
        y = np.concatenate([later(*curve) if is_energy else curve[1] for curve in curves])
        low, high = float(y.min()), float(y.max())
        if is_energy:
            high = max(high, low + _LEAST)
        elif high == low:
            low, high = low - 0.5, high + 0.5
        self.plot.vb.setRange(xRange=(0.0, max(float(x.max()), 1e-3)), yRange=(low, high), padding=0.04)


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

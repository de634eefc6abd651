"""Derivatives of observables by parameters as a heat map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, style_plot
from app.theme import Theme, difference_colours

_NAMED = 24  # rows or columns that are called by their names; more have no room
_LETTERS = 22


class ForceFieldHeatPlot(PlotPanel):
    """One row for each observable, one column for each parameter; blue falls, orange rises."""

    title = "Derivatives"
    empty_text = "Which observable changes with which parameter is seen here."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values = np.zeros((0, 0))
        self.summary = self.add_controls()
        self.plot = self.canvas.addPlot()
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.invertY(True)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setLookupTable(difference_colours())
        self.plot.addItem(self.image)
        self.apply_theme(self.theme)

    def set_derivatives(
        self, relative: np.ndarray, observables: Sequence[str], parameters: Sequence[str], estimator: str
    ) -> None:
        """Show relative changes per relative change, float64 [M, P]; NaN stands on the colour of what is missing."""
        self._values = np.array(relative)
        known = np.abs(relative[np.isfinite(relative)])
        most = float(known.max(initial=0.0)) or 1.0
        self.image.setImage(np.where(np.isfinite(relative), relative, np.nan), levels=(-most, most))
        self.image.setRect(QRectF(0, 0, len(parameters), len(observables)))
        for side, names in (("left", observables), ("bottom", parameters)):
            shown = [(i + 0.5, _short(name)) for i, name in enumerate(names)] if len(names) <= _NAMED else []
            self.plot.getAxis(side).setTicks([shown])
        self.plot.vb.setRange(xRange=(0, len(parameters)), yRange=(0, len(observables)), padding=0.0)
        self.summary.setText(f"{estimator}, relative, to ± {most:.2g}")
        self.summary.setToolTip(
            "Relative change of the observable per relative change of the parameter: blue falls, orange rises"
        )
        self.show_content()

    def values(self) -> np.ndarray:
        """What is shown, float64 [M, P]: a copy."""
        return self._values.copy()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        style_plot(self.plot, theme)
        self.plot.vb.setBackgroundColor(QColor(theme.missing))


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"

"""The derivatives of an ensemble: a table with errors by estimator beside a heat map, live while it is simulated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.models.force_field_readings import Derivatives
from app.models.rows_table import RowColumn, RowsTable
from app.panels.forms import note
from app.panels.pages import side_by_side
from app.panels.tables import rows_view
from mdweights_core.dynamics.settings import ESTIMATORS

EMPTY = "Start, in the Force field panel, simulates the ensemble; its derivatives stand here while it runs."
MOST = 2000
"""Rows of the table."""

_LONG = 1e6  # from which on numbers are written with a power of ten


class Measured(float):
    """A number with its standard error, sorted by its value."""

    error: float = math.nan

    @classmethod
    def of(cls, value: float, error: float) -> Measured:
        """The number."""
        made = cls(value)
        made.error = float(error)
        return made


def written(number: float) -> str:
    """A number with its error, to the second digit of that: "0.829 ± 0.035"."""
    error = getattr(number, "error", math.nan)
    if not (math.isfinite(error) and error > 0):
        return f"{number:.6g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    if digits <= 6 and max(abs(number), error) < _LONG:
        return f"{number:.{digits}f} ± {error:.{digits}f}"
    return f"{number:.4g} ± {error:.2g}"


COLUMNS = (
    RowColumn("observable", "A mean over the ensemble"),
    RowColumn("by", "Parameter that the derivative is taken by"),
    *(RowColumn(name, means, written) for name, means in ESTIMATORS.items()),
    RowColumn("verdict", "Verified: two estimators agree; unverified: none to compare with; refused: they disagree"),
    RowColumn("mean", "Of the observable, with its standard error", written),
)


class ForceFieldDerivatives(QWidget):
    """A sentence over a table and a heat map.

    Parameters
    ----------
    plot : ForceFieldHeatPlot
    """

    def __init__(self, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot = plot
        self.words, self.table = note(EMPTY), RowsTable(COLUMNS)
        self.view = rows_view(self.table, 0, self)
        self.view.setAccessibleName("Derivatives")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 3, 6, 0)
        layout.setSpacing(3)
        layout.addWidget(self.words)
        layout.addWidget(side_by_side(self.view, plot, (5, 2)), 1)

    def show_derivatives(self, found: Derivatives, words: str) -> None:
        """Show derivatives, and say something of them."""
        n = len(found.observables) * len(found.parameters)
        more = f" The table holds the first {MOST} of {n:,}; Save writes all of them." if n > MOST else ""
        self.words.setText(words + more)
        self.table.set_rows(rows_of(found))
        if found.estimates:
            shown = found.recommended or next(iter(found.estimates))
            self._plot.set_derivatives(found.relative(shown), found.observables, found.parameters, shown)

    def clear(self, words: str) -> None:
        """Forget them."""
        self.words.setText(words)
        self.table.set_rows([])
        self._plot.clear()


def rows_of(found: Derivatives) -> list[tuple[Any, ...]]:
    """Rows of the table: observable, parameter, derivative by each estimator, verdict, mean."""
    pairs = list(np.ndindex(len(found.observables), len(found.parameters)))[:MOST]
    return [_row(found, m, p) for m, p in pairs]


def _row(found: Derivatives, m: int, p: int) -> tuple[Any, ...]:
    unknown = (np.full((1, 1), math.nan),) * 2
    numbers = []
    for name in ESTIMATORS:
        value, error = found.estimates.get(name, unknown)
        place = (m, p) if name in found.estimates else (0, 0)
        numbers.append(Measured.of(float(value[place]), float(error[place])))
    verdict = "" if found.verdicts is None else str(found.verdicts[m, p])
    mean = Measured.of(float(found.values[m]), float(found.value_errors[m]))
    return (found.observables[m], found.parameters[p], *numbers, verdict, mean)

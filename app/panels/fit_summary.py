"""What came out of a fit, in numbers beside those of equal weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from app.panels.forms import note

if TYPE_CHECKING:
    from mdweights_core.weights.result import WeightFit

_ALIKE = 1e-9  # of the mean: prior weights that differ by less are equal

EMPTY = "No fit yet. The agreement with the map will stand here, beside that of equal weights."
SCORES = (
    (
        "cc_aniso_free",
        "Anisotropic CC, held out",
        "Reflections the fit never saw, fall-off removed: the one to believe",
    ),
    ("cc_aniso", "Anisotropic CC, work", "Reflections of the fit, fall-off with resolution removed"),
    ("cc_free", "Total CC, held out", "Held-out reflections, dominated by the fall-off with resolution"),
    ("cc", "Total CC, work", "Reflections of the fit, dominated by the fall-off with resolution"),
)


class FitSummary(QGroupBox):
    """A table of correlation coefficients, the sizes of the ensemble, the outcome and the warnings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Result", parent)
        self.cells: dict[tuple[str, str], QLabel] = {}
        self.text = note(EMPTY)
        self.warnings = note()
        self.warnings.setForegroundRole(QPalette.ColorRole.WindowText)
        self.warnings.setAccessibleName("Warnings")
        self._table = QWidget()
        grid = QGridLayout(self._table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(0, 1)
        self.headings = {name: _value(name) for name in ("fitted", "equal")}
        for column, heading in enumerate(self.headings.values(), start=1):
            grid.addWidget(heading, 0, column)
        for row, (key, title, tip) in enumerate(SCORES, start=1):
            self._add_row(grid, row, key, title, tip)
        layout = QVBoxLayout(self)
        layout.addWidget(self.warnings)  # first: nobody scrolls down for them
        layout.addWidget(self._table)
        layout.addWidget(self.text)
        self.show_fit(None)

    def show_fit(self, fit: WeightFit | None, measured_error: float | None = None) -> None:
        """Show a fit and the relative error that its structure factors were measured to have; or the empty state."""
        self._table.setVisible(fit is not None)
        warnings = () if fit is None else fit.warnings
        self.warnings.setText("\n".join(f"\N{BLACK UP-POINTING TRIANGLE} {warning}" for warning in warnings))
        self.warnings.setVisible(bool(warnings))
        if fit is None:
            self.text.setText(EMPTY)
            return
        for key, _, _ in SCORES:
            for column, scores in (("fitted", fit.scores), ("equal", fit.uniform)):
                self.cells[key, column].setText(_cc(getattr(scores, key)))
        prior = fit.prior[fit.prior > 0]
        self.headings["equal"].setText("equal" if np.ptp(prior) < _ALIKE / len(prior) else "prior")
        self.text.setText(describe(fit, measured_error))

    def show_running(self, running: bool) -> None:
        """While another fit runs these are the numbers of the one before."""
        former = running and self._table.isVisibleTo(self)
        self.setTitle("Result of the fit before" if former else "Result")
        self.setEnabled(not former)

    def _add_row(self, grid: QGridLayout, row: int, key: str, title: str, tip: str) -> None:
        label = QLabel(title)
        label.setToolTip(tip)
        grid.addWidget(label, row, 0)
        for column, name in enumerate(("fitted", "equal"), start=1):
            cell = self.cells[key, name] = _value("")
            cell.setAccessibleName(f"{title}, {name} weights")
            cell.setToolTip(tip)
            grid.addWidget(cell, row, column)


def describe(fit: WeightFit, measured_error: float | None = None) -> str:
    """Sizes and outcome as lines."""
    n = int((fit.prior > 0).sum())
    lines = [
        f"{fit.n_eff:.1f} of {n} frames effective (Kish), {fit.n_eff_entropy:.1f} by entropy, {fit.n_active} active",
        f"{fit.iterations} steps in {fit.seconds:.1f} s, KKT residual {fit.kkt_residual:.1e}",
        fit.outcome,
    ]
    if measured_error is not None:
        lines.append(f"Structure factors within {measured_error:.1e} of direct summation")
    return "\n".join(lines)


def _cc(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "\N{EN DASH}"


def _value(text: str) -> QLabel:
    label = QLabel(text)
    label.setAlignment(Qt.AlignmentFlag.AlignRight)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label

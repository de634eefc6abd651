"""What is to be thought of derivatives and of a fit, in words: verdict, errors, sloppy directions."""

from __future__ import annotations

import math
from html import escape

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.models.force_field_readings import EnsembleReading
from app.models.rows_table import RowColumn, RowsTable
from app.models.validity import COLOURS, Verdict
from app.panels.force_field_derivatives import Measured, written
from app.panels.pages import reading as text_page
from app.panels.pages import side_by_side
from app.panels.tables import rows_view
from app.theme import LIGHT, Theme
from mdweights_core.dynamics.result import REFUSED, UNVERIFIED, VERIFIED, Sensitivity
from mdweights_core.dynamics.tuning.result import Tuning
from mdweights_core.errors import counted

SIGNS = {VERIFIED: Verdict.GOOD, UNVERIFIED: Verdict.CAUTION, REFUSED: Verdict.BAD}
MEANINGS = {
    VERIFIED: "Derivatives are verified: two estimators agree.",
    UNVERIFIED: "Derivatives are unverified: no second estimator is precise enough to tell.",
    REFUSED: "Derivatives are refused: estimators disagree, or disturbances grow.",
}
EMPTY = "Whether derivatives can be believed, and what a fit determined, stands here when a run is over."


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if math.isfinite(share) else "not determined"


COLUMNS = (
    RowColumn("parameter", "What was tuned"),
    RowColumn("unit", "Of the numbers"),
    RowColumn("start", "Where the fit began", "{:.5g}".format),
    RowColumn("tuned", "Where it ended, with its standard error", written),
    RowColumn("error", "Of the tuned value, relative", _percent),
)
_NUMBERS = (RowColumn("number", "What was found"), RowColumn("value", "How much"))


class ForceFieldWords(QWidget):
    """The verdict and its reasons at the left; tuned parameters, or numbers of the simulation, at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._reading: EnsembleReading | None = None
        self.text, self.table, self.numbers = QLabel(EMPTY), RowsTable(COLUMNS), RowsTable(_NUMBERS)
        self.view, self.numbers_view = rows_view(self.table, 1, self), rows_view(self.numbers, 1, self)
        self.numbers_view.setSortingEnabled(False)
        self.view.setAccessibleName("Tuned parameters")
        self.numbers_view.setAccessibleName("Numbers of the simulation")
        right = QWidget()
        tables = QVBoxLayout(right)
        tables.setContentsMargins(0, 0, 0, 0)
        for view in (self.view, self.numbers_view):
            tables.addWidget(view, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(side_by_side(text_page(self.text, 8), right))
        self.view.hide()

    def apply_theme(self, theme: Theme) -> None:
        """Paint the signs in the colours of `theme`."""
        self._theme = theme
        self._write()

    def show_reading(self, reading: EnsembleReading) -> None:
        """Show what is known of a run."""
        self._reading = reading
        tuning, found = reading.tuning, reading.found
        self.view.setVisible(tuning is not None)
        self.table.set_rows([] if tuning is None else tuned_rows(tuning))
        self.numbers.set_rows([] if found is None else numbers(found))
        self._write()

    def _write(self) -> None:
        if self._reading is None:
            self.text.setText(EMPTY)
            return
        paragraphs = _of_fit(self._reading.tuning) + _of_derivatives(self._reading.found)
        self.text.setText("".join(self._paragraph(verdict, text) for verdict, text in paragraphs))

    def _paragraph(self, verdict: Verdict | None, text: str) -> str:
        if verdict is None:
            return f"<p>{escape(text)}</p>"
        sign = f'<span style="color: {getattr(self._theme, COLOURS[verdict])}">{verdict.value}</span>'
        return f"<p>{sign} <b>{escape(text)}</b></p>"


def _of_fit(tuning: Tuning | None) -> list[tuple[Verdict | None, str]]:
    if tuning is None:
        return []
    is_done = str(tuning.end) == "converged" and "not to be trusted" not in tuning.verdict
    verdict = Verdict.GOOD if is_done else Verdict.CAUTION
    return [(verdict, tuning.verdict), *((None, sentence) for sentence in tuning.sentences)]


def _of_derivatives(found: Sensitivity | None) -> list[tuple[Verdict | None, str]]:
    if found is None:
        return []
    said = MEANINGS[found.verdict] + (f" Use {found.recommended}." if found.verdict != REFUSED else "")
    return [(SIGNS[found.verdict], said), *((None, note) for note in found.notes)]


def tuned_rows(found: Tuning) -> list[tuple[object, ...]]:
    """Rows of parameters: name, unit, before, after, relative error."""
    rows = zip(found.parameters, found.units, found.start, found.values, found.errors, strict=True)
    return [
        (name, unit, float(start), Measured.of(value, error), float(error / abs(value)) if value else math.nan)
        for name, unit, start, value, error in rows
    ]


def numbers(found: Sensitivity) -> list[tuple[str, str]]:
    """What `mdweights sensitivity` prints, as rows of name and value."""
    median, most, largest = (float(value) for value in found.growth)
    rows = [
        ("simulated", f"{counted(found.replicas, 'replica')} of {found.steps:,} steps"),
        ("temperature, of that asked for", _told(found.temperature)),
        ("growth of disturbances, median", _told(median)),
        ("the same, 90 % of the replicas below", _told(most)),
        ("the same, largest", _told(largest)),
        ("exponent, per unit of time", f"{found.exponent:+.3g}" if math.isfinite(found.exponent) else "\N{EN DASH}"),
    ]
    if found.window:
        rows.append(("window of the likelihood ratio", f"{found.window:,} steps"))
    return [*rows, ("seconds", f"{found.seconds:.1f}")]


def _told(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "\N{EN DASH}"

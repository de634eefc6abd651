"""Whether samples can be believed: a verdict, lights with their sentences, and the numbers."""

from __future__ import annotations

import math
from html import escape

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.models.rows_table import RowColumn, RowsTable
from app.models.sample_readings import SampleReading
from app.models.validity import COLOURS, STATES, Verdict
from app.panels.pages import reading as text_page
from app.panels.pages import side_by_side
from app.panels.tables import rows_view
from app.theme import LIGHT, Theme

CONCLUSIONS = {
    "supported": Verdict.GOOD,
    "weak": Verdict.CAUTION,
    "unsupported": Verdict.BAD,
    "mode-dropped": Verdict.BAD,
}
EMPTY = "Whether samples can be believed stands here when they are drawn."
STOPPED = "The training was stopped: nothing is drawn yet. Resume goes on with it."
WORTHLESS = "No sample has any weight: all energies are infinite. Train longer, or from other frames."
FREE_ENERGY = "free energy"
"""The light that stands beside the two states, on a page of its own."""

COLUMNS = (RowColumn("number", "What was found"), RowColumn("value", "How much"))


class SampleTrust(QWidget):
    """The verdict and its reasons at the left, numbers at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._reading: SampleReading | None = None
        self.text, self.table = QLabel(EMPTY), RowsTable(COLUMNS)
        self.view = rows_view(self.table, 1, self)
        self.view.setSortingEnabled(False)
        self.view.setAccessibleName("Numbers of the samples")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(side_by_side(text_page(self.text, 8), self.view, (3, 2)))

    def apply_theme(self, theme: Theme) -> None:
        """Paint the signs in the colours of `theme`."""
        self._theme = theme
        self._write()

    def show_reading(self, reading: SampleReading | None) -> None:
        """Show what is known of samples; None while there are none."""
        self._reading = reading
        self.table.set_rows([] if reading is None else numbers(reading))
        self._write()

    def _write(self) -> None:
        reading = self._reading
        if reading is None or reading.judged is None:
            self.text.setText(EMPTY if reading is None else WORTHLESS if reading.sampled.samples.n_samples else STOPPED)
            return
        judgement = reading.judged.judgement
        parts = [f"<p>{self._sign(CONCLUSIONS[judgement.conclusion])} <b>{escape(judgement.verdict)}</b></p>"]
        for light in (one for one in judgement.lights if one.name != FREE_ENERGY):
            sign, title = self._sign(STATES[light.state]), f"{light.name}: {light.value}"
            parts.append(f"<p>{sign} <b>{escape(title)}</b><br>{escape(light.sentence)}</p>")
        self.text.setText("".join(parts))

    def _sign(self, verdict: Verdict) -> str:
        return f'<span style="color: {getattr(self._theme, COLOURS[verdict])}">{verdict.value}</span>'


def numbers(reading: SampleReading) -> list[tuple[str, str]]:
    """What `mdweights sample` prints, as rows of name and value."""
    samples = reading.sampled.samples
    cost = [
        ("energies, training", f"{samples.training_energies:,}"),
        ("energies, drawing", f"{samples.energies:,}"),
        ("seconds", f"{samples.seconds:.1f}"),
    ]
    if reading.judged is None:
        return [("steps of training", f"{len(samples.history):,}"), *cost]
    weights, hole = reading.judged.evidence.weights, reading.judged.evidence.hole
    tail = weights.tail
    k = f"{tail.k:.2f} (good below {tail.threshold:.2f})" if math.isfinite(tail.k) else tail.how
    forward = [] if hole is None else [("the same, seen from frames", f"{hole.forward_ess:.1%}")]
    return [
        ("samples", f"{weights.n:,}"),
        ("effective size", f"{weights.ess:.1%}, {weights.n_effective:,.0f}"),
        ("the same, clipped", f"{weights.ess_clipped:.1%}"),
        ("largest weight", f"{weights.largest_share:.2%} of all"),
        ("Pareto k", k),
        *forward,
        ("ln Z", f"{weights.log_z:.4f} ± {weights.log_z_error:.2g}"),
        *cost,
        ("round-trip errors", f"{samples.round_trip:.1g}, {samples.log_det_error:.1g}"),
    ]

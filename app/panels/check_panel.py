"""The Check tab: what was remarked on the frames, what structure factors will take, and drift and boxes as curves."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from app.models.check_model import VERDICTS, CheckModel, CheckState
from app.models.readings import UNUSABLE
from app.models.session import Session
from app.panels.forms import note
from app.panels.pages import side_by_side, stack
from app.panels.status import duration
from app.theme import LIGHT, Theme

if TYPE_CHECKING:
    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.scattering.frames.remarks import Remark

RUNNING = "Looking at the frames…"
NO_ATOMS = "These frames are structure factors already: there is nothing left to check in them."
_COLOURS = {"good": "good", "note": "subtle", "warning": "bad", "problem": "warning"}
_COSTS = (
    ("frames", "Frames of the trajectory"),
    ("atoms", "Atoms that scatter"),
    ("reflections", "Reflections of the map, one of each Friedel pair, as of P 1"),
    ("on disk", "Size of all structure factors, and the space that is free"),
    ("per frame", "Time that one frame takes on this machine"),
    ("in all", "Time that all frames take on this machine, side by side"),
)


class CheckPanel(QWidget):
    """Shows the check of a session beside `plot`, what `app.plots.check_plot.CheckPlot` offers."""

    def __init__(self, session: Session, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._check, self._plot = session, session.check, plot
        self._theme: Theme = LIGHT
        self.costs = {name: QLabel() for name, _ in _COSTS}
        self.remarks = RemarkList()
        self._table = self._cost_table()
        stack(self, self._table, side_by_side(self.remarks, plot))
        self._check.changed.connect(self.refresh)
        session.document.frames_changed.connect(self._on_data)
        session.document.map_changed.connect(self._on_data)
        self.refresh()

    def apply_theme(self, theme: Theme) -> None:
        """Paint the signs in the colours of `theme`."""
        self._theme = theme
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show what is known now."""
        check = self._check
        result = check.result
        self._table.setVisible(result is not None)
        self.remarks.setVisible(result is not None or check.problem is not None)
        self.setEnabled(check.state is not CheckState.RUNNING or result is None)
        if result is not None:
            self._show_costs(result)
            self.remarks.show_remarks(result.remarks, self._theme)
        elif check.problem is not None:
            self.remarks.show_problem(check.problem.sentence, self._theme)
        self._show_plot(check)

    def _show_plot(self, check: CheckModel) -> None:
        if check.result is not None:
            result = check.result
            self._plot.set_check(result.frames, result.time, result.drift, result.boxes)
            self._plot.set_selected(self._session.selection.frame)
            return
        self._plot.clear()
        chart, frames = self._session.document.map, self._session.document.frames
        if check.state is CheckState.RUNNING:
            self._plot.show_empty(RUNNING)
        elif check.state is CheckState.FAILED:
            self._plot.show_empty("Mend what is said beside, and the frames are looked at again.")
        elif frames is not None and not frames.is_trajectory:
            self._plot.show_empty(NO_ATOMS)
        elif chart is not None and chart.used is None:
            self._plot.show_empty(UNUSABLE)

    @Slot(object)
    def _on_data(self, reading: object) -> None:
        self.refresh()

    def _cost_table(self) -> QWidget:
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(8, 4, 8, 2)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(0)
        for column, (name, tip) in enumerate(_COSTS):
            caption = note(name)
            caption.setWordWrap(False)
            self.costs[name].setAccessibleName(tip)
            for row, label in enumerate((caption, self.costs[name])):
                label.setToolTip(tip)
                grid.addWidget(label, row, column)
        grid.setColumnStretch(len(_COSTS), 1)
        return table

    def _show_costs(self, result: FrameCheck) -> None:
        values = {
            "frames": f"{result.n_frames:,}",
            "atoms": f"{result.n_atoms:,}",
            "reflections": f"{result.n_hkl:,}",
            "on disk": size(result.bytes_needed),
            "per frame": short_time(result.seconds_per_frame),
            "in all": short_time(result.seconds_needed),
        }
        for name, text in values.items():
            self.costs[name].setText(text)
        free = "" if result.bytes_free is None else f"; {size(result.bytes_free)} are free"
        self.costs["on disk"].setToolTip(f"Size of all structure factors{free}")


class RemarkList(QScrollArea):
    """Remarks, each with the sign of its level, the gravest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lines: list[tuple[QLabel, QLabel]] = []
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Remarks on the frames")
        self.setMinimumWidth(180)

    def show_remarks(self, remarks: tuple[Remark, ...], theme: Theme) -> None:
        """Show remarks; those of one level stay in their order."""
        levels = list(reversed(VERDICTS))
        lines = sorted(remarks, key=lambda remark: levels.index(remark.level))
        self._show([(remark.level, remark.topic, remark.text) for remark in lines], theme)

    def show_problem(self, sentence: str, theme: Theme) -> None:
        """Show why nothing can be computed."""
        self._show([("problem", "", sentence)], theme)

    def _show(self, lines: list[tuple[str, str, str]], theme: Theme) -> None:
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(8, 4, 8, 4)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        self.lines = []
        for row, (level, topic, text) in enumerate(lines):
            sign, words = QLabel(VERDICTS[level].value), QLabel()
            sign.setStyleSheet(f"color: {getattr(theme, _COLOURS[level])}")
            sign.setAlignment(Qt.AlignmentFlag.AlignTop)
            words.setTextFormat(Qt.TextFormat.RichText)
            words.setText(f"<b>{escape(topic)}</b> {escape(text)}" if topic else escape(text))
            words.setWordWrap(True)
            words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            words.setAccessibleName(f"{level}: {topic} {text}")
            grid.addWidget(sign, row, 0)
            grid.addWidget(words, row, 1)
            self.lines.append((sign, words))
        grid.setRowStretch(len(lines), 1)
        self.setWidget(content)


def size(n_bytes: float) -> str:
    """Bytes as people say them: ``12.6 GB``."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= length:
            return f"{n_bytes / length:.3g} {unit}"
    return f"{n_bytes / 1e3:.3g} kB"


def short_time(seconds: float) -> str:
    """A time people read, down to milliseconds; a dash where it is not known."""
    if not math.isfinite(seconds):
        return "\N{EN DASH}"
    if seconds < 1:
        return f"{float(f'{seconds * 1e3:.2g}'):g} ms"
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)

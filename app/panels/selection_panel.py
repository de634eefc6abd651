"""The Selection tab: keep or leave out whole frames, watch it, judge it beside the weights, and take it over."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.models.readings import ProjectReading
from app.models.revisit import SELECT
from app.models.session import Session
from app.models.validity import COLOURS, STATES
from app.panels.forms import note
from app.panels.pages import reading, side_by_side, stack
from app.panels.selection_form import SelectionForm
from app.theme import LIGHT, Theme
from mdweights_core.errors import counted
from mdweights_core.jobs import Progress
from mdweights_core.weights.selection.result import Selection, comparison, state, verdict
from mdweights_core.weights.settings import headline

STAGE = "selection"
NO_FIT = "Fit weights first: frames are selected for the same map, and compared with the weights."
START_TIP = "Keep or leave out whole frames for the correlation that the fit raised"
STOP_TIP = "Stop, and keep what is reached (Ctrl+.)"
MARK_TIP = "Mark the frames of this step keep, all others drop (Ctrl+Z takes it back)"
FIT_TIP = "Fit weights to the frames of this step; the others keep their numbers and get none (Only frames, in Data)"
BRUSH_TIP = "Brush the frames that this step leaves out: every view shows them"


class SelectionPanel(QWidget):
    """Settings and result of a selection beside `plot`, what `app.plots.selection_plot.SelectionPlot` offers.

    Signals
    -------
    marks_requested(object)
        Frames to be marked keep, bool [n_frames]; all others are to be marked drop.
    fit_requested(object)
        Frames to be fitted, bool [n_frames]; all others are to have no weight.
    started()
        A selection was asked for.
    """

    marks_requested = Signal(object)
    fit_requested = Signal(object)
    started = Signal()

    def __init__(self, session: Session, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._plot, self._theme = session, plot, LIGHT
        self._selection: Selection | None = None
        self._step = 0
        self.form, self.button = SelectionForm(), QPushButton()
        self.words, self.place = QLabel(), note()
        self.mark_button, self.brush_button = QPushButton("Mark keep / drop"), QPushButton("Brush left out")
        self.fit_button = QPushButton("Fit only these")
        self._buttons = (self.mark_button, self.brush_button, self.fit_button)
        self._side = self._make_side()
        self._lay_out()
        self._connect()
        self._on_project(None)
        self.show_selection(None)

    # ---- data in

    def show_selection(self, selection: Selection | None) -> None:
        """Show what was found, and how; None for a fit without a selection, or for no fit."""
        if selection is not None:
            self.form.show_settings(selection.settings)
        self._show(selection)

    def apply_theme(self, theme: Theme) -> None:
        """Paint the sign of the verdict in the colours of `theme`."""
        self._theme = theme
        self._write()

    @property
    def kept(self) -> np.ndarray:
        """Frames that the step looked at keeps, bool [n_frames]; none without a selection."""
        return np.empty(0, dtype=bool) if self._selection is None else self._selection.kept_after(self._step)

    def _show(self, selection: Selection | None) -> None:
        self._selection = selection
        self._side.setVisible(selection is not None)
        if selection is None:
            self._plot.clear()
            if self._session.document.fitted is None:
                self._plot.show_empty(NO_FIT)
        else:
            self._plot.set_selection(selection, self._levels(selection.score))
            self._choose(len(selection.path["step"]) - 1)
            self._plot.set_chosen(self._step)
            self._write()
        self.refresh()

    # ---- building

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(6, 4, 6, 0)
        top.setSpacing(8)
        top.addWidget(self.form)
        top.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        top.addStretch(1)
        stack(self, top, side_by_side(self._plot, self._side, (2, 1)))

    def _make_side(self) -> QWidget:
        page = reading(self.words, 6)
        page.setAccessibleName("What the selection came to")
        self.mark_button.setToolTip(MARK_TIP)
        self.brush_button.setToolTip(BRUSH_TIP)
        self.fit_button.setToolTip(FIT_TIP)
        buttons = QHBoxLayout()
        for button in self._buttons:
            buttons.addWidget(button)
        side = QWidget()
        layout = QVBoxLayout(side)
        layout.setContentsMargins(4, 0, 6, 4)
        layout.setSpacing(3)
        layout.addWidget(page, 1)
        layout.addWidget(self.place)
        layout.addLayout(buttons)
        return side

    def _connect(self) -> None:
        session = self._session
        session.document.project_changed.connect(self._on_project)
        session.document.selection_changed.connect(self.show_selection)
        session.fit.running_changed.connect(self._on_running)
        session.fit.staged.connect(self._on_stage)
        session.revisit.running_changed.connect(self._on_revisit)
        self.button.clicked.connect(self._on_button)
        self.mark_button.clicked.connect(self.mark)
        self.brush_button.clicked.connect(self._on_brush)
        self.fit_button.clicked.connect(self.fit)
        self._plot.step_chosen.connect(self._choose)

    # ---- what happens

    @Slot()
    def select(self) -> None:
        """Select frames as the form says."""
        self.started.emit()
        self._session.revisit.select(self.form.values())

    @Slot()
    def mark(self) -> None:
        """Ask for the marks of the step that is looked at."""
        if self._selection is not None:
            self.marks_requested.emit(self.kept)

    @Slot()
    def fit(self) -> None:
        """Ask for a fit of the frames of the step that is looked at."""
        if self._selection is not None:
            self.fit_requested.emit(self.kept)

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now."""
        session = self._session
        selecting = session.revisit.running == SELECT
        free = session.document.fitted is not None and not session.fit.is_running and not session.revisit.running
        self.button.setText("Stop" if selecting else "Select")
        self.button.setToolTip(STOP_TIP if selecting else START_TIP)
        self.button.setEnabled(free or selecting)
        self.form.setEnabled(free)
        for button in self._buttons:
            button.setEnabled(not selecting)
        self.fit_button.setEnabled(free)

    @Slot(int)
    def _choose(self, step: int) -> None:
        self._step = step
        kept = self.kept
        if self._selection is None:
            return
        last = len(self._selection.path["step"]) - 1
        if self._selection.has_order and step < last:
            when = f"After {counted(step, 'deletion')}"
        else:
            when = "At the end"
        self.place.setText(f"{when}: {int(kept.sum())} kept, {int((~kept).sum())} left out.")

    @Slot()
    def _on_button(self) -> None:
        if self._session.revisit.running == SELECT:
            self._session.stop()
        else:
            self.select()

    @Slot()
    def _on_brush(self) -> None:
        self._session.selection.set_brushed(np.flatnonzero(~self.kept))

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is not None:
            self.form.show_seed(reading.project.fit_settings.seed)
        self.refresh()

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        self.refresh()

    @Slot(str)
    def _on_revisit(self, name: str) -> None:
        fitted = self._session.document.fitted
        if name == SELECT and fitted is not None:
            score = headline(fitted.project.fit_settings.objective)
            self._plot.start(score, self._levels(score), has_order=self.form.method.currentData() == "greedy")
            self._plot.show_empty("Reading the structure factors…")
            self._side.hide()
        elif fitted is not None and not self._side.isVisibleTo(self):  # what was there before, if nothing came of it
            self._show(fitted.project.selection)
        self.refresh()

    @Slot(object)
    def _on_stage(self, progress: Progress) -> None:
        if progress.stage == STAGE and self._session.revisit.running == SELECT:
            self._plot.append(progress.step, progress.values)

    # ---- words

    def _levels(self, score: str) -> tuple[float, float]:
        """What the continuous weights reach on the work set and held out."""
        fitted = self._session.document.fitted
        if fitted is None:
            return float("nan"), float("nan")
        scores = fitted.project.fit.scores
        return getattr(scores, score), getattr(scores, f"{score}_free")

    def _write(self) -> None:
        selection, fitted = self._selection, self._session.document.fitted
        if selection is None or fitted is None:
            self.words.clear()
            return
        sign = STATES[state(selection)]
        colour = getattr(self._theme, COLOURS[sign])
        judged = f"<span style='color: {colour}'>{sign.value}</span> {escape(verdict(selection))}"
        more = (comparison(selection, fitted.project.fit), selection.outcome)
        self.words.setText("".join(f"<p>{line}</p>" for line in (judged, *map(escape, more))))

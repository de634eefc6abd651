"""The Force tab: what is tuned to what, derivatives, whether they agree, how a fit goes, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QWidget

from app.models.force_field_model import ForceFieldModel
from app.models.force_field_readings import (
    EnsembleReading,
    EnsembleRequest,
    derivatives_of,
    derivatives_so_far,
    trace_of,
    trace_so_far,
)
from app.panels.force_field_derivatives import EMPTY, ForceFieldDerivatives
from app.panels.force_field_setup import ForceFieldSetup
from app.panels.force_field_words import ForceFieldWords
from app.panels.forms import ElidedLabel
from app.panels.pages import page_bar, paged
from app.theme import Theme
from mdweights_core.jobs import Progress

PAGES = ("Parameters and data", "Derivatives", "Agreement", "Fit", "Verdict")
SETUP, DERIVATIVES, AGREEMENT, FIT, VERDICT = range(5)
FRAMES_TIP = "Write the ensemble as frames and open them as the frames of this document, to predict and fit from"
SAVE_TIP = "Write tuned values (.toml), or all derivatives with errors (.csv)"
VALUES_TIP = "Put the tuned values into the table of parameters"


@dataclass(frozen=True)
class ForceFieldPlots:
    """What the pages are drawn with: plots of `app.plots.force_field_*`."""

    heat: Any
    agreement: Any
    fit: Any


class ForceFieldPage(QWidget):
    """Pages of one run, over a row that says how it goes and writes what came of it.

    Signals
    -------
    targets_requested(), frames_requested(), save_requested()
        A file is to be asked for.
    """

    targets_requested = Signal()
    frames_requested = Signal()
    save_requested = Signal()

    def __init__(self, model: ForceFieldModel, plots: ForceFieldPlots, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._plots = model, plots
        self._seen: object = None
        self.setup, self.words = ForceFieldSetup(model), ForceFieldWords()
        self.derivatives = ForceFieldDerivatives(plots.heat)
        self.pages, self.caption = page_bar(PAGES, "Pages of the force field"), ElidedLabel()
        self.values_button, self.frames_button = QPushButton("Take tuned values"), QPushButton("Use as frames…")
        self.save_button = QPushButton("Save…")
        self._lay_out()
        self._connect()
        self._enable()

    def apply_theme(self, theme: Theme) -> None:
        """Paint what is no plot in the colours of `theme`."""
        self.words.apply_theme(theme)

    def show_page(self, page: int) -> None:
        """Bring one page to the front."""
        self.pages.setCurrentIndex(page)

    # ---- building

    def _lay_out(self) -> None:
        parts = (self.setup, self.derivatives, self._plots.agreement, self._plots.fit, self.words)
        tips = {self.values_button: VALUES_TIP, self.frames_button: FRAMES_TIP, self.save_button: SAVE_TIP}
        for button, tip in tips.items():
            button.setToolTip(tip)
        paged(self, self.pages, parts, (self.caption, *tips))

    def _connect(self) -> None:
        model = self._model
        self.setup.targets_requested.connect(self.targets_requested)
        model.loaded_changed.connect(self._on_loaded)
        model.started.connect(self._on_started)
        model.stepped.connect(self._on_step)
        model.found.connect(self._on_found)
        model.running_changed.connect(self._on_running)
        self.values_button.clicked.connect(model.use_tuned)
        self.frames_button.clicked.connect(self.frames_requested)
        self.save_button.clicked.connect(self.save_requested)

    def _enable(self) -> None:
        reading, is_free = self._model.reading, not self._model.is_running
        self.values_button.setEnabled(is_free and reading is not None and reading.tuning is not None)
        self.frames_button.setEnabled(is_free and reading is not None and reading.can_be_frames)
        self.save_button.setEnabled(is_free and reading is not None)

    # ---- what happens

    @Slot(object)
    def _on_loaded(self, loaded: object) -> None:
        self.show_page(SETUP)

    @Slot(object)
    def _on_started(self, request: EnsembleRequest) -> None:
        self._seen = None
        waiting = f"Setting up {request.system.name}…"
        self.derivatives.clear(waiting)
        for plot in (self._plots.agreement, self._plots.fit):
            plot.clear()
            plot.show_empty(waiting)
        if request.tuning is None:
            self._plots.fit.show_empty("Derivatives are taken: there is no fit.")
        self.show_page(DERIVATIVES if request.tuning is None else FIT)

    @Slot(object)
    def _on_step(self, progress: Progress) -> None:
        self.caption.show_text(progress.message)
        growth = progress.arrays.get("growth")
        if growth is not None:
            self._plots.agreement.add_growth(progress.step, growth)
        trace = trace_so_far(progress)
        if trace is not None:
            self._plots.fit.set_trace(trace.parameters, trace.theta, trace.chi2, trace.held)
        if progress.arrays.get("values") is not self._seen:
            self._seen = progress.arrays.get("values")
            found = derivatives_so_far(progress)
            if found is not None:
                self.derivatives.show_derivatives(found, progress.message)
                self._plots.agreement.set_differences(found.differences())

    @Slot(object)
    def _on_found(self, reading: EnsembleReading) -> None:
        self._show(reading)
        self.show_page(VERDICT)

    def _show(self, reading: EnsembleReading) -> None:
        if reading.found is not None:
            found = derivatives_of(reading.found)
            self.derivatives.show_derivatives(found, reading.found.notes[0] if reading.found.notes else "")
            self._plots.agreement.set_differences(found.differences())
        if reading.tuning is not None:
            trace = trace_of(reading.tuning)
            self._plots.fit.set_trace(trace.parameters, trace.theta, trace.chi2, trace.held)
        self.words.show_reading(reading)

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        """Of a run that came to nothing no trace stays: what was found before is shown again."""
        self._enable()
        if running:
            return
        self.caption.show_text("")
        if self._model.reading is not None:
            self._show(self._model.reading)
        else:
            self.derivatives.clear(EMPTY)
            for plot in (self._plots.agreement, self._plots.fit):
                plot.clear()

"""The Minima tab: how starts come down, where each came to, and what can be done with the conformations."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.models.minima import MinimaModel
from app.models.minima_readings import PER_NM, MinimaReading, MinimiseRequest
from app.models.rows_table import RowColumn, RowsTable
from app.panels.pages import side_by_side, stack
from app.panels.tables import rows_view
from mdweights_core.jobs import Progress

COLUMNS = (
    RowColumn("start", "Frame, counted from 0, or the structure file"),
    RowColumn("method", "Minimiser that the start was given to"),
    RowColumn("kJ/mol", "Energy in the end", "{:.2f}".format),
    RowColumn("before", "Energy where it began, kJ/mol", "{:.2f}".format),
    RowColumn("force", "Rms of the force components on free atoms in the end, kJ/mol/nm", "{:.2g}".format),
    RowColumn("steps", "Evaluations of energy and forces; products with the Hessian count as two", str),
    RowColumn("s", "Seconds; of compared minimisers without compilation", "{:.2f}".format),
    RowColumn("Å", "RMSD of all atoms to the start, superposed", "{:.2f}".format),
    RowColumn("ref. Å", "RMSD of all atoms to the reference, superposed", "{:.2f}".format),
    RowColumn("end", "Why it went on no further"),
)
OVERLAY_TIP = "Show the molecule after minimisation (blue) over what it was before (orange)"
FRAMES_TIP = "Write the minimised conformations and open them as the frames of this document, to predict and fit from"
METHOD, SECONDS, REFERENCE = 1, 6, 8
"""Columns that are there for comparisons and with a reference."""
SAVE_TIP = "Write the table of the minimisers as CSV, their traces and plots beside it"
EXPORT_TIP = "Write the minimised conformations as PDB or XTC"


class MinimaPage(QWidget):
    """Plot and table of a minimisation; `plot` is what `app.plots.minima_plot.MinimaPlot` offers.

    Signals
    -------
    overlay_requested()
        The start that is looked at is to be shown before and after.
    frames_requested(), export_requested(), save_requested()
        Conformations are to become frames, or a file; a comparison is to be saved.
    """

    overlay_requested = Signal()
    frames_requested = Signal()
    export_requested = Signal()
    save_requested = Signal()

    def __init__(self, minima: MinimaModel, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._minima, self._plot = minima, plot
        self.table = RowsTable(COLUMNS)
        self.view = rows_view(self.table, 0, self)
        self.view.setAccessibleName("Starts of the minimisation")
        self.overlay_button = QPushButton("Overlay")
        self.frames_button, self.export_button = QPushButton("Use as frames…"), QPushButton("Export…")
        self.save_button = QPushButton("Save comparison…")
        self._side = self._make_side()
        stack(self, side_by_side(plot, self._side, (2, 1)))
        self._connect()
        self._side.hide()

    def _make_side(self) -> QWidget:
        buttons = QHBoxLayout()
        tips = {
            self.overlay_button: OVERLAY_TIP,
            self.frames_button: FRAMES_TIP,
            self.export_button: EXPORT_TIP,
            self.save_button: SAVE_TIP,
        }
        for button, tip in tips.items():
            button.setToolTip(tip)
            buttons.addWidget(button)
        side = QWidget()
        layout = QVBoxLayout(side)
        layout.setContentsMargins(4, 4, 6, 4)
        layout.setSpacing(3)
        layout.addWidget(self.view, 1)
        layout.addLayout(buttons)
        return side

    def _connect(self) -> None:
        minima = self._minima
        minima.started.connect(self._on_started)
        minima.stepped.connect(self._on_step)
        minima.found.connect(self._show)
        minima.running_changed.connect(self._on_running)
        minima.chosen_changed.connect(self._on_chosen)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.overlay_button.clicked.connect(self.overlay_requested)
        self.frames_button.clicked.connect(self.frames_requested)
        self.export_button.clicked.connect(self.export_requested)
        self.save_button.clicked.connect(self.save_requested)

    @property
    def _proxy(self) -> QSortFilterProxyModel:
        proxy = self.view.model()
        assert isinstance(proxy, QSortFilterProxyModel)
        return proxy

    @Slot(object)
    def _on_started(self, request: MinimiseRequest) -> None:
        self._side.hide()
        self._plot.start(request.settings.tolerance, request.compare, with_reference=request.reference is not None)
        self._plot.show_empty("Setting up the energy…")

    @Slot(object)
    def _on_step(self, progress: Progress) -> None:
        told = progress.values
        if "rmsd" in told:
            place = (int(told["start"]), int(told.get("method", 0)))
            self._plot.append(place, progress.arrays, (told["rmsd"], told.get("to_reference", np.nan)))

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        """Of a minimisation that came to nothing no trace stays: what was found before is shown again."""
        if not running and self._side.isHidden():
            self._plot.clear()
            if self._minima.reading is not None:
                self._show(self._minima.reading)

    @Slot(object)
    def _show(self, reading: MinimaReading) -> None:
        result = reading.result
        rows = range(result.n_starts)
        with_reference = len(result.rmsd_to_reference) > 0
        self._plot.set_traces(
            {reading.place(row): (result.trace(row), _distances(reading, row)) for row in rows},
            result.settings.tolerance,
            tuple(reading.comparison),
            with_reference=with_reference,
        )
        self.table.set_rows([_row(reading, row) for row in rows])
        for column, is_there in (
            (METHOD, reading.comparison),
            (SECONDS, reading.comparison),
            (REFERENCE, with_reference),
        ):
            self.view.setColumnHidden(column, not is_there)
        self.save_button.setVisible(bool(reading.comparison))
        can_write = len(reading.reached) > 0
        for button in (self.overlay_button, self.frames_button, self.export_button):
            button.setEnabled(can_write)
        self._side.show()

    @Slot(QModelIndex)
    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid():
            self._minima.choose(self._proxy.mapToSource(index).row())

    @Slot(int)
    def _on_chosen(self, start: int) -> None:
        assert self._minima.reading is not None
        self._plot.set_chosen(self._minima.reading.place(start))
        self.view.selectRow(self._proxy.mapFromSource(self.table.index(start, 0)).row())


def _distances(reading: MinimaReading, row: int) -> tuple[float, float]:
    """RMSD to start and to reference (NaN where there is none), angstrom."""
    result = reading.result
    reference = PER_NM * result.rmsd_to_reference[row] if len(result.rmsd_to_reference) else np.nan
    return float(PER_NM * result.rmsd_to_start[row]), float(reference)


def _row(reading: MinimaReading, start: int) -> tuple[Any, ...]:
    result = reading.result
    to_start, to_reference = _distances(reading, start)
    return (
        str(reading.frames[start]) if reading.frames else reading.request.structure.name,
        reading.methods[start] if reading.comparison else "",
        float(result.energy[start]),
        float(result.start_energy[start]),
        float(result.rms_force[start]),
        int(result.evaluations[start]),
        float(result.seconds[start]),
        to_start,
        to_reference,
        str(result.ends[start]),
    )

"""The Frames dock: a table over the frames, and a filter."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QItemSelection, QItemSelectionModel, Slot
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QLineEdit, QTableView, QVBoxLayout, QWidget

from app.models.frames_table import COLUMNS, FILTER_HELP, KEYS, FramesTable
from app.models.readings import FramesReading, ProjectReading
from app.models.session import Session
from app.panels.forms import note
from mdweights_core.errors import BadInput
from mdweights_core.weights.selection.result import Selection

EMPTY = "No frames yet. They are listed here, with their weights, once a simulation is open."
WIDTHS = {
    "frame": 60,
    "mark": 56,
    "selection": 70,
    "weight": 82,
    "relative": 74,
    "influence": 74,
    "time": 74,
    "drift": 70,
}

SELECTION = KEYS.index("selection")


class FramesPanel(QWidget):
    """Table of frames bound to the one selection."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._is_following = self._is_leading = False
        self.table = FramesTable(self)
        self.view = QTableView()
        self.filter = QLineEdit()
        self.info = note(EMPTY)
        self._set_up_view()
        self._lay_out()
        self._connect()

    def _set_up_view(self) -> None:
        view = self.view
        view.setModel(self.table)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setSortingEnabled(True)
        view.sortByColumn(0, view.horizontalHeader().sortIndicatorOrder().AscendingOrder)
        view.setAlternatingRowColors(True)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.setAccessibleName("Table of frames")
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 6)
        view.horizontalHeader().setStretchLastSection(True)
        for key, width in WIDTHS.items():
            view.setColumnWidth(KEYS.index(key), width)
        view.setColumnHidden(SELECTION, True)

    def _lay_out(self) -> None:
        self.filter.setPlaceholderText(f"filter: {FILTER_HELP}")
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter of the frames")
        names = ", ".join(column.key for column in COLUMNS if column.key != "source")
        self.filter.setToolTip(f"Compare {names} with numbers, join with 'and', or type a part of the source")
        row = QHBoxLayout()
        row.addWidget(self.filter, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(row)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.info)

    def _connect(self) -> None:
        session = self._session
        session.document.frames_changed.connect(self._on_frames)
        session.document.project_changed.connect(self._on_project)
        session.document.selection_changed.connect(self._on_frame_selection)
        session.fit.weights_changed.connect(self._on_live_weights)
        session.marks.marks_changed.connect(self._on_marks)
        session.selection.frame_changed.connect(self._follow)
        session.selection.brushed_changed.connect(self._follow_brush)
        self.filter.textChanged.connect(self._on_filter)
        self.table.shown_changed.connect(self._on_shown)
        self.view.selectionModel().selectionChanged.connect(self._on_selected)

    @Slot(object)
    def _on_frames(self, reading: FramesReading | None) -> None:
        if reading is None:
            self.table.set_frames(())
        elif self._session.document.fitted is None:  # a fit's frames know more: weights, drift
            self.table.set_frames(reading.source, reading.time)
            self._follow(self._session.selection.frame)

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is None:
            self.table.clear_weights()
            return
        frames, fit = reading.project.frames, reading.project.fit
        names = [f"{_file_name(source)} #{index}" for source, index in zip(frames.source, frames.index, strict=True)]
        self.table.set_frames(names, frames.time, frames.drift)
        self.table.set_marks(self._session.marks.values)
        self.table.set_weights(fit.weights, fit.influence)
        self._follow(self._session.selection.frame)

    @Slot(object)
    def _on_frame_selection(self, selection: Selection | None) -> None:
        self.view.setColumnHidden(SELECTION, selection is None)
        if selection is None:
            self.table.set_selection(None)
        else:
            self.table.set_selection(selection.kept, selection.order)

    @Slot(object)
    def _on_live_weights(self, weights: np.ndarray) -> None:
        if len(weights) == self.table.n_frames:
            self.table.set_weights(weights, final=False)

    @Slot(object)
    def _on_marks(self, frames: np.ndarray) -> None:
        self.table.set_marks(self._session.marks.values)

    @Slot(str)
    def _on_filter(self, text: str) -> None:
        try:
            self.table.set_filter(text)
        except BadInput as problem:
            self.info.setText(problem.sentence)

    @Slot(int, int)
    def _on_shown(self, shown: int, total: int) -> None:
        if not total:
            self.info.setText(EMPTY)
        else:
            self.info.setText(f"{shown:,} of {total:,} frames" if shown != total else f"{total:,} frames")

    @Slot(QItemSelection, QItemSelection)
    def _on_selected(self, picked: QItemSelection, dropped: QItemSelection) -> None:
        if self._is_following:
            return
        rows = [index.row() for index in self.view.selectionModel().selectedRows()]
        current = self.table.frame_at(self.view.currentIndex().row())
        self._is_leading = True
        self._session.selection.set_brushed([self.table.frame_at(row) for row in rows] if len(rows) > 1 else [])
        self._is_leading = False
        if current >= 0:
            self._session.selection.select(current)

    @Slot(int)
    def _follow(self, frame: int) -> None:
        """Show the frame selected elsewhere."""
        row = self.table.row_of(frame)
        if row < 0 or row == self.view.currentIndex().row():
            return
        self._is_following = True
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.view.selectionModel().setCurrentIndex(self.table.index(row, 0), flags)
        self.view.scrollTo(self.table.index(row, 0))
        self._is_following = False

    @Slot(object)
    def _follow_brush(self, frames: np.ndarray) -> None:
        """Show the frames brushed elsewhere."""
        if self._is_leading:
            return
        rows = np.sort([row for row in map(self.table.row_of, frames) if row >= 0])
        last = len(COLUMNS) - 1
        chosen = QItemSelection()
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else ():
            chosen.select(self.table.index(int(run[0]), 0), self.table.index(int(run[-1]), last))
        self._is_following = True
        self.view.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._is_following = False


def _file_name(source: str) -> str:
    return source.replace("\\", "/").rpartition("/")[2]

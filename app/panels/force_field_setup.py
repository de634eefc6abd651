"""The first page of the Force tab: parameters at the left, observables and what was observed at the right."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QPushButton, QTableView, QVBoxLayout, QWidget

from app.models.force_field_model import ForceFieldModel
from app.models.force_field_readings import Loaded
from app.panels.forms import Entry, note, subtle
from app.panels.pages import side_by_side

EMPTY = "Choose a system in the Force field panel and press Load: its parameters and observables stand here."
OBSERVABLE_TIP = (
    "B CA; U name CA; u^2 0 1; distance 3 7; r^-6 3 7; histogram 3 7 0.1 0.9 8; Rg; F 1 0 2; diffuse 1 0 2; "
    "diffuse map.mtz 4; CC map.mtz 4; energy; x^2 0. Atoms and variables are counted from 0"
)
TARGETS_TIP = "Observed values from a table: observable,value,sigma,held_out"


class ForceFieldSetup(QWidget):
    """Two tables to fill in.

    Signals
    -------
    targets_requested()
        A table of observed values is to be asked for.
    """

    targets_requested = Signal()

    def __init__(self, model: ForceFieldModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.words = note(EMPTY)
        self.parameters = _view(model.parameters, "Parameters")
        # names are read whole, and the last columns scrolled to where there is no room
        self.parameters.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.observables = _view(model.observables, "Observables and targets")
        self.all_button, self.none_button = QPushButton("Tune all"), QPushButton("Tune none")
        self.observable, self.add_button = Entry(), QPushButton("Add")
        self.remove_button, self.targets_button = QPushButton("Remove"), QPushButton("Targets…")
        self._lay_out()
        self.all_button.clicked.connect(self._on_all)
        self.none_button.clicked.connect(self._on_none)
        self.add_button.clicked.connect(self._on_add)
        self.observable.returnPressed.connect(self._on_add)
        self.remove_button.clicked.connect(self._on_remove)
        self.targets_button.clicked.connect(self.targets_requested)
        model.loaded_changed.connect(self._on_loaded)
        model.observables.edited.connect(self._on_observables)
        self._enable(False)

    # ---- building

    def _lay_out(self) -> None:
        self.observable.setPlaceholderText("such as B CA")
        for widget, name, tip in (
            (self.observable, "Observable", OBSERVABLE_TIP),
            (self.add_button, "Add observable", OBSERVABLE_TIP),
            (self.remove_button, "Remove observables", "Take the chosen rows away"),
            (self.targets_button, "Read targets", TARGETS_TIP),
            (self.all_button, "Tune all parameters", "Tick all parameters"),
            (self.none_button, "Tune no parameter", "Tick no parameter"),
        ):
            widget.setToolTip(tip)
            widget.setAccessibleName(name)
        left = _part(self.parameters, subtle("Parameters"), None, self.all_button, self.none_button)
        buttons = (self.add_button, self.remove_button, self.targets_button)
        right = _part(self.observables, self.observable, self.observable, *buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 3, 6, 0)
        layout.setSpacing(3)
        layout.addWidget(self.words)
        layout.addWidget(side_by_side(left, right, (1, 1)), 1)

    def _enable(self, is_loaded: bool) -> None:
        for widget in (
            self.observable, self.add_button, self.remove_button, self.targets_button, self.all_button, self.none_button
        ):  # fmt: skip
            widget.setEnabled(is_loaded)

    # ---- what happens

    @Slot(object)
    def _on_loaded(self, loaded: Loaded) -> None:
        self.words.setText(loaded.studied.told)
        self._enable(True)

    @Slot()
    def _on_all(self) -> None:
        self._model.parameters.tick(True)

    @Slot()
    def _on_none(self) -> None:
        self._model.parameters.tick(False)

    @Slot()
    def _on_add(self) -> None:
        self._model.add_observable(self.observable.text().strip())

    @Slot()
    def _on_observables(self) -> None:
        """What was typed is in the table now."""
        if self.observable.text().strip() in {row.text for row in self._model.observables.rows}:
            self.observable.clear()

    @Slot()
    def _on_remove(self) -> None:
        chosen = self.observables.selectionModel().selectedRows()
        self._model.observables.remove([index.row() for index in chosen])


def _view(table: Any, name: str) -> QTableView:
    view = QTableView()
    view.setModel(table)
    view.setAccessibleName(name)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setEditTriggers(QAbstractItemView.EditTrigger.AllEditTriggers)
    view.setAlternatingRowColors(True)
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 6)
    header = view.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    header.setMinimumSectionSize(48)
    return view


def _part(view: QTableView, first: QWidget, stretched: QWidget | None, *buttons: QPushButton) -> QWidget:
    """A table under a row of what is done with it."""
    part, row = QWidget(), QHBoxLayout()
    row.addWidget(first, 1 if stretched is first else 0)
    if stretched is None:
        row.addStretch(1)
    for button in buttons:
        row.addWidget(button)
    layout = QVBoxLayout(part)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(3)
    layout.addLayout(row)
    layout.addWidget(view, 1)
    return part

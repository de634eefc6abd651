"""Rounds of fit and samples: what each of them came to, as reflections that were held out see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from app.models.rows_table import RowColumn, RowsTable
from app.models.samples import SamplesModel
from app.panels.forms import note
from app.panels.pages import stack
from app.panels.tables import rows_view

if TYPE_CHECKING:
    from mdweights_core.workflow.iterate import Round, Rounds

COLUMNS = (
    RowColumn("round", "0 is the fit that was there before", str),
    RowColumn("frames", "Frames that were fitted", str),
    RowColumn("CC", "Anisotropic correlation of the fit", "{:.4f}".format),
    RowColumn("held out", "The same on reflections that the fit never saw", "{:.4f}".format),
    RowColumn(
        "CC before", "With the weights before the fit: from round 1 on those of the force field", "{:.4f}".format
    ),
    RowColumn("held out", "The same on reflections that the fit never saw", "{:.4f}".format),
    RowColumn("frames that count", "Effective number of frames of the fit", "{:.1f}".format),
    RowColumn("draws worth", "Effective sample size of the draws", "{:.1%}".format),
)
EMPTY = (
    "Iterate, in the Sample panel, trains a flow on the frames of the fit with their weights, fits its draws to the "
    "same map, and so on."
)


class SampleRounds(QWidget):
    """A sentence over a table; a round's fit can be opened.

    Signals
    -------
    project_requested(object)
        Path of a fit that is to be opened.
    """

    project_requested = Signal(object)

    def __init__(self, samples: SamplesModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._projects: list[Path] = []
        self.sentence, self.open_button = note(EMPTY), QPushButton("Open this fit")
        self.open_button.setToolTip("Open the fit of the chosen round in place of the present document")
        self.open_button.setEnabled(False)
        self.table = RowsTable(COLUMNS)
        self.view = rows_view(self.table, 0, self)
        self.view.setAccessibleName("Rounds of fit and samples")
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 2)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.open_button)
        stack(self, row, self.view)
        samples.rounds_found.connect(self._show)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.open_button.clicked.connect(self._on_open)

    @Slot(object)
    def _show(self, found: Rounds) -> None:
        self.table.set_rows([_row(one) for one in found.rounds])
        self._projects = [one.project for one in found.rounds]
        self.sentence.setText("\n".join((found.sentence, *found.remarks)))
        self.view.selectRow(len(found.rounds) - 1)

    @property
    def _chosen(self) -> int:
        proxy = self.view.model()
        assert isinstance(proxy, QSortFilterProxyModel)
        return proxy.mapToSource(self.view.currentIndex()).row()

    @Slot(QModelIndex)
    def _on_row(self, index: QModelIndex) -> None:
        self.open_button.setEnabled(index.isValid() and self._chosen > 0)

    @Slot()
    def _on_open(self) -> None:
        self.project_requested.emit(self._projects[self._chosen])


def _row(one: Round) -> tuple[Any, ...]:
    return (one.number, one.frames, one.cc, one.cc_free, one.before, one.before_free, one.n_eff, one.ess)

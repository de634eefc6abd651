"""The Meaning tab: what the weights go with, clusters of frames, and good frames against bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QWidget

from app.models.readings import ProjectReading
from app.models.revisit import EXPLAIN
from app.models.rows_table import SORT_ROLE, RowColumn, RowsTable
from app.models.session import Session
from app.panels.forms import note
from app.panels.meaning_menu import MeaningMenu
from app.panels.pages import page_bar, reading, side_by_side, stack
from app.panels.tables import rows_view
from mdweights_core.jobs import Progress

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Clusters, Feature, Meaning, SetComparison

NO_FIT = "Fit weights to see what they go with."
NOT_YET = "What these weights go with was not looked for yet: press Explain."
PAGES = ("Findings", "Features", "Clusters", "Good against bad")


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _short(value: float) -> str:
    return f"{value:.3g}"


FEATURES = (
    RowColumn("feature", "A number or a state of every frame"),
    RowColumn("ρ", "Spearman's rank correlation with weight / prior weight", _signed),
    RowColumn("z", "That correlation in standard deviations, as neighbours in time resemble each other", _signed),
    RowColumn("p", "Chance of so strong a correlation, corrected for the number of features tried", _short),
)
CLUSTERS = (
    RowColumn("no.", "Clusters in the order of falling weight"),
    RowColumn("weight", "Summed weight", _short),
    RowColumn("±", "Standard error of the summed weight", _short),
    RowColumn("prior", "Summed weight before the fit", _short),
    RowColumn("ratio", "Weight / prior weight", _short),
    RowColumn("centre", "Frame nearest to the middle"),
)
PAIRS = (
    RowColumn("residue", "One of two residues whose distance differs"),
    RowColumn("residue", "The other"),
    RowColumn("Δ (Å)", "Mean distance in good frames less that in bad ones", _signed),
    RowColumn("±", "Standard error of that, Å", _plain),
)


class MeaningPanel(QWidget):
    """Tables at the left, their plots at the right; all share the selection of frames.

    Parameters
    ----------
    session : Session
    feature_plot, cluster_plot, sets_plot : QWidget
        What `app.plots` offers for them.

    Signals
    -------
    energies_requested()
        A file of energies is to be asked for.
    """

    energies_requested = Signal()

    def __init__(
        self, session: Session, feature_plot: Any, cluster_plot: Any, sets_plot: Any, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._meaning: Meaning | None = None
        self.feature_plot, self.cluster_plot, self.sets_plot = feature_plot, cluster_plot, sets_plot
        self.pages, self._stack = page_bar(PAGES, "Part of the meaning"), QStackedWidget()
        self.menu = MeaningMenu(session)
        self.empty, self.findings, self.status = note(NO_FIT), QLabel(), note()
        self.features, self.clusters, self.pairs = (RowsTable(it, self) for it in (FEATURES, CLUSTERS, PAIRS))
        self.feature_view, self.cluster_view, self.pair_view = (
            rows_view(table, named, self)
            for table, named in ((self.features, 1), (self.clusters, len(CLUSTERS)), (self.pairs, 2))
        )
        self._lay_out()
        self._connect()
        self.show_meaning(None)

    # ---- data in

    def show_meaning(self, meaning: Meaning | None) -> None:
        """Show what was found; None for a fit whose meaning is not known, or for no fit."""
        self._meaning = meaning
        fitted = self._session.document.fitted
        self.pages.setEnabled(meaning is not None)
        if meaning is None or fitted is None:
            self.empty.setText(NO_FIT if fitted is None else NOT_YET)
            self._stack.setCurrentIndex(0)
            for plot in (self.feature_plot, self.cluster_plot, self.sets_plot):
                plot.clear()
            return
        self.findings.setText(_findings(meaning))
        validation = fitted.project.validation
        errors = None if validation is None or validation.bootstrap is None else validation.bootstrap.weight_error
        self.feature_plot.set_meaning(meaning, fitted.project.fit.weights, errors)
        self.feature_plot.set_marks(self._session.marks.values)
        self.features.set_rows([_feature_row(feature) for feature in meaning.features])
        self._show_clusters(meaning.clusters)
        self._show_sets(meaning.sets)
        if meaning.features:
            self.choose_feature(meaning.features[0].name)
        self._on_page(self.pages.currentIndex())

    def choose_feature(self, name: str) -> None:
        """Show one feature in the plot, and its row."""
        proxy = self.feature_view.model()
        rows = (row for row in range(proxy.rowCount()) if proxy.index(row, 0).data() == name)
        self.feature_view.selectRow(next(rows))

    # ---- building

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(4, 2, 4, 0)
        top.addWidget(self.pages)
        top.addStretch(1)
        top.addWidget(self.status)
        top.addWidget(self.menu)
        self.status.setWordWrap(False)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMargin(16)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(reading(self.findings, 8))
        for view, plot in (
            (self.feature_view, self.feature_plot),
            (self.cluster_view, self.cluster_plot),
            (self.pair_view, self.sets_plot),
        ):
            self._stack.addWidget(side_by_side(view, plot, (2, 3)))
        self.feature_view.setAccessibleName("Features of the frames")
        self.cluster_view.setAccessibleName("Clusters of frames")
        self.pair_view.setAccessibleName("Distances that differ most")
        stack(self, top, self._stack)

    def _connect(self) -> None:
        session = self._session
        session.document.project_changed.connect(self._on_project)
        session.document.meaning_changed.connect(self._on_meaning)
        session.document.validation_changed.connect(self._on_validation)
        session.fit.staged.connect(self._on_stage)
        session.revisit.running_changed.connect(self._on_revisit)
        session.marks.marks_changed.connect(self._on_marks)
        self.pages.currentChanged.connect(self._on_page)
        self.menu.energies_requested.connect(self.energies_requested)
        self.feature_view.selectionModel().currentRowChanged.connect(self._on_feature)
        self.cluster_view.selectionModel().currentRowChanged.connect(self._on_cluster)
        self.cluster_plot.cluster_clicked.connect(self.choose_cluster)

    # ---- drawing

    def _show_clusters(self, clusters: Clusters | None) -> None:
        if clusters is None:
            self.clusters.set_rows([])
            self.cluster_plot.clear()
            return
        numbers = zip(
            clusters.weight, clusters.error, clusters.prior, clusters.ratio, clusters.centre,
            strict=True,
        )  # fmt: skip
        self.clusters.set_rows([
            (row + 1, float(weight), float(error), float(prior), float(ratio), int(centre))
            for row, (weight, error, prior, ratio, centre) in enumerate(numbers)
        ])  # fmt: skip
        self.cluster_plot.set_clusters(clusters)

    def _show_sets(self, sets: SetComparison | None) -> None:
        if sets is None:
            self.pairs.set_rows([])
            self.sets_plot.clear()
            return
        names = [(sets.residue[one], sets.residue[other]) for one, other in sets.pairs]
        numbers = zip(names, sets.pair_difference, sets.pair_error, strict=True)
        self.pairs.set_rows([(*pair, float(change), float(error)) for pair, change, error in numbers])
        self.sets_plot.set_sets(sets)

    # ---- what happens

    @Slot(int)
    def choose_cluster(self, cluster: int) -> None:
        """Brush the frames of a cluster and select its central one."""
        if self._meaning is None or self._meaning.clusters is None:
            return
        clusters = self._meaning.clusters
        self.cluster_plot.show_chosen(cluster)
        self._session.selection.set_brushed(np.flatnonzero(clusters.label == cluster))
        self._session.selection.select(int(clusters.centre[cluster]))

    @Slot(int)
    def _on_page(self, page: int) -> None:
        if self._meaning is not None:
            self._stack.setCurrentIndex(page + 1)

    @Slot(QModelIndex, QModelIndex)
    def _on_feature(self, index: QModelIndex, before: QModelIndex) -> None:
        if self._meaning is not None and index.isValid():
            self.feature_plot.set_feature(index.siblingAtColumn(0).data(SORT_ROLE))
            self.feature_plot.set_selected(self._session.selection.frame)

    @Slot(QModelIndex, QModelIndex)
    def _on_cluster(self, index: QModelIndex, before: QModelIndex) -> None:
        if index.isValid():
            self.choose_cluster(index.siblingAtColumn(0).data(SORT_ROLE) - 1)

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        self.show_meaning(None)

    @Slot(object)
    def _on_meaning(self, meaning: Meaning | None) -> None:
        self.show_meaning(meaning)

    @Slot(object)
    def _on_validation(self, validation: object) -> None:
        """Errors of the weights come with it."""
        if self._meaning is not None:
            self.show_meaning(self._meaning)

    @Slot(object)
    def _on_marks(self, frames: object) -> None:
        self.feature_plot.set_marks(self._session.marks.values)

    @Slot(object)
    def _on_stage(self, progress: Progress) -> None:
        if progress.stage == "meaning":
            far = f" {progress.step} of {progress.total}" if progress.total else ""
            self.status.setText(f"Looking for the meaning{far}")

    @Slot(str)
    def _on_revisit(self, name: str) -> None:
        self.status.setText("Looking for the meaning" if name == EXPLAIN else "")


def _feature_row(feature: Feature) -> tuple[Any, ...]:
    return feature.name, float(feature.spearman), float(feature.z), float(feature.p_corrected)


def _findings(meaning: Meaning) -> str:
    """Sentences in full ink, notes on how they were found below."""
    return _list(meaning.sentences) + (f"<p><b>How it was done</b></p>{_list(meaning.notes)}" if meaning.notes else "")


def _list(lines: Sequence[str]) -> str:
    return "<ul style='margin-left:-22px'>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"

"""What weights mean: tables and plots share the selection of frames, and the menu asks again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from pytestqt.qtbot import QtBot
from support.window_fakes import a_meaning, a_project, a_validation

from app.models.marks import Mark
from app.models.rows_table import SORT_ROLE, RowColumn, RowsTable
from app.models.session import Session
from app.panels.meaning_menu import BY_MARKS_TIP, MeaningMenu
from app.panels.meaning_panel import NO_FIT, NOT_YET, MeaningPanel
from app.plots.cluster_plot import ClusterPlot
from app.plots.feature_plot import FeaturePlot, side_by_side
from app.plots.sets_plot import ResidueAxis, SetsPlot
from app.theme import DARK
from app.workers import tasks
from mdweights_core.jobs import Progress

WEIGHTS = np.arange(1, 7) / 21.0


@pytest.fixture
def panel(qtbot: QtBot, session: Session) -> MeaningPanel:
    made = MeaningPanel(session, FeaturePlot(), ClusterPlot(), SetsPlot())
    qtbot.addWidget(made)
    return made


@pytest.fixture
def feature(qtbot: QtBot) -> FeaturePlot:
    made = FeaturePlot()
    qtbot.addWidget(made)
    made.set_meaning(a_meaning(), WEIGHTS, np.full(6, 0.01))
    made.set_feature("radius of gyration")
    return made


def show(session: Session, tmp_path: Path, **changes: Any) -> None:
    meaning = replace(a_meaning(), **changes)
    session.document.set_project(a_project(tmp_path, meaning=meaning, validation=a_validation()), unsaved=False)


def page(panel: MeaningPanel) -> int:
    return panel._stack.currentIndex()


def names(panel: MeaningPanel) -> list[str]:
    model = panel.feature_view.model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


# ---- the panel


def test_without_a_meaning_it_says_how_to_get_one(panel: MeaningPanel, session: Session, tmp_path: Path) -> None:
    assert (page(panel), panel.empty.text()) == (0, NO_FIT)
    session.document.set_project(a_project(tmp_path), unsaved=False)
    assert (page(panel), panel.empty.text()) == (0, NOT_YET)
    assert not panel.pages.isEnabled()
    show(session, tmp_path)
    assert page(panel) == 1
    session.document.set_project(None, unsaved=False)
    assert (page(panel), panel.empty.text()) == (0, NO_FIT)


def test_findings_are_sentences_and_how_they_were_found(panel: MeaningPanel, session: Session, tmp_path: Path) -> None:
    show(session, tmp_path, sentences=("Weight goes with a < b.",))
    assert "Weight goes with a &lt; b." in panel.findings.text()
    assert "4 molecules were superposed one by one." in panel.findings.text()


def test_a_feature_that_is_chosen_is_plotted(panel: MeaningPanel, session: Session, tmp_path: Path) -> None:
    show(session, tmp_path)
    assert names(panel) == ["radius of gyration", "LEU 36 chi1", "time"]
    assert panel.feature_plot.plot.getAxis("bottom").labelText == "radius of gyration (Å)"
    panel.choose_feature("time")
    assert panel.feature_plot.plot.getAxis("bottom").labelText == "time (ps)"
    panel.feature_view.sortByColumn(3, Qt.SortOrder.DescendingOrder)  # by p
    assert names(panel) == ["time", "LEU 36 chi1", "radius of gyration"]
    panel.feature_view.selectRow(1)
    assert panel.feature_plot.plot.getAxis("bottom").labelText.startswith("LEU 36 chi1")


def test_errors_of_weights_come_with_the_validation(panel: MeaningPanel, session: Session, tmp_path: Path) -> None:
    show(session, tmp_path)
    bootstrap = a_validation().bootstrap
    assert bootstrap is not None
    np.testing.assert_allclose(panel.feature_plot._shown_errors(), bootstrap.weight_error)
    assert session.document.fitted is not None
    fitted = session.document.fitted.project
    project = a_project(tmp_path, meaning=fitted.meaning).project
    session.document.update_project(project)
    assert not np.isfinite(panel.feature_plot._shown_errors()).any()


def test_a_cluster_brushes_its_frames(panel: MeaningPanel, session: Session, tmp_path: Path) -> None:
    show(session, tmp_path)
    panel.cluster_plot.box.clicked.emit(QPointF(0.2, 0.1))
    assert session.selection.brushed.tolist() == [3, 4, 5]
    assert session.selection.frame == 4
    panel.cluster_view.selectRow(1)
    assert session.selection.brushed.tolist() == [0, 1, 2]
    assert panel.cluster_plot.chosen == 1


def test_distances_that_differ_most_are_listed(panel: MeaningPanel, session: Session, tmp_path: Path) -> None:
    show(session, tmp_path)
    model = panel.pair_view.model()
    assert [model.index(0, column).data() for column in range(4)] == ["ALA 1", "GLY 3", "-0.70", "0.10"]
    panel.pages.setCurrentIndex(3)
    assert page(panel) == 4


def test_without_positions_there_are_neither_clusters_nor_sets(
    panel: MeaningPanel, session: Session, tmp_path: Path
) -> None:
    show(session, tmp_path)
    show(session, tmp_path, clusters=None, sets=None, features=())
    assert panel.cluster_plot.is_empty
    assert panel.sets_plot.is_empty
    assert panel.clusters.rowCount() == panel.pairs.rowCount() == panel.features.rowCount() == 0
    panel.choose_cluster(0)
    assert len(session.selection.brushed) == 0


def test_it_says_how_far_the_search_is(panel: MeaningPanel, session: Session) -> None:
    session.fit.advance(Progress("meaning", 3, 10))
    assert panel.status.text() == "Looking for the meaning 3 of 10"
    session.revisit.running_changed.emit("")
    assert panel.status.text() == ""


# ---- the menu


def test_the_menu_compares_marked_frames_once_there_are_both_kinds(
    qtbot: QtBot, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def explain(project: Any, settings: Any, good: Any, bad: Any) -> Any:
        yield Progress("meaning")
        asked.append((dict(settings), None if good is None else good.tolist(), None if bad is None else bad.tolist()))
        return project

    monkeypatch.setattr(tasks, "explain", explain)
    menu = MeaningMenu(session)
    qtbot.addWidget(menu)
    assert not menu.isEnabled()
    session.document.set_project(a_project(tmp_path), unsaved=False)
    assert menu.isEnabled()
    assert menu.by_marks.toolTip() == BY_MARKS_TIP
    menu.click()
    session.marks.assign(np.array([1]), Mark.KEEP)
    assert not menu.by_marks.isEnabled()
    session.marks.assign(np.array([2]), Mark.DROP)
    menu.by_marks.trigger()
    menu.temperature.setValue(310.0)
    menu.click()
    assert asked == [({}, None, None), ({"temperature": 310.0}, [1], [2])]
    session.marks.assign(np.array([2]), Mark.NONE)
    assert menu.by_weight.isChecked()
    session.fit.start()
    assert not menu.isEnabled()
    session.fit.end()


def test_the_menu_names_the_energies(qtbot: QtBot, session: Session) -> None:
    menu = MeaningMenu(session)
    qtbot.addWidget(menu)
    with qtbot.waitSignal(menu.energies_requested):
        menu.energies.trigger()
    assert not menu.no_energies.isVisible()
    session.revisit.set_meaning(energies="/data/run.xvg")
    assert menu.energies.text() == "Energies: run.xvg…"
    assert menu.no_energies.isVisible()
    menu.no_energies.trigger()
    assert session.revisit.meaning_settings["energies"] is None
    assert menu.energies.text() == "Energies of the frames…"


# ---- the plots


def test_weight_is_plotted_against_the_feature(feature: FeaturePlot) -> None:
    np.testing.assert_allclose(feature.points(), (a_meaning().features[0].values, WEIGHTS))
    assert feature._error_bars.isVisible()
    assert "Spearman 0.95, z 3.2" in feature.summary.text()
    assert "5 independent frames" in feature.summary.toolTip()
    assert "good frames 12.4, bad 12.1" in feature.summary.toolTip()


def test_an_infinite_pseudo_energy_is_an_arrow_at_its_bound(feature: FeaturePlot) -> None:
    feature.quantity.setCurrentIndex(1)
    meaning = a_meaning()
    _, y = feature.points()
    assert y[0] == 5.0
    np.testing.assert_allclose(y[1:], meaning.pseudo_energy[1:])
    assert feature._arrows.getData()[1].tolist() == [5.0]
    assert sum(len(dots.getData()[0]) for dots in feature._dots) == 5
    assert len(feature._error_bars.opts["x"]) == 5
    assert [label.text for _, label in feature.legend.items] == ["above: weight zero"]
    feature.quantity.setCurrentIndex(0)
    assert feature.legend.items == []


def test_states_stand_side_by_side_with_their_populations(feature: FeaturePlot) -> None:
    feature.set_feature("LEU 36 chi1")
    x, _ = feature.points()
    assert (np.round(x) == [0, 0, 0, 1, 1, 1]).all()
    assert len(np.unique(x)) == 6
    assert feature.plot.getAxis("bottom")._tickLevels == [[(0.0, "-\n29 % (50 %)"), (1.0, "t\n71 % (50 %)")]]
    feature.set_feature("radius of gyration")
    assert feature.plot.getAxis("bottom")._tickLevels is None


def test_frames_of_one_state_keep_their_order_and_their_place() -> None:
    places = side_by_side(np.array([1.0, 0.0, np.nan, 1.0, 1.0]))
    assert np.isnan(places[2])
    assert places[1] == 0.0
    assert places[0] < places[3] < places[4]
    assert abs(places[[0, 3, 4]].mean() - 1.0) < 1e-12
    assert np.ptp(places[[0, 3, 4]]) < 1.0


def test_frames_are_selected_and_brushed_beside_a_feature(qtbot: QtBot, feature: FeaturePlot) -> None:
    x, y = feature.points()
    with qtbot.waitSignal(feature.frame_selected) as selected:
        feature.box.clicked.emit(QPointF(x[2], y[2]))
    assert selected.args == [2]
    with qtbot.waitSignal(feature.frames_brushed) as brushed:
        feature.box.brushed.emit(QRectF(QPointF(x[3] - 0.01, 0), QPointF(x[5] + 0.01, 1)))
    assert brushed.args[0].tolist() == [3, 4, 5]
    feature.set_brushed(np.array([0, 1, 99]))
    assert feature._brushed_dots.getData()[0].tolist() == x[:2].tolist()
    feature.set_selected(None)
    assert len(feature._ring.getData()[0]) == 0
    feature.clear()
    assert feature.is_empty
    feature.box.clicked.emit(QPointF(0, 0))
    assert feature.selected is None


def test_marks_have_their_shapes_beside_a_feature(feature: FeaturePlot) -> None:
    feature.set_marks(np.array([Mark.KEEP, Mark.DROP, 0, 0, 0, 0], dtype=np.int8))
    assert [len(dots.getData()[0]) for dots in feature._dots] == [4, 1, 1, 0]


def test_clusters_stand_beside_their_prior(qtbot: QtBot) -> None:
    plot = ClusterPlot()
    qtbot.addWidget(plot)
    clusters = a_meaning().clusters
    assert clusters is not None
    plot.set_clusters(clusters)
    assert plot._weighted.opts["height"].tolist() == [0.71, 0.29]
    assert plot._prior.opts["height"].tolist() == [0.5, 0.5]
    assert len(plot._errors.opts["x"]) == 1  # the other is not known
    assert "Ward" in plot.summary.text()
    with qtbot.assertNotEmitted(plot.cluster_clicked):
        plot.box.clicked.emit(QPointF(7.0, 0.1))
    with qtbot.waitSignal(plot.cluster_clicked) as clicked:
        plot.box.clicked.emit(QPointF(1.3, 0.1))
    assert clicked.args == [1]
    plot.apply_theme(DARK)


def test_sets_can_be_read(qtbot: QtBot) -> None:
    plot = SetsPlot()
    qtbot.addWidget(plot)
    sets = a_meaning().sets
    assert sets is not None
    assert plot.read(0, 1) == ""
    plot.set_sets(sets)
    assert plot.read(0, 2) == "ALA 1 to GLY 3: -0.70 ± 0.10 Å"
    assert plot.read(0, 7) == ""
    assert plot.read_residue(0) == "ALA 1: good 0.80 Å, bad 1.10 Å, difference -0.30 ± 0.10 Å"
    assert plot._certain.getData()[0].tolist() == [0.0]
    assert plot._image.getLevels().tolist() == pytest.approx([-0.7, 0.7])
    plot.resize(700, 300)
    with qtbot.waitExposed(plot):
        plot.show()
    plot.canvas.grab()  # places are known once it was painted
    plot.canvas.scene().sigMouseMoved.emit(plot.map.getViewBox().mapViewToScene(QPointF(2.1, 0.2)))
    assert plot.readout.text() == "ALA 1 to GLY 3: -0.70 ± 0.10 Å"
    plot.canvas.scene().sigMouseMoved.emit(plot.rmsf.getViewBox().mapViewToScene(QPointF(0.8, 0.5)))
    assert plot.readout.text().startswith("LEU 2: good 0.60 Å")


def test_molecules_of_two_kinds_have_no_distance(qtbot: QtBot) -> None:
    plot = SetsPlot()
    qtbot.addWidget(plot)
    sets = a_meaning().sets
    assert sets is not None
    plot.set_sets(replace(sets, distance_difference=np.full((3, 3), np.nan)))
    assert plot.read(0, 2) == "ALA 1 to GLY 3: not in one molecule"
    plot.set_sets(replace(sets, residue=()))
    assert plot.is_empty
    assert "no positions" in plot.empty_label.text()


def test_residues_are_named_as_far_as_there_is_room(qapp: object) -> None:
    axis = ResidueAxis("bottom")
    axis.names = tuple(f"ALA {n}" for n in range(40))
    (step, places), *_ = axis.tickValues(-0.5, 39.5, 400)
    assert (step, places) == (10.0, [0.0, 10.0, 20.0, 30.0])
    assert axis.tickStrings([10.0, 99.0], 1.0, 1.0) == ["ALA 10", ""]


def test_rows_are_written_aligned_and_sorted_by_value(qapp: object) -> None:
    table = RowsTable((RowColumn("name", "what"), RowColumn("n", "how many", "{:.1f}".format)))
    table.set_rows([("a", 2.0), ("b", float("nan"))])
    assert (table.rowCount(), table.columnCount()) == (2, 2)
    assert (table.rowCount(table.index(0, 0)), table.columnCount(table.index(0, 0))) == (0, 0)
    assert [table.index(row, 1).data() for row in range(2)] == ["2.0", "\N{EN DASH}"]
    assert table.index(1, 1).data(SORT_ROLE) == float("inf")
    assert table.index(0, 1).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight.value
    assert table.headerData(1, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole) == "how many"
    assert table.headerData(0, Qt.Orientation.Vertical) is None

"""What is read from a fit in the window: its lights, its theta, its meaning, its selection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from support.window_fakes import a_meaning, a_project, a_selection, a_validation, with_fit, with_results

from app.models.document import Draft
from app.models.marks import Mark
from app.window import MainWindow
from app.workers import tasks
from mdweights_core.jobs import Progress


def test_frames_are_selected_from_the_menu_and_marked(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def select_frames(project: Any, settings: Any) -> Any:
        yield Progress("selection", 1, values={"n_kept": 5.0, "cc_aniso": 0.6}, arrays={"kept": np.arange(6) != 1})
        return SimpleNamespace(**{**vars(project), "selection": a_selection()})

    monkeypatch.setattr(tasks, "select_frames", select_frames)
    exports = [window.menus.actions[f"export.selection.{kind}"] for kind in ("csv", "ndx")]
    assert not window.menus.actions["fit.select"].isEnabled()
    with_fit(window, tmp_path)
    assert not any(action.isEnabled() for action in exports)
    window.menus.actions["fit.select"].trigger()
    assert window.workbench.tabs.currentWidget() is window.workbench.selection_panel
    qtbot.waitUntil(lambda: all(action.isEnabled() for action in exports))
    np.testing.assert_array_equal(window.plots.weights.kept_lane.kept, a_selection().kept)
    assert window.message.toolTip() == a_selection().outcome
    window.workbench.selection_panel.mark_button.click()
    assert window.session.marks.frames_with(Mark.DROP).tolist() == [1, 4]
    window.menus.actions["edit.undo"].trigger()
    assert not window.session.marks.values.any()


def test_the_frames_of_a_selection_are_fitted_and_all_of_them_again(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Draft] = []

    def fit(draft: Draft, *_: object) -> Any:
        asked.append(draft)
        yield Progress("reading")

    monkeypatch.setattr(tasks, "fit", fit)
    with_fit(window, tmp_path, selection=a_selection())
    window.session.document.set_draft(Draft(map=Path("m.mtz"), frames=(Path("f.nc"),)))
    window.session.marks.assign(np.array([2]), Mark.UNSURE)
    window.workbench.selection_panel.fit_button.click()
    qtbot.waitUntil(lambda: not window.session.is_busy)
    assert [draft.only for draft in asked] == [(0, 2, 3, 5)]
    assert window.data_panel.frames_box.only.text() == "0,2-3,5"
    assert window.session.marks.frames_with(Mark.UNSURE).tolist() == [2]  # frames keep their numbers
    window.data_panel.frames_box.only.setText("")
    window.data_panel.frames_box.only.editingFinished.emit()
    window.fit_panel.start()
    qtbot.waitUntil(lambda: not window.session.is_busy)
    assert asked[-1].only is None


def test_each_light_brings_its_plot_to_the_front(window: MainWindow, tmp_path: Path) -> None:
    with_results(window, tmp_path)
    found = {}
    for button in window.belief.buttons:
        window.workbench.show_check()
        button.click()
        found[button.light.name] = window.workbench.tabs.currentWidget()
    plots = window.plots
    assert found == {
        "held-out": plots.validation,
        "starts": plots.validation,
        "concentration": plots.weights,
        "theta": plots.theta,
        "time": plots.validation,
        "influence": plots.weights,
    }
    assert plots.weights.influence_lane.isVisible()
    assert plots.weights._error_bars.isVisible()
    assert {"error of weight", "change when left out"} <= set(plots.scatter._columns)


def test_a_theta_clicked_in_the_scan_is_that_of_the_next_fit(window: MainWindow, tmp_path: Path) -> None:
    with_results(window, tmp_path)
    window.plots.theta.theta_chosen.emit(0.125)
    assert window.fit_panel.plan().fit["theta"] == 0.125
    assert window.message._full == "Theta 0.125 is set for the next fit"


def test_frames_beside_a_feature_are_those_of_all_views(window: MainWindow, tmp_path: Path) -> None:
    with_results(window, tmp_path)
    window.plots.feature.frames_brushed.emit(np.array([1, 3]))
    assert window.session.selection.brushed.tolist() == window.plots.weights.brushed.tolist() == [1, 3]
    window.plots.weights.frame_selected.emit(2)
    assert window.plots.feature.selected == 2
    window.plots.clusters.cluster_clicked.emit(0)
    assert window.plots.weights.brushed.tolist() == [3, 4, 5]


def test_results_leave_with_their_fit(window: MainWindow, tmp_path: Path) -> None:
    with_results(window, tmp_path)
    window.session.document.set_project(a_project(tmp_path), unsaved=False)
    assert all(plot.is_empty for plot in (window.plots.theta, window.plots.validation, window.plots.feature))
    assert not window.plots.weights._error_bars.isVisible()


def test_a_fit_can_be_validated_explained_and_run_again_from_the_menus(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("fit.validate", "fit.explain", "file.rerun")
    assert not any(window.menus.actions[name].isEnabled() for name in names)
    with_fit(window, tmp_path)

    def answering(found: Callable[[Any], Any]) -> Any:
        def run(project: Any, *_: object) -> Any:
            yield Progress("validation", 1, 2)
            return found(project)

        return run

    def adding(**parts: Any) -> Any:
        return answering(lambda project: SimpleNamespace(**{**vars(project), **parts}))

    report = SimpleNamespace(same=True, sentence="Every number is the same to the last bit.")
    monkeypatch.setattr(tasks, "validate", adding(validation=a_validation()))
    monkeypatch.setattr(tasks, "explain", adding(meaning=a_meaning()))
    monkeypatch.setattr(tasks, "rerun", answering(lambda project: report))
    for name in names:
        window.menus.actions[name].trigger()
        assert not window.menus.actions[name].isEnabled()
        assert window.menus.actions["fit.stop"].isEnabled()
        qtbot.waitUntil(lambda: not window.session.revisit.running)
    assert not window.plots.validation.is_empty
    assert not window.plots.feature.is_empty
    assert window.message._full == report.sentence
    assert window.session.document.is_unsaved

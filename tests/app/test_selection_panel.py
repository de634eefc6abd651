"""The Selection tab: what is asked for, what is seen while it runs, and what can be done with its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QUndoStack
from pytestqt.qtbot import QtBot
from support.window_fakes import InstantRunner, a_project, a_selection

from app.commands.mark_frames import MarkSelection
from app.models.marks import Mark
from app.models.session import Session
from app.panels.frames_panel import SELECTION, FramesPanel
from app.panels.selection_panel import NO_FIT, SelectionPanel
from app.plots.selection_plot import SelectionPlot
from app.theme import DARK
from app.workers import tasks
from mdweights_core.jobs import Progress
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.settings import FitSettings


@pytest.fixture
def panel(qtbot: QtBot, session: Session) -> SelectionPanel:
    made = SelectionPanel(session, SelectionPlot())
    qtbot.addWidget(made)
    return made


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Settings that were asked with; the answer is always the same selection."""
    asked: list[Any] = []

    def select_frames(project: Any, settings: Any) -> Any:
        asked.append(settings)
        yield Progress("selection", 1, None, "", {"n_kept": 5.0, "cc_aniso": 0.6}, {"kept": np.arange(6) != 1})
        return SimpleNamespace(**{**vars(project), "selection": a_selection()})

    monkeypatch.setattr(tasks, "select_frames", select_frames)
    return asked


def show(session: Session, path: Path, **parts: Any) -> None:
    session.document.saved_path = path
    session.document.set_project(a_project(path, **parts), unsaved=False)


def words(panel: SelectionPanel) -> str:
    return panel.words.text()


def test_without_a_fit_it_says_what_to_do(panel: SelectionPanel) -> None:
    assert panel._plot.is_empty
    assert panel._plot.empty_label.text() == NO_FIT
    assert not panel.button.isEnabled()
    assert panel._side.isHidden()
    assert panel.kept.size == 0


def test_what_is_asked_for_is_what_the_form_says(
    panel: SelectionPanel, session: Session, tmp_path: Path, answers: list[Any]
) -> None:
    show(session, tmp_path)
    panel.button.click()
    panel.form.method.setCurrentIndex(panel.form.method.findData("genetic"))
    panel.form.fields["max_frames"].setValue(5)
    panel.form.fields["generations"].setValue(7)
    panel.form.fields["seed"].setValue(3)
    panel.button.click()
    assert SelectionSettings(**answers[0]) == SelectionSettings()
    expected = SelectionSettings("genetic", min_frames=3, max_frames=5, generations=7, seed=3)
    assert SelectionSettings(**answers[1]) == expected  # three at least, as the first answer was made with


def test_only_the_genetic_algorithm_has_generations_and_a_seed(panel: SelectionPanel) -> None:
    shown: Callable[[], list[bool]] = lambda: [panel.form.fields[name].isHidden() for name in ("generations", "seed")]  # noqa: E731
    assert shown() == [True, True]
    panel.form.show_settings(SelectionSettings("genetic"))
    assert shown() == [False, False]


def test_the_seed_is_that_of_the_fit_until_another_is_chosen(
    panel: SelectionPanel, session: Session, tmp_path: Path
) -> None:
    reading = a_project(tmp_path)
    project = SimpleNamespace(**{**vars(reading.project), "fit_settings": FitSettings(seed=9)})
    session.document.set_project(replace(reading, project=project), unsaved=False)  # type: ignore[arg-type]
    assert panel.form.values()["seed"] == 9
    show(session, tmp_path, selection=a_selection(settings=SelectionSettings(seed=4)))
    assert panel.form.values()["seed"] == 4


def test_frames_are_seen_to_go_and_it_can_be_stopped(
    panel: SelectionPanel, session: Session, runner: InstantRunner, tmp_path: Path, answers: list[Any]
) -> None:
    show(session, tmp_path)
    runner.hold()
    panel.button.click()
    assert panel.button.text() == "Stop"
    assert not panel.form.isEnabled()
    assert "Reading" in panel._plot.empty_label.text()
    for step in (0, 0, 1):
        values = {"n_kept": 6.0 - step, "cc_aniso": 0.5 + step, "cc_aniso_free": 0.4}
        session.fit.advance(Progress("selection", step, values=values))
    assert panel._plot.series("n_kept").tolist() == [6.0, 5.0]
    assert panel._plot.series("cc_aniso").tolist() == [0.5, 1.5]
    panel.button.click()
    assert "selecting frames" in runner.stops
    runner.release()
    assert panel.button.text() == "Select"
    assert not panel._side.isHidden()


def test_a_selection_that_came_to_nothing_leaves_the_one_before(
    panel: SelectionPanel, session: Session, runner: InstantRunner, tmp_path: Path
) -> None:
    show(session, tmp_path, selection=a_selection())
    runner.hold()
    panel.form.fields["min_frames"].setValue(6)
    panel.button.click()
    assert panel._side.isHidden()
    runner.held = None
    runner.finished.emit("selecting frames", None, True)
    assert not panel._side.isHidden()
    assert panel._plot.series("n_kept").tolist() == [6.0, 5.0, 4.0]
    assert panel.form.values()["min_frames"] == 6  # what was asked for can be mended


def test_the_result_is_told_beside_the_weights(panel: SelectionPanel, session: Session, tmp_path: Path) -> None:
    show(session, tmp_path, selection=a_selection())
    assert "4 frames of 6 kept" in words(panel)
    assert "Continuous weights reach anisotropic CC 0.7000" in words(panel)
    assert "Ended after 2 deletions" in words(panel)
    light = words(panel)
    panel.apply_theme(DARK)
    assert words(panel) != light  # the sign has the colours of the theme
    assert "4 kept, 2 left out" in panel.place.text()


@pytest.mark.parametrize(("held_out", "sign"), [(0.1, "■"), (0.401, "▲"), (0.9, "●"), (float("nan"), "○")])
def test_the_sign_is_that_of_held_out_reflections(
    panel: SelectionPanel, session: Session, tmp_path: Path, held_out: float, sign: str
) -> None:
    path = a_selection().path
    path["cc_aniso_free"] = np.array([0.4, 0.4, held_out])
    show(session, tmp_path, selection=a_selection(path=path, n_free=100))
    assert f">{sign}<" in words(panel)


def test_any_deletion_can_be_gone_back_to(
    qtbot: QtBot, panel: SelectionPanel, session: Session, tmp_path: Path
) -> None:
    show(session, tmp_path, selection=a_selection())
    assert np.flatnonzero(~panel.kept).tolist() == [1, 4]
    panel._plot.step_chosen.emit(1)
    assert panel.place.text() == "After 1 deletion: 5 kept, 1 left out."
    panel.brush_button.click()
    assert session.selection.brushed.tolist() == [1]
    with qtbot.waitSignal(panel.marks_requested) as asked:
        panel.mark_button.click()
    assert asked.args[0].tolist() == [True, False, True, True, True, True]


def test_a_fit_of_the_frames_of_a_step_is_asked_for(
    qtbot: QtBot, panel: SelectionPanel, session: Session, runner: InstantRunner, tmp_path: Path
) -> None:
    show(session, tmp_path, selection=a_selection())
    panel._plot.step_chosen.emit(1)
    with qtbot.waitSignal(panel.fit_requested) as asked:
        panel.fit_button.click()
    assert asked.args[0].tolist() == [True, False, True, True, True, True]
    session.fit.start()
    assert not panel.fit_button.isEnabled()


def test_a_set_that_was_bred_has_no_order_to_go_back_in(
    panel: SelectionPanel, session: Session, tmp_path: Path
) -> None:
    bred = a_selection(settings=SelectionSettings("genetic"), order=np.zeros(6, dtype=np.int64))
    show(session, tmp_path, selection=bred)
    panel._plot.step_chosen.emit(1)
    assert np.flatnonzero(~panel.kept).tolist() == [1, 4]
    assert panel.place.text().startswith("At the end")
    assert panel._plot.abscissa.currentText() == "generation"


def test_marks_of_a_selection_are_taken_back_at_once(session: Session) -> None:
    stack = QUndoStack()
    session.marks.assign(np.array([2]), Mark.UNSURE)
    stack.push(MarkSelection(session.marks, a_selection().kept))
    assert session.marks.frames_with(Mark.KEEP).tolist() == [0, 2, 3, 5]
    assert session.marks.frames_with(Mark.DROP).tolist() == [1, 4]
    assert stack.undoText() == "mark 4 frames keep and 2 drop"
    stack.undo()
    assert session.marks.values.tolist() == [0, 0, Mark.UNSURE, 0, 0, 0]


def test_the_table_tells_which_frames_are_kept_and_in_which_order_others_went(
    qtbot: QtBot, session: Session, tmp_path: Path
) -> None:
    frames = FramesPanel(session)
    qtbot.addWidget(frames)
    show(session, tmp_path)
    assert frames.view.isColumnHidden(SELECTION)
    show(session, tmp_path, selection=a_selection())
    assert not frames.view.isColumnHidden(SELECTION)
    shown = [frames.table.data(frames.table.index(row, SELECTION)) for row in range(6)]
    assert shown == ["kept", "out (1)", "kept", "kept", "out (2)", "kept"]
    for text, expected in (("selection = kept", [0, 2, 3, 5]), ("selection > 1", [4]), ("selection != kept", [1, 4])):
        frames.filter.setText(text)
        assert [frames.table.frame_at(row) for row in range(frames.table.rowCount())] == expected
    frames.filter.clear()
    show(session, tmp_path, selection=a_selection(order=np.zeros(6, dtype=np.int64)))
    assert frames.table.data(frames.table.index(1, SELECTION)) == "out"
    show(session, tmp_path)
    assert frames.view.isColumnHidden(SELECTION)
    assert frames.table.data(frames.table.index(0, SELECTION)) == ""

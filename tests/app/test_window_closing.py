"""The window asks before something is lost, and ends what runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot
from support.window_fakes import with_fit

from app.models.document import Draft
from app.window import MainWindow
from app.workers import tasks
from mdweights_core.jobs import Progress, Stopped

Buttons = QMessageBox.StandardButton


def test_an_empty_window_closes_without_a_question(window: MainWindow, answer: Callable[[Any], list[str]]) -> None:
    asked = answer(Buttons.Cancel)
    assert window.close()
    assert asked == []


def test_with_another_fit_running_an_unsaved_one_is_asked_about_in_those_words(
    window: MainWindow, tmp_path: Path, answer: Callable[[Any], list[str]]
) -> None:
    with_fit(window, tmp_path)
    window.session.fit.start()
    assert not any(button.isEnabled() for button in window.belief.buttons)
    asked = answer(Buttons.Cancel)
    assert not window.close()
    assert "another is running" in asked[0]
    window.session.fit.end()
    assert all(button.isEnabled() for button in window.belief.buttons)


@pytest.mark.parametrize(("button", "closes"), [(Buttons.Cancel, False), (Buttons.Discard, True)])
def test_an_unsaved_fit_is_asked_about(
    window: MainWindow, tmp_path: Path, answer: Callable[[Any], list[str]], button: Any, closes: bool
) -> None:
    with_fit(window, tmp_path)
    asked = answer(button)
    assert window.close() is closes
    assert asked == ["The fit is not saved."]


def test_saving_on_close_saves_and_then_closes(
    qtbot: QtBot,
    window: MainWindow,
    tmp_path: Path,
    answer: Callable[[Any], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, target = tmp_path / "made.mdw", tmp_path / "mine"
    made.mkdir()
    with_fit(window, made)
    answer(Buttons.Save)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    assert not window.close()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert (tmp_path / "mine.mdw" / "marks.json").is_file()


def test_closing_in_the_middle_of_a_fit_stops_it(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], list[str]]
) -> None:
    ended: list[str] = []

    def endless(*_: object) -> Any:
        try:
            while True:
                yield Progress("weights", 1, 2, "working")
        except Stopped:
            ended.append("stopped")
            raise

    monkeypatch.setattr(tasks, "fit", endless)
    window.session.document.set_draft(Draft(map=Path("m.mtz"), frames=(Path("f.nc"),)))
    window.fit_panel.start()
    qtbot.waitUntil(lambda: window.job_status.text.text() == "working")
    asked = answer(Buttons.Yes)
    assert window.close()
    assert asked == ["A fit is running. Stop it and close?"]
    assert ended == ["stopped"]


def test_what_is_asked_of_a_saved_fit_is_not_ended_without_a_question(
    qtbot: QtBot,
    window: MainWindow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[Any], list[str]],
) -> None:
    def endless(*_: object) -> Any:
        while True:
            yield Progress("selection", 1, values={"n_kept": 5.0, "cc_aniso": 0.6})

    monkeypatch.setattr(tasks, "select_frames", endless)
    with_fit(window, tmp_path)
    window.session.document.is_unsaved = False
    window.menus.actions["fit.select"].trigger()
    qtbot.waitUntil(lambda: not window.plots.selection.is_empty)
    asked = answer(Buttons.No)
    assert not window.close()
    window.menus.actions["file.new"].trigger()
    assert asked == [
        "mdweights is still selecting frames. Stop it and close?",
        "mdweights is still selecting frames. Stop it?",
    ]
    assert window.session.document.fitted is not None
    window.session.stop()
    qtbot.waitUntil(lambda: not window.session.is_busy)


def test_the_example_is_dropped_only_after_asking(
    window: MainWindow, tmp_path: Path, answer: Callable[[Any], list[str]]
) -> None:
    with_fit(window, tmp_path)
    asked = answer(Buttons.No)
    window.menus.actions["file.new"].trigger()
    window.menus.actions["file.example"].trigger()
    assert asked == ["The fit is not saved. Drop it?"] * 2
    assert window.session.document.fitted is not None

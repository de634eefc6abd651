"""Every test of the window starts with no settings and leaves nothing running; sessions and windows to test with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot
from support.window_fakes import INPUTS, InstantRunner, a_project, give, some_frames

from app.main import build_window
from app.models.fit_plan import FitPlan
from app.models.session import Session
from app.window import MainWindow
from app.workers import tasks
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress


@pytest.fixture(autouse=True)
def _clean_window(private_settings: None, no_leaks: None) -> None:
    pass


@pytest.fixture
def runner(qapp: object) -> InstantRunner:
    """Return the runner of what is tested: fits of `session` and `made_up`, or an engine beside `read_by_name`."""
    return InstantRunner()


@pytest.fixture
def session(runner: InstantRunner, tmp_path: Path) -> Session:
    """Return a session with six frames and nothing else."""
    made = Session(runner, InstantRunner(), InstantRunner(), tmp_path)
    made.marks.set_n_frames(6)
    made.selection.set_n_frames(6)
    return made


@pytest.fixture
def read_by_name(qapp: object, tmp_path: Path) -> Session:
    """Return a session with six frames whose files are only named, and whose fits run beside `runner`."""
    reader = InstantRunner()
    reader.hold()
    made = Session(InstantRunner(), reader, InstantRunner(), tmp_path)
    made.marks.set_n_frames(6)
    made.selection.set_n_frames(6)
    return made


@pytest.fixture
def made_up(runner: InstantRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return a session whose files are always found and whose fit is made up."""

    def read_map(draft: Any) -> Any:
        yield Progress("reading")
        if draft.map.name == "broken.mtz":
            raise BadInput("The file is no MTZ", where=draft.map)
        return None

    def read_frames(draft: Any) -> Any:
        yield Progress("reading")
        if draft.topology is None and draft.frames[0].suffix == ".xtc":
            raise BadInput("A trajectory needs a topology", where=draft.frames[0])
        return some_frames(4 if draft.frames[0].name == "short.nc" else 6)

    def fit(draft: Any, plan: FitPlan, out: Path, start: Any, execution: Any) -> Any:
        yield Progress("weights", 1, values={"cc": 0.5}, arrays={"weights": np.full(6, 1 / 6)})
        made.append((draft, plan, out, start, execution))
        return a_project(tmp_path, draft.inputs())

    made: list[Any] = []
    monkeypatch.setattr(tasks, "read_map", read_map)
    monkeypatch.setattr(tasks, "read_frames", read_frames)
    monkeypatch.setattr(tasks, "fit", fit)
    monkeypatch.setattr(tasks, "open_project", lambda path: give(a_project(path, INPUTS)))
    reader = InstantRunner()
    reader.names = runner.names
    session = Session(runner, reader, InstantRunner(), tmp_path)
    session.problems = []  # type: ignore[attr-defined]
    session.failed.connect(session.problems.append)  # type: ignore[attr-defined]
    session.fits = made  # type: ignore[attr-defined]
    return session


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """Show a window, and close it without a question."""
    made = build_window(tmp_path / "scratch")
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.session.document.is_unsaved = False
    made.session.fit.is_running = False
    made.close()
    made.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Answer every question with one button; returns the list of questions asked."""

    def arrange(button: Any) -> list[str]:
        asked: list[str] = []

        def question(parent: object, title: str, text: str, *rest: object) -> object:
            asked.append(text)
            return button

        monkeypatch.setattr(QMessageBox, "question", question)
        return asked

    return arrange

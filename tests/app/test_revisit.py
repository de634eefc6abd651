"""A fit that is there can be validated, explained and run again, one at a time, and its project takes the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from support.window_fakes import InstantRunner, a_meaning, a_project, a_validation

from app.models.marks import Mark
from app.models.revisit import EXPLAIN, RERUN, VALIDATE
from app.models.session import Session
from app.workers import tasks
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress
from mdweights_core.meaning.settings import MeaningSettings


@pytest.fixture
def session(session: Session, tmp_path: Path) -> Session:
    """A session with a fit of six frames."""
    session.problems = []  # type: ignore[attr-defined]
    session.failed.connect(session.problems.append)  # type: ignore[attr-defined]
    session.document.saved_path = tmp_path
    session.document.set_project(a_project(tmp_path), unsaved=False)
    return session


def job(answer: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        yield Progress("validation", 34, 75)
        return answer(*arguments)

    return run


def with_parts(project: Any, **parts: Any) -> Any:
    return SimpleNamespace(**{**vars(project), **parts})


def test_a_validation_joins_the_project_that_is_shown(
    qtbot: QtBot, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    validation = a_validation()

    def answer(project: Any, settings: Any) -> Any:
        asked.append(settings)
        return with_parts(project, validation=validation)

    monkeypatch.setattr(tasks, "validate", job(answer))
    with (
        qtbot.waitSignal(session.document.validation_changed) as told,
        qtbot.assertNotEmitted(session.document.project_changed),
        qtbot.assertNotEmitted(session.document.meaning_changed),
    ):
        session.revisit.validate({"folds": 3})
    assert told.args == [validation]
    assert asked == [{"folds": 3}]
    assert session.document.fitted is not None
    assert session.document.fitted.project.validation is validation
    assert not session.document.is_unsaved


def test_what_is_found_of_a_copy_is_unsaved(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    session.document.saved_path = tmp_path / "elsewhere.mdw"
    monkeypatch.setattr(tasks, "validate", job(lambda project, _: with_parts(project, validation=a_validation())))
    session.revisit.validate({})
    assert session.document.is_unsaved


def test_marked_frames_are_compared(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(project: Any, settings: Any, good: Any, bad: Any) -> Any:
        asked.append((settings, good, bad))
        return with_parts(project, meaning=a_meaning(settings=MeaningSettings(temperature=310.0)))

    monkeypatch.setattr(tasks, "explain", job(answer))
    session.revisit.explain(by_marks=True)
    assert asked == []
    assert "Mark frames keep (K) and drop (D)" in session.problems[0].sentence  # type: ignore[attr-defined]
    session.marks.assign(np.array([1, 4]), Mark.KEEP)
    session.marks.assign(np.array([0]), Mark.DROP)
    session.revisit.set_meaning(energies="e.xvg")
    session.revisit.explain(by_marks=True)
    settings, good, bad = asked[0]
    assert (settings, good.tolist(), bad.tolist()) == ({"energies": "e.xvg"}, [1, 4], [0])
    assert session.revisit.meaning_settings["temperature"] == 310.0  # what was asked last is asked again
    session.revisit.explain()
    assert asked[1][1:] == (None, None)


def test_a_rerun_tells_whether_it_is_the_same(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    session.said.connect(said.append)
    report = SimpleNamespace(same=True, sentence="Every number is the same to the last bit.")
    monkeypatch.setattr(tasks, "rerun", job(lambda project: report))
    session.revisit.rerun()
    assert said == ["Every number is the same to the last bit."]
    report.same, report.sentence = False, "2 results are not the same."
    session.revisit.rerun()
    assert "2 results are not the same" in session.problems[0].sentence  # type: ignore[attr-defined]


def test_two_jobs_never_write_one_project(
    session: Session, runner: InstantRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "validate", job(lambda project, _: with_parts(project, validation=a_validation())))
    runner.hold()
    session.revisit.validate({})
    assert session.revisit.running == VALIDATE
    session.revisit.rerun()
    session.fit.start()
    session.revisit.explain()
    assert [problem.what for problem in session.problems] == ["Another job works on this fit"] * 2  # type: ignore[attr-defined]
    session.fit.end()
    session.stop()
    assert {VALIDATE, EXPLAIN, RERUN} <= set(runner.stops)
    runner.release()
    assert session.revisit.running == ""


def test_the_result_of_a_fit_that_is_gone_is_dropped(
    session: Session, runner: InstantRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tasks, "validate", job(lambda project, _: with_parts(project, validation=a_validation())))
    runner.hold()
    session.revisit.validate({})
    session.document.set_project(a_project(tmp_path), unsaved=False)
    runner.release()
    assert session.document.fitted is not None
    assert session.document.fitted.project.validation is None


def test_a_job_that_fails_is_told_and_others_may_follow(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        yield Progress("reading")
        raise BadInput("an input file is gone")

    monkeypatch.setattr(tasks, "rerun", failing)
    session.revisit.rerun()
    assert session.revisit.running == ""
    assert [problem.what for problem in session.problems] == ["an input file is gone"]  # type: ignore[attr-defined]
    session.document.set_project(None, unsaved=False)
    session.revisit.validate({})
    assert "There is no fit yet" in session.problems[-1].sentence  # type: ignore[attr-defined]


def test_a_stopped_validation_changes_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.document.saved_path = None
    monkeypatch.setattr(tasks, "validate", job(lambda project, _: project))
    session.revisit.validate({})
    assert not session.document.is_unsaved


def test_the_settings_of_a_saved_meaning_are_asked_again(session: Session, tmp_path: Path) -> None:
    meaning = replace(a_meaning(), settings=MeaningSettings(energies="run.xvg"))
    session.document.set_project(a_project(tmp_path, meaning=meaning), unsaved=False)
    assert session.revisit.meaning_settings["energies"] == "run.xvg"

"""What can be done with the document, with runners that work at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from support.window_fakes import INPUTS, InstantRunner, a_project, a_validation, give, some_frames

from app.models.fit_plan import FitPlan
from app.models.marks import Mark
from app.models.readings import FitSnapshot
from app.models.session import FIT, Session
from app.workers import tasks
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.jobs import Progress
from mdweights_core.project import FitInputs


@pytest.fixture
def session(made_up: Session) -> Session:
    return made_up


def test_dropped_files_become_the_inputs(session: Session) -> None:
    session.open_paths([Path("map.mtz"), Path("run.xtc"), Path("run.pdb")])
    assert session.document.draft.is_complete
    assert session.document.draft.inputs() == FitInputs(Path("map.mtz"), (Path("run.xtc"),), topology=Path("run.pdb"))
    assert session.selection.n_frames == 6


def test_a_trajectory_waits_for_its_topology(session: Session) -> None:
    session.open_paths([Path("run.xtc")])
    assert [type(problem) for problem in session.problems] == [BadInput]
    session.open_paths([Path("run.pdb")])
    assert session.document.draft.frames == (Path("run.xtc"),)
    assert session.document.draft.topology == Path("run.pdb")
    assert session.document.frames is not None


def test_a_broken_map_is_told_and_forgotten(session: Session) -> None:
    session.open_map(Path("broken.mtz"))
    assert "no MTZ" in session.problems[0].sentence
    assert session.document.draft.map is None


def test_an_unknown_file_is_told_and_the_rest_is_opened(session: Session) -> None:
    session.open_paths([Path("notes.txt"), Path("map.mtz")])
    assert "notes.txt" in session.problems[0].sentence
    assert session.document.draft.map == Path("map.mtz")


def test_a_fit_without_inputs_is_told(session: Session, runner: InstantRunner) -> None:
    session.start_fit(FitPlan())
    assert "nothing to fit" in session.problems[0].sentence
    assert FIT not in runner.names
    assert not session.fit.is_running


def test_a_fit_shows_its_steps_and_its_result(qtbot: QtBot, session: Session) -> None:
    session.open_inputs(INPUTS)
    with qtbot.waitSignals([session.fit.stepped, session.fit.weights_changed, session.document.project_changed]):
        session.start_fit(FitPlan({"solver": "adam"}))
    draft, plan, _, start, _ = session.fits[0]
    assert (draft.d_min, plan.fit, start) == (2.0, {"solver": "adam"}, None)
    assert session.document.is_unsaved
    assert session.document.can_resume


def test_a_fit_is_shown_before_it_is_validated_and_then_only_what_is_new(
    qtbot: QtBot, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = a_project(tmp_path, INPUTS)
    validation, shown = a_validation(), []
    late = SimpleNamespace(**{**vars(early.project), "validation": validation})

    def fit(*_: Any) -> Any:
        yield Progress("weights", 1)
        shown.append((session.document.fitted, session.fit.hides_another, session.working))
        for _ in range(2):
            yield FitSnapshot("validation", 1, 2, reading=early)
            shown.append((session.document.fitted, session.fit.hides_another, session.working))
            session.marks.assign(np.array([3]), Mark.DROP)
        return replace(early, project=late)

    monkeypatch.setattr(tasks, "fit", fit)
    session.open_inputs(INPUTS)
    projects: list[Any] = []
    session.document.project_changed.connect(projects.append)
    session.start_fit(FitPlan())
    validating = (early, False, "A fit is still being validated.")
    assert shown == [(None, True, "A fit is running."), validating, validating]
    assert projects == [early]
    assert session.document.fitted is not None
    assert session.document.fitted.project.validation is validation
    assert session.marks.frames_with(Mark.DROP).tolist() == [3]
    assert session.document.is_unsaved
    session.start_fit(FitPlan())  # another fit is another project
    assert projects == [early, early]


def test_an_early_fit_of_data_that_are_gone_is_not_shown(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: Any) -> Any:
        session.new()
        yield FitSnapshot("validation", 1, 2, reading=a_project(tmp_path, INPUTS))

    monkeypatch.setattr(tasks, "fit", fit)
    session.open_inputs(INPUTS)
    session.start_fit(FitPlan())
    assert session.document.fitted is None


def test_resume_goes_on_from_the_last_weights(session: Session) -> None:
    session.open_inputs(INPUTS)
    session.start_fit(FitPlan())
    session.start_fit(FitPlan(), resume=True)
    assert session.document.fitted is not None
    np.testing.assert_array_equal(session.fits[1][3], session.document.fitted.project.fit.weights)


def test_other_inputs_cannot_be_resumed(session: Session) -> None:
    session.open_inputs(INPUTS)
    session.start_fit(FitPlan())
    session.inputs.edit(d_min=1.5)
    assert not session.document.can_resume
    session.inputs.edit(d_min=2.0)
    assert session.document.can_resume


def test_other_frames_end_the_fit_of_the_former(session: Session) -> None:
    session.open_inputs(INPUTS)
    session.start_fit(FitPlan())
    session.open_frames([Path("short.nc")], Path("run.pdb"))
    assert session.document.fitted is None
    assert session.selection.n_frames == 4


def test_a_stopped_fit_without_weights_leaves_no_project(
    session: Session, runner: InstantRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    session.said.connect(said.append)
    session.open_inputs(INPUTS)
    monkeypatch.setattr(tasks, "fit", lambda *_: give(None))
    runner.hold()
    session.start_fit(FitPlan())
    session.stop()
    assert runner.stops[-1] == FIT
    runner.release()
    assert session.document.fitted is None
    assert not session.fit.is_running
    assert "finished structure factors are kept" in said[-1]


def test_a_new_document_drops_a_running_fit(session: Session, runner: InstantRunner) -> None:
    session.open_inputs(INPUTS)
    runner.hold()
    session.start_fit(FitPlan())
    session.new()
    runner.release()
    assert session.document.fitted is None
    assert session.selection.n_frames == 0


def test_a_project_opens_with_its_marks(session: Session, tmp_path: Path) -> None:
    session.marks.set_n_frames(6)
    session.marks.assign(np.array([2]), Mark.DROP)
    session.marks.save(tmp_path)
    session.open_project(tmp_path)
    assert session.marks.frames_with(Mark.DROP).tolist() == [2]
    assert session.document.saved_path == tmp_path
    assert not session.document.is_unsaved
    assert session.document.can_resume
    assert session.document.draft.scattering.b_iso == 12.5
    assert session.document.draft.inputs() == INPUTS


def test_a_project_whose_trajectory_is_another_now_keeps_its_fit(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "read_frames", lambda draft: give(some_frames(9)))
    session.open_project(tmp_path)
    assert session.document.fitted is not None
    assert session.selection.n_frames == 6
    assert "6 frames, but the files hold 9" in session.problems[0].sentence


def test_saving_copies_the_folder_and_the_marks(session: Session, tmp_path: Path) -> None:
    made, target = tmp_path / "made.mdw", tmp_path / "saved.mdw"
    made.mkdir()
    (made / "project.json").write_text("{}")
    session.open_inputs(INPUTS)
    session.document.set_project(a_project(made), unsaved=True)
    session.marks.assign(np.array([1]), Mark.KEEP)
    session.save(target)
    assert (target / "project.json").read_text() == "{}"
    assert (target / "marks.json").is_file()
    assert not session.document.is_unsaved
    assert session.document.title == "saved.mdw"


def test_nothing_to_save_is_told(session: Session, tmp_path: Path) -> None:
    session.save(tmp_path / "x.mdw")
    session.export("csv", tmp_path / "x.csv")
    assert ["no fit yet" in problem.sentence for problem in session.problems] == [True, True]


def drain(job: Any) -> Any:
    from mdweights_core.jobs import run

    return run(job)


def test_a_project_saved_over_another_replaces_it_whole(tmp_path: Path) -> None:
    for name, content in (("new", "new"), ("old.mdw", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{content}.txt").write_text(content)
    drain(tasks.save_project(tmp_path / "new", tmp_path / "old.mdw"))
    assert [path.name for path in (tmp_path / "old.mdw").iterdir()] == ["new.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old.mdw"]


def test_a_project_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(DiskProblem, match="could not be saved"):
        drain(tasks.save_project(tmp_path / "new", tmp_path / "file" / "x.mdw"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new"]

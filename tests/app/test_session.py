"""What can be done with the document, with runners that work at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from support.check_fakes import a_check
from support.window_fakes import InstantRunner, a_project, a_validation, some_frames

from app.models.check_model import CheckState
from app.models.document import Draft
from app.models.fit_plan import FitPlan
from app.models.inputs import READ_FRAMES, READ_MAP
from app.models.marks import Mark
from app.models.readings import FitSnapshot, FramesReading, MapReading
from app.models.session import FIT, Session
from app.workers import tasks
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.jobs import Progress
from mdweights_core.project import FitInputs
from mdweights_core.scattering.settings import Execution, PredictSettings

INPUTS = FitInputs(map=Path("map.mtz"), frames=(Path("run.xtc"),), topology=Path("run.pdb"), d_min=2.0)


@pytest.fixture
def runner(qapp: object) -> InstantRunner:
    return InstantRunner()


@pytest.fixture
def session(runner: InstantRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose files are always found and whose fit is made up."""

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
    monkeypatch.setattr(tasks, "open_project", lambda path: _give(a_project(path, INPUTS)))
    reader = InstantRunner()
    reader.names = runner.names
    session = Session(runner, reader, InstantRunner(), tmp_path)
    session.problems = []  # type: ignore[attr-defined]
    session.failed.connect(session.problems.append)  # type: ignore[attr-defined]
    session.fits = made  # type: ignore[attr-defined]
    return session


def _give(result: Any) -> Any:
    yield Progress("giving")
    return result


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
    monkeypatch.setattr(tasks, "fit", lambda *_: _give(None))
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


def test_only_what_changed_is_read_again(session: Session, runner: InstantRunner) -> None:
    session.open_inputs(INPUTS)
    runner.names.clear()
    session.inputs.edit(scattering=PredictSettings(remove_drift=False))
    assert runner.names == []
    session.inputs.edit(d_max=9.0)
    assert runner.names == [READ_MAP]
    session.inputs.edit(topology=Path("other.pdb"))
    assert runner.names == [READ_MAP, READ_FRAMES]


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
    monkeypatch.setattr(tasks, "read_frames", lambda draft: _give(some_frames(9)))
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


# ---- the check of the frames


@pytest.fixture
def checked(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose map and frames are real enough to be looked at; `looks` are the drafts that were."""
    looks: list[Any] = []

    def check(draft: Any, used: Any, out: Path) -> Any:
        yield Progress("checking frames")
        looks.append(draft)
        if draft.scattering.selection == "nothing":
            raise BadInput("The selection chooses nothing")
        return draft, a_check()

    frames = FramesReading("molecules", ("a #0",) * 6, 3, molecules=object())  # type: ignore[arg-type]
    reading = MapReading(SimpleNamespace(cell=None, kind="MTZ"), used=object())  # type: ignore[arg-type]
    monkeypatch.setattr(tasks, "check", check)
    monkeypatch.setattr(tasks, "read_map", lambda draft: _give(reading))
    monkeypatch.setattr(tasks, "read_frames", lambda draft: _give(frames))
    session.looks = looks  # type: ignore[attr-defined]
    return session


def test_frames_are_looked_at_when_map_and_frames_are_known_and_after_every_edit(checked: Session) -> None:
    checked.open_map(Path("map.mtz"))
    assert checked.looks == []
    checked.open_frames([Path("run.nc")])
    assert len(checked.looks) == 1
    assert checked.check.state is CheckState.DONE
    checked.inputs.edit(scattering=PredictSettings(supercell=(2, 2, 2)))
    checked.inputs.edit(d_min=2.0)
    assert [draft.scattering.supercell for draft in checked.looks] == [None, (2, 2, 2), (2, 2, 2)]
    assert checked.looks[-1].d_min == 2.0
    checked.inputs.edit(d_min=2.0)  # nothing new
    assert len(checked.looks) == 3
    checked.inputs.check_frames()
    assert len(checked.looks) == 4
    checked.new()
    assert checked.check.state is CheckState.NONE


def test_a_look_at_what_is_no_longer_so_is_not_shown(checked: Session) -> None:
    checked.open_inputs(INPUTS)
    checked.check.start()
    checked.inputs._checked((Draft(), a_check(n_frames=1)))
    assert checked.check.state is CheckState.RUNNING


def test_what_keeps_frames_from_being_computed_is_told_in_the_check_and_not_in_the_banner(checked: Session) -> None:
    checked.open_inputs(INPUTS)
    checked.inputs.edit(scattering=PredictSettings(selection="nothing"))
    assert checked.check.state is CheckState.FAILED
    assert checked.problems == []
    checked.inputs.edit(scattering=PredictSettings())
    assert checked.check.state is CheckState.DONE


def test_structure_factors_are_not_looked_at(session: Session) -> None:
    session.open_inputs(INPUTS)
    assert session.check.state is CheckState.NONE


def test_a_check_without_data_is_told(session: Session) -> None:
    session.inputs.check_frames()
    assert "nothing to fit" in session.problems[0].sentence


def test_a_bulk_solvent_is_fitted_set_and_said(checked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(k_sol=0.34567, b_sol=51.234, sentence="Bulk solvent of 0.346 e/Å³")
    monkeypatch.setattr(tasks, "fit_solvent", lambda draft, used, bragg: _give(found))
    said: list[str] = []
    checked.said.connect(said.append)
    checked.open_inputs(INPUTS)
    checked.inputs.fit_solvent(Path("bragg.mtz"))
    chosen = checked.document.draft.scattering
    assert (chosen.solvent, chosen.k_sol, chosen.b_sol) == ("mask", 0.346, 51.2)
    assert said == ["Bulk solvent of 0.346 e/Å³"]
    assert checked.looks[-1].scattering == chosen


def test_a_bulk_solvent_that_cannot_be_fitted_is_told_and_changes_nothing(
    checked: Session, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        yield Progress("bulk solvent")
        raise BadInput("The cell of the Bragg amplitudes is another")

    monkeypatch.setattr(tasks, "fit_solvent", refuse)
    checked.inputs.fit_solvent(Path("bragg.mtz"))
    assert "no molecules" in checked.problems[0].sentence
    checked.open_inputs(INPUTS)
    checked.inputs.fit_solvent(Path("bragg.mtz"))
    assert "Bragg amplitudes" in checked.problems[-1].sentence
    assert checked.document.draft.scattering == PredictSettings()
    assert checked.check.state is CheckState.DONE


def test_atoms_of_a_selection_are_counted(checked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def select(source: Any, text: str) -> Any:
        yield Progress("selecting")
        if text == "protien":
            raise BadInput("'protien' is not a selection of atoms")
        return 608

    monkeypatch.setattr(tasks, "select", select)
    told: list[Any] = []
    checked.inputs.atoms_chosen.connect(told.append)
    checked.inputs.try_selection("protein")  # no frames yet: nothing to choose from
    checked.open_inputs(INPUTS)
    checked.inputs.try_selection("protein")
    checked.inputs.try_selection("protien")
    assert told[0] == 608
    assert "protien" in told[1].sentence
    assert checked.problems == []


def test_where_to_compute_goes_to_the_fit(session: Session) -> None:
    told: list[Execution] = []
    session.execution_changed.connect(told.append)
    session.set_execution(Execution("processes", 2))
    session.set_execution(Execution("processes", 2))
    session.open_inputs(INPUTS)
    session.start_fit(FitPlan())
    assert told == [Execution("processes", 2)]
    assert session.fits[0][4] == Execution("processes", 2)


def test_another_conformer_is_read_from_the_files(session: Session, runner: InstantRunner) -> None:
    session.open_inputs(INPUTS)
    runner.names.clear()
    session.inputs.edit(scattering=PredictSettings(altloc="B"))
    assert runner.names == [READ_FRAMES]


# ---- maps that tell no cell


@pytest.fixture
def lattice_file(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Maps are Lunus lattices; the list holds the cells they were read with."""
    cells: list[Any] = []

    def read_map(draft: Any) -> Any:
        yield Progress("reading")
        cells.append(draft.cell)
        return MapReading(SimpleNamespace(cell=None, kind="Lunus lattice"))  # type: ignore[arg-type]

    monkeypatch.setattr(tasks, "read_map", read_map)
    return cells


def test_a_cell_that_is_typed_for_a_map_is_used_and_outlives_other_frames(
    session: Session, lattice_file: list[Any]
) -> None:
    cell = (20.0, 30.0, 40.0, 90.0, 90.0, 90.0)
    session.open_map(Path("map.lat"))
    session.inputs.edit(cell=cell)
    assert lattice_file == [None, cell]
    assert session.document.map_cell.parameters == cell
    session.open_frames([Path("short.nc")])
    assert session.document.draft.cell == cell


def test_a_checkpoint_is_map_and_frames_but_only_frames_beside_another_map(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("checkpoint.nxs")
    monkeypatch.setattr("app.models.paths._kind_of_nexus", lambda path: "checkpoint")
    session.open_paths([path])
    assert (session.document.draft.map, session.document.draft.frames) == (path, (path,))
    session.new()
    session.open_map(Path("map.mtz"))
    session.open_paths([path])
    assert (session.document.draft.map, session.document.draft.frames) == (Path("map.mtz"), (path,))

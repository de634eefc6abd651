"""Inputs that are edited, read, looked at and fitted a solvent to, with runners that work at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.check_fakes import a_check
from support.window_fakes import INPUTS, InstantRunner, give

from app.models.check_model import CheckState
from app.models.document import Draft
from app.models.fit_plan import FitPlan
from app.models.inputs import READ_FRAMES, READ_MAP
from app.models.readings import FramesReading, MapReading
from app.models.session import Session
from app.workers import tasks
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress
from mdweights_core.scattering.settings import Execution, PredictSettings


@pytest.fixture
def session(made_up: Session) -> Session:
    return made_up


def test_only_what_changed_is_read_again(session: Session, runner: InstantRunner) -> None:
    session.open_inputs(INPUTS)
    runner.names.clear()
    session.inputs.edit(scattering=PredictSettings(remove_drift=False))
    assert runner.names == []
    session.inputs.edit(d_max=9.0)
    assert runner.names == [READ_MAP]
    session.inputs.edit(topology=Path("other.pdb"))
    assert runner.names == [READ_MAP, READ_FRAMES]


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
    monkeypatch.setattr(tasks, "read_map", lambda draft: give(reading))
    monkeypatch.setattr(tasks, "read_frames", lambda draft: give(frames))
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
    monkeypatch.setattr(tasks, "fit_solvent", lambda draft, used, bragg: give(found))
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

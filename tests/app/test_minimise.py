"""The Minimise panel and the Minima tab: what is asked for, what is seen, and what can be done with the result."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from support.minima_fakes import ATOMS, a_comparison, a_minimum
from support.window_fakes import InstantRunner, a_project

from app.commands.minima_commands import MinimaCommands
from app.models import minima
from app.models.marks import Mark
from app.models.minima import MinimaModel
from app.models.minima_readings import FrameChoice, MinimiseRequest
from app.models.molecules import MoleculeModel
from app.models.readings import MOLECULES, FramesReading
from app.models.session import Session
from app.panels.energy_fields import NO_COORDINATES, NO_STRUCTURE
from app.panels.minima_page import METHOD, REFERENCE, SECONDS, MinimaPage
from app.panels.minimise_panel import MinimisePanel
from app.panels.molecule_guest import MoleculeGuest
from app.panels.molecule_panel import MoleculePanel
from app.plots.minima_plot import MinimaPlot
from app.scenes.molecule_scene import MoleculeView
from app.settings import Settings
from app.workers import minimise_tasks
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress
from mdweights_core.minimize import compare as comparing
from mdweights_core.minimize.compare import write_table
from mdweights_core.minimize.result import NOT_BEGUN


@pytest.fixture
def session(read_by_name: Session) -> Session:
    return read_by_name


@pytest.fixture
def model(session: Session, runner: InstantRunner, tmp_path: Path) -> MinimaModel:
    return MinimaModel(session, runner, tmp_path)


@pytest.fixture
def panel(qtbot: QtBot, session: Session, model: MinimaModel) -> MinimisePanel:
    made = MinimisePanel(session, model)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def page(qtbot: QtBot, model: MinimaModel) -> MinimaPage:
    made = MinimaPage(model, MinimaPlot())
    qtbot.addWidget(made)
    return made


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[MinimiseRequest, Path]]:
    """What was asked; the answer is two starts, the first of which is seen on its way."""
    asked: list[tuple[MinimiseRequest, Path]] = []

    def minimise(request: MinimiseRequest, checkpoint: Path) -> Any:
        asked.append((request, checkpoint))
        seen = {
            "evaluations": np.array([1, 2]),
            "seconds": np.array([0.1, 0.2]),
            "energy": np.array([10.0, 1.0]),
            "rms_force": np.array([100.0, 1.0]),
            "x": np.zeros((2, 3)),
        }
        yield Progress("minimising", 0, 2, "", {"start": 0.0, "rmsd": 0.2}, seen)
        return a_minimum(request)

    monkeypatch.setattr(minimise_tasks, "minimise", minimise)
    return asked


def with_trajectory(session: Session, folder: Path) -> Path:
    """Six frames whose topology is a structure."""
    structure = folder / "top.pdb"
    source: Any = SimpleNamespace(paths=(folder / "run.xtc",), topology_path=structure, atoms=ATOMS)
    session.document.update(frames=(folder / "run.xtc",), topology=structure)
    session.document.set_frames(FramesReading(MOLECULES, ("f",) * 6, 2, molecules=source))
    return structure


def choose(panel: MinimisePanel, what: str) -> None:
    panel.form.what.setCurrentIndex(panel.form.what.findData(what))


def test_without_a_structure_it_says_what_to_do(panel: MinimisePanel) -> None:
    assert panel.hint.text() == NO_STRUCTURE
    assert not any(it.isEnabled() for it in (panel.start_button, panel.stop_button, panel.resume_button))


def test_a_file_of_parameters_needs_coordinates(panel: MinimisePanel, tmp_path: Path) -> None:
    panel.show_structure(tmp_path / "a.prmtop")
    assert panel.hint.text() == NO_COORDINATES
    assert panel.form.energy.hydrogens.isHidden()
    panel.show_coordinates(tmp_path / "a.rst7")
    assert panel.hint.isHidden()
    assert panel.request().coordinates == tmp_path / "a.rst7"


def test_a_structure_is_minimised_by_the_defaults_of_the_core(
    panel: MinimisePanel, tmp_path: Path, answers: list[tuple[MinimiseRequest, Path]]
) -> None:
    panel.show_structure(tmp_path / "a.pdb")
    panel.start_button.click()
    assert [request for request, _ in answers] == [MinimiseRequest(tmp_path / "a.pdb")]
    assert panel.remarks.text() == "A remark.\nA note."


def test_what_is_asked_for_is_what_the_form_says(panel: MinimisePanel, tmp_path: Path) -> None:
    form = panel.form
    panel.show_structure(tmp_path / "a.pdb")
    form.energy.force_field.setCurrentText("charmm36")
    form.energy.solvent.setCurrentIndex(form.energy.solvent.findData("none"))
    form.energy.cutoff.setValue(0.9)
    form.crystal.setChecked(True)
    form.copies[2].setValue(2)
    form.energy.hydrogens.setChecked(True)
    form.energy.repair.setChecked(True)
    form.energy.ph.setValue(6.5)
    form.method.setCurrentIndex(form.method.findData("adam"))
    form.tolerance.setValue(0.01)
    form.evaluations.setValue(50)
    form.fix.setText(" name CA ")
    form.restrain.setText("name N")
    form.spring.setValue(20)
    form.select.setText("protein")
    asked = panel.request()
    energy, settings = asked.energy, asked.settings
    assert (energy.force_field, energy.solvent, energy.cutoff, energy.crystal) == ("charmm36", "none", 0.9, True)
    assert (energy.copies, energy.add_hydrogens, energy.repair, energy.ph) == ((1, 1, 2), True, True, 6.5)
    assert (settings.method, settings.tolerance, settings.max_evaluations) == ("adam", 0.01, 50)
    assert (asked.fix, asked.restrain, asked.spring, asked.select) == ("name CA", "name N", 20.0, "protein")


def test_values_that_do_not_go_together_are_told_beside_the_form(
    panel: MinimisePanel, model: MinimaModel, tmp_path: Path, answers: list[Any]
) -> None:
    told: list[BadInput] = []
    model.failed.connect(told.append)
    panel.show_structure(tmp_path / "a.pdb")
    panel.form.crystal.setChecked(True)
    panel.start()
    panel.form.crystal.setChecked(False)
    panel.form.energy.force_field.setCurrentText("amber15")
    panel.start()
    assert ["cut-off" in told[0].sentence, "amber15" in told[1].sentence] == [True, True]
    assert panel.remarks.text() == told[1].sentence
    assert not answers


def test_frames_are_those_chosen(panel: MinimisePanel, session: Session, tmp_path: Path) -> None:
    structure = with_trajectory(session, tmp_path)
    session.document.set_project(a_project(tmp_path), unsaved=False)  # weights rise with the frame
    session.marks.assign(np.array([2, 5]), Mark.KEEP)
    session.marks.assign(np.array([4]), Mark.DROP)
    session.selection.set_brushed([1, 3])
    panel.form.count.setValue(2)
    found = {}
    for what in (minima.ALL, minima.TARGETS, minima.KEPT, minima.DROPPED, minima.LOWEST, minima.HIGHEST):
        choose(panel, what)
        frames = panel.request().frames
        assert frames is not None
        found[what] = frames.numbers
        assert frames == FrameChoice((tmp_path / "run.xtc",), structure, "", frames.numbers)
    assert found == {
        minima.ALL: (0, 1, 2, 3, 4, 5),
        minima.TARGETS: (1, 3),
        minima.KEPT: (2, 5),
        minima.DROPPED: (4,),
        minima.LOWEST: (0, 1),
        minima.HIGHEST: (5, 4),
    }
    assert panel.form.energy.structure.path == structure


def test_why_frames_cannot_be_minimised_is_said(panel: MinimisePanel, session: Session, tmp_path: Path) -> None:
    panel.show_structure(tmp_path / "a.pdb")
    choose(panel, minima.ALL)
    assert panel.hint.text() == "Open a trajectory first, or minimise a structure file."
    with_trajectory(session, tmp_path)
    assert panel.start_button.isEnabled()
    for what, word in ((minima.LOWEST, "Fit weights"), (minima.KEPT, "Mark frames keep"), (minima.DROPPED, "drop (D)")):
        choose(panel, what)
        assert word in panel.hint.text()
        assert not panel.start_button.isEnabled()
    session.marks.assign(np.array([1]), Mark.DROP)
    assert panel.start_button.isEnabled()


def test_a_structure_that_was_chosen_stays_until_it_is_forgotten(
    panel: MinimisePanel, session: Session, tmp_path: Path
) -> None:
    panel.show_structure(tmp_path / "own.pdb")
    structure = with_trajectory(session, tmp_path)
    assert panel.form.energy.structure.path == tmp_path / "own.pdb"
    panel.form.energy.structure.forget.click()
    assert panel.form.energy.structure.path == structure


def test_what_is_missing_in_a_structure_stays_beside_the_form(
    panel: MinimisePanel, model: MinimaModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def minimise(request: MinimiseRequest, checkpoint: Path) -> Any:
        yield Progress("setting up")
        raise BadInput("Hydrogens are missing in GLY 1", advice="Let hydrogens be added")

    monkeypatch.setattr(minimise_tasks, "minimise", minimise)
    told: list[Any] = []
    model.failed.connect(told.append)
    panel.show_structure(tmp_path / "a.pdb")
    panel.start()
    assert "Hydrogens are missing" in panel.remarks.text()
    assert len(told) == 1
    assert panel.start_button.isEnabled()


def test_a_stopped_minimisation_is_gone_on_with_by_the_same_request(
    panel: MinimisePanel, model: MinimaModel, runner: InstantRunner, tmp_path: Path, answers: list[Any]
) -> None:
    panel.show_structure(tmp_path / "a.pdb")
    runner.hold()
    panel.start()
    assert [it.isEnabled() for it in (panel.start_button, panel.stop_button, panel.resume_button)] == [0, 1, 0]
    assert model.working
    panel.stop_button.click()
    assert minima.MINIMISE in runner.stops
    runner.held = None
    request = panel.request()
    model._request = request
    runner.finished.emit(minima.MINIMISE, a_minimum(request, ends=("stopped", NOT_BEGUN)), True)
    assert panel.resume_button.isEnabled()
    model._checkpoint.touch()
    panel.form.tolerance.setValue(3.0)
    panel.resume_button.click()
    assert answers == [(request, model._checkpoint)]
    assert model._checkpoint.exists()
    panel.start()
    assert not model._checkpoint.exists()
    assert answers[1][0].settings.tolerance == 3.0


def test_starts_are_seen_on_their_way_and_in_the_end(
    page: MinimaPage, panel: MinimisePanel, model: MinimaModel, tmp_path: Path, answers: list[Any]
) -> None:
    assert page._plot.is_empty
    assert page._side.isHidden()
    seen: list[np.ndarray] = []
    model.stepped.connect(lambda _: seen.append(page._plot.curves("energy (kJ/mol)")[0, 0][1]))
    panel.show_structure(tmp_path / "a.pdb")
    panel.start()
    np.testing.assert_array_equal(seen[0], [10.0, 1.0])
    x, y = page._plot.curves("RMSD to start (Å)")[0, 0]
    np.testing.assert_allclose(x, [0, 2, 3])
    np.testing.assert_allclose(y, [0, 0.2, 0.5])  # 0.05 nm in the end
    texts = [[page.table.index(row, column).data() for column in range(10)] for row in range(2)]
    assert texts[0] == ["a.pdb", "", "-5.00", "10.00", "0.05", "3", "0.30", "0.50", "–", "converged"]
    assert [page.view.isColumnHidden(column) for column in (METHOD, SECONDS, REFERENCE)] == [True] * 3
    assert page.save_button.isHidden()
    assert model.chosen == 0
    page.view.selectRow(1)
    assert model.chosen == 1


def test_minimisers_are_compared_side_by_side(
    page: MinimaPage, panel: MinimisePanel, model: MinimaModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[MinimiseRequest] = []

    def minimise(request: MinimiseRequest, checkpoint: Path) -> Any:
        asked.append(request)
        yield Progress("minimising")
        return a_comparison(request)

    monkeypatch.setattr(minimise_tasks, "minimise", minimise)
    panel.show_structure(tmp_path / "a.pdb")
    panel.show_reference(tmp_path / "native.pdb")
    for name in ("lbfgs", "openmm"):
        panel.form.compared[name].setChecked(True)
    assert panel.form.folds[1].digest == "native.pdb, 2 minimisers"
    panel.start()
    assert (asked[0].compare, asked[0].reference) == (("lbfgs", "openmm"), tmp_path / "native.pdb")
    assert [page.table.index(row, METHOD).data() for row in range(4)] == ["lbfgs", "lbfgs", "openmm", "openmm"]
    assert [page.view.isColumnHidden(column) for column in (METHOD, SECONDS, REFERENCE)] == [False] * 3
    assert page.table.index(0, REFERENCE).data() == "3.00"  # 0.3 nm
    assert set(page._plot.curves("energy (kJ/mol)")) == {(0, 0), (1, 0), (0, 1), (1, 1)}
    page.view.selectRow(3)
    assert model.chosen == 3
    assert model.reading is not None
    assert model.reading.name(3) == "a.pdb, openmm"
    assert not model.can_resume
    panel.form.fix.setText("name CA")
    panel.start()
    assert "without held atoms" in panel.remarks.text()


def test_a_comparison_is_saved_as_the_command_line_saves_it(
    page: MinimaPage,
    model: MinimaModel,
    qtbot: QtBot,
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PySide6.QtWidgets import QFileDialog, QWidget

    window = QWidget()
    qtbot.addWidget(window)
    commands = MinimaCommands(window, session, model, lambda: True, Settings())
    page.save_requested.connect(commands.save_comparison)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "beside"), "Tables (*.csv)"))
    monkeypatch.setattr(comparing, "draw", lambda comparison, path: None)  # takes seconds; tested with the core
    said: list[str] = []
    model.said.connect(said.append)
    model.reading = a_comparison(MinimiseRequest(Path("a.pdb")))
    model.found.emit(model.reading)
    page.save_button.click()
    assert said == ["Wrote beside.csv, beside_traces.csv, beside.png, beside.svg"]
    write_table(model.reading.comparison, tmp_path / "theirs.csv")
    assert (tmp_path / "beside.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_of_a_minimisation_that_came_to_nothing_no_trace_stays(
    page: MinimaPage, model: MinimaModel, runner: InstantRunner, answers: list[Any]
) -> None:
    model.start(MinimiseRequest(Path("a.pdb")))
    runner.hold()
    model.start(MinimiseRequest(Path("b.pdb")))
    assert page._side.isHidden()
    runner.finished.emit(minima.MINIMISE, None, True)
    assert not page._side.isHidden()
    assert page.table.index(0, 0).data() == "a.pdb"
    assert not model.can_resume


def test_what_was_not_begun_is_not_written(model: MinimaModel, answers: list[Any]) -> None:
    reading = a_minimum(ends=(NOT_BEGUN, "converged"))
    assert reading.reached.tolist() == [1]
    nothing = a_minimum(ends=(NOT_BEGUN, NOT_BEGUN))
    with pytest.raises(BadInput, match="No conformation"):
        list(minimise_tasks.write(nothing, Path("a.pdb")))


def test_conformations_become_the_frames(
    qtbot: QtBot,
    session: Session,
    model: MinimaModel,
    page: MinimaPage,
    tmp_path: Path,
    answers: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PySide6.QtWidgets import QFileDialog, QWidget

    window = QWidget()
    qtbot.addWidget(window)
    may = [False, True]
    commands = MinimaCommands(window, session, model, lambda: may.pop(0), Settings())
    page.frames_requested.connect(commands.use_as_frames)
    model.frames_written.connect(commands.open_frames)
    target, topology = tmp_path / "low.xtc", tmp_path / "low.pdb"

    def write(reading: Any, path: Path) -> Any:
        yield Progress("exporting")
        return path, topology

    monkeypatch.setattr(minimise_tasks, "write", write)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), "XTC trajectory (*.xtc)"))
    said: list[str] = []
    model.said.connect(said.append)
    session.document.update(map=tmp_path / "map.mtz")
    model.start(MinimiseRequest(tmp_path / "a.pdb"))
    page.frames_button.click()  # an unsaved fit is kept
    assert session.document.draft.frames == ()
    page.frames_button.click()
    draft = session.document.draft
    assert (draft.frames, draft.topology, draft.map) == ((target,), topology, tmp_path / "map.mtz")
    assert said[-1] == "Wrote 2 conformations to low.xtc, their topology to low.pdb"


def test_the_molecule_is_shown_before_and_after_until_a_frame_is_selected(
    qtbot: QtBot, session: Session, model: MinimaModel, tmp_path: Path, answers: list[Any]
) -> None:
    view = MoleculeView()
    panel = MoleculePanel(session, MoleculeModel(session, InstantRunner()), view)
    guest = MoleculeGuest(panel, model, panel)
    qtbot.addWidget(panel)
    model.start(MinimiseRequest(tmp_path / "a.pdb"))
    after, before = view._sets
    np.testing.assert_allclose(np.linalg.norm(before[0][1] - before[0][0]), 10.0)
    np.testing.assert_allclose(np.linalg.norm(after[0][1] - after[0][0]), 9.0, rtol=1e-6)
    np.testing.assert_allclose(after[0].mean(axis=0), before[0].mean(axis=0), atol=1e-6)
    assert view.mode == "sets"
    assert view.caption == "a.pdb: after (blue), before (orange), 0.50 Å"
    session.selection.select(3)
    assert view.mode == "frame"
    assert not view.has_content
    guest.show_overlay()
    assert view.mode == "sets"
    view.close_scene()

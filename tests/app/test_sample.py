"""The Sample panel and the Samples tab: what is asked for, what is seen, and what can be done with the samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot
from support.sample_fakes import a_molecule_sample, a_sample
from support.window_fakes import InstantRunner, a_project

from app.commands.sample_commands import SampleCommands
from app.models import minima, samples
from app.models.marks import Mark
from app.models.minima import MinimaModel
from app.models.minima_readings import FrameChoice
from app.models.molecules import MoleculeModel
from app.models.readings import MOLECULES, FramesReading
from app.models.sample_readings import PathReading, SampleRequest
from app.models.samples import SamplesModel
from app.models.session import Session
from app.panels.energy_fields import NO_COORDINATES, NO_STRUCTURE
from app.panels.molecule_guest import MoleculeGuest
from app.panels.molecule_panel import MoleculePanel
from app.panels.sample_page import ENERGIES, ROUNDS, TRUST, SamplePage, SamplePlots
from app.panels.sample_panel import SamplePanel
from app.panels.sample_show import SampleShow
from app.plots.sample_map_plot import SampleMapPlot
from app.plots.sample_path_plot import SamplePathPlot
from app.plots.sample_profile_plot import SampleProfilePlot
from app.plots.sample_training_plot import SampleTrainingPlot
from app.plots.sample_weights_plot import SampleWeightsPlot
from app.scenes.molecule_scene import MoleculeView
from app.settings import Settings
from app.workers import sample_tasks
from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.path import path_energies
from mdweights_core.flow.settings import SampleSettings
from mdweights_core.jobs import Progress
from mdweights_core.workflow.along import own_states
from mdweights_core.workflow.iterate import Round, Rounds
from mdweights_core.workflow.judged import free_energy

TOY = SampleRequest(toy="double-well")


@pytest.fixture
def session(read_by_name: Session) -> Session:
    return read_by_name


@pytest.fixture
def model(session: Session, runner: InstantRunner, tmp_path: Path) -> SamplesModel:
    return SamplesModel(session, MinimaModel(session, InstantRunner(), tmp_path), runner, tmp_path)


@pytest.fixture
def panel(qtbot: QtBot, session: Session, model: SamplesModel) -> SamplePanel:
    made = SamplePanel(session, model)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def plots(qapp: object) -> SamplePlots:
    return SamplePlots(
        SampleTrainingPlot(), SampleWeightsPlot(), SampleProfilePlot(), SampleMapPlot(), SamplePathPlot()
    )


@pytest.fixture
def page(qtbot: QtBot, model: SamplesModel, plots: SamplePlots) -> SamplePage:
    made = SamplePage(model, plots)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SampleRequest, Path]]:
    """What was asked; the training and the draws are seen on their way."""
    asked: list[tuple[SampleRequest, Path]] = []

    def sample(request: SampleRequest, checkpoint: Path) -> Any:
        asked.append((request, checkpoint))
        reading = a_sample(request)
        yield Progress("training", 3, 30, "step 3 of 30", {}, {"history": reading.sampled.samples.history[:3]})
        drawn = {"u": reading.sampled.samples.u[:500], "log_weights": reading.sampled.samples.log_weights[:500]}
        yield sample_tasks._with_histograms(Progress("drawing", 500, 4000, "", {}, drawn))
        return reading

    monkeypatch.setattr(sample_tasks, "sample", sample)
    return asked


def choose(box: Any, word: str) -> None:
    box.setCurrentIndex(box.findData(word))


def with_trajectory(session: Session, folder: Path) -> Path:
    """Six frames whose topology is a structure."""
    structure = folder / "top.pdb"
    source: Any = SimpleNamespace(paths=(folder / "run.xtc",), topology_path=structure, atoms=None)
    session.document.update(frames=(folder / "run.xtc",), topology=structure)
    session.document.set_frames(FramesReading(MOLECULES, ("f",) * 6, 2, molecules=source))
    return structure


# ---- what is asked for


def test_why_nothing_can_be_sampled_is_said(panel: SamplePanel, session: Session, tmp_path: Path) -> None:
    assert panel.hint.text() == NO_STRUCTURE
    assert not any(it.isEnabled() for it in (panel.start_button, panel.stop_button, panel.resume_button))
    panel.show_structure(tmp_path / "a.prmtop")
    assert panel.hint.text() == NO_COORDINATES
    panel.show_structure(tmp_path / "a.pdb")
    assert panel.start_button.isEnabled()
    choose(panel.form.learned, minima.ALL)
    assert panel.hint.text() == "Open a trajectory to learn from first, or learn from the energy alone."
    with_trajectory(session, tmp_path)
    assert panel.start_button.isEnabled()
    choose(panel.form.learned, minima.KEPT)
    assert panel.hint.text() == "Mark frames keep (K) first."
    choose(panel.form.learned, samples.NONE)
    choose(panel.form.schedule, "mixed")
    assert panel.hint.text() == "This schedule learns from frames: choose some, or another schedule."
    assert not panel.start_button.isEnabled()


def test_a_structure_is_sampled_by_the_defaults_of_the_core(
    panel: SamplePanel, tmp_path: Path, answers: list[tuple[SampleRequest, Path]]
) -> None:
    panel.show_structure(tmp_path / "a.pdb")
    panel.start_button.click()
    assert [request for request, _ in answers] == [SampleRequest(structure=tmp_path / "a.pdb")]
    assert panel.remarks.text() == "A remark.\nA note."


def test_what_is_asked_for_is_what_the_form_says(panel: SamplePanel, session: Session, tmp_path: Path) -> None:
    form, structure = panel.form, with_trajectory(session, tmp_path)
    session.document.set_project(a_project(tmp_path), unsaved=False)
    session.marks.assign(np.array([2, 5]), Mark.KEEP)
    choose(form.learned, minima.KEPT)
    choose(form.energy.solvent, "none")
    choose(form.schedule, "example")
    choose(form.kind, "mixed")
    form.weighted.setChecked(True)
    form.temperature.setValue(310)
    form.effort.setValue(0.5)
    form.batch.setValue(64)
    form.flow["layers"].setValue(3)
    form.samples.setValue(2000)
    form.seed.setValue(7)
    form.probe.setChecked(False)
    form.spread.setText(" phi 2 ")
    form.select.setText("protein")
    asked = panel.request()
    assert asked.structure == structure
    assert asked.frames == FrameChoice((tmp_path / "run.xtc",), structure, "", (2, 5))
    assert asked.weights == pytest.approx(tuple(np.arange(1, 7) / 21))
    assert (asked.kind, asked.spread_along, asked.select, asked.energy.solvent) == ("mixed", "phi 2", "protein", "none")
    settings = asked.settings
    assert (settings.temperature, settings.schedule, settings.effort, settings.batch) == (310, "example", 0.5, 64)
    assert (settings.flow.layers, settings.samples, settings.seed, settings.probe) == (3, 2000, 7, False)
    form.weighted.setChecked(False)
    assert panel.request().weights is None


def test_a_toy_system_needs_no_files(panel: SamplePanel) -> None:
    choose(panel.form.system, "mueller-brown")
    assert panel.start_button.isEnabled()
    assert panel.form.energy.structure.isHidden()
    assert panel.form.temperature.isHidden()
    panel.form.examples.setValue(500)
    assert panel.request() == SampleRequest(toy="mueller-brown", examples=500)
    panel.form.examples.setValue(0)
    choose(panel.form.schedule, "example")
    assert "learns from examples" in panel.hint.text()


def test_what_is_wrong_with_a_system_stays_beside_the_form(
    panel: SamplePanel, model: SamplesModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sample(request: SampleRequest, checkpoint: Path) -> Any:
        yield Progress("setting up")
        raise BadInput("3 frames are too few to learn from", advice="Give more")

    monkeypatch.setattr(sample_tasks, "sample", sample)
    told: list[Any] = []
    model.failed.connect(told.append)
    panel.show_structure(tmp_path / "a.pdb")
    panel.start()
    assert "too few to learn from" in panel.remarks.text()
    assert len(told) == 1
    assert panel.start_button.isEnabled()


# ---- stop and resume


def test_a_stopped_run_is_gone_on_with_from_its_checkpoint(
    panel: SamplePanel, page: SamplePage, model: SamplesModel, runner: InstantRunner, answers: list[Any]
) -> None:
    choose(panel.form.system, "double-well")
    panel.form.samples.setValue(4000)
    runner.hold()
    panel.start()
    assert [it.isEnabled() for it in (panel.start_button, panel.stop_button, panel.resume_button)] == [0, 1, 0]
    assert model.working
    panel.stop_button.click()
    assert samples.SAMPLE in runner.stops
    runner.held = None
    request = panel.request()
    model._request = request
    model._checkpoint.touch()
    runner.finished.emit(samples.SAMPLE, a_sample(request, is_stopped=True), True)
    assert panel.resume_button.isEnabled()
    assert "nothing is drawn yet" in page.trust.text.text()
    assert not page.save_button.isEnabled()
    panel.resume_button.click()
    assert answers == [(request, model._checkpoint)]
    assert model._checkpoint.exists()
    assert not panel.resume_button.isEnabled()


def test_a_training_that_is_done_is_drawn_from_again_and_another_begins_anew(
    model: SamplesModel, answers: list[Any]
) -> None:
    model.start(TOY)
    model._checkpoint.touch()
    model.start(SampleRequest(toy="double-well", settings=SampleSettings(samples=500)))
    assert model._checkpoint.exists()
    model.start(SampleRequest(toy="double-well", settings=SampleSettings(effort=2.0)))
    assert not model._checkpoint.exists()
    assert [request.settings.samples for request, _ in answers] == [100_000, 500, 100_000]


def test_the_checkpoint_is_kept_in_a_saved_project(
    model: SamplesModel, session: Session, tmp_path: Path, answers: list[Any]
) -> None:
    project = tmp_path / "a.mdw"
    project.mkdir()
    session.document.set_project(a_project(tmp_path), unsaved=False)
    session.document.saved_path = project
    model.start(TOY)
    assert answers[0][1] == project / samples.CHECKPOINT


def test_what_another_session_left_in_a_project_is_gone_on_with(
    panel: SamplePanel, model: SamplesModel, session: Session, tmp_path: Path, answers: list[Any]
) -> None:
    project = tmp_path / "a.mdw"
    project.mkdir()
    (project / samples.CHECKPOINT).touch()
    choose(panel.form.system, "double-well")
    assert not panel.resume_button.isEnabled()
    session.document.saved_path = project
    panel.refresh()
    panel.resume_button.click()
    assert answers == [(panel.request(), project / samples.CHECKPOINT)]
    assert (project / samples.CHECKPOINT).exists()
    assert not model.is_left


def test_after_a_failure_it_begins_anew(model: SamplesModel, runner: InstantRunner, answers: list[Any]) -> None:
    model.start(TOY)
    runner.failed.emit(samples.SAMPLE, BadInput("The checkpoint is of another system"))
    model._checkpoint.touch()
    model.start(TOY)
    assert not model._checkpoint.exists()


def test_samples_without_any_weight_are_told_of(page: SamplePage, runner: InstantRunner) -> None:
    made = a_sample(count=10)
    nothing = replace(made.sampled, samples=replace(made.sampled.samples, log_weights=np.full(10, -np.inf)))
    reading = replace(made, sampled=nothing, judged=None, weighing=None, columns={})
    runner.finished.emit(samples.SAMPLE, reading, False)
    assert "No sample has any weight" in page.trust.text.text()
    assert not page.save_button.isEnabled()


# ---- what is seen


def test_training_and_draws_are_seen_on_their_way_and_in_the_end(
    page: SamplePage, plots: SamplePlots, model: SamplesModel, answers: list[Any]
) -> None:
    assert plots.training.is_empty
    seen: list[tuple[int, int, int]] = []
    model.stepped.connect(
        lambda _: seen.append((len(plots.training._history), plots.weights.is_empty, page.pages.currentIndex()))
    )
    model.start(TOY)
    assert seen == [(3, True, 0), (3, False, ENERGIES)]
    assert page.pages.currentIndex() == TRUST
    x, mean = plots.training.curve("by example")
    assert len(x) == 30
    np.testing.assert_allclose(mean, np.linspace(2.5, 1.0, 30), rtol=1e-6)
    assert np.isnan(plots.training.curve("by energy")[1]).all()
    reading = model.reading
    assert reading is not None
    assert reading.weighing is not None
    for name in ("raw", "weighted", "reference"):
        np.testing.assert_array_equal(plots.weights.shown(name), getattr(reading.weighing.energies, name))


def test_verdict_lights_and_numbers_are_those_of_the_command_line(
    page: SamplePage, model: SamplesModel, answers: list[Any]
) -> None:
    model.start(TOY)
    assert model.reading is not None
    judged = model.reading.judged
    assert judged is not None
    text = page.trust.text.text()
    assert judged.judgement.verdict in text
    for light in judged.judgement.lights[:3]:
        assert f"{light.name}: {light.value}" in text
    assert "No two states were drawn" not in text  # they are, on the page beside it
    rows = [[page.trust.table.index(row, column).data() for column in range(2)] for row in range(6)]
    weights = judged.evidence.weights
    assert rows[1] == ["effective size", f"{weights.ess:.1%}, {weights.n_effective:,.0f}"]
    assert rows[5] == ["ln Z", f"{weights.log_z:.4f} ± {weights.log_z_error:.2g}"]


def test_states_are_dragged_and_give_the_difference_of_the_command_line(
    qtbot: QtBot, page: SamplePage, plots: SamplePlots, model: SamplesModel, answers: list[Any]
) -> None:
    told: list[Any] = []
    model.differed.connect(told.append)
    model.start(TOY)
    reading = model.reading
    assert reading is not None
    n = reading.sampled.samples.x.shape[1]
    expected = free_energy(reading.sampled, own_states(reading.sampled.origin, n))
    by_boundary = told[-1].found.by_weights
    assert by_boundary.value == pytest.approx(expected.by_weights.value, abs=1e-12)
    assert by_boundary.value == pytest.approx(3.380006, abs=4 * by_boundary.error)  # quadrature
    assert f"{by_boundary.value:.3f} ± {by_boundary.error:.2g} kT" in page.states.difference.text()
    with qtbot.waitSignal(model.differed):
        plots.profile.regions[0].setRegion((-1.5, -1.0))
    first = reading.columns["x"].samples
    inside = (first >= -1.5) & (first < -1.0)
    weights = np.exp(reading.sampled.samples.log_weights)
    above = weights[first >= reading.boundary].sum()
    assert told[-1].found.by_weights.value == pytest.approx(-np.log(above / weights[inside].sum()), abs=1e-9)


def test_states_that_overlap_are_refused_with_a_sentence(
    page: SamplePage, plots: SamplePlots, model: SamplesModel, answers: list[Any]
) -> None:
    told: list[Any] = []
    model.failed.connect(told.append)
    model.start(TOY)
    plots.profile.set_states((-2.0, 1.0), (0.0, 2.0))
    plots.profile._tell()
    assert "two states at once" in told[-1].sentence


def test_another_coordinate_can_be_typed(page: SamplePage, model: SamplesModel, answers: list[Any]) -> None:
    profiles: list[Any] = []
    model.profiled.connect(profiles.append)
    model.start(TOY)
    box = page.states.coordinate
    edit = box.lineEdit()
    assert edit is not None
    edit.setText("variable 0")
    edit.returnPressed.emit()
    assert box.name == "variable 0"
    assert profiles[-1].name == "variable 0"
    np.testing.assert_array_equal(profiles[-1].profile.free_energy, profiles[0].profile.free_energy)
    told: list[Any] = []
    model.failed.connect(told.append)
    edit.setText("rubbish")
    edit.returnPressed.emit()
    assert "'rubbish' is no coordinate" in told[0].sentence


def test_two_coordinates_are_shown_of_frames_and_samples(
    page: SamplePage, plots: SamplePlots, model: SamplesModel, answers: list[Any]
) -> None:
    model.start(TOY)
    assert (page.map.first.name, page.map.second.name) == ("x", "variable 1")
    shares = [plots.map.share(name) for name in ("frames", "as drawn", "as weighted")]
    assert all(share is not None and share.sum() == pytest.approx(1.0) for share in shares)
    assert np.count_nonzero(shares[0]) == 5
    assert "total variation" in page.map.words.toolTip()


def test_a_path_is_walked_between_two_frames(
    page: SamplePage,
    plots: SamplePlots,
    model: SamplesModel,
    answers: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def path(reading: Any, ends: tuple[str, str], x: np.ndarray, count: int) -> Any:
        asked.append((ends, x, count))
        yield Progress("estimates")
        places = x[0] + np.linspace(0, 1, count)[:, None] * (x[1] - x[0])
        return PathReading(ends, places, path_energies(places, np.array([0.0, 3.0, 5.0, 1.0])))

    monkeypatch.setattr(sample_tasks, "path", path)
    model.start(TOY)
    shown: list[int] = []
    page.place_changed.connect(lambda _, place: shown.append(place))
    page.path.first.setValue(2)
    page.path.last.setValue(9)
    page.path.steps.setValue(4)
    page.path.button.click()
    ends, x, count = asked[0]
    assert model.reading is not None
    assert (ends, count) == (("frame 2", "frame 9"), 4)
    np.testing.assert_array_equal(x, model.reading.frames[[2, 4]])
    assert "5.0 kT up, from frame 9 4.0 kT" in page.path.words.toolTip()
    page.path.slider.setValue(2)
    assert shown == [0, 2]
    assert plots.path._ring.getData()[1] == [5.0]


def test_of_a_run_that_came_to_nothing_no_trace_stays(
    page: SamplePage, plots: SamplePlots, model: SamplesModel, runner: InstantRunner, answers: list[Any]
) -> None:
    model.start(TOY)
    runner.hold()
    model.start(SampleRequest(toy="gaussian"))
    assert plots.training.is_empty
    runner.finished.emit(samples.SAMPLE, None, True)
    assert not plots.training.is_empty


# ---- the molecule view, and files


def test_draws_are_shown_by_weight_and_lie_on_the_structure(
    qtbot: QtBot, session: Session, model: SamplesModel, page: SamplePage, runner: InstantRunner
) -> None:
    view = MoleculeView()
    panel = MoleculePanel(session, MoleculeModel(session, InstantRunner()), view)
    show = SampleShow(model, MoleculeGuest(panel, model._minima, panel), panel)
    page.draw_chosen.connect(show.show_draw)
    qtbot.addWidget(panel)
    reading = a_molecule_sample()
    runner.finished.emit(samples.SAMPLE, reading, False)
    page.slider.setValue(3)
    assert view.caption == "draw 3, 3.0 kT"
    assert page.caption.toolTip().startswith("draw 3: 3.0 kT")
    assert reading.start is not None
    assert view._positions is not None
    np.testing.assert_allclose(view._positions, 10 * reading.start, atol=0.5)
    session.selection.select(3)
    assert not view.has_content
    view.close_scene()


def test_draws_become_the_frames_with_their_weights(
    qtbot: QtBot,
    session: Session,
    model: SamplesModel,
    page: SamplePage,
    runner: InstantRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    may = [False, True]
    commands = SampleCommands(window, session, model, lambda: may.pop(0), Settings())
    page.frames_requested.connect(commands.use_as_frames)
    model.frames_written.connect(commands.open_frames)
    files = tuple(tmp_path / name for name in ("s.xtc", "s.pdb", "s_weights.csv"))
    asked: list[Any] = []

    def write(reading: Any, target: Path, count: int) -> Any:
        asked.append((target, count))
        yield Progress("exporting")
        return files

    monkeypatch.setattr(sample_tasks, "write", write)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(files[0]), "XTC trajectory (*.xtc)"))
    said: list[str] = []
    model.said.connect(said.append)
    session.document.update(map=tmp_path / "map.mtz")
    runner.finished.emit(samples.SAMPLE, a_molecule_sample(), False)
    page.count.setValue(200)
    page.frames_button.click()  # an unsaved fit is kept
    assert session.document.draft.frames == ()
    page.frames_button.click()
    draft = session.document.draft
    assert asked == [(files[0], 200)]
    assert (draft.frames, draft.topology, draft.prior) == ((files[0],), files[1], files[2])
    assert draft.map == tmp_path / "map.mtz"
    assert said[-1] == "Wrote frames to s.xtc and their weights to s_weights.csv"


def test_a_toy_system_is_only_saved_as_samples(
    qtbot: QtBot,
    session: Session,
    model: SamplesModel,
    page: SamplePage,
    tmp_path: Path,
    answers: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mdweights_core.workflow.sampled import load_sampled

    window = QWidget()
    qtbot.addWidget(window)
    commands = SampleCommands(window, session, model, lambda: True, Settings())
    page.save_requested.connect(commands.save)
    patterns: list[str] = []

    def ask(*given: Any) -> tuple[str, str]:
        patterns.append(given[-1])
        return str(tmp_path / "s"), "Samples (*.npz)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    model.start(TOY)
    assert not page.frames_button.isEnabled()
    page.save_button.click()
    assert patterns == ["Samples (*.npz)"]
    assert model.reading is not None
    saved = load_sampled(tmp_path / "s.npz")
    np.testing.assert_array_equal(saved.samples.log_weights, model.reading.sampled.samples.log_weights)


def test_nothing_is_written_before_there_are_samples(model: SamplesModel, tmp_path: Path) -> None:
    told: list[Any] = []
    model.failed.connect(told.append)
    model.write(tmp_path / "a.npz", 0)
    assert "Nothing was sampled yet" in told[0].sentence
    with pytest.raises(BadInput, match="no samples to write"):
        list(sample_tasks.write(a_sample(is_stopped=True), tmp_path / "a.npz", 0))


# ---- rounds of fit and samples


def rounds_of(folder: Path) -> Rounds:
    first = Round(0, folder / "a.mdw", 6, 0.5, 0.40, 0.3, 0.30, 2000, 3.0, float("nan"))
    second = Round(1, folder / "round-1" / "fit.mdw", 50, 0.6, 0.55, 0.4, 0.35, 2000, 9.0, 0.12)
    return Rounds((first, second), False, ("A remark.",))


def test_why_rounds_cannot_begin_is_said(panel: SamplePanel, session: Session, tmp_path: Path) -> None:
    panel.show_structure(tmp_path / "a.pdb")
    assert "Fit weights first" in panel.iterate_button.toolTip()
    session.document.set_project(a_project(tmp_path), unsaved=False)
    assert "Open the trajectory" in panel.iterate_button.toolTip()
    assert not panel.iterate_button.isEnabled()
    with_trajectory(session, tmp_path)
    assert panel.iterate_button.isEnabled()
    choose(panel.form.system, "double-well")
    assert "no map to fit" in panel.iterate_button.toolTip()


def test_rounds_are_asked_for_shown_and_opened(
    qtbot: QtBot,
    session: Session,
    model: SamplesModel,
    panel: SamplePanel,
    page: SamplePage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    commands = SampleCommands(window, session, model, lambda: True, Settings())
    panel.rounds_requested.connect(commands.iterate)
    asked: list[Any] = []

    def iterate(request: Any, project: Any, rounds: int, frames: int, out: Path) -> Any:
        asked.append((request.structure, project, rounds, frames, out))
        assert model.is_running
        yield Progress("rounds")
        return rounds_of(tmp_path)

    monkeypatch.setattr(sample_tasks, "iterate", iterate)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "out"))
    said: list[str] = []
    model.said.connect(said.append)
    structure = with_trajectory(session, tmp_path)
    fitted = a_project(tmp_path)
    session.document.set_project(fitted, unsaved=False)
    panel.form.rounds.setValue(2)
    panel.form.round_frames.setValue(50)
    panel.iterate_button.click()
    assert asked == [(structure, fitted.project, 2, 50, tmp_path / "out")]
    assert not model.is_running
    assert page.pages.currentIndex() == ROUNDS
    texts = [page.rounds.table.index(1, column).data() for column in range(8)]
    assert texts == ["1", "50", "0.6000", "0.5500", "0.4000", "0.3500", "9.0", "12.0%"]
    assert page.rounds.table.index(0, 7).data() == "\N{EN DASH}"
    assert page.rounds.sentence.text().startswith("The held-out correlation went from 0.400 to 0.550 at best")
    assert said == [rounds_of(tmp_path).sentence.removesuffix(".")]
    opened: list[Path] = []
    page.rounds.project_requested.connect(opened.append)
    page.rounds.open_button.click()
    assert opened == [tmp_path / "round-1" / "fit.mdw"]
    page.rounds.view.selectRow(0)
    assert not page.rounds.open_button.isEnabled()


def test_rounds_are_stopped_as_a_run_is(
    session: Session, model: SamplesModel, runner: InstantRunner, tmp_path: Path
) -> None:
    session.document.set_project(a_project(tmp_path), unsaved=False)
    runner.hold()
    model.iterate(SampleRequest(structure=tmp_path / "a.pdb"), 2, 0, tmp_path)
    assert model.working
    model.stop()
    assert samples.ITERATE in runner.stops
    told: list[Any] = []
    model.failed.connect(told.append)
    runner.failed.emit(samples.ITERATE, BadInput("a folder with rounds of something else"))
    assert len(told) == 1
    assert not model.is_running

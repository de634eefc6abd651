"""The Force field panel and tab: what is asked for, what is seen on the way and in the end, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot
from support.force_field_fakes import JACOBIAN, OBSERVABLES, PARAMETERS, RING, a_loaded, a_reading, a_sensitivity
from support.window_fakes import InstantRunner

from app.commands.force_field_commands import ForceFieldCommands
from app.models import force_field_model as names
from app.models.force_field_model import ForceFieldModel
from app.models.force_field_readings import EnsembleRequest, ParameterRow, SystemRequest, derivatives_of
from app.models.session import Session
from app.panels.energy_fields import NO_STRUCTURE
from app.panels.force_field_derivatives import EMPTY, Measured, written
from app.panels.force_field_form import NETWORK, TUNE
from app.panels.force_field_page import DERIVATIVES, FIT, SETUP, VERDICT, ForceFieldPage, ForceFieldPlots
from app.panels.force_field_panel import ForceFieldPanel
from app.plots.force_field_agreement_plot import ForceFieldAgreementPlot
from app.plots.force_field_fit_plot import ForceFieldFitPlot
from app.plots.force_field_heat_plot import ForceFieldHeatPlot
from app.settings import Settings
from app.theme import DARK, LIGHT
from app.workers import force_field_tasks as tasks
from mdweights_core.dynamics.models.form_settings import FormSettings
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.settings import Prior, TuneSettings
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress

ON_ITS_WAY = {
    "observables": np.array(["u^2 0", "u^2 1"]),
    "parameters": np.array(["k1", "k2", "k3"]),
    "at": np.array([2.0, 6.0, 1.5]),
    "values": np.array([0.2, 0.2]),
    "value_errors": np.array([0.02, 0.02]),
    "growth": np.array([1.0, 1.5, 2.0]),
    "jacobian pathwise": JACOBIAN,
    "error pathwise": np.full((2, 3), 0.01),
}
TRACE = {
    "theta": np.array([[2.0, 6.0, 1.5], [2.1, 6.0, 1.6]]),
    "trace_chi2": np.array([5.76, 1.0]),
    "trace_held": np.array([np.nan, np.nan]),
}


@pytest.fixture
def session(read_by_name: Session) -> Session:
    return read_by_name


@pytest.fixture
def model(session: Session, runner: InstantRunner, tmp_path: Path) -> ForceFieldModel:
    return ForceFieldModel(session, runner, tmp_path)


@pytest.fixture
def panel(qtbot: QtBot, session: Session, model: ForceFieldModel) -> ForceFieldPanel:
    made = ForceFieldPanel(session, model)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def plots(qapp: object) -> ForceFieldPlots:
    return ForceFieldPlots(ForceFieldHeatPlot(), ForceFieldAgreementPlot(), ForceFieldFitPlot())


@pytest.fixture
def page(qtbot: QtBot, model: ForceFieldModel, plots: ForceFieldPlots) -> ForceFieldPage:
    made = ForceFieldPage(model, plots)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of the worker, which answers without computing."""
    asked: list[Any] = []

    def load(system: SystemRequest) -> Any:
        yield Progress("setting up")
        asked.append(system)
        return a_loaded(system)

    def run(loaded: Any, request: EnsembleRequest, checkpoint: Path) -> Any:
        asked.append((request, checkpoint))
        arrays = ON_ITS_WAY if request.tuning is None else {**ON_ITS_WAY, **TRACE}
        yield Progress("simulating", 10, 100, "10 steps", {"exponent": -0.2}, arrays)
        return a_reading(request)

    for name, task in (("load", load), ("sensitivities", run), ("tune", run)):
        monkeypatch.setattr(tasks, name, task)
    return asked


def choose(box: Any, word: str) -> None:
    box.setCurrentIndex(box.findData(word))


def cell(table: Any, row: int, column: int) -> Any:
    return table.index(row, column).data()


def write(table: Any, row: int, column: int, text: str) -> bool:
    return bool(table.setData(table.index(row, column), text))


# ---- what is asked for


def test_what_is_missing_is_said_in_the_order_of_work(
    panel: ForceFieldPanel, model: ForceFieldModel, answers: list[Any]
) -> None:
    assert panel.hint.text() == NO_STRUCTURE
    assert not panel.load_button.isEnabled()
    choose(panel.form.system, "ring")
    assert panel.hint.text().startswith("Press Load")
    assert not panel.start_button.isEnabled()
    panel.load_button.click()
    assert answers == [RING]
    assert panel.remarks.text() == "A remark."
    assert panel.start_button.isEnabled()
    model.parameters.tick(False)
    assert panel.hint.text() == "Tick parameters in the Force tab."
    model.parameters.tick(True)
    choose(panel.form.task, TUNE)
    assert panel.hint.text().startswith("Type observed values")
    model.observables.set_rows([replace(OBSERVABLES[0], value=0.2, sigma=0.01, is_held_out=True)])
    assert panel.hint.text().startswith("Type observed values")
    model.observables.set_rows([replace(OBSERVABLES[0], value=0.2, sigma=0.01)])
    assert panel.start_button.isEnabled()
    model.observables.set_rows([])
    assert panel.hint.text() == "Add an observable in the Force tab."
    choose(panel.form.system, "oscillator")
    assert panel.hint.text().startswith("Press Load")


def test_a_small_system_is_asked_for_with_the_defaults_of_the_core(panel: ForceFieldPanel, answers: list[Any]) -> None:
    choose(panel.form.system, "ring")
    panel.load()
    assert panel.form.energy.structure.isHidden()
    panel.start_button.click()
    request, checkpoint = answers[-1]
    simulation = SensitivitySettings(friction=5.0)  # of small systems, as on the command line
    assert request == EnsembleRequest(RING, PARAMETERS, OBSERVABLES, simulation)
    assert checkpoint.name == names.CHECKPOINTS[names.SENSITIVITY]
    assert request.texts == ("u^2 0 1",)


def test_what_is_asked_for_is_what_form_and_tables_say(
    panel: ForceFieldPanel, model: ForceFieldModel, answers: list[Any]
) -> None:
    form = panel.form
    choose(form.system, "ring")
    panel.load()
    choose(form.task, TUNE)
    choose(form.integrator, "zhao")
    choose(form.method, "adam")
    for box, value in (
        (form.step, 0.05), (form.friction, 2.0), (form.replicas, 96), (form.steps, 500), (form.burn_in, 0),
        (form.stride, 5), (form.blocks, 48), (form.seed, 7), (form.iterations, 9), (form.max_step, 0.3),
        (form.rate, 0.1), (form.reuse, 1.0),
    ):  # fmt: skip
        box.setValue(value)
    form.estimators["likelihood"].setChecked(False)
    table = model.parameters
    assert write(table, 0, 2, "2.5")
    assert write(table, 0, 5, "10")
    assert write(table, 0, 7, "0.5")
    assert table.setData(table.index(1, 1), Qt.CheckState.Unchecked.value, Qt.ItemDataRole.CheckStateRole)
    assert not write(table, 0, 2, "stiff")
    asked = panel.request()
    estimators = ("pathwise", "covariance")
    assert asked.simulation == SensitivitySettings("zhao", 0.05, 2.0, 96, 500, 0, 5, 48, estimators, seed=7)
    assert not asked.is_step_suggested
    first = ParameterRow("k1", 2.5, low=0.0, high=10.0, width=0.5)
    assert str(asked.parameters[0]) == str(first)  # its centre is not a number, which equals nothing
    assert [row.is_chosen for row in asked.parameters] == [True, False, True]
    assert asked.tuned == TuneSettings(
        "adam", 9, 0.3, learning_rate=0.1, reuse=1.0, priors=(Prior("k1", 2.5, 0.5),), seed=7
    )
    model.observables.set_rows([replace(OBSERVABLES[0], value=0.2, sigma=0.01)])
    form.replicas.setValue(50)
    panel.start()
    assert "cannot be dealt out to 48 blocks" in panel.remarks.text()
    assert answers == [RING]


def test_a_structure_is_a_molecule_or_a_network(panel: ForceFieldPanel, tmp_path: Path) -> None:
    form, structure = panel.form, tmp_path / "a.pdb"
    panel.show_structure(structure)
    form.names.setText("epsilon of CT, scale of torsions")
    form.temperature.setValue(250)
    names_ = ("epsilon of CT", "scale of torsions")
    assert form.system_request() == SystemRequest(structure=structure, kelvin=250.0, names=names_)
    assert form.network_fold.isHidden()
    choose(form.system, NETWORK)
    assert not form.network_fold.isHidden()
    assert form.term.isHidden()
    assert form.energy.force_field.isHidden()
    assert not form.energy.structure.isHidden()
    form.springs.setValue(0.8)
    form.classes.setText("0.4, 0.6")
    form.select.setText(" name CA ")
    form.crystal.setChecked(True)
    expected = NetworkSettings(cutoff=0.8, bins=(0.4, 0.6))
    asked = form.system_request()
    assert asked == SystemRequest("", structure, None, EnergySettings(crystal=True), expected, "name CA", 250.0)
    panel.show_structure(tmp_path / "b.pdb")
    assert form.energy.force_field.isHidden()
    form.classes.setText("long")
    with pytest.raises(BadInput, match="no list of lengths"):
        form.system_request()


def test_a_new_term_is_refused_with_the_sentence_of_the_parser(panel: ForceFieldPanel, tmp_path: Path) -> None:
    panel.show_structure(tmp_path / "a.pdb")
    term = panel.form.term
    for entry, text in ((term.name, "Morse"), (term.expression, "D*(1 - exp(-a*(r - r0))"), (term.values, "D=400")):
        entry.setText(text)
    term.add_button.click()
    with pytest.raises(BadInput) as parser:
        list(tasks.read_form(term.form()))
    assert term.problem.text() == parser.value.sentence
    assert term.forms == ()
    term.expression.setText("D*(1 - exp(-a*(r - r0)))^2")
    term.values.setText("D=400, a")
    term.add_button.click()
    assert "'a' is no name and number" in term.problem.text()
    term.values.setText("D=400, a=20, r0=0.11")
    term.between.setText("CT, HC")
    term.replaces.setText("bonds")
    term.add_button.click()
    values = (Parameter("D", 400.0), Parameter("a", 20.0), Parameter("r0", 0.11))
    form = FormSettings("Morse", "bond", "D*(1 - exp(-a*(r - r0)))^2", values, ("CT", "HC"), replaces="bonds")
    assert panel.form.system_request().forms == (form,)
    assert term.problem.isHidden()
    assert term.digest == "1 term"
    term.remove_button.click()
    assert panel.form.system_request().forms == ()


# ---- tables


def test_empty_cells_mean_that_nothing_is_given(model: ForceFieldModel) -> None:
    table = model.parameters
    table.set_rows(PARAMETERS)
    assert [cell(table, 0, column) for column in (0, 2, 4, 5, 6)] == ["k1", "2", "0", "", ""]
    assert write(table, 0, 4, "")
    assert table.rows[0].low == -np.inf
    assert not write(table, 0, 2, "")
    assert not write(table, 0, 2, "nan")
    assert table.rows[0].prior is None
    assert write(table, 0, 7, "0.5")
    assert table.rows[0].prior == Prior("k1", 2.0, 0.5)
    assert write(table, 0, 6, "3")
    assert table.rows[0].prior == Prior("k1", 3.0, 0.5)
    assert not table.flags(table.index(0, 0)) & Qt.ItemFlag.ItemIsEditable
    assert table.flags(table.index(0, 1)) & Qt.ItemFlag.ItemIsUserCheckable


def test_observables_are_added_and_taken_away(
    page: ForceFieldPage,
    model: ForceFieldModel,
    runner: InstantRunner,
    answers: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not page.setup.add_button.isEnabled()
    model.load(RING)
    asked: list[Any] = []

    def look_at(loaded: Any, text: str) -> Any:
        asked.append((loaded, text))
        yield Progress("setting up")
        return (replace(OBSERVABLES[0], text=text, name=f"{text} (nm)"),)

    monkeypatch.setattr(tasks, "look_at", look_at)
    page.setup.observable.setText(" Rg ")
    page.setup.add_button.click()
    assert asked == [(model.loaded, "Rg")]
    assert [row.name for row in model.observables.rows] == ["u^2 0", "u^2 1", "Rg (nm)"]
    assert page.setup.observable.text() == ""
    runner.hold()
    for text in ("distance 0 1", "Rg", "distance 0 2"):  # one after the other, before any is looked at
        model.add_observable(text)
    told: list[Any] = []
    model.failed.connect(told.append)
    runner.release()
    assert [row.text for row in model.observables.rows[2:]] == ["Rg", "distance 0 1", "distance 0 2"]
    assert [problem.what for problem in told] == ["The observable 'Rg (nm)' is there already"]
    model.observables.remove([3, 4])
    page.setup.observables.selectRow(1)
    page.setup.remove_button.click()
    assert [row.name for row in model.observables.rows] == ["u^2 0", "Rg (nm)"]


def test_what_was_typed_stays_when_a_system_is_loaded_again(model: ForceFieldModel, answers: list[Any]) -> None:
    model.load(RING)
    write(model.parameters, 0, 2, "2.5")
    model.load(RING)
    assert model.parameters.rows[0].value == 2.5
    model.load(SystemRequest(small="oscillator"))
    assert model.parameters.rows[0].value == 2.0


# ---- runs


def test_derivatives_are_seen_on_their_way_and_in_the_end(
    page: ForceFieldPage, plots: ForceFieldPlots, model: ForceFieldModel, answers: list[Any]
) -> None:
    table, seen = page.derivatives.table, []
    model.stepped.connect(lambda _: seen.append((page.pages.currentIndex(), cell(table, 5, 2), cell(table, 5, 5))))
    model.load(RING)
    assert page.pages.currentIndex() == SETUP
    model.start(EnsembleRequest(RING, PARAMETERS, OBSERVABLES))
    assert seen == [(DERIVATIVES, "-0.083 ± 0.010", "")]
    assert [cell(table, 5, column) for column in range(7)] == [
        "u^2 1", "k3", "-0.0830 ± 0.0030", "\N{EN DASH}", "0.5000 ± 0.0040", "refused", "0.2150 ± 0.0046",
    ]  # fmt: skip
    assert page.pages.currentIndex() == VERDICT
    assert "Derivatives are refused" in page.words.text.text()
    assert "They disagree." in page.words.text.text()
    np.testing.assert_allclose(plots.heat.values(), JACOBIAN * [2.0, 6.0, 1.5] / np.array([[0.224], [0.215]]))
    apart = plots.agreement.differences("pathwise \N{MINUS SIGN} covariance")
    np.testing.assert_allclose(apart, [0, 0, 0, 0, 0, -0.583 / 0.005])
    np.testing.assert_array_equal(plots.agreement.growth, [[10, 1.0, 1.5, 2.0]])
    assert page.save_button.isEnabled()
    assert not page.frames_button.isEnabled()  # a ring on a line has no atoms


def test_a_fit_is_seen_by_iteration_and_told_of(
    page: ForceFieldPage, plots: ForceFieldPlots, model: ForceFieldModel, answers: list[Any]
) -> None:
    seen: list[Any] = []
    model.stepped.connect(lambda _: seen.append((page.pages.currentIndex(), len(plots.fit.relative()))))
    said: list[str] = []
    model.said.connect(said.append)
    model.load(RING)
    model.start(EnsembleRequest(RING, PARAMETERS, OBSERVABLES, tuning=TuneSettings()))
    assert answers[-1][1].name == names.CHECKPOINTS[names.TUNE]
    assert seen == [(FIT, 2)]
    np.testing.assert_allclose(plots.fit.chi2("fitted"), np.log10([5.76, 1.0, 0.01]))
    np.testing.assert_allclose(plots.fit.chi2("held out"), np.log10([2.25, 1.0, 0.25]))
    np.testing.assert_allclose(plots.fit.relative()[-1], [1.1, 1.0, 1.2])
    text = page.words.text.text()
    for sentence in ("Chi-square per datum fell", "The data fix k3", "They do not determine k2", "refused"):
        assert sentence in text
    assert [cell(page.words.table, 0, column) for column in range(5)] == ["k1", "", "2", "2.20 ± 0.11", "5 %"]
    page.values_button.click()
    assert [row.value for row in model.parameters.rows] == [2.2, 6.0, 1.8]
    assert said[-1] == "Another step promises no more than errors and tolerance hide"


def test_a_stopped_run_is_gone_on_with(
    panel: ForceFieldPanel, model: ForceFieldModel, runner: InstantRunner, answers: list[Any]
) -> None:
    choose(panel.form.system, "ring")
    panel.load()
    runner.hold()
    panel.start()
    assert [it.isEnabled() for it in (panel.load_button, panel.start_button, panel.stop_button)] == [0, 0, 1]
    assert model.working
    panel.stop_button.click()
    assert names.SENSITIVITY in runner.stops
    request, checkpoint = model._request, model._checkpoint
    assert request is not None
    assert checkpoint is not None
    checkpoint.touch()
    runner.held = None
    runner.finished.emit(names.SENSITIVITY, a_reading(request, stopped=True), True)
    assert panel.resume_button.isEnabled()
    panel.resume_button.click()
    assert answers[-1] == (request, checkpoint)
    assert checkpoint.exists()
    assert not panel.resume_button.isEnabled()
    panel.start_button.click()
    assert not checkpoint.exists()  # it begins anew


def test_what_another_session_left_in_a_project_is_gone_on_with(
    panel: ForceFieldPanel, session: Session, tmp_path: Path, answers: list[Any]
) -> None:
    project = tmp_path / "a.mdw"
    project.mkdir()
    (project / names.CHECKPOINTS[names.SENSITIVITY]).touch()
    session.document.saved_path = project
    choose(panel.form.system, "ring")
    panel.load()
    assert panel.resume_button.isEnabled()
    panel.resume_button.click()
    assert answers[-1][1] == project / names.CHECKPOINTS[names.SENSITIVITY]
    assert answers[-1][1].exists()


def test_what_cannot_be_run_is_told_and_leaves_what_was_there(
    panel: ForceFieldPanel, page: ForceFieldPage, model: ForceFieldModel, answers: list[Any], monkeypatch: Any
) -> None:
    def refuse(loaded: Any, request: Any, checkpoint: Path) -> Any:
        yield Progress("setting up")
        raise BadInput("No parameter touches any of the observables", advice="Choose others")

    told: list[Any] = []
    model.failed.connect(told.append)
    choose(panel.form.system, "ring")
    panel.load()
    monkeypatch.setattr(tasks, "sensitivities", refuse)
    panel.start()
    assert "No parameter touches" in panel.remarks.text()
    assert len(told) == 1
    assert panel.start_button.isEnabled()
    assert page.derivatives.words.text() == EMPTY
    runner_reading = a_reading(EnsembleRequest(RING, PARAMETERS, OBSERVABLES))
    model.reading = runner_reading
    panel.start()
    assert page.derivatives.table.rowCount() == 6


# ---- looks and numbers


def test_plots_take_both_themes_with_data(plots: ForceFieldPlots) -> None:
    found = derivatives_of(a_sensitivity())
    for theme in (DARK, LIGHT):
        plots.heat.set_derivatives(found.relative("pathwise"), found.observables, found.parameters, "pathwise")
        plots.agreement.set_differences(found.differences())
        plots.agreement.add_growth(10, np.array([1.0, 2.0, 3.0]))
        plots.agreement.add_growth(5, np.array([1.0, 2.0, 3.0]))  # another simulation of the same fit
        plots.fit.set_trace(("k1",), np.array([[0.0], [1.0]]), np.array([2.0, 1.0]), np.array([np.nan, np.nan]))
        plots.agreement._draw()
        plots.fit._draw()
        for plot in (plots.heat, plots.agreement, plots.fit):
            plot.apply_theme(theme)
            assert not plot.is_empty
    np.testing.assert_array_equal(plots.agreement.growth, [[5, 1, 2, 3]])
    np.testing.assert_array_equal(plots.fit.relative(), [[0.0], [1.0]])
    for plot in (plots.agreement, plots.fit):
        plot.clear()
        assert plot.is_empty


def test_relative_derivatives_of_means_that_noise_hides_are_not_known() -> None:
    found = derivatives_of(a_sensitivity(values=np.array([0.005, 0.215]), theta=np.array([0.0, 6.0, 1.5])))
    assert np.isnan(found.relative("pathwise")[0]).all()
    assert np.isnan(found.relative("pathwise")[1, 0])
    assert found.relative("pathwise")[1, 1] == pytest.approx(-0.0057 * 6.0 / 0.215)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.829, 0.035, "0.829 ± 0.035"),
        (1234.0, 156.0, "1234 ± 156"),
        (2.0, np.inf, "2"),
        (1e-9, 1e-10, "1e-09 ± 1e-10"),
    ],
)
def test_numbers_are_written_to_the_second_digit_of_their_errors(value: float, error: float, text: str) -> None:
    assert written(Measured.of(value, error)) == text


# ---- files


def test_the_ensemble_becomes_the_frames_of_the_document(
    qtbot: QtBot,
    session: Session,
    model: ForceFieldModel,
    page: ForceFieldPage,
    panel: ForceFieldPanel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    commands = ForceFieldCommands(window, session, model, lambda: True, Settings())
    commands.serve(panel, page)
    reading = a_reading(EnsembleRequest(RING, PARAMETERS, OBSERVABLES))
    studied: Any = SimpleNamespace(topology=object())
    model._on_finished(names.SENSITIVITY, replace(reading, studied=studied, frames=np.zeros((4, 9))), False)
    assert page.frames_button.isEnabled()
    wrote: list[Any] = []

    def write_frames(given: Any, target: Path) -> Any:
        wrote.append((given, target))
        yield Progress("exporting")
        return target, target.with_suffix(".pdb")

    monkeypatch.setattr(tasks, "write_frames", write_frames)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "e.xtc"), "XTC (*.xtc)"))
    page.frames_button.click()
    assert wrote == [(model.reading, tmp_path / "e.xtc")]
    draft = session.document.draft
    assert (draft.frames, draft.topology) == ((tmp_path / "e.xtc",), tmp_path / "e.pdb")

"""The less common settings: they go in and out unchanged, and what makes no sense is marked and not lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from support.window_fakes import InstantRunner, some_frames

from app.dialogs.scattering import ScatteringDialog
from app.models.document import Draft
from app.models.session import Session
from app.panels.scattering_form import ScatteringForm
from app.panels.scattering_text import (
    deviations,
    parse_b_elements,
    parse_supercell,
    show_b_elements,
    show_error,
    show_supercell,
)
from app.theme import DARK, LIGHT, apply_theme
from mdweights_core.errors import BadInput
from mdweights_core.scattering.settings import Execution, PredictSettings

EVERYTHING = PredictSettings(
    b_elements={"H": 5.0, "C": 2.5},
    b_from_topology=True,
    occupancy_from_topology=True,
    relative_error=1e-6,
    radiation="neutron",
    selection="not water",
    altloc="B",
    supercell=(2, 1, 3),
    boxes="mean",
    molecules="as-is",
    expand_symmetry=True,
    solvent="mask",
    k_sol=0.41237,
    b_sol=51.26,
)


@pytest.fixture
def form(qtbot: QtBot) -> ScatteringForm:
    made = ScatteringForm()
    qtbot.addWidget(made)
    made.told = []  # type: ignore[attr-defined]
    made.edited.connect(made.told.append)  # type: ignore[attr-defined]
    return made


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path) -> ScatteringDialog:
    session = Session(InstantRunner(), InstantRunner(), InstantRunner(), tmp_path)
    made = ScatteringDialog(session)
    qtbot.addWidget(made)
    made.document = session.document  # type: ignore[attr-defined]
    return made


def type_into(field: object, text: str) -> None:
    line = field.lineEdit() if hasattr(field, "lineEdit") else field  # type: ignore[attr-defined]
    line.setText(text)
    line.editingFinished.emit()


# ---- texts


@pytest.mark.parametrize("text", ["2 2 1", "2x2x1", "2, 2, 1", " 2 × 2 × 1 "])
def test_supercells(text: str) -> None:
    assert parse_supercell(text) == (2, 2, 1)
    assert parse_supercell(show_supercell((2, 2, 1))) == (2, 2, 1)
    assert parse_supercell("  ") is None


@pytest.mark.parametrize("text", ["2 2", "a b c", "2 2 1.5", "-1 2 2"])
def test_no_supercells(text: str) -> None:
    with pytest.raises(BadInput, match="not a supercell"):
        parse_supercell(text)


def test_b_factors_by_element() -> None:
    assert parse_b_elements("h=5, C = 2.5;") == {"H": 5.0, "C": 2.5}
    assert parse_b_elements("") == {}
    assert parse_b_elements(show_b_elements({"Fe": 1.5})) == {"Fe": 1.5}
    for text, words in (("H", "not a list"), ("H=x", "not a list"), ("Xq=2", "not a chemical element")):
        with pytest.raises(BadInput, match=words):
            parse_b_elements(text)


@pytest.mark.parametrize(("error", "text"), [(1e-4, "1e-4"), (2.5e-3, "2.5e-3"), (0.1, "1e-1")])
def test_errors(error: float, text: str) -> None:
    assert show_error(error) == text
    assert float(text) == error


def test_what_is_not_usual_in_a_few_words() -> None:
    assert deviations(PredictSettings(b_iso=20.0, remove_drift=False)) == []
    assert len(deviations(EVERYTHING)) == 12
    assert deviations(PredictSettings(selection="protein", supercell=(2, 2, 1))) == ["protein", "2 × 2 × 1 cells"]


# ---- the form


def test_settings_are_shown_without_being_edited(form: ScatteringForm) -> None:
    form.show_settings(EVERYTHING)
    form._on_edited()
    assert form.told == []  # type: ignore[attr-defined]
    form.expand.click()
    (changed,) = form.told  # type: ignore[attr-defined]
    assert changed == PredictSettings(**{**EVERYTHING.__dict__, "expand_symmetry": False})  # k_sol with all its digits


def test_every_field_counts(form: ScatteringForm) -> None:
    for field, text in (
        (form.selection, " not water "),
        (form.altloc, "B"),
        (form.b_elements, "H=5, C=2.5"),
        (form.error, "1e-6"),
        (form.supercell, "2 1 3"),
    ):
        type_into(field, text)
    for combo, word in (
        (form.radiation, "neutron"), (form.boxes, "mean"), (form.molecules, "as-is"), (form.solvent, "mask"),
    ):  # fmt: skip
        combo.setCurrentIndex(combo.findData(word))
        combo.activated.emit(combo.currentIndex())
    for box in (form.b_topology, form.occupancy, form.expand):
        box.click()
    form.k_sol.setValue(0.412)
    form.b_sol.setValue(51.3)
    wanted = PredictSettings(**{**EVERYTHING.__dict__, "k_sol": 0.412, "b_sol": 51.3})
    assert form.told[-1] == wanted  # type: ignore[attr-defined]


def test_what_makes_no_sense_is_marked_and_kept_while_the_rest_counts(form: ScatteringForm) -> None:
    type_into(form.supercell, "2 2")
    type_into(form.error, "7")
    assert form.told == []  # type: ignore[attr-defined]
    assert form.supercell.problem is not None
    assert "'2 2' is not a supercell" in form.problem.text()
    assert "must lie between 1e-12 and 0.1" in form.problem.text()
    form.expand.click()
    form.show_settings(form.told[-1])  # type: ignore[attr-defined]
    assert form.told == [PredictSettings(expand_symmetry=True)]  # type: ignore[attr-defined]
    assert form.supercell.text() == "2 2"
    type_into(form.supercell, "2 2 2")
    assert form.supercell.problem is None
    assert "supercell" not in form.problem.text()
    assert form.told[-1].supercell == (2, 2, 2)  # type: ignore[attr-defined]
    form.reset()
    assert form.error.currentText() == "1e-4"
    assert form.problem.isHidden()


def test_a_mark_wears_the_warning_colour_of_any_theme(form: ScatteringForm, qapp: QApplication, qtbot: QtBot) -> None:
    with qtbot.waitExposed(form):
        form.show()
    type_into(form.supercell, "2 2")
    for theme in (DARK, LIGHT):
        apply_theme(qapp, theme)
        qapp.processEvents()
        assert form.supercell.palette().color(QPalette.ColorRole.Text).name() == theme.warning
        assert len(form.supercell.actions()) == 1
    form.supercell.mark(None)
    assert form.supercell.palette().color(QPalette.ColorRole.Text).name() == LIGHT.text


def test_a_selection_tells_how_many_atoms_or_why_none(form: ScatteringForm, qtbot: QtBot) -> None:
    with qtbot.waitSignal(form.selection_edited) as asked:
        type_into(form.selection, "protein")
    assert asked.args == ["protein"]
    form.show_selected(608)
    assert form.selected.text() == "608 atoms scatter"
    form.show_selected(BadInput("'protien' is not a selection of atoms"))
    assert form.selected.isHidden()
    assert form._fields["selection"].line.problem is not None  # type: ignore[union-attr]
    form.show_found(BadInput("'protien' is not a selection of atoms"))  # a look at the frames says the same
    assert form.problem.text().count("protien") == 1
    type_into(form.selection, "")
    form.show_settings(form.told[-1])  # type: ignore[attr-defined]
    form.show_found(None)
    assert form.problem.isHidden()


def test_the_density_of_a_solvent_is_asked_for_as_the_radiation_sees_it(form: ScatteringForm) -> None:
    light_water = PredictSettings(radiation="neutron", solvent="mask", k_sol=-0.056)
    form.show_settings(light_water)
    assert (form.k_sol.value(), form.k_sol.suffix()) == (-0.056, " fm/Å³")
    assert "-0.056\u00a0fm/Å³" in deviations(light_water)[-1]
    assert not form.told  # type: ignore[attr-defined]
    form.radiation.setCurrentIndex(form.radiation.findData("xray"))
    form.radiation.activated.emit(0)
    assert form.told == [PredictSettings(solvent="mask")]  # type: ignore[attr-defined]
    assert (form.k_sol.value(), form.k_sol.suffix(), form.k_sol.minimum()) == (0.35, " e/Å³", 0.0)
    assert "0.35\u00a0e/Å³" in deviations(PredictSettings(solvent="mask"))[-1]


@pytest.mark.parametrize(("radiation", "density"), [("neutron", -0.056), ("neutron", 0.64), ("electron", 0.0)])
def test_only_x_rays_have_a_usual_density(form: ScatteringForm, radiation: str, density: float) -> None:
    form.show_settings(PredictSettings(solvent="mask", k_sol=0.4))
    form.radiation.setCurrentIndex(form.radiation.findData(radiation))
    form.radiation.activated.emit(0)
    unknown = PredictSettings(radiation=radiation, solvent="mask")
    assert form.told == [unknown]  # type: ignore[attr-defined]
    assert form.k_sol.text() == "to be given"
    assert "no density yet" in deviations(unknown)[-1]
    form.show_settings(unknown)
    form.b_sol.setValue(50.0)
    assert form.told[-1].k_sol is None  # type: ignore[attr-defined]
    form.k_sol.setValue(density)
    assert form.told[-1].k_sol == density  # type: ignore[attr-defined]
    form.k_sol.setValue(form.k_sol.minimum())
    assert form.told[-1].k_sol is None  # type: ignore[attr-defined]


def test_density_and_b_wait_for_a_solvent(form: ScatteringForm, qtbot: QtBot) -> None:
    assert not form.k_sol.isEnabled()
    form.solvent.setCurrentIndex(1)
    form.solvent.activated.emit(1)
    assert form.k_sol.isEnabled()
    with qtbot.waitSignal(form.bragg_requested):
        form.fit_button.click()


def test_where_to_compute(form: ScatteringForm) -> None:
    told: list[Execution] = []
    form.execution_edited.connect(told.append)
    type_into(form.scheduler, "somewhere")
    assert told == []
    assert "must be threads, processes or an address" in form.problem.text()
    type_into(form.scheduler, "tcp://node:8786")
    form.workers.setValue(3)
    form.device.setCurrentIndex(1)
    form.device.activated.emit(1)
    assert told[-1] == Execution("tcp://node:8786", 3, "cpu")
    form.show_execution(Execution())
    assert (form.scheduler.currentText(), form.workers.text()) == ("threads", "all cores")


# ---- the dialog


def test_the_dialog_keeps_what_stands_elsewhere(dialog: ScatteringDialog) -> None:
    document = dialog.document  # type: ignore[attr-defined]
    document.set_draft(Draft(scattering=PredictSettings(b_iso=20.0)))
    type_into(dialog.form.supercell, "1 1 2")
    assert document.draft.scattering == PredictSettings(b_iso=20.0, supercell=(1, 1, 2))
    type_into(dialog.form.b_elements, "?")
    dialog.defaults_button.click()
    assert document.draft.scattering == PredictSettings(b_iso=20.0)
    assert dialog.form.b_elements.text() == ""


def test_a_new_document_leaves_nothing_to_be_mended(dialog: ScatteringDialog) -> None:
    type_into(dialog.form.b_elements, "?")
    dialog.document.clear()  # type: ignore[attr-defined]
    assert dialog.form.problem.isHidden()


def test_structure_factors_that_are_there_are_not_changed_any_more(dialog: ScatteringDialog) -> None:
    document = dialog.document  # type: ignore[attr-defined]
    document.set_frames(some_frames())
    assert not dialog.form.supercell.isEnabled()
    assert dialog.form.scheduler.isEnabled()
    assert "structure factors already" in dialog.form.hint.text()
    document.set_frames(None)
    assert dialog.form.supercell.isEnabled()


def test_enter_ends_a_field_and_presses_no_button(dialog: ScatteringDialog, qtbot: QtBot) -> None:
    asked: list[int] = []
    dialog.bragg_requested.connect(lambda: asked.append(1))
    dialog.open_form()
    qtbot.waitExposed(dialog)
    dialog.form.supercell.setFocus()
    qtbot.keyClicks(dialog.form.supercell, "2 2 2")
    qtbot.keyClick(dialog.form.supercell, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert asked == []
    assert dialog.document.draft.scattering.supercell == (2, 2, 2)  # type: ignore[attr-defined]
    dialog.hide()


def test_the_dialog_fits_a_small_screen(dialog: ScatteringDialog) -> None:
    dialog.form.show_selected(BadInput("x " * 150))
    assert dialog.sizeHint().width() <= 900
    assert dialog.layout().totalHeightForWidth(dialog.width()) <= 650

"""Every setting of a fit and of its validation can be filled in, and what cannot be used says why."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from support.window_fakes import InstantRunner, a_project, a_validation

from app.models.document import Draft
from app.models.session import Session
from app.panels.fit_form import NO_BRAGG, NO_SCAN, FitForm
from app.panels.fit_panel import FitPanel
from app.panels.validation_form import ValidationForm
from mdweights_core.project import FitInputs
from mdweights_core.weights.settings import OBJECTIVES, WEIGHTINGS, FitSettings, ValidationSettings

CHOSEN = FitSettings(
    objective="student-t",
    solver="gauss-newton",
    theta=0.0125,
    free_fraction=0.05,
    seed=7,
    max_steps=30,
    weighting="none",
    n_eff_floor=12.5,
    tied_frames=4,
    max_frames=50,
    bragg_weight=0.25,
    mask_bragg=0.125,
    mask_negative=True,
    mask_outliers=8.0,
    mask_ice=True,
)


@pytest.fixture
def form(qtbot: QtBot) -> FitForm:
    made = FitForm()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def session(qapp: object, tmp_path: Path) -> Session:
    return Session(InstantRunner(), InstantRunner(), InstantRunner(), tmp_path)


def a_map(ndiv: tuple[int, int, int], free: str | None = None) -> Any:
    return SimpleNamespace(summary=SimpleNamespace(ndiv=ndiv, free=free))


def test_the_form_starts_with_the_settings_of_the_core_and_has_all_of_them(form: FitForm) -> None:
    assert FitSettings(**form.values()) == FitSettings()
    assert set(form.values()) == {field.name for field in fields(FitSettings)}
    assert all(form.objective.findData(key) >= 0 for key in OBJECTIVES)
    assert all(form.weighting.findData(key) >= 0 for key in WEIGHTINGS)


def test_settings_go_in_and_out_unchanged(form: FitForm) -> None:
    form.show_files(Draft(bragg=Path("bragg.mtz")))
    form.show_settings(CHOSEN)
    assert FitSettings(**form.values()) == CHOSEN
    form.show_settings(FitSettings())
    assert FitSettings(**form.values()) == FitSettings()


def test_folded_parts_tell_what_is_unusual_in_them(form: FitForm) -> None:
    assert (form.masks.digest, form.joint.digest, form.frames.digest) == ("none", "none", "each for itself")
    form.show_files(Draft(bragg=Path("/data/bragg.mtz")))
    form.show_settings(CHOSEN)
    assert form.masks.digest == "Bragg within 0.125, beyond 8 σ, negative, ice"
    assert form.joint.digest == "bragg.mtz, 25 %"
    assert form.frames.digest == "at least 12.5 effective, 4 frames tied, at most 50"
    assert form.advanced.digest == "Gauss-Newton"
    form.mask_ice.click()
    assert form.masks.digest.endswith("negative")


def test_a_fold_opens_and_closes(form: FitForm) -> None:
    assert not form.mask_ice.isVisibleTo(form)
    form.masks.button.click()
    assert form.masks.is_open
    assert form.mask_ice.isVisibleTo(form)
    assert form.masks.words.text() == ""
    form.masks.button.click()
    assert not form.mask_ice.isVisibleTo(form)


def test_only_one_solver_keeps_frames_many_or_few(form: FitForm) -> None:
    form.show_settings(CHOSEN)
    form.solver.setCurrentIndex(form.solver.findData("adam"))
    assert not form.n_eff_floor.isEnabled()
    assert "Gauss-Newton" in form.max_frames.toolTip()
    assert FitSettings(**form.values()) == replace(
        CHOSEN, solver="adam", n_eff_floor=0.0, max_frames=None, bragg_weight=0
    )
    assert form.frames.digest == "4 frames tied"
    assert form.advanced.digest == "Adam"


def test_choices_are_short_and_explained(form: FitForm) -> None:
    tips = [form.objective.itemData(row, Qt.ItemDataRole.ToolTipRole) for row in range(form.objective.count())]
    assert [tip.lower() for tip in tips] == [words.lower() for words in OBJECTIVES.values()]
    assert max(len(form.weighting.itemText(row)) for row in range(form.weighting.count())) <= 20


def test_theta_is_shown_without_empty_digits(form: FitForm) -> None:
    for theta, text in ((0.0, "0"), (0.25, "0.25"), (1e-6, "0.000001"), (300.0, "300")):
        form.theta.setValue(theta)
        assert form.theta.text() == text


def test_bragg_data_count_only_when_there_are_some(form: FitForm) -> None:
    assert not form.bragg_dial.isEnabled()
    assert form.bragg_dial.toolTip() == NO_BRAGG
    form.bragg_dial.setValue(30)
    assert form.values()["bragg_weight"] == 0.0
    form.bragg_dial.setValue(0)
    form.show_files(Draft(bragg=Path("bragg.mtz")))
    assert form.values()["bragg_weight"] == 0.5  # of no weight they would be refused
    assert form.bragg_share.text() == "50 %"


def test_a_map_of_whole_indices_has_no_bragg_mask(form: FitForm) -> None:
    form.show_map(a_map((1, 1, 1)), None)
    assert not form.mask_bragg.isEnabled()
    assert "every reflection lies on a Bragg position" in form.mask_bragg.toolTip()
    form.show_map(a_map((3, 3, 3)), None)
    assert form.mask_bragg.isEnabled()
    assert "reciprocal-lattice" in form.mask_bragg.toolTip()


def test_a_map_with_free_flags_leaves_no_share_to_choose(form: FitForm) -> None:
    form.show_map(a_map((2, 2, 2), "FreeR_flag"), None)
    assert not form.free_fraction.isEnabled()
    assert "unused" in form.free_fraction.text()
    assert "FreeR_flag" in form.free_fraction.toolTip()
    form.show_map(a_map((2, 2, 2)), None)
    assert form.free_fraction.isEnabled()
    assert form.free_fraction.text().endswith(" %")


def test_a_proposed_theta_can_be_used(form: FitForm) -> None:
    assert not form.propose_button.isEnabled()
    assert form.propose_button.toolTip() == NO_SCAN
    form.propose(1.5)
    assert "theta 1.5" in form.propose_button.toolTip()
    form.propose_button.click()
    assert form.values()["theta"] == 1.5


def test_validation_settings_go_in_and_out_unchanged(qtbot: QtBot) -> None:
    form = ValidationForm()
    qtbot.addWidget(form)
    assert ValidationSettings(**form.values()) == ValidationSettings()
    chosen = ValidationSettings(folds=3, starts=0, thetas=6, samples=20, block=12)
    form.show_settings(chosen)
    assert ValidationSettings(**form.values()) == chosen
    assert form.digest == "3 folds, 20 samples"
    assert form.planned() == form.values()
    form.wanted.click()
    assert form.planned() is None
    assert form.digest == "not after a fit"


def test_what_is_filled_in_is_what_is_planned(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    panel = FitPanel(session)
    qtbot.addWidget(panel)
    session.revisit.set_meaning(temperature=310.0)
    panel.validation.fields["folds"].setValue(3)
    plan = panel.plan()
    assert (plan.validation or {})["folds"] == 3
    assert plan.meaning == {"temperature": 310.0}
    assert plan.fit == panel.form.values()
    validation = a_validation()
    session.document.set_project(a_project(tmp_path, validation=validation), unsaved=False)
    assert panel.validation.values()["starts"] == 4
    panel.form.propose_button.click()
    scan = validation.theta_scan
    assert scan is not None
    assert scan.proposed is not None
    assert panel.form.theta.value() == pytest.approx(scan.theta[scan.proposed])
    session.document.set_project(None, unsaved=False)
    assert not panel.form.propose_button.isEnabled()
    panel.offer_theta(0.5)
    assert panel.form.values()["theta"] == 0.5


def test_files_of_prior_weights_and_bragg_data_are_inputs(qtbot: QtBot, session: Session) -> None:
    panel = FitPanel(session)
    qtbot.addWidget(panel)
    with qtbot.waitSignals([panel.prior_requested, panel.bragg_requested]):
        panel.form.prior.choose.click()
        panel.form.bragg.choose.click()
    inputs = FitInputs(Path("m.mtz"), (Path("f.nc"),), prior=Path("/d/prior.csv"), bragg=Path("/d/bragg.mtz"))
    session.document.set_draft(Draft.of(inputs))
    assert panel.form.prior.label.toolTip() == "/d/prior.csv"
    assert session.document.draft.inputs() == inputs
    panel.form.prior.forget.click()
    panel.form.bragg.forget.click()
    assert (session.document.draft.prior, session.document.draft.bragg) == (None, None)
    assert panel.form.prior.forget.isHidden()
    assert panel.form.values()["bragg_weight"] == 0.0

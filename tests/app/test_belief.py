"""The strip says whether weights can be believed, in words and shapes, and leads to the plots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from support.window_fakes import InstantRunner, a_project, a_validation

from app.models.revisit import VALIDATE
from app.models.session import Session
from app.models.validity import CONCLUSIONS, STATES, Verdict, judge
from app.panels.belief import EMPTY, INCOMPLETE, NOT_VALIDATED, PLACES, BeliefStrip, describe
from app.panels.workbench import LIGHTS
from app.theme import DARK, LIGHT
from mdweights_core.jobs import Progress
from mdweights_core.lights import BAD, GOOD, NONE, WEAK


@pytest.fixture
def session(qapp: object, tmp_path: Path) -> Session:
    return Session(InstantRunner(), InstantRunner(), InstantRunner(), tmp_path)


@pytest.fixture
def strip(qtbot: QtBot, session: Session) -> BeliefStrip:
    made = BeliefStrip(session)
    qtbot.addWidget(made)
    return made


def shown(strip: BeliefStrip) -> list[str]:
    return [button.text_shown for button in strip.buttons]


def test_before_a_fit_it_says_what_will_stand_there(strip: BeliefStrip) -> None:
    assert strip.sentence.text() == EMPTY
    assert strip.buttons == []
    assert strip.validate_button.isHidden()


def test_the_six_lights_stand_under_the_verdict(strip: BeliefStrip, session: Session, tmp_path: Path) -> None:
    validation = a_validation()
    session.document.set_project(a_project(tmp_path, validation=validation), unsaved=False)
    assert strip.sentence.text() == validation.verdict
    assert strip.sign.text() == Verdict.CAUTION.value
    assert shown(strip) == [
        "● held-out 0.600 (0.450 unweighted)",
        "▲ starts 0.98 between starts",
        "■ concentration 1.5 of 6 frames",
        "● theta 0.25 (proposed 1)",
        "○ time not known",
        "● influence frame 5: -0.0200",
    ]
    assert strip.buttons[2].accessibleName() == "concentration 1.5 of 6 frames: bad"
    assert "<b>starts: weak.</b> Which frames get the weight depends on the start." in strip.buttons[1].toolTip()
    assert "Click to see the scan of theta." in strip.buttons[3].toolTip()
    assert strip.validate_button.isHidden()
    session.document.set_project(None, unsaved=False)
    assert strip.buttons == []


def test_a_fit_with_something_to_tell_keeps_its_own_lights_beside_the_six() -> None:
    fit = a_project(Path()).project.fit
    assert len(judge(fit, a_validation())) == 6
    fit.converged, fit.warnings = False, ("The cell is odd.",)
    assert [light.text for light in judge(fit, a_validation())][6:] == ["fit not converged", "data 1 warning"]


def test_a_fit_that_was_not_validated_offers_it(
    qtbot: QtBot, strip: BeliefStrip, session: Session, tmp_path: Path
) -> None:
    session.document.set_project(a_project(tmp_path), unsaved=False)
    assert strip.sentence.text() == NOT_VALIDATED
    assert shown(strip)[0] == "■ held-out 0.600 (0.400 unweighted)"  # of eleven reflections
    with qtbot.waitSignal(strip.validate_requested):
        strip.validate_button.click()
    stopped = replace(a_validation(), complete=False)
    session.document.set_project(a_project(tmp_path, validation=stopped), unsaved=False)
    assert strip.sentence.text().endswith(INCOMPLETE)
    assert not strip.validate_button.isHidden()


def test_it_says_how_far_a_validation_is(strip: BeliefStrip, session: Session, tmp_path: Path) -> None:
    session.document.set_project(a_project(tmp_path, validation=a_validation()), unsaved=False)
    session.fit.start()
    assert not any(button.isEnabled() for button in strip.buttons)
    session.fit.advance(Progress("weights", 3, values={"cc": 0.5}))
    assert strip.sentence.text().startswith("Fitting, iteration 3")
    session.fit.advance(Progress("validation", 34, 75, "held-out folds"))
    assert strip.sentence.text() == "Validating, 34 of 75: held-out folds"
    assert strip.sign.text() == Verdict.UNKNOWN.value
    session.fit.end()
    assert strip.sentence.text() == a_validation().verdict
    assert all(button.isEnabled() for button in strip.buttons)


def test_a_validation_alone_is_told_too(strip: BeliefStrip, session: Session, tmp_path: Path) -> None:
    session.document.set_project(a_project(tmp_path), unsaved=False)
    session.revisit._set_running(VALIDATE)
    assert strip.sentence.text() == "Validating"
    assert not strip.validate_button.isEnabled()
    session.fit.advance(Progress("validation", 2, 9))
    assert strip.sentence.text() == "Validating, 2 of 9"
    session.revisit._set_running("")
    assert strip.sentence.text() == NOT_VALIDATED


def test_progress_of_any_stage_makes_a_sentence() -> None:
    assert describe(Progress("meaning", 3, 10)) == "Looking for the meaning, 3 of 10"
    assert describe(Progress("structure factors")).startswith("Structure factors; ")
    assert describe(Progress("saving", message="Saving x.mdw")).startswith("Saving x.mdw; ")


def test_a_light_leads_to_its_plot(qtbot: QtBot, strip: BeliefStrip, session: Session, tmp_path: Path) -> None:
    session.document.set_project(a_project(tmp_path, validation=a_validation()), unsaved=False)
    for button in strip.buttons:
        with qtbot.waitSignal(strip.light_clicked) as clicked:
            button.click()
        assert clicked.args == [button.light.name]
    assert {button.light.name for button in strip.buttons} == set(LIGHTS) == set(PLACES)


def test_every_state_and_conclusion_has_a_verdict() -> None:
    assert set(STATES) == {GOOD, WEAK, BAD, NONE}
    assert set(CONCLUSIONS) == {"supported", "weak", "unsupported", "overfit"}
    assert len({verdict.word for verdict in Verdict}) == len(Verdict)


def test_signs_wear_the_colours_of_the_theme(strip: BeliefStrip, session: Session, tmp_path: Path) -> None:
    session.document.set_project(a_project(tmp_path, validation=a_validation()), unsaved=False)
    for theme in (LIGHT, DARK):
        strip.apply_theme(theme)
        assert theme.warning in strip.buttons[2].sign.styleSheet()
        assert theme.bad in strip.sign.styleSheet()

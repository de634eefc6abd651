"""Errors in the user's words; faults of the program with details to send."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from app.dialogs.fault import FaultDialog
from app.errors import ErrorRelay, log_path, start_logging, told
from app.panels.banner import Banner
from mdweights_core.errors import BadInput, DiskProblem


def fault() -> ZeroDivisionError:
    try:
        return 1 // 0  # type: ignore[return-value]
    except ZeroDivisionError as error:
        return error


def test_an_error_of_the_user_is_what_where_and_advice() -> None:
    words = told(BadInput("The column has no numbers", where="map.mtz", advice="Choose another"))
    assert (words.what, words.where, words.advice) == ("The column has no numbers", "map.mtz", "Choose another")
    assert not words.is_fault


def test_a_fault_of_the_program_says_so_and_keeps_the_traceback_in_its_details() -> None:
    words = told(fault())
    assert words.is_fault
    assert "fault of the program" in words.what
    assert "ZeroDivisionError" in words.details
    assert "in fault" in words.details
    assert "numpy" in words.details
    assert "Traceback" not in words.what + words.advice


def test_too_little_memory_is_no_fault() -> None:
    assert not told(MemoryError()).is_fault


def test_the_banner_shows_the_sentence_and_offers_details_of_faults_only(qtbot: QtBot) -> None:
    banner = Banner()
    qtbot.addWidget(banner)
    assert banner.isHidden()
    banner.tell(told(DiskProblem("The disk is full", where="/data", advice="Free some space")))
    assert not banner.isHidden()
    assert banner.label.text().endswith("/data:  The disk is full.  Free some space.")
    assert banner.details_button.isHidden()
    banner.tell(told(fault()))
    assert not banner.details_button.isHidden()
    with qtbot.waitSignal(banner.details_requested) as asked:
        banner.details_button.click()
    assert asked.args[0].is_fault
    banner.close_button.click()
    assert banner.isHidden()


def test_details_of_a_fault_can_be_copied(qtbot: QtBot) -> None:
    dialog = FaultDialog(told(fault()))
    qtbot.addWidget(dialog)
    assert not dialog.isModal()
    dialog.copy()
    assert "ZeroDivisionError" in QGuiApplication.clipboard().text()


def test_an_exception_nobody_caught_reaches_the_window(qtbot: QtBot) -> None:
    relay, former = ErrorRelay(), sys.excepthook
    restore = relay.install()
    error = fault()
    try:
        with qtbot.waitSignal(relay.raised) as raised:
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        restore()
    assert raised.args == [error]
    assert sys.excepthook is former


@pytest.fixture
def clean_logging() -> object:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def test_what_is_logged_is_in_the_log_file(clean_logging: object) -> None:
    start_logging()
    logging.getLogger("app").info("a line")
    assert log_path().read_text(encoding="utf-8").endswith("app: a line\n")


def test_a_home_that_cannot_be_written_to_does_not_stop_the_program(
    clean_logging: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    start_logging()
    assert not log_path().exists()

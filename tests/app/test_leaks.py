"""The look at what a test left behind must itself see what there is to see."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSettings, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot


def test_running_thread_is_seen_until_it_ends(left_behind: Callable[[], list[str]]) -> None:
    thread = QThread()
    thread.start()
    seen = left_behind()
    thread.quit()
    assert thread.wait(5000)
    assert seen == ["QThread"]
    assert left_behind() == []


def test_active_timer_is_seen_until_its_parent_is_deleted(left_behind: Callable[[], list[str]]) -> None:
    parent = QWidget()
    timer = QTimer(parent, objectName="blink")
    timer.start(1000)
    assert left_behind() == ["QTimer named 'blink' of QWidget"]
    parent.deleteLater()
    assert left_behind() == []


def test_open_window_is_seen_until_it_is_closed(qtbot: QtBot, left_behind: Callable[[], list[str]]) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    assert left_behind() == ["QWidget"]
    window.close()
    assert left_behind() == []


def test_settings_are_kept_in_the_tests_own_folder(qapp: QApplication, private_home: Path) -> None:
    settings = QSettings("mdweights", "mdweights")
    settings.setValue("recent", "one")
    settings.sync()
    assert Path(settings.fileName()).is_relative_to(private_home)
    assert Path(settings.fileName()).is_file()

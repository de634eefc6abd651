"""Settings survive a restart, and a damaged file reads as no settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from app.settings import MAX_RECENT, Settings
from mdweights_core.scattering.settings import Execution


def at(path: Path) -> Settings:
    return Settings(QSettings(str(path), QSettings.Format.IniFormat))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.ini"


def test_nothing_is_remembered_at_first(file: Path, qtbot: QtBot) -> None:
    settings = at(file)
    window = QMainWindow()
    qtbot.addWidget(window)
    assert (settings.theme, settings.recent, settings.folder) == (None, (), "")
    assert not settings.restore_layout(window)


def test_what_is_set_is_there_at_the_next_start(file: Path, tmp_path: Path, qtbot: QtBot) -> None:
    settings, window = at(file), QMainWindow()
    qtbot.addWidget(window)
    settings.theme, settings.folder = "dark", str(tmp_path)
    settings.save_layout(window)
    again = at(file)
    assert (again.theme, again.folder) == ("dark", str(tmp_path))
    assert again.restore_layout(window)


def test_recent_files_latest_first_without_repeats_or_lost_ones(file: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.mtz" for n in range(MAX_RECENT + 3)]
    for path in paths:
        path.touch()
        at(file).add_recent([path])
    at(file).add_recent([paths[5]])
    paths[-1].unlink()
    recent = at(file).recent
    assert recent[:2] == (paths[5], paths[-2])
    assert len(recent) == MAX_RECENT - 1


def test_one_recent_file_is_still_a_list(file: Path, tmp_path: Path) -> None:
    (tmp_path / "one.mtz").touch()
    at(file).add_recent([tmp_path / "one.mtz"])
    assert at(file).recent == (tmp_path / "one.mtz",)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe garbage [[[",
        b"[General]\ntheme=plaid\nrecent=@Invalid()\ngeometry=12\nlayout=@ByteArray(broken)\nfolder=@Invalid()\n",
        b'[General]\nrecent="\\0"\ngeometry=@ByteArray(xx)\nlayout=@ByteArray(yy)\n',
    ],
)
def test_a_damaged_file_reads_as_no_settings(file: Path, qtbot: QtBot, content: bytes) -> None:
    file.write_bytes(content)
    settings, window = at(file), QMainWindow()
    qtbot.addWidget(window)
    assert (settings.theme, settings.recent, settings.folder) == (None, (), "")
    assert not settings.restore_layout(window)
    settings.theme = "light"
    assert at(file).theme == "light"


def test_where_to_compute_is_remembered(file: Path) -> None:
    assert at(file).execution == Execution()
    for chosen in (Execution("processes", 3, "gpu"), Execution("tcp://node:8786", None, "cpu")):
        settings = at(file)
        settings.execution = chosen
        settings._store.sync()
        assert at(file).execution == chosen


@pytest.mark.parametrize("line", ["scheduler=nowhere", "workers=0", "workers=many", "device=abacus"])
def test_a_place_that_makes_no_sense_reads_as_the_usual_one(file: Path, line: str) -> None:
    file.write_text(f"[General]\n{line}\n")
    assert at(file).execution == Execution()

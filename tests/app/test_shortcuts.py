"""One table makes menus, keys and the shortcut sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.dialogs.help import about, guide, shortcut_sheet
from app.shortcuts import ActionSpec, make_actions, sheet
from mdweights_core.errors import DiskProblem


def nothing() -> None:
    """Do nothing."""


SPECS = (
    ActionSpec("file.open", "&Open map…", nothing, ("Ctrl+M",), "Open a map"),
    ActionSpec("file.example", "Open example", nothing),
    ActionSpec("frames.next", "&Next <frame>", nothing, ("Space", "N")),
)


def test_an_action_does_what_its_entry_says(qtbot: QtBot) -> None:
    done: list[int] = []
    window = QWidget()
    qtbot.addWidget(window)
    actions = make_actions([ActionSpec("a.b", "Title", lambda: done.append(1), ("Ctrl+B",))], window)
    actions["a.b"].trigger()
    assert done == [1]
    assert actions["a.b"].shortcut() == QKeySequence("Ctrl+B")


def test_the_sheet_lists_what_has_keys() -> None:
    assert sheet(SPECS) == [("File", "Open map", "Ctrl+M"), ("Frames", "Next <frame>", "Space or N")]


def test_the_sheet_is_shown_as_plain_text(qtbot: QtBot) -> None:
    dialog = shortcut_sheet(sheet(SPECS))
    qtbot.addWidget(dialog)
    text = dialog.page.toPlainText()
    for words in ("File", "Open map", "Ctrl+M", "Next <frame>", "Space or N"):
        assert words in text


def test_the_guide_is_shown_or_its_absence_told(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text("# First steps\n\nOpen a *map*.", encoding="utf-8")
    dialog = guide(tmp_path / "guide.md")
    qtbot.addWidget(dialog)
    assert dialog.page.toPlainText() == "First steps\nOpen a map."
    with pytest.raises(DiskProblem, match="guide"):
        guide(tmp_path / "missing.md")


def test_about_names_the_versions(qtbot: QtBot) -> None:
    dialog = about()
    qtbot.addWidget(dialog)
    assert "numpy" in dialog.page.toPlainText()

"""One table makes menus, keys and the shortcut sheet."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.dialogs.help import about, shortcut_sheet
from app.shortcuts import ActionSpec, make_actions, sheet


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


def test_about_names_the_versions(qtbot: QtBot) -> None:
    dialog = about()
    qtbot.addWidget(dialog)
    assert "numpy" in dialog.page.toPlainText()

"""Marks are undone to what they were and kept with the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QUndoStack
from pytestqt.qtbot import QtBot

from app.commands.mark_frames import MarkFrames
from app.models.marks import FILE_NAME, Mark, MarksModel
from mdweights_core.errors import DiskProblem


@pytest.fixture
def marks(qapp: object) -> MarksModel:
    made = MarksModel()
    made.set_n_frames(6)
    return made


def test_undo_gives_every_frame_its_former_mark(marks: MarksModel) -> None:
    stack = QUndoStack()
    stack.push(MarkFrames(marks, np.array([1, 2]), Mark.KEEP))
    stack.push(MarkFrames(marks, np.array([2, 3]), Mark.DROP))
    assert marks.values.tolist() == [0, Mark.KEEP, Mark.DROP, Mark.DROP, 0, 0]
    stack.undo()
    assert marks.values.tolist() == [0, Mark.KEEP, Mark.KEEP, 0, 0, 0]
    stack.undo()
    assert not marks.values.any()
    stack.redo()
    stack.redo()
    assert marks.frames_with(Mark.DROP).tolist() == [2, 3]


def test_commands_say_what_they_do(marks: MarksModel) -> None:
    assert MarkFrames(marks, np.array([4]), Mark.UNSURE).text() == "mark frame 4 unsure"
    assert MarkFrames(marks, np.array([4, 5]), Mark.NONE).text() == "mark 2 frames as unmarked"


def test_the_frames_changed_are_told(qtbot: QtBot, marks: MarksModel) -> None:
    with qtbot.waitSignal(marks.marks_changed) as told:
        marks.assign(np.array([5]), Mark.KEEP)
    assert told.args[0].tolist() == [5]


def test_marks_come_back_with_the_project(marks: MarksModel, tmp_path: Path) -> None:
    marks.assign(np.array([1, 4]), Mark.KEEP)
    marks.assign(np.array([2]), Mark.UNSURE)
    marks.save(tmp_path)
    other = MarksModel()
    other.set_n_frames(3)
    other.load(tmp_path)
    assert other.values.tolist() == [0, Mark.KEEP, Mark.UNSURE]


def test_a_project_without_marks_has_none(marks: MarksModel, tmp_path: Path) -> None:
    marks.assign(np.array([1]), Mark.KEEP)
    marks.load(tmp_path)
    assert not marks.values.any()


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"keep": ["x"]}', '{"keep": {"a": 1}}'])
def test_a_broken_file_of_marks_is_told(marks: MarksModel, tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(DiskProblem, match="marks"):
        marks.load(tmp_path)

"""One selection for all views: clamped, told once, copied."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.models.selection import SelectionModel


@pytest.fixture
def selection(qapp: object) -> SelectionModel:
    made = SelectionModel()
    made.set_n_frames(10)
    return made


def test_the_first_frame_is_selected_when_frames_come(selection: SelectionModel) -> None:
    assert selection.frame == 0


@pytest.mark.parametrize(("asked", "got"), [(3, 3), (99, 9), (-5, -1)])
def test_a_frame_out_of_range_is_clamped(selection: SelectionModel, asked: int, got: int) -> None:
    selection.select(asked)
    assert selection.frame == got


def test_selecting_the_same_frame_again_is_not_told(qtbot: QtBot, selection: SelectionModel) -> None:
    selection.select(4)
    with qtbot.assertNotEmitted(selection.frame_changed):
        selection.select(4)


def test_fewer_frames_move_the_selection_and_shrink_the_brush(selection: SelectionModel) -> None:
    selection.select(8)
    selection.set_brushed([2, 7, 9])
    selection.set_n_frames(5)
    assert selection.frame == 4
    assert selection.brushed.tolist() == [2]


def test_no_frames_no_selection(selection: SelectionModel) -> None:
    selection.set_n_frames(0)
    assert selection.frame == -1
    assert len(selection.targets()) == 0


def test_an_action_applies_to_the_brush_else_to_the_frame(selection: SelectionModel) -> None:
    selection.select(3)
    assert selection.targets().tolist() == [3]
    selection.set_brushed(np.array([5, 4, 4, 40]))
    assert selection.targets().tolist() == [4, 5]


def test_the_brush_told_is_a_copy(qtbot: QtBot, selection: SelectionModel) -> None:
    with qtbot.waitSignal(selection.brushed_changed) as told:
        selection.set_brushed([1, 2])
    told.args[0][:] = 0
    assert selection.brushed.tolist() == [1, 2]


def test_the_reflection_cursor(qtbot: QtBot, selection: SelectionModel) -> None:
    with qtbot.waitSignal(selection.cursor_changed):
        selection.set_cursor((1, -2, 3))
    with qtbot.assertNotEmitted(selection.cursor_changed):
        selection.set_cursor(np.array([1, -2, 3]))
    selection.set_cursor(None)
    assert selection.cursor is None


def test_a_walk_by_weight_meets_every_frame_once(selection: SelectionModel) -> None:
    weights = np.array([0.2, 0.0, 0.5, 0.0, 0.3])
    selection.set_n_frames(5)
    selection.walk(weights, -10)
    met = [selection.frame]
    for _ in range(5):
        selection.walk(weights, 1)
        met.append(selection.frame)
    assert met == [1, 3, 0, 4, 2, 2]
    selection.walk(weights, -2)
    assert selection.frame == 0
    selection.walk(weights[:3], 1)  # weights of other frames say nothing about these
    assert selection.frame == 0

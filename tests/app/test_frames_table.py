"""The table of frames sorts, filters and follows, for thousands of frames without delay."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QModelIndex, Qt
from pytestqt.modeltest import ModelTester

from app.models.frames_table import COLUMNS, KEYS, FramesTable
from app.models.marks import Mark
from mdweights_core.errors import BadInput

WEIGHTS = np.array([0.1, 0.4, 0.0, 0.3, 0.2])
DESCENDING, ASCENDING = Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder


@pytest.fixture
def table(qapp: object) -> FramesTable:
    made = FramesTable()
    source = ("a.xtc #0", "a.xtc #1", "b.xtc #0", "b.xtc #1", "b.xtc #2")
    made.set_frames(source, np.arange(5) * 2.0, np.array([[3.0, 4.0, 0.0]] * 5))
    made.set_weights(WEIGHTS, np.array([0.5, np.nan, 0.1, 0.2, 0.3]))
    return made


def shown(table: FramesTable) -> list[int]:
    return [table.frame_at(row) for row in range(table.rowCount())]


def text(table: FramesTable, row: int, key: str) -> object:
    return table.data(table.index(row, KEYS.index(key)))


def test_every_column_reads_as_it_should(table: FramesTable) -> None:
    assert [text(table, 1, column.key) for column in COLUMNS] == ["1", "", "", "0.4", "2", "", "2", "5", "a.xtc #1"]


def test_the_model_obeys_qts_rules(table: FramesTable, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(table)
    table.sort(KEYS.index("weight"), DESCENDING)
    table.set_filter("weight > 0.15")
    qtmodeltester.check(table)


@pytest.mark.parametrize(
    ("key", "order", "expected"),
    [
        ("weight", ASCENDING, [2, 0, 4, 3, 1]),
        ("weight", DESCENDING, [1, 3, 4, 0, 2]),
        ("influence", ASCENDING, [2, 3, 4, 0, 1]),
        ("influence", DESCENDING, [0, 4, 3, 2, 1]),
        ("source", DESCENDING, [4, 3, 2, 1, 0]),
        ("drift", DESCENDING, [0, 1, 2, 3, 4]),
    ],
)
def test_sorting(table: FramesTable, key: str, order: Qt.SortOrder, expected: list[int]) -> None:
    table.sort(KEYS.index(key), order)
    assert shown(table) == expected
    assert [table.row_of(frame) for frame in expected] == list(range(5))


def test_a_selection_stays_on_its_frame_through_sorting_and_is_lost_when_filtered_out(table: FramesTable) -> None:
    from PySide6.QtCore import QPersistentModelIndex

    index = QPersistentModelIndex(table.index(table.row_of(3), 0))
    table.sort(KEYS.index("weight"), DESCENDING)
    assert table.frame_at(index.row()) == 3
    table.set_filter("weight > 0.35")
    assert not index.isValid()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("weight > 0.15", [1, 3, 4]),
        ("weight>=0.2 and time < 7", [1, 3]),
        ("B.XTC", [2, 3, 4]),
        ("b.xtc and relative != 0", [3, 4]),
        ("mark = keep", [1]),
        ("mark != none", [1, 2]),
        ("frame = 2", [2]),
        ("influence < 1", [0, 2, 3, 4]),
        ("nothing of this name", []),
    ],
)
def test_filters(table: FramesTable, words: str, expected: list[int]) -> None:
    table.set_marks(np.array([Mark.NONE, Mark.KEEP, Mark.DROP, Mark.NONE, Mark.NONE], dtype=np.int8))
    table.set_filter(words)
    assert shown(table) == expected


@pytest.mark.parametrize(("words", "named"), [("wieght > 1", "wieght"), ("weight > heavy", "heavy")])
def test_a_filter_that_makes_no_sense_is_told_and_changes_nothing(table: FramesTable, words: str, named: str) -> None:
    table.set_filter("weight > 0.15")
    with pytest.raises(BadInput, match=named):
        table.set_filter(words)
    assert shown(table) == [1, 3, 4]


def test_live_weights_change_numbers_but_not_places(table: FramesTable) -> None:
    table.sort(KEYS.index("weight"), DESCENDING)
    before = shown(table)
    table.set_weights(WEIGHTS[::-1], final=False)
    assert shown(table) == before
    table.set_weights(WEIGHTS[::-1])
    assert shown(table) == list(np.argsort(-WEIGHTS[::-1], kind="stable"))


def test_the_numbers_given_are_copied(table: FramesTable) -> None:
    weights = WEIGHTS.copy()
    table.set_weights(weights)
    weights[:] = 9.0
    assert text(table, 1, "weight") == "0.4"


def test_rows_beyond_the_end_and_an_empty_table(table: FramesTable) -> None:
    assert table.frame_at(99) == -1
    assert table.row_of(99) == -1
    table.set_frames(())
    assert table.rowCount() == 0
    assert table.data(QModelIndex()) is None


def test_a_hundred_thousand_frames_sort_and_filter_at_once(qapp: object) -> None:
    table = FramesTable()
    table.set_frames([f"run.xtc #{frame}" for frame in range(100_000)])
    table.set_weights(np.random.default_rng(0).random(100_000))
    began = time.perf_counter()
    table.sort(KEYS.index("weight"), DESCENDING)
    table.set_filter("weight > 0.5 and frame < 50000")
    assert time.perf_counter() - began < 2.0
    assert 24_000 < table.rowCount() < 26_000

"""Lists of frames: written, read back, and taken from a table of a selection."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_numbers import parse_numbers, read_kept, show_numbers


@pytest.mark.parametrize(
    ("text", "numbers", "shown"),
    [
        ("0-3,20", (0, 1, 2, 3, 20), "0-3,20"),
        ("7, 5-6, 6", (7, 5, 6), "7,5-6"),
        ("4", (4,), "4"),
        ("1,3,5", (1, 3, 5), "1,3,5"),
        ("2-2,3-4", (2, 3, 4), "2-4"),
    ],
)
def test_numbers_and_ranges(text: str, numbers: tuple[int, ...], shown: str) -> None:
    assert parse_numbers(text) == numbers
    assert show_numbers(numbers) == shown
    assert parse_numbers(shown) == numbers


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "5-2", "1,,2", "1.5", "1-2-3"])
def test_what_is_no_list_is_told(text: str) -> None:
    with pytest.raises(BadInput, match="is not a list of frames"):
        parse_numbers(text)


def test_frames_of_a_table(tmp_path: Path) -> None:
    table = tmp_path / "kept.csv"
    table.write_text("frame,kept,deletion\n0,1,\n1,0,2\n2,1,\n3,0,1\n")
    assert read_kept(table) == (0, 2)


@pytest.mark.parametrize(
    "content", ["", "frame,weight\n0,0.5\n", "frame,kept\n0,yes\n", "frame,kept\nx,1\n", b"\xff\xfe"]
)
def test_other_tables_are_told(tmp_path: Path, content: str | bytes) -> None:
    table = tmp_path / "kept.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    if content == "":
        with pytest.raises(BadInput, match="empty"):
            read_kept(table)
        return
    with pytest.raises(BadInput, match="no table with columns frame and kept"):
        read_kept(table)

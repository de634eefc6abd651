"""A look at the heads of a DTR trajectory (Desmond's, a folder) before the library that reads it trusts their sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdweights_core.io.frames.frame_reading import OpenFile, unreadable

_MAGIC = b"DESM"
_HEAD = 96  # bytes
_TABLE_HEAD, _TABLE_ROW = 12, 24
_FRAME_SIZE = slice(2, 4)  # places in the head, of four bytes each; low and high half
_HEAD_SIZE = 4
_BLOCK_SIZES = (14, 15, 16, 17, 18, 20, 21)  # of what follows the head, padding included
_BIG = 19  # upper half of the size of the numbers: no frame has four gigabytes


def require_sound_heads(folder: Path) -> None:
    """Check that all frames in the files of a DTR folder have the sizes they tell.

    Raises
    ------
    BadInput
        When one has not, or there is no frame.
    """
    files = sorted(file for file in folder.rglob("frame[0-9]*") if file.is_file())
    if not files or not _is_sound_table(folder / "timekeys"):
        raise unreadable(folder)
    for path in [*files, *folder.glob("metadata")]:
        file = OpenFile(path)
        place = 0
        while place + _HEAD <= file.size:
            place += _frame_size(file, place, folder)
        file.close()


def _is_sound_table(path: Path) -> bool:
    """True when the table of frames begins as it should: magic, frames in each file, bytes of a row."""
    try:
        start = path.read_bytes()[:_TABLE_HEAD]
    except OSError:
        return False
    numbers = np.frombuffer(start, ">u4") if len(start) == _TABLE_HEAD else np.zeros(3)
    return start[:4] == b"DESK" and numbers[1] > 0 and numbers[2] == _TABLE_ROW


def _frame_size(file: OpenFile, place: int, folder: Path) -> int:
    head = np.frombuffer(file.bytes(place, _HEAD), ">u4").astype(np.int64)
    low, high = head[_FRAME_SIZE].tolist()
    size = low + (high << 32)
    parts = int(head[_HEAD_SIZE]) + int(head[list(_BLOCK_SIZES)].sum())
    if file.bytes(place, 4) != _MAGIC or head[_HEAD_SIZE] != _HEAD or head[_BIG] or parts != size:
        raise unreadable(folder)
    return size

"""Packed positions of XTC frames: sound ones pass, damaged ones are refused before they are unpacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mdtraj.formats import XTCTrajectoryFile

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.gromacs_frames import XtcFrames
from mdweights_core.io.frames.xtc_check import can_be_unpacked

ATOMS = 60
HEAD = 92


def written(path: Path, scale: float) -> Path:
    """Three frames: waters far from each other, whose atoms are small differences."""
    rng = np.random.default_rng(2)
    places = np.repeat(rng.normal(scale=scale, size=(3, ATOMS // 3, 3)), 3, axis=1)
    with XTCTrajectoryFile(str(path), "w") as file:
        file.write((places + rng.normal(scale=0.05, size=places.shape)).astype(np.float32))
    return path


def packed(content: bytes) -> tuple[np.ndarray, np.ndarray, int, bytes]:
    """What the first frame says: spans, the index of small differences, and its bytes."""
    head = np.frombuffer(content, ">i4", 9, 56).astype(np.int64)
    return head[1:4], head[4:7], int(head[7]), content[HEAD : HEAD + int(head[8])]


@pytest.mark.parametrize("scale", [0.1, 3, 5000, 100_000])
def test_frames_of_any_size_are_sound(tmp_path, scale):
    path = written(tmp_path / "good.xtc", scale)
    assert can_be_unpacked(*packed(path.read_bytes()), ATOMS)
    assert XtcFrames(path).read(0, 3)[0].shape == (3, ATOMS, 3)


def test_what_cannot_be_unpacked_is_refused(tmp_path):
    least, most, small, content = packed(written(tmp_path / "good.xtc", 3).read_bytes())
    for atoms in (ATOMS - 1, ATOMS + 1, 5 * ATOMS):
        assert not can_be_unpacked(least, most, small, content, atoms)
    for spoiled in (content[:-1], content[:4], b"", content + bytes(5), b"\xff" * len(content), bytes(len(content))):
        assert not can_be_unpacked(least, most, small, spoiled, ATOMS)
    for other in (0, 8, small - 2, small + 2, 73):
        assert not can_be_unpacked(least, most, other, content, ATOMS)
    assert not can_be_unpacked(least, least - 1, small, content, ATOMS)
    assert not can_be_unpacked(np.full(3, -(2**31)), np.full(3, 2**31 - 1), small, content, ATOMS)


def test_a_damaged_frame_is_a_sentence_and_the_others_are_read(tmp_path):
    path = written(tmp_path / "bad.xtc", 3)
    whole, content = XtcFrames(path).read(0, 1)[0], bytearray(path.read_bytes())
    size = len(packed(content)[3])
    begin = content.index(content[:8], 8) + HEAD
    content[begin : begin + size // 2] = b"\xff" * (size // 2)
    path.write_bytes(content)
    frames = XtcFrames(path)
    np.testing.assert_array_equal(frames.read(0, 1)[0], whole)
    with pytest.raises(BadInput, match=r"Frame 2 of this trajectory cannot be read"):
        frames.read(0, 3)
    assert frames.read(2, 1)[0].shape == whole.shape

"""Which frames files are, and their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_files import frame_kind, frame_mtzs


def test_frames_are_told_apart(tmp_path):
    assert frame_kind((tmp_path / "F.zarr",)) == "store"
    assert frame_kind((tmp_path,)) == "mtz"
    assert frame_kind((tmp_path / "a.mtz.gz",)) == "mtz"
    assert frame_kind((tmp_path / "a.xtc",)) == "trajectory"
    (tmp_path / "run.dtr").mkdir()
    assert frame_kind((tmp_path / "run.dtr",)) == "trajectory"
    with pytest.raises(BadInput, match="one store"):
        frame_kind((tmp_path / "F.zarr", tmp_path / "G.zarr"))
    with pytest.raises(BadInput, match="no frames"):
        frame_kind(())
    with pytest.raises(BadInput, match="one store"):
        frame_kind((tmp_path / "a.zarr", tmp_path / "b.zarr"))


def test_frames_of_a_folder_are_taken_in_natural_order(tmp_path):
    for name in ("f10.mtz", "f2.mtz", "f1.mtz.gz", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [p.name for p in frame_mtzs([tmp_path])] == ["f1.mtz.gz", "f2.mtz", "f10.mtz"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="no MTZ files"):
        frame_mtzs([empty])


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(BadInput, match="permission denied"):
        frame_mtzs([tmp_path])
    monkeypatch.setattr(Path, "stat", refused)
    assert frame_kind((tmp_path / "locked" / "a.xtc",)) == "trajectory"

"""Files of arrays and a record: what was written comes back, and of a broken file a sentence."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.archives import read_archive, write_archive

RECORD = {"name": "run", "steps": [1, 2], "nothing": None}
ARRAYS = {"x": np.linspace(0.0, 1.0, 7), "kept": np.array([True, False])}


def same(record: dict[str, object], arrays: dict[str, np.ndarray]) -> bool:
    return record == RECORD and all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)


def is_whole(path: Path) -> bool:
    return read_archive(path, same, "This is no run", "Run it again")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_archive(tmp_path / "run.npz", RECORD, ARRAYS)
    return tmp_path / "run.npz"


def test_what_was_written_comes_back(path: Path) -> None:
    assert is_whole(path)


def test_a_file_that_was_cut_is_told(path: Path) -> None:
    content = path.read_bytes()
    for length in range(1, len(content) - 1, 13):
        path.write_bytes(content[:length])
        with pytest.raises(BadInput, match="This is no run"):
            is_whole(path)


def test_a_byte_that_changed_is_told_or_changes_nothing(path: Path) -> None:
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            assert is_whole(path)
        except BadInput:
            refused += 1
    assert refused > len(content) / 6


def packed_with(header: bytes) -> bytes:
    """An archive of one array that begins with something else."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("record.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"PK\3\4",
        b"no archive at all",
        packed_with(b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }\n"),
        packed_with(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"),
        packed_with(b"{'descr': (((\n"),
        packed_with(b"{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n{"),
    ],
    ids=["begin", "text", "huge", "objects", "header", "json"],
)
def test_what_is_no_such_file_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput, match="This is no run"):
        is_whole(path)


def test_values_that_do_not_fit_are_told(path: Path) -> None:
    with pytest.raises(BadInput, match="no such thing"):
        read_archive(path, lambda record, _arrays: record["other"], "There is no such thing", "Look elsewhere")


def test_what_was_there_stays_when_nothing_can_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DiskProblem):
        write_archive(path, {}, {})
    assert is_whole(path)

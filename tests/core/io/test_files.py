"""Checking, naming and writing files."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io import files
from mdweights_core.io.files import atomic_write, file_fingerprint, hold_made, require_file, require_writable


def test_a_readable_file_is_returned_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "map.mtz"
    path.write_bytes(b"MTZ ")
    assert require_file(str(path)) == path


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.mtz").touch()
    for name, words in [("no.mtz", "does not exist"), ("", "folder"), ("empty.mtz", "empty")]:
        with pytest.raises(BadInput, match=words) as caught:
            require_file(tmp_path / name)
        assert str(tmp_path / name) in caught.value.sentence


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="not an ordinary file"):
        require_file(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "file/inside"])
def test_an_impossible_name_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(BadInput):
        require_file(tmp_path / name)


def test_a_file_without_permission_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.mtz"
    path.write_bytes(b"MTZ ")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadInput, match="permission denied"):
        require_file(path)
    with pytest.raises(BadInput, match="permission denied"):
        file_fingerprint(path)


def test_the_fingerprint_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"some frames")
    assert file_fingerprint(path) == hashlib.sha256(b"some frames").hexdigest()


def test_a_large_file_is_known_by_size_time_and_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_WHOLE_CONTENT_LIMIT", 2 * files._MIB)
    path = tmp_path / "large"
    content = bytearray(3 * files._MIB)
    path.write_bytes(content)
    os.utime(path, ns=(0, 5))
    before = file_fingerprint(path)
    ends = hashlib.sha256(content[: files._MIB] + content[-files._MIB :]).hexdigest()
    assert before == f"{3 * files._MIB}-5-{ends}"

    content[-1] = 1
    path.write_bytes(content)
    os.utime(path, ns=(0, 5))
    assert file_fingerprint(path) != before

    content[-1] = 0
    path.write_bytes(content)
    os.utime(path, ns=(0, 6))
    assert file_fingerprint(path) != before


def test_a_file_is_written_under_its_name_with_nothing_beside_it(tmp_path: Path) -> None:
    seen: list[Path] = []

    def write(path: Path) -> None:
        seen.append(path)
        path.write_text("new")

    atomic_write(tmp_path / "result.mtz", write)
    assert [path.name for path in tmp_path.iterdir()] == ["result.mtz"]
    assert (tmp_path / "result.mtz").read_text() == "new"
    assert seen[0].parent == tmp_path
    assert seen[0].suffix == ".mtz"


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "result.csv"
    target.write_text("old")
    target.chmod(0o640)

    def write(path: Path) -> None:
        path.write_text("new")
        assert target.read_text() == "old"

    atomic_write(target, write)
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_permissions_other_new_files_have(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    atomic_write(tmp_path / "ours", lambda path: path.write_text("x") and None)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    link.symlink_to(real)
    atomic_write(link, lambda path: path.write_text("new") and None)
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for place in (pipe, link):
        with pytest.raises(DiskProblem, match="a device or a pipe"):
            atomic_write(place, lambda path: path.write_text("new") and None)
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == [link, pipe]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_disk_that_fails_half_way_leaves_the_old_file_and_no_debris(tmp_path: Path, number: int, words: str) -> None:
    target = tmp_path / "result.mtz"
    target.write_text("old")

    def write(path: Path) -> None:
        path.write_text("half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(DiskProblem, match=words) as caught:
        atomic_write(target, write)
    assert str(target) in caught.value.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["result.mtz"]
    assert target.read_text() == "old"


def test_a_disk_that_fills_up_while_flushing_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskProblem, match="disk is full"):
        atomic_write(tmp_path / "result.mtz", lambda path: path.write_text("x") and None)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_a_folder_of_the_same_name_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DiskProblem, match="does not exist"):
        atomic_write(tmp_path / "no" / "a.mtz", lambda path: path.write_text("x") and None)
    (tmp_path / "a.mtz").mkdir()
    with pytest.raises(DiskProblem, match="folder of this name"):
        atomic_write(tmp_path / "a.mtz", lambda path: path.write_text("x") and None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mtz"]


def test_an_interruption_leaves_no_debris_and_is_passed_on(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "result.mtz", write)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_made_to_be_held_and_stayed_empty_is_removed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("a.mdw/frames.zarr", "there"):
        with pytest.raises(BadInput), hold_made(tmp_path / name):
            raise BadInput("There is too little room")
    with hold_made(tmp_path / "filled" / "frames.zarr"):
        (tmp_path / "filled" / "frames.zarr" / "zarr.json").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["filled", "there"]
    assert (tmp_path / "filled" / "frames.zarr" / "zarr.json").is_file()


def test_a_folder_without_permission_is_told(tmp_path: Path, monkeypatch) -> None:
    require_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != tmp_path)
    with pytest.raises(DiskProblem, match="nothing can be written here"):
        require_writable(tmp_path)

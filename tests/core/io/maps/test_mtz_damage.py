"""Damaged MTZ files: always a sentence, never a traceback, never fewer reflections than the file had."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.io.maps.mtz import MtzColumn, describe_mtz, read_diffuse_map, read_frame, write_mtz

N_HKL = 40
READERS: list[Callable[[Path], object]] = [describe_mtz, read_diffuse_map, read_frame]
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small file with an intensity, a sigma, a free set and a frame."""
    path = tmp_path_factory.mktemp("whole") / "whole.mtz"
    hkl = np.unique(np.random.default_rng(1).integers(1, 9, (4 * N_HKL, 3)), axis=0)[:N_HKL]
    lattice = MillerLattice(hkl, gemmi.UnitCell(30, 40, 50, 90, 100, 90), gemmi.SpaceGroup("P 1 21 1"))
    values = np.random.default_rng(2).uniform(0, 90, N_HKL)
    kinds = {"I": "J", "SIGI": "Q", "FC": "F", "PHIC": "P"}
    columns = [MtzColumn(label, kind, values) for label, kind in kinds.items()]
    columns.append(MtzColumn("FREE", "I", np.arange(N_HKL) % 20))
    write_mtz(path, lattice, columns, title="whole", history=["one line", "another"])
    return path.read_bytes()


def sentence(read: Callable[[Path], object], path: Path) -> str | None:
    """What the user is told, or None when the file was read; anything but an MdweightsError fails the test."""
    told = None
    try:
        read(path)
    except MdweightsError as error:
        told = error
    if told is None:
        return None
    assert "\n" not in told.sentence
    assert told.where == str(path)
    return told.sentence


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, whole: bytes) -> None:
    """At every word of the table and every third byte of the header; at its very end only blanks are lost."""
    path = tmp_path / "cut.mtz"
    end = whole.index(b"MTZENDOFHEADERS") + len(b"MTZENDOFHEADERS")
    start = whole.index(b"VERS")
    path.write_bytes(whole)
    assert describe_mtz(path).n_reflections == N_HKL
    for length in [*range(0, start, 64), *range(start, end, 3), end - 1]:
        path.write_bytes(whole[:length])
        told = sentence(describe_mtz, path)
        assert told, f"cut at {length} of {len(whole)}"
        assert any(words in told for words in ("damaged or cut short", "not an MTZ file", "is empty"))


def test_a_compressed_file_cut_short_anywhere_is_refused(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "cut.mtz.gz"
    packed = gzip.compress(whole)
    for length in range(0, len(packed), 19):
        path.write_bytes(packed[:length])
        assert sentence(read_diffuse_map, path), f"cut at {length}"


def test_a_changed_byte_in_a_compressed_file_is_noticed(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "flipped.mtz.gz"
    packed = bytearray(gzip.compress(whole))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    assert "damaged" in (sentence(describe_mtz, path) or "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"MTZ ", b"MTY ", "not an MTZ file"),
        (b"NCOL        8           40", b"NCOL        8           39", "no room for the 39 reflections"),
        (b"NCOL        8           40", b"NCOL        8   9999999940", "no room for the 9999999940"),
        (b"NCOL        8           40", b"NCOL        8          -40", "does not tell"),
        (b"NCOL        8           40", b"NCOL                      ", "does not tell"),
        (b"COLUMN I ", b"COLXMN I ", "damaged"),
        (b"COLUMN H                              H", b"COLUMN H                              R", "no Miller indices"),
        (b"COLUMN I ", b"COLUMN \xff ", "damaged"),
        (b"END ", b"EMD ", "has no end"),
        (b"SYMM X,Y,Z", b"SYMM X;Y,Z", "damaged"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, whole: bytes, old: bytes, new: bytes, words: str) -> None:
    assert whole.count(old) >= 1
    path = tmp_path / "damaged.mtz"
    path.write_bytes(whole.replace(old, new, 1))
    assert words in (sentence(describe_mtz, path) or "")


@pytest.mark.parametrize("index", [np.nan, np.inf, 1.5, 2.0**21])
def test_indices_that_are_no_indices_are_refused(tmp_path: Path, whole: bytes, index: float) -> None:
    path = tmp_path / "index.mtz"
    path.write_bytes(whole[:80] + np.float32(index).tobytes() + whole[84:])
    assert "Miller indices are not whole numbers" in (sentence(describe_mtz, path) or "")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.mtz", None, "does not exist"),
        ("empty.mtz", b"", "empty"),
        ("text.mtz", b"HEADER    HYDROLASE\n", "not an MTZ file"),
        ("short.mtz", b"MTZ ", "damaged"),
        ("image.mtz.gz", b"\x1f\x8bnot really compressed", "damaged"),
        ("packed.mtz", gzip.compress(b"MTZ ", mtime=0), "compressed but not named so"),
    ],
)
def test_what_is_no_mtz_file_is_refused(
    tmp_path: Path, read: Callable[[Path], object], name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert words in (sentence(read, tmp_path / name) or "")


def test_a_folder_and_a_name_that_is_no_text_are_refused(tmp_path: Path, whole: bytes) -> None:
    assert "folder" in (sentence(describe_mtz, tmp_path) or "")
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mtz"))
    path.write_bytes(whole)
    with pytest.raises(BadInput, match="Rename it") as caught:
        describe_mtz(path)
    caught.value.sentence.encode()


def test_a_big_endian_file_is_read(tmp_path: Path, whole: bytes) -> None:
    """As written on machines of the past: words of the table swapped, and the stamp that says so."""
    start = whole.index(b"VERS")
    table = np.frombuffer(whole[80:start], dtype="<f4").astype(">f4").tobytes()
    first = b"MTZ " + whole[4:8][::-1] + b"\x11\x11\x00\x00" + bytes(68)
    path = tmp_path / "big.mtz"
    path.write_bytes(first + table + whole[start:])
    (tmp_path / "little.mtz").write_bytes(whole)
    ours, theirs = read_diffuse_map(path), read_diffuse_map(tmp_path / "little.mtz")
    np.testing.assert_array_equal(ours.lattice.hkl, theirs.lattice.hkl)
    np.testing.assert_array_equal(ours.intensity, theirs.intensity)


def test_a_header_far_back_has_its_place_in_a_longer_word(tmp_path: Path, whole: bytes) -> None:
    """Files above 8 GB hold -1 as the place of the header, and the true one in 64 bits further on."""
    long_word = int.from_bytes(whole[4:8], "little").to_bytes(8, "little")
    path = tmp_path / "long.mtz"
    path.write_bytes(whole[:4] + b"\xff" * 4 + whole[8:12] + long_word + whole[20:])
    assert describe_mtz(path).n_reflections == N_HKL


def test_a_blank_line_in_the_history_is_left_out(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "blank.mtz"
    path.write_bytes(whole.replace(b"one line", b"        "))
    assert describe_mtz(path).history == ("another",)


@MANY
@given(content=st.binary(max_size=400), magic=st.sampled_from([b"", b"MTZ ", b"MTZ \x15\x00\x00\x00DA\x00\x00"]))
def test_random_bytes_give_a_sentence(tmp_path: Path, content: bytes, magic: bytes) -> None:
    path = tmp_path / "random.mtz"
    path.write_bytes(magic + content)
    assert all(sentence(read, path) for read in READERS)


@MANY
@given(data=st.data())
def test_a_header_with_random_changes_gives_a_sentence_or_all_reflections(
    tmp_path: Path, whole: bytes, data: st.DataObject
) -> None:
    start = whole.index(b"VERS")
    content = bytearray(whole)
    places = st.one_of(st.integers(0, 79), st.integers(start, len(whole) - 1))
    signs = st.one_of(st.integers(0, 255), st.sampled_from(sorted(b"0123456789 -.eEnN")))
    for place, sign in data.draw(st.lists(st.tuples(places, signs), min_size=1, max_size=20)):
        content[place] = sign
    path = tmp_path / "changed.mtz"
    path.write_bytes(content)
    for read in READERS:
        sentence(read, path)
    if sentence(describe_mtz, path) is None:
        assert describe_mtz(path).n_reflections == N_HKL

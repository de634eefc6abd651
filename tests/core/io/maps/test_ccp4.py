"""CCP4 maps of reciprocal space: read back by gemmi, by hand from their bytes, and as DECaF writes them."""

from __future__ import annotations

import struct
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.crystal.laue import images
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.maps.ccp4 import read_ccp4, write_ccp4
from mdweights_core.io.maps.observed import describe_map, read_map

CELL = gemmi.UnitCell(31.7123456789, 42.3, 55.1, 90, 101.123456789, 90)
HKL = np.array([[3, 2, 1], [1, -1, 4], [0, 2, 0], [2, 0, -3]])
VALUES = np.array([1.5, -2.5, 4.0, np.nan], dtype=np.float32)


def by_hkl(found) -> dict[tuple[int, ...], float]:
    return {tuple(h): float(v) for h, v in zip(found.lattice.hkl.tolist(), found.intensity, strict=True)}


def expected(group: gemmi.SpaceGroup) -> dict[tuple[int, ...], float]:
    return {tuple(h): float(VALUES[row]) for row in range(3) for h in images(HKL, group)[:, row].tolist()}


def pack(grid, *, cell, start, sampling=(1, 1, 1), axes=(1, 2, 3), order="<", mode=2, group=1, extended=b"") -> bytes:
    """Return a CCP4 map as its description lists the words; `grid` [n_x, n_y, n_z]."""
    columns, rows, sections = (axis - 1 for axis in axes)
    data = np.transpose(grid, (sections, rows, columns))
    kinds = {0: "i1", 1: "i2", 2: "f4", 6: "u2"}
    head = struct.pack(f"{order}3i i", *data.shape[::-1], mode)
    head += struct.pack(f"{order}3i 3i 6f 3i", *(start[a - 1] for a in axes), *sampling, *cell, *axes)
    head += struct.pack(f"{order}3f 2i", 0, 0, 0, group, len(extended))
    head = head.ljust(208, b"\0") + b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    return head.ljust(1024, b"\0") + extended + data.astype(f"{order}{kinds[mode]}").tobytes()


def reciprocal(cell: gemmi.UnitCell) -> tuple[float, ...]:
    return cell_parameters(cell.reciprocal())


def small_grid() -> np.ndarray:
    return np.arange(3 * 5 * 7, dtype=np.float32).reshape(3, 5, 7)


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "a.ccp4"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("ndiv", [(1, 1, 1), (2, 3, 4)])
def test_our_own_maps_come_back_exactly(tmp_path, ndiv):
    group = gemmi.SpaceGroup("C 1 2 1")
    lattice = MillerLattice(HKL, CELL, group, ndiv)
    path = tmp_path / "a.map"
    write_ccp4(path, lattice, VALUES, labels=["a title of ours, 1 \N{ANGSTROM SIGN}", "second"])
    found = read_map(path)
    assert cell_parameters(found.lattice.cell) == cell_parameters(CELL)
    assert found.lattice.space_group == group
    assert found.lattice.ndiv == ndiv
    assert by_hkl(found) == expected(group)
    summary = describe_map(path)
    assert summary.title == "a title of ours, 1 ?"
    assert summary.kind == "CCP4 map"
    assert summary.n_reflections == len(found)


def test_gemmi_reads_the_same_numbers(tmp_path):
    group = gemmi.SpaceGroup("C 1 2 1")
    write_ccp4(tmp_path / "a.map", MillerLattice(HKL, CELL, group, (2, 1, 3)), VALUES)
    read = gemmi.read_ccp4_map(str(tmp_path / "a.map"))
    assert [read.header_i32(word) for word in range(1, 11)] == [7, 5, 9, 2, -3, -2, -4, 2, 1, 3]
    assert [read.header_i32(word) for word in (17, 18, 19, 23)] == [1, 2, 3, 1]
    np.testing.assert_allclose([read.header_float(word) for word in range(11, 17)], reciprocal(CELL), rtol=1e-6)
    grid = np.array(read.grid.array)
    table = expected(group)
    assert int(np.isfinite(grid).sum()) == len(table)
    for (h, k, l), value in table.items():
        assert grid[h + 3, k + 2, l + 4] == value
    numbers = np.array(list(table.values()))
    np.testing.assert_allclose(
        [read.header_float(word) for word in (20, 21, 22)], [numbers.min(), numbers.max(), numbers.mean()], rtol=1e-6
    )
    np.testing.assert_allclose(read.header_float(55), numbers.std(), rtol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
def test_any_order_of_axes_and_bytes_is_read(tmp_path, order, axes):
    content = pack(small_grid(), cell=reciprocal(CELL), start=(-1, -2, -3), axes=axes, order=order, extended=b"x" * 80)
    found = read_map(write(tmp_path, content), space_group="P 1 2 1")
    assert len(found) == 105
    table = by_hkl(found)
    for x, y, z in [(0, 0, 0), (2, 0, 0), (0, 4, 0), (1, 3, 6)]:
        assert table[(x - 1, y - 2, z - 3)] == small_grid()[x, y, z]
    np.testing.assert_allclose(cell_parameters(found.lattice.cell), cell_parameters(CELL), rtol=1e-5)


@pytest.mark.parametrize("mode", [0, 1, 6])
def test_whole_numbers_are_read(tmp_path, mode):
    found = read_map(write(tmp_path, pack(small_grid(), cell=reciprocal(CELL), start=(-1, -2, -3), mode=mode)))
    assert sorted(found.intensity.tolist()) == list(range(105))


@pytest.mark.parametrize("fill", [-1000.0, -1234.5])
def test_maps_of_decaf(tmp_path, fill):
    """Reciprocal cell, sampling 1, box from -h_max - 2 on, filled with -1000 or 1000 below the lowest value."""
    grid = np.full((7, 9, 11), fill, dtype=np.float32)
    table = {(1, 2, 3): 5.0, (-3, 4, 0): -200.0, (0, 0, 5): 7.0}
    for (h, k, l), value in table.items():
        grid[h + 3, k + 4, l + 5] = grid[3 - h, 4 - k, 5 - l] = value
    content = pack(grid, cell=reciprocal(CELL), start=(-5, -6, -7), axes=(3, 2, 1))
    found = read_map(write(tmp_path, content))
    assert found.lattice.ndiv == (1, 1, 1)
    assert found.lattice.space_group.hm == "P 1"
    assert by_hkl(found) == table | {(-h, -k, -l): value for (h, k, l), value in table.items()}


@pytest.mark.parametrize("fill", [np.nan, np.inf, -1000.0, -32768.0])
def test_marks_of_missing_points(tmp_path, fill):
    grid = small_grid() - 5000  # lower than any mark: the corner is a measurement
    grid[0, 0, 0] = -1
    grid[1, 1, 1] = fill
    found = read_map(write(tmp_path, pack(grid, cell=reciprocal(CELL), start=(-1, -2, -3))))
    assert len(found) == 104
    assert (0, -1, -2) not in by_hkl(found)


def test_an_electron_density_is_not_taken_for_a_map(tmp_path):
    content = pack(small_grid(), cell=(50, 60, 70, 90, 90, 90), start=(0, 0, 0), sampling=(60, 72, 84))
    path = write(tmp_path, content)
    with pytest.raises(BadInput, match="electron density"):
        read_map(path)
    found = read_map(path, cell=(50, 60, 70, 90, 90, 90), space_group="P 21 21 21")
    assert found.lattice.ndiv == (1, 1, 1)
    assert found.provenance["cell"] == "given"


def damaged() -> list[tuple[str, bytes, str]]:
    whole = pack(small_grid(), cell=reciprocal(CELL), start=(-1, -2, -3))

    def changed(at: int, *words: int) -> bytes:
        return whole[:at] + struct.pack(f"<{len(words)}i", *words) + whole[at + 4 * len(words) :]

    return [
        ("cut", whole[:-1], "shorter"),
        ("huge", changed(0, 2**31 - 1, 2**31 - 1, 2**31 - 1), "shorter"),
        ("empty", changed(0, 0, 5, 7), "shorter"),
        ("negative", changed(0, -3, -5, 7), "shorter"),
        ("axes", changed(64, 1, 1, 3), "axes"),
        ("mode", changed(12, 4), "kind 4"),
        ("extended", changed(92, 2**31 - 1), "shorter"),
        ("extended less than nothing", changed(92, -400), "shorter"),
        ("sampling", changed(28, 0, 1, 1), "sampling"),
        ("start", changed(16, 2**31 - 100, 0, 0), "too far"),
        ("header only", whole[:500], "no header"),
        ("no cell", pack(small_grid(), cell=(0, 0, 0, 0, 0, 0), start=(-1, -2, -3)), "no reciprocal cell"),
    ]


@pytest.mark.parametrize(("content", "words"), [row[1:] for row in damaged()], ids=[row[0] for row in damaged()])
def test_damaged_maps_are_a_sentence(tmp_path, content, words):
    with pytest.raises(BadInput, match=words):
        read_map(write(tmp_path, content))


def test_labels_that_were_tampered_with_are_not_believed(tmp_path):
    path = tmp_path / "a.map"
    write_ccp4(path, MillerLattice(HKL, CELL, gemmi.SpaceGroup("P 1")), VALUES)
    path.write_bytes(path.read_bytes().replace(b"cell angles 90.0", b"cell angles zero"))
    found = read_ccp4(path)
    np.testing.assert_allclose(cell_parameters(found.cell), cell_parameters(CELL), rtol=1e-5)
    assert found.hkl.min(axis=0).tolist() == [-3, -2, -4]


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(DiskProblem, match="does not exist"):
        write_ccp4(tmp_path / "no" / "a.map", MillerLattice(HKL, CELL, gemmi.SpaceGroup("P 1")), VALUES)

"""Lunus lattices and lists against bytes packed by hand and the same map as MTZ."""

from __future__ import annotations

import struct
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import group_of, hkl_key, images
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.maps.lunus import read_hkl, read_lat, write_hkl, write_lat
from mdweights_core.io.maps.mtz import read_diffuse_map
from mdweights_core.io.maps.observed import describe_map, read_map

CELL = gemmi.UnitCell(20, 25, 40, 90, 90, 90)
SHAPE = (4, 6, 8)


def pack(shape=SHAPE, bounds=None, values=None, order="<") -> bytes:
    """Return a lattice as the format describes it: three counts, six bounds, values with x fastest."""
    if bounds is None:
        bounds = [limit for n, a in zip(shape, (20, 25, 40), strict=True) for limit in ((1 - n // 2) / a, (n // 2) / a)]
    if values is None:
        values = range(int(np.prod(shape)))
    return struct.pack(f"{order}3I6f", *shape, *bounds) + struct.pack(f"{order}{int(np.prod(shape))}f", *values)


def lat(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "map.lat"
    path.write_bytes(content)
    return path


def by_hkl(hkl, values) -> dict[tuple[int, ...], float]:
    return {tuple(h): float(v) for h, v in zip(np.asarray(hkl).tolist(), values, strict=True)}


@pytest.mark.parametrize("order", ["<", ">"])
def test_header_and_values_are_read_in_both_byte_orders(tmp_path, order):
    found = read_map(lat(tmp_path, pack(order=order)), cell=CELL, space_group="P 1")
    assert found.lattice.ndiv == (1, 1, 1)
    table = by_hkl(found.lattice.hkl, found.intensity)
    assert len(table) == 4 * 6 * 8
    for x, y, z in [(0, 0, 0), (3, 0, 0), (0, 5, 0), (1, 2, 7)]:
        assert table[(x - 1, y - 2, z - 3)] == x + 4 * y + 24 * z


def test_points_without_a_measurement_are_left_out(tmp_path):
    values = np.arange(192, dtype=float)
    values[[3, 7, 11, 15]] = -32768, -32767, np.nan, np.inf
    found = read_map(lat(tmp_path, pack(values=values)), cell=CELL, space_group="P 1")
    assert len(found) == 188
    assert not {3.0, 7.0, 11.0, 15.0} & set(found.intensity.tolist())


@pytest.mark.parametrize(("factor", "ndiv"), [((1, 1, 1), (1, 1, 1)), ((2, 2, 2), (2, 2, 2)), ((1, 3, 4), (1, 3, 4))])
def test_steps_smaller_than_a_reciprocal_axis_divide_it(tmp_path, factor, ndiv):
    bounds = []
    for n, a, f in zip(SHAPE, (20.02, 24.97, 40.05), factor, strict=True):  # cells often differ a little
        bounds += [(1 - n // 2) / (a * f), (n // 2) / (a * f)]
    found = read_map(lat(tmp_path, pack(bounds=bounds)), cell=CELL, space_group="P 1")
    assert found.lattice.ndiv == ndiv
    np.testing.assert_allclose(found.lattice.index.max(axis=0), np.array([2, 3, 4]) / ndiv)


def test_bounds_may_be_miller_indices(tmp_path):
    found = read_map(lat(tmp_path, pack(bounds=[-0.5, 1, -1, 1.5, -1.5, 2])), cell=CELL, space_group="P 1")
    assert found.lattice.ndiv == (2, 2, 2)
    assert by_hkl(found.lattice.hkl, found.intensity)[(-1, -2, -3)] == 0


def test_oblique_cells_may_have_steps_of_their_reciprocal_axes(tmp_path):
    cell = gemmi.UnitCell(20, 25, 40, 90, 120, 90)
    a_star, b_star, c_star = 1 / (20 * np.sin(np.pi / 3)), 1 / 25, 1 / (40 * np.sin(np.pi / 3))
    bounds = [limit for n, s in zip(SHAPE, (a_star, b_star, c_star), strict=True)
              for limit in ((1 - n // 2) * s, (n // 2) * s)]  # fmt: skip
    assert read_map(lat(tmp_path, pack(bounds=bounds)), cell=cell, space_group="P 2").lattice.ndiv == (1, 1, 1)
    assert read_map(lat(tmp_path, pack()), cell=cell, space_group="P 2").lattice.ndiv == (1, 1, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space_group": "P 1"}, ["unit cell", "20.00 x 25.00 x 40.00", "--cell"]),
        ({"cell": CELL}, ["space group", "--space-group"]),
        ({"cell": (30, 25, 40, 90, 90, 90), "space_group": "P 1"}, ["do not divide", "20.00 x 25.00 x 40.00"]),
        ({"cell": CELL, "space_group": "P 41"}, ["does not fit the space group"]),
        ({"cell": CELL, "space_group": "P 99 9"}, ["no space group"]),
        ({"cell": (20, 25, 40, 90, 90), "space_group": "P 1"}, ["three lengths and three angles"]),
        ({"cell": (20, 25, 40, 90, 90, 180), "space_group": "P 1"}, ["three lengths and three angles"]),
        ({"cell": (20, 25, 40, 90, 90, 200), "space_group": "P 1"}, ["three lengths and three angles"]),
        ({"cell": CELL, "space_group": "P 1", "column": "IDIFF"}, ["no column IDIFF", "intensity"]),
        ({"cell": CELL, "space_group": "P 1", "sigma_column": "SIG"}, ["no column SIG"]),
        ({"cell": CELL, "space_group": "P 1", "free_column": "FREE"}, ["no free flags"]),
    ],
)
def test_what_the_file_does_not_tell_is_asked_for(tmp_path, options, words):
    with pytest.raises(BadInput) as told:
        read_map(lat(tmp_path, pack()), **options)
    assert all(word in told.value.sentence for word in words), told.value.sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pack()[:-4], "its size"),
        (pack() + b"\0\0\0\0", "its size"),
        (pack()[:20], "its size"),
        (struct.pack("<3I6f", 2**31, 2**31, 2**31, *range(6)), "its size"),
        (pack(bounds=[0, 0, -1, 1, -1, 1]), "no grid"),
        (pack(bounds=[np.nan, 1, -1, 1, -1, 1]), "no grid"),
        (pack(bounds=[1, -1, -1, 1, -1, 1]), "no grid"),
        (pack(bounds=[-0.07, 0.08, -0.08, 0.12, -0.075, 0.1]), "hkl = 0"),
        (pack(values=[-32768] * 192), "Nothing was measured"),
    ],
)
def test_damaged_lattices_are_a_sentence(tmp_path, content, words):
    with pytest.raises(BadInput, match=words):
        read_map(lat(tmp_path, content), cell=CELL, space_group="P 1")


@pytest.mark.parametrize("ndiv", [(1, 1, 1), (2, 2, 2)])
def test_a_written_lattice_comes_back_with_all_equivalents(tmp_path, ndiv):
    group, cell = gemmi.SpaceGroup("P 41"), gemmi.UnitCell(30, 30, 50, 90, 90, 90)
    hkl = np.array([[5, 2, 3], [1, 1, 0], [0, 0, 7], [4, 0, 1]])
    lattice = MillerLattice(hkl, cell, group, ndiv)
    values = np.array([1.5, 2.5, np.nan, -3.25])
    path = tmp_path / "out.lat"
    write_lat(path, lattice, values)
    found = read_map(path, cell=cell, space_group="P 41")
    assert found.lattice.ndiv == ndiv
    expected = {tuple(h): values[row] for row in (0, 1, 3) for h in images(hkl, group)[:, row].tolist()}
    assert by_hkl(found.lattice.hkl, found.intensity) == expected


def test_lunus_finds_the_origin_of_a_written_lattice(tmp_path):
    """Lunus takes (max - min) / n for the step and rounds -min / step down after adding a half, in single precision."""
    cell = gemmi.UnitCell(31.7, 42.3, 55.1, 90, 90, 90)
    for h in range(1, 60):
        lattice = MillerLattice(np.array([[h, h + 1, h + 2]]), cell, gemmi.SpaceGroup("P 1"))
        write_lat(tmp_path / "out.lat", lattice, np.array([1.0]))
        content = (tmp_path / "out.lat").read_bytes()
        shape, bounds = np.frombuffer(content, "<u4", 3), np.frombuffer(content, "<f4", 6, 12).reshape(3, 2)
        step = ((bounds[:, 1] - bounds[:, 0]) / shape.astype(np.float32)).astype(np.float32)
        origin = (-bounds[:, 0] / step + 0.5).astype(int)
        assert origin.tolist() == [h, h + 1, h + 2]
        grid = np.frombuffer(content, "<f4", offset=36).reshape(shape[::-1])
        assert grid[tuple(2 * origin[::-1])] == 1.0
        assert (grid == -32768).sum() == grid.size - 2


def test_the_real_lattice_is_its_mtz_twin_reflection_by_reflection(shared_data):
    """The MTZ holds the means of Friedel pairs of the lattice."""
    twin = read_diffuse_map(shared_data / "snase" / "snc_reference_P1.mtz")
    path = shared_data / "snase" / "snc_diffuse_reference.lat"
    found = read_map(path, cell=twin.lattice.cell, space_group="P 1")
    assert len(found) == 117_010
    merged = average_equivalents(found)
    assert len(merged.groups) == len(twin)
    rows = group_of(twin.lattice.hkl, merged.groups)
    assert (rows >= 0).all()
    np.testing.assert_allclose(merged.intensity[rows], twin.intensity, rtol=2e-7)
    summary = describe_map(path, twin.lattice.cell)
    assert summary.kind == "Lunus lattice"
    assert summary.d_min == pytest.approx(twin.lattice.d_spacing.min())


def test_lists_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    hkl = np.unique(rng.integers(-9, 10, (200, 3)), axis=0)
    hkl = hkl[hkl.any(axis=1)]
    lattice = MillerLattice(hkl, CELL, gemmi.SpaceGroup("P 21 21 21"))
    values = rng.normal(size=len(hkl)).astype(np.float32) * 1e4
    sigma = rng.random(len(hkl)).astype(np.float32)
    write_hkl(tmp_path / "a.hkl", lattice, values, sigma)
    found = read_map(tmp_path / "a.hkl", cell=CELL, space_group="P 21 21 21")
    np.testing.assert_array_equal(found.lattice.hkl, hkl)
    np.testing.assert_array_equal(found.intensity, values)
    np.testing.assert_array_equal(found.sigma, sigma)


@pytest.mark.parametrize("ndiv", [(2, 2, 2), (3, 1, 7), (16, 6, 12)])
def test_fractional_lists_come_back_on_their_lattice(tmp_path, ndiv):
    hkl = np.array([[1, 1, 1], [-5, 0, 3], [7, -11, 13], [5, 5, -5]])
    lattice = MillerLattice(hkl, CELL, gemmi.SpaceGroup("P 1"), ndiv)
    write_hkl(tmp_path / "a.hkl", lattice, np.array([1.0, 2.0, np.nan, 4.0]))
    found = read_map(tmp_path / "a.hkl", cell=CELL, space_group="P 1")
    assert found.lattice.ndiv == ndiv
    np.testing.assert_array_equal(found.lattice.hkl, hkl[[0, 1, 3]])


def test_lists_of_other_programs(tmp_path):
    """Lines as xtraj prints them, masked points as lat2hkl does, a last line as SHELX has it."""
    path = tmp_path / "a.hkl"
    path.write_text(
        "# h k l I\n   0    0    0   99999.00\n"
        + "".join(f"{h:4d} {k:4d} {l:4d}   {i:10.2f}\n" for h, k, l, i in [(1, 2, 3, 12.5), (-1, 0, 2, -32768.0)])
        + "! end\n   0   0   0   0.00\n"
    )
    contents = read_hkl(path)
    assert contents.hkl.tolist() == [[1, 2, 3], [-1, 0, 2]]
    found = read_map(path, cell=CELL, space_group="P 1")
    assert by_hkl(found.lattice.hkl, found.intensity) == {(1, 2, 3): 12.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\n\n", "no reflection"),
        ("0 0 0 5\n", "no reflection"),
        ("1 2 3\n", "3 columns"),
        ("1 2 3 4\n1 2 3\n", r"no list of reflections \(line 2 has another number of columns"),
        ("1 2 3 4\n1 2 x 4\n", r"no list of reflections \(line 2 holds what is no number\)"),
        ("nan 2 3 4\n", "no numbers"),
        ("1e9 2 3 4\n", "too large"),
        ("0.37 2 3 4\n0.11 2 3 5\n0.53 1 1 1\n", "not multiples"),
        ("1 2 3 4\n1 2 3 5\n", "more than once"),
        ("1 2 3 nan\n", "Nothing was measured"),
    ],
)
def test_lists_that_are_none_are_a_sentence(tmp_path, text, words):
    path = tmp_path / "a.hkl"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        read_map(path, cell=CELL, space_group="P 1")


def test_sigma_that_is_not_positive_is_unknown(tmp_path):
    path = tmp_path / "a.hkl"
    path.write_text("1 2 3 4 0\n1 2 4 4 -1\n1 2 5 4 2\n")
    sigma = read_map(path, cell=CELL, space_group="P 1").sigma
    np.testing.assert_array_equal(sigma, np.array([np.nan, np.nan, 2], dtype=np.float32))


@pytest.mark.parametrize("write", [write_lat, write_hkl])
def test_what_cannot_be_written_leaves_the_older_file(tmp_path, write):
    lattice = MillerLattice(np.array([[1, 2, 3]]), CELL, gemmi.SpaceGroup("P 1"))
    with pytest.raises(DiskProblem, match="does not exist"):
        write(tmp_path / "nowhere" / "a.lat", lattice, np.array([1.0]))
    assert list(tmp_path.iterdir()) == []


def test_order_of_points_does_not_depend_on_the_byte_order(tmp_path):
    found = [read_lat(lat(tmp_path, pack(order=order)), CELL) for order in "<>"]
    np.testing.assert_array_equal(hkl_key(found[0].hkl), hkl_key(found[1].hkl))
    np.testing.assert_array_equal(found[0].columns[0].values, found[1].columns[0].values)

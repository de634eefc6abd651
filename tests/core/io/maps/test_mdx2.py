"""Tables of mdx2, written here as NeXus libraries lay them out."""

from __future__ import annotations

from pathlib import Path

import gemmi
import h5py
import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.maps.observed import describe_map, map_kind, read_map

CELL = (67.4, 67.4, 67.4, 90.0, 90.0, 90.0)
HKL = np.array([[4, 2, 0], [5, 3, 1], [-1, 2, 6], [8, 8, 8]])
INTENSITY = np.array([10.0, np.nan, -3.5, 7.25], dtype=np.float32)
ERROR = np.array([1.0, np.nan, 0.5, 0.0], dtype=np.float32)


def table(path: Path, divided=(4, 4, 4), **changes) -> Path:
    """Write a merged table; a change to None leaves a column out."""
    columns = {name: HKL[:, i] / divided[i] for i, name in enumerate("hkl")}
    columns |= {"ndiv": np.array(divided), "intensity": INTENSITY, "intensity_error": ERROR}
    columns |= {"count": np.array([3, 0, 8, 1], dtype=np.int32)}
    columns |= {"group_0_intensity": INTENSITY + 1, "group_0_intensity_error": ERROR * 2}
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        for name, values in (columns | changes).items():
            if values is not None:
                entry[f"hkl_table/{name}"] = values
        entry["hkl_table"].attrs["mdx2_class"] = "HKLTable"
    return path


def geometry(path: Path, cell=CELL, space_group="I 2 3") -> Path:
    with h5py.File(path, "a") as file:
        file["entry/crystal/unit_cell"] = cell
        file["entry/crystal/space_group"] = space_group
    return path


@pytest.mark.parametrize("place", ["merged.nxs", "geometry.nxs"], ids=["in the file", "beside it"])
def test_a_table_is_read_with_its_cell(tmp_path, place):
    path = table(tmp_path / "merged.nxs")
    geometry(tmp_path / place)
    found = read_map(path)
    assert found.lattice.ndiv == (4, 4, 4)
    assert found.lattice.space_group.hm == "I 2 3"
    assert found.lattice.cell.a == CELL[0]
    np.testing.assert_array_equal(found.lattice.hkl, HKL[[0, 2, 3]])
    np.testing.assert_array_equal(found.intensity, INTENSITY[[0, 2, 3]])
    np.testing.assert_array_equal(found.sigma, np.array([1, 0.5, np.nan], dtype=np.float32))
    assert ("geometry.nxs" in found.provenance.get("notes", "")) == (place == "geometry.nxs")


def test_without_a_cell_it_is_asked_for(tmp_path):
    path = table(tmp_path / "merged.nxs")
    assert map_kind(path) == "mdx2 table"
    with pytest.raises(BadInput, match="--cell"):
        read_map(path)
    found = read_map(path, cell=CELL, space_group="I 2 3")
    assert len(found) == 3
    summary = describe_map(path)
    assert summary.cell is None
    assert np.isnan(summary.d_min)


def test_summary_lists_the_columns_and_half_sets_can_be_chosen(tmp_path):
    path = geometry(table(tmp_path / "merged.nxs"))
    summary = describe_map(path)
    assert (summary.intensity, summary.sigma, summary.free) == ("intensity", "intensity_error", None)
    assert summary.ndiv == (4, 4, 4)
    types = {column.label: column.type for column in summary.columns}
    assert [label for label, kind in types.items() if kind == "J"] == ["intensity", "group_0_intensity"]
    assert [label for label, kind in types.items() if kind == "Q"] == ["intensity_error", "group_0_intensity_error"]
    assert types["count"] == "W"
    assert summary.d_min == pytest.approx(gemmi.UnitCell(*CELL).calculate_d([2, 2, 2]))
    half = read_map(path, column="group_0_intensity")
    np.testing.assert_array_equal(half.intensity, INTENSITY[[0, 2, 3]] + 1)
    np.testing.assert_array_equal(half.sigma, np.array([2, 1, np.nan], dtype=np.float32))


def test_divisions_are_found_where_the_table_does_not_tell_them(tmp_path):
    found = read_map(geometry(table(tmp_path / "merged.nxs", divided=(2, 1, 3), ndiv=None)), space_group="P 1")
    assert found.lattice.ndiv == (2, 1, 3)
    np.testing.assert_array_equal(found.lattice.hkl, HKL[[0, 2, 3]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": None}, "column k is missing"),
        ({"l": np.zeros(3)}, "column l is missing or not of 4 rows"),
        ({"h": np.array([1.0, np.nan, 0, 0])}, "no numbers"),
        ({"h": np.array([1.0, 0.3, 0, 0])}, "not on the lattice of 4x4x4"),
        ({"h": np.zeros(0)}, "lists no reflection"),
        (
            {"h": np.array([1.25, 1.0, 1.25, 2]), "k": np.array([1.0, 0, 1, 0]), "l": np.ones(4)},
            "1.25 1 1 .* more than",
        ),
        ({"ndiv": np.array([4, 0, 4])}, "sub-divisions"),
        ({"ndiv": np.array([4, 4])}, "sub-divisions"),
        ({"intensity": INTENSITY * np.nan}, "Nothing was measured"),
        ({"intensity": None, "group_0_intensity": None}, "holds no intensities"),
    ],
)
def test_tables_that_cannot_be_used_are_a_sentence(tmp_path, changes, words):
    with pytest.raises(BadInput, match=words):
        read_map(geometry(table(tmp_path / "merged.nxs", **changes)))


def test_a_column_larger_than_the_file_is_not_read(tmp_path):
    path = geometry(table(tmp_path / "merged.nxs", h=None))
    with h5py.File(path, "r+") as file:
        file.create_dataset("entry/hkl_table/h", shape=(10**13,), dtype="f8", chunks=(2**20,))
    with pytest.raises(BadInput, match="larger than the file"):
        read_map(path)


@pytest.mark.parametrize("cell", [(0, 0, 0, 0, 0, 0), (np.nan,) * 6, (1, 2, 3)])
def test_a_cell_that_is_none_counts_as_missing(tmp_path, cell):
    with pytest.raises(BadInput, match="does not tell the unit cell"):
        read_map(geometry(table(tmp_path / "merged.nxs"), cell=cell))


def test_other_nexus_files_are_no_maps(tmp_path):
    geometry(tmp_path / "geometry.nxs")
    assert map_kind(tmp_path / "geometry.nxs") is None
    with pytest.raises(BadInput, match="no map of a format"):
        read_map(tmp_path / "geometry.nxs")


def grid(path: Path, divided=(4, 4, 2), name="intensity", **changes) -> tuple[Path, np.ndarray]:
    """Write a map as mdx2 and its NeXus library do, from -1 to 1 along h, 0 to 2 along k and 0 to 1.5 along l."""
    limits = ((-1, 1), (0, 2), (0, 1.5))
    axes = [np.arange(n * low, n * high + 1) / n for n, (low, high) in zip(divided, limits, strict=True)]
    values = np.random.default_rng(5).normal(10, 3, [len(axis) for axis in axes])
    values[2, :, 1] = np.nan
    with h5py.File(path, "a") as file:
        group = file.require_group("entry").create_group(name)
        group.attrs.update({"NX_class": "NXdata", "signal": "signal", "axes": list("hkl"), "mdx2_class": "GridData"})
        for key, content in ({"signal": values} | dict(zip("hkl", axes, strict=True)) | changes).items():
            if content is not None:
                group[key] = content
    return path, values


def test_a_map_on_a_grid_is_the_table_it_was_made_from(tmp_path):
    path, values = grid(tmp_path / "map.nxs")
    geometry(tmp_path / "geometry.nxs")
    assert map_kind(path) == "mdx2 map"
    found = read_map(path)
    assert found.lattice.ndiv == (4, 4, 2)
    assert len(found) == np.isfinite(values).sum()
    for index, value in zip(found.lattice.index.tolist(), found.intensity, strict=True):
        h, k, l = index
        assert value == np.float32(values[round(4 * h) + 4, round(4 * k), round(2 * l)])
    assert found.sigma is None
    summary = describe_map(path)
    assert (summary.intensity, summary.kind, summary.space_group.hm) == ("intensity", "mdx2 map", "I 2 3")


def test_another_grid_on_the_same_axes_goes_along(tmp_path):
    path, _ = grid(tmp_path / "map.nxs")
    _, errors = grid(path, name="intensity_error")
    grid(path, name="count", divided=(2, 2, 2))
    found = read_map(path, cell=CELL, space_group="P 1")
    np.testing.assert_array_equal(found.sigma, errors[np.isfinite(errors)].astype(np.float32))
    assert [column.label for column in describe_map(path).columns] == ["intensity", "intensity_error"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"h": None}, "no map of a format"),
        ({"k": np.arange(3.0)}, "no map of a format"),
        ({"l": np.array([0.0, 0.5, np.nan, 1.5])}, "no numbers"),
        ({"l": np.array([0.0, 0.5, 1.0, 1.0])}, "listed more than once"),
        ({"l": np.sqrt([0.0, 2.0, 3.0, 5.0])}, "multiples of"),
        ({"signal": np.full((9, 9, 4), np.nan)}, "[Nn]othing was measured"),
        ({"signal": np.ones((9, 9))}, "no map of a format"),
    ],
)
def test_a_grid_that_is_no_map_is_refused(tmp_path, changes, words):
    path, _ = grid(tmp_path / "map.nxs", **changes)
    with pytest.raises(BadInput, match=words):
        read_map(path, cell=CELL, space_group="P 1")

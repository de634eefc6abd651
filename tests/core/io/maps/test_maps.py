"""One function for maps of every format."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import find_points, group_of, laue_groups
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.ccp4 import write_ccp4
from mdweights_core.io.maps.lunus import write_hkl, write_lat
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.io.maps.observed import describe_map, map_kind, read_map
from mdweights_core.io.maps.xtraj import write_checkpoint
from mdweights_core.project import FitInputs, observed_map

CELL = (24.0, 24.0, 37.5, 90.0, 90.0, 90.0)
GROUP = "P 41"


@pytest.fixture(scope="module")
def lattice() -> MillerLattice:
    axis = np.arange(-6, 7)
    hkl = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    whole = MillerLattice(hkl[hkl.any(axis=1)], gemmi.UnitCell(*CELL), gemmi.SpaceGroup(GROUP))
    return laue_groups(whole).lattice


@pytest.fixture(scope="module")
def values(lattice) -> np.ndarray:
    return np.random.default_rng(1).normal(100, 20, len(lattice)).astype(np.float32)


@pytest.fixture(scope="module")
def files(lattice, values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    write_mtz(folder / "a.mtz", lattice, [MtzColumn("IDIFF", "J", values)], title="", history=[])
    write_lat(folder / "a.lat", lattice, values)
    write_hkl(folder / "a.hkl", lattice, values)
    write_ccp4(folder / "a.map", lattice, values)
    write_checkpoint(folder / "a.nxs", [np.ones((2, len(lattice)))], lattice, np.ones(2), values)
    return folder


KINDS = {
    "a.mtz": "MTZ",
    "a.lat": "Lunus lattice",
    "a.hkl": "hkl list",
    "a.map": "CCP4 map",
    "a.nxs": "xtraj checkpoint",
}


@pytest.mark.parametrize("name", KINDS)
def test_every_format_gives_the_same_map(files, name, lattice, values):
    assert map_kind(files / name) == KINDS[name]
    found = average_equivalents(read_map(files / name, cell=CELL, space_group=GROUP))
    rows = group_of(lattice.hkl, found.groups)
    assert len(found.groups) == len(lattice)
    np.testing.assert_allclose(found.intensity[rows], values, rtol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_every_format_is_described(files, name, lattice):
    summary = describe_map(files / name, CELL)
    assert summary.kind == KINDS[name]
    assert summary.d_min == pytest.approx(lattice.d_spacing.min())
    assert summary.intensity in [column.label for column in summary.columns]
    assert (summary.cell is None) == (name in ("a.lat", "a.hkl"))
    assert (summary.space_group is None) == (name in ("a.lat", "a.hkl"))
    assert summary.n_frames == (2 if name == "a.nxs" else 0)


@pytest.mark.parametrize("name", KINDS)
def test_reindexing_and_a_named_column_work_in_every_format(files, name):
    column = describe_map(files / name).intensity
    plain = read_map(files / name, cell=CELL, space_group=GROUP, column=column)
    turned = read_map(files / name, cell=CELL, space_group=GROUP, reindex="k,h,-l")
    np.testing.assert_array_equal(turned.lattice.hkl, plain.lattice.hkl[:, [1, 0, 2]] * [1, 1, -1])
    np.testing.assert_array_equal(turned.intensity, plain.intensity)


@pytest.mark.parametrize("name", KINDS)
def test_a_map_of_a_supercell_is_read_on_the_unit_cell(files, name):
    whole = read_map(files / name, cell=CELL, space_group=GROUP)
    fine = read_map(files / name, cell=CELL, space_group=GROUP, supercell=(2, 2, 3))
    assert fine.lattice.ndiv == (2, 2, 3)
    assert fine.lattice.cell.parameters == pytest.approx((12, 12, 12.5, 90, 90, 90))
    np.testing.assert_allclose(fine.lattice.inverse_d, whole.lattice.inverse_d, rtol=1e-12)
    np.testing.assert_array_equal(find_points(whole.lattice, fine.lattice), np.arange(len(whole)))
    np.testing.assert_array_equal(find_points(fine.lattice, whole.lattice), np.arange(len(whole)))
    turned = read_map(files / name, cell=CELL, space_group=GROUP, supercell=(2, 2, 3), reindex="k,h,-l")
    np.testing.assert_array_equal(turned.lattice.index, fine.lattice.index[:, [1, 0, 2]] * [1, 1, -1])
    assert fine.provenance["supercell"] == "2 x 2 x 3 unit cells"
    with pytest.raises(BadInput, match=r"does not fit the space group P 41.*--map-supercell"):
        read_map(files / name, cell=CELL, space_group=GROUP, supercell=(2, 1, 1))
    with pytest.raises(BadInput, match=r"no room for an atom.*--map-supercell"):
        read_map(files / name, cell=CELL, space_group=GROUP, supercell=(20, 20, 3))


@pytest.mark.parametrize("name", ["a.lat", "a.hkl", "a.map"])
def test_the_inputs_of_a_fit_carry_the_cell(files, name):
    inputs = FitInputs(map=files / name, frames=(), cell=CELL, space_group=GROUP, d_min=5.0)
    found = observed_map(inputs)
    assert found.lattice.space_group.hm == GROUP
    assert 5.0 <= found.lattice.d_spacing.min() < 5.5


def test_content_counts_more_than_the_name(files, tmp_path):
    for name in ("a.mtz", "a.map", "a.nxs"):
        copy = tmp_path / f"{name}.bin"
        copy.write_bytes((files / name).read_bytes())
        assert map_kind(copy) == KINDS[name]


@pytest.mark.parametrize("content", [b"", b"HEADER    HYDROLASE\n", b"\x89HDF\r\n\x1a\nnonsense", b"\0" * 4000])
def test_other_files_are_no_maps(tmp_path, content):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    for read in (read_map, describe_map):
        with pytest.raises(BadInput, match=r"empty|no map|no NeXus"):
            read(path)


def test_a_missing_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        read_map(tmp_path / "a.lat")
    with pytest.raises(BadInput, match="folder"):
        read_map(tmp_path)

"""Bragg intensities on the reflections of a diffuse map: merging across symmetries, sigmas, free sets, lattices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice, on_unit_cell, supercell
from mdweights_core.crystal.laue import find_points, group_of, images, laue_groups
from mdweights_core.errors import BadInput
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.weights.bragg import bragg_data, bragg_lattice, union

CELL = gemmi.UnitCell(30, 30, 40, 90, 90, 90)


def unique(space_group: str, d_min: float = 4.0) -> np.ndarray:
    """One reflection of each group of a class, int32 [n, 3]."""
    return laue_groups(half_lattice(CELL, gemmi.SpaceGroup(space_group), d_min)).lattice.hkl


def amplitude_of(hkl: np.ndarray, space_group: str) -> np.ndarray:
    """A number for each reflection that is the same for its equivalents."""
    mates = images(hkl, gemmi.SpaceGroup(space_group)).astype(float)
    return 10 + np.abs(np.sin(mates @ np.array([0.7, 1.3, 0.4]))).sum(axis=0)


def write(path: Path, hkl: np.ndarray, space_group: str, columns: dict[str, tuple[str, np.ndarray]]) -> Path:
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup(space_group)
    mtz.set_cell_for_all(CELL)
    mtz.add_dataset("data")
    for label, (kind, _) in columns.items():
        mtz.add_column(label, kind)
    mtz.set_data(np.column_stack([hkl, *(values for _, values in columns.values())]).astype(np.float32))
    mtz.write_to_file(str(path))
    return path


def crystal(space_group: str, ndiv: tuple[int, int, int] = (1, 1, 1)) -> MillerLattice:
    return MillerLattice(np.zeros((0, 3)), CELL, gemmi.SpaceGroup(space_group), ndiv)


@pytest.mark.parametrize("map_group", ["P 1", "P 41", "P 43 21 2"])
@pytest.mark.parametrize("file_group", ["P 1", "P 41", "P 43 21 2"])
def test_the_symmetry_of_the_file_may_be_lower_or_higher_than_that_of_the_map(tmp_path, file_group, map_group):
    hkl = unique(file_group)
    f = amplitude_of(hkl, "P 4/m m m")
    data = bragg_data(write(tmp_path / "b.mtz", hkl, file_group, {"FP": ("F", f)}), crystal(map_group, (2, 2, 1)))
    assert data.groups.lattice.ndiv == (1, 1, 1)
    np.testing.assert_array_equal(data.groups.lattice.hkl, unique(map_group))
    expected = amplitude_of(data.groups.lattice.hkl, "P 4/m m m") ** 2
    np.testing.assert_allclose(data.intensity, expected, rtol=1e-6)
    assert data.label == "FP"


def test_equivalents_are_averaged_with_their_uncertainty(tmp_path):
    """A file of P 1 lists all images of P 41: eight in a general group, of which four are Friedel-unique."""
    hkl = unique("P 1")
    rng = np.random.default_rng(0)
    f, sigma = rng.uniform(5, 20, len(hkl)), rng.uniform(0.5, 1, len(hkl))
    path = write(tmp_path / "b.mtz", hkl, "P 1", {"FP": ("F", f), "SIGFP": ("Q", sigma)})
    data = bragg_data(path, crystal("P 41"))
    member = group_of(hkl, data.groups)
    for group in (0, 50, 99):
        rows = member == group
        assert rows.sum() == data.groups.multiplicity[group]
        assert data.intensity[group] == pytest.approx((f[rows] ** 2).mean(), rel=1e-5)
        together = np.sqrt(((2 * f * sigma)[rows] ** 2).sum()) / rows.sum()
        assert data.sigma[group] == pytest.approx(together, rel=1e-5)


def test_images_of_one_measurement_are_not_counted_as_several(tmp_path):
    """One value of the file, split over two groups of the map, keeps its uncertainty in both."""
    hkl = unique("P 43 21 2")
    f = np.full(len(hkl), 10.0)
    path = write(tmp_path / "b.mtz", hkl, "P 43 21 2", {"I": ("J", f), "SIGI": ("Q", 0 * f + 3)})
    data = bragg_data(path, crystal("P 41"))
    assert len(data) > len(hkl)
    np.testing.assert_allclose(data.intensity, 10, rtol=1e-6)
    np.testing.assert_allclose(data.sigma, 3, rtol=1e-6)


def test_flags_of_the_file_hold_whole_groups_out_and_else_a_set_is_drawn(tmp_path):
    hkl = unique("P 1")
    f = amplitude_of(hkl, "P 1")
    flag = (np.arange(len(hkl)) % 50 == 7).astype(float)
    path = write(tmp_path / "b.mtz", hkl, "P 1", {"FREE": ("I", flag), "FP": ("F", f)})
    data = bragg_data(path, crystal("P 41"), free_fraction=0.5)
    np.testing.assert_array_equal(np.flatnonzero(data.free), np.unique(group_of(hkl[flag == 1], data.groups)))
    path = write(tmp_path / "c.mtz", hkl, "P 1", {"FP": ("F", f)})
    assert not bragg_data(path, crystal("P 41")).free.any()
    one, same, other = (bragg_data(path, crystal("P 41"), free_fraction=0.2, seed=s).free for s in (3, 3, 4))
    assert one.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_flags_that_reach_every_group_set_nothing_apart(tmp_path):
    general = unique("P 41")
    general = general[general[:, :2].any(axis=1) & (general[:, 2] != 0)]
    hkl = np.concatenate([general, general * [-1, -1, 1]])
    flag = np.repeat([0.0, 1.0], len(hkl) // 2)
    path = write(tmp_path / "b.mtz", hkl, "P 1", {"FREE": ("I", flag), "FP": ("F", amplitude_of(hkl, "P 41"))})
    data = bragg_data(path, crystal("P 41"), free_fraction=0.1)
    assert data.free.mean() == pytest.approx(0.1, abs=0.01)


def test_resolution_limits_are_those_of_the_maps_cell(tmp_path):
    hkl = unique("P 41")
    path = write(tmp_path / "b.mtz", hkl, "P 41", {"FP": ("F", amplitude_of(hkl, "P 41"))})
    stretched = MillerLattice(np.zeros((0, 3)), gemmi.UnitCell(30.5, 30.5, 40, 90, 90, 90), gemmi.SpaceGroup("P 41"))
    data = bragg_data(path, stretched, 5.0, 12.0)
    d = data.groups.lattice.d_spacing
    assert d.min() >= 5
    assert d.max() <= 12
    assert data.groups.lattice.cell.a == 30.5
    with pytest.raises(BadInput, match="only 0 unique Bragg reflections"):
        bragg_data(path, stretched, 100.0, 200.0)
    with pytest.raises(BadInput, match=r"only \d+ unique Bragg reflections.*Widen --d-min"):
        bragg_data(path, stretched, 10.0)


def test_another_crystal_is_refused(tmp_path):
    hkl = unique("P 41")
    path = write(tmp_path / "b.mtz", hkl, "P 41", {"FP": ("F", amplitude_of(hkl, "P 41"))})
    other = MillerLattice(np.zeros((0, 3)), gemmi.UnitCell(33, 33, 40, 90, 90, 90), gemmi.SpaceGroup("P 41"))
    with pytest.raises(BadInput, match="same crystal form"):
        bragg_data(path, other)


def test_amplitudes_of_the_unit_cell_of_a_supercell_say_which_one_it_is(tmp_path):
    hkl = unique("P 41")
    path = write(tmp_path / "b.mtz", hkl, "P 41", {"FP": ("F", amplitude_of(hkl, "P 41"))})
    block = replace(crystal("P 41"), cell=supercell(CELL, (2, 2, 3)))
    with pytest.raises(BadInput, match=r"supercell of it: give --map-supercell 2,2,3"):
        bragg_data(path, block)
    assert len(bragg_data(path, on_unit_cell(block, (2, 2, 3)))) == len(bragg_data(path, crystal("P 41")))


def test_the_images_join_the_lattice_of_a_divided_map(tmp_path):
    hkl = unique("P 41")
    path = write(tmp_path / "b.mtz", hkl, "P 41", {"FP": ("F", amplitude_of(hkl, "P 41"))})
    fine = half_lattice(CELL, gemmi.SpaceGroup("P 41"), 6.0, ndiv=(2, 2, 1))
    data = bragg_data(path, fine)
    joined = union(fine, bragg_lattice(data, fine))
    assert joined.ndiv == fine.ndiv
    assert joined.space_group.hm == "P 41"
    assert (find_points(data.groups.p1, joined) >= 0).all()
    assert (find_points(fine, joined) >= 0).all()
    n_common = int((find_points(data.groups.p1, fine) >= 0).sum())
    assert 0 < n_common < len(data.groups.p1)
    assert len(joined) == len(fine) + len(data.groups.p1) - n_common


def test_a_union_holds_one_of_each_friedel_pair_in_order():
    one = MillerLattice([[0, 0, 1], [1, 2, 3]], CELL, gemmi.SpaceGroup("P 1"))
    other = MillerLattice([[-1, -2, -3], [0, -1, 0]], CELL, gemmi.SpaceGroup("P 41"))
    joined = union(one, other)
    np.testing.assert_array_equal(joined.hkl, [[0, 0, 1], [0, 1, 0], [1, 2, 3]])
    assert joined.space_group.hm == "P 1"
    with pytest.raises(ValueError, match="divided"):
        union(one, MillerLattice([[1, 0, 0]], CELL, gemmi.SpaceGroup("P 1"), (2, 1, 1)))


def test_measured_amplitudes_of_lysozyme(shared_data):
    path = shared_data / "lysozyme" / "lys_nitr_ubatch4_refmac.mtz"
    cell = gemmi.UnitCell(27.424, 32.134, 34.513, 88.66, 108.46, 111.88)
    lattice = MillerLattice(np.zeros((0, 3)), cell, gemmi.SpaceGroup("P 1"), (2, 2, 2))
    data = bragg_data(path, lattice, 2.0)
    mtz = gemmi.read_mtz_file(str(path))
    row = {tuple(h): i for i, h in enumerate(mtz.make_miller_array().tolist())}
    f, sigma = (mtz.column_with_label(label).array for label in ("FP", "SIGFP"))
    for group in (10, 1000, 5000):
        h = data.groups.lattice.hkl[group]
        i = row.get(tuple(h.tolist()), row.get(tuple((-h).tolist())))
        assert data.intensity[group] == pytest.approx(float(f[i]) ** 2, rel=1e-5)
        assert data.sigma[group] == pytest.approx(2 * float(f[i]) * float(sigma[i]), rel=1e-5)
    assert data.label == "FP"
    assert 0.01 < data.free.mean() < 0.15
    np.testing.assert_array_equal(bragg_lattice(data, lattice).hkl, 2 * data.groups.p1.hkl)


def test_calculated_amplitudes_without_sigma(shared_data):
    path = shared_data / "mtz" / "1dur_ksol1.mtz"
    mtz = gemmi.read_mtz_file(str(path))
    data = bragg_data(path, MillerLattice(np.zeros((0, 3)), mtz.cell, mtz.spacegroup), 2.5)
    assert data.sigma is None
    assert data.label == "FMODEL"
    assert len(data) == (mtz.make_d_array() >= 2.5).sum()

"""Frames from MTZ files: the expansion to P1 against structure factors summed over atoms."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import friedel_half, hkl_key, in_asu, laue_groups
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.mtz import MtzColumn, read_frame, write_mtz

ATOMS = np.random.default_rng(7).random((12, 3))
CELLS = {
    "P 1 21 1": (20.0, 25.0, 30.0, 90.0, 103.0, 90.0),
    "P 21 21 21": (20.0, 25.0, 30.0, 90.0, 90.0, 90.0),
    "C 1 2 1": (40.0, 20.0, 25.0, 90.0, 112.0, 90.0),
    "P 41": (24.0, 24.0, 30.0, 90.0, 90.0, 90.0),
    "P 63": (26.0, 26.0, 20.0, 90.0, 90.0, 120.0),
    "R 3:H": (30.0, 30.0, 25.0, 90.0, 90.0, 120.0),
    "P 21 3": (28.0, 28.0, 28.0, 90.0, 90.0, 90.0),
}


def point_atoms(hkl: np.ndarray, group: gemmi.SpaceGroup) -> np.ndarray:
    """F = sum of exp(2 pi i h x) over all atoms of the cell, each made by applying every operation to coordinates."""
    atoms = np.array([operation.apply_to_xyz(xyz) for xyz in ATOMS.tolist() for operation in group.operations()])
    return np.exp(2j * np.pi * (hkl @ atoms.T)).sum(axis=1)


def sphere(limit: int = 5) -> np.ndarray:
    hkl = np.indices((2 * limit + 1,) * 3).reshape(3, -1).T - limit
    return hkl[np.any(hkl != 0, axis=1)]


def asymmetric_unit(group: gemmi.SpaceGroup, limit: int = 5) -> np.ndarray:
    hkl = np.unique(in_asu(sphere(limit), group), axis=0)
    return hkl[~group.operations().systematic_absences(hkl)]


def save(path: Path, hkl: np.ndarray, f: np.ndarray, group: gemmi.SpaceGroup, labels: tuple[str, str]) -> Path:
    lattice = MillerLattice(hkl, gemmi.UnitCell(*CELLS[group.xhm()]), group)
    columns = [MtzColumn(labels[0], "F", np.abs(f)), MtzColumn(labels[1], "P", np.degrees(np.angle(f)))]
    write_mtz(path, lattice, columns, title="frame", history=[])
    return path


@pytest.mark.parametrize("name", CELLS)
def test_the_expansion_is_that_of_the_atoms_of_the_whole_cell(tmp_path: Path, name: str) -> None:
    group = gemmi.SpaceGroup(name)
    hkl = asymmetric_unit(group)
    path = save(tmp_path / "f.mtz", hkl, point_atoms(hkl, group), group, ("FC", "PHIC"))
    lattice, values = read_frame(path)
    assert lattice.space_group.hm == "P 1"
    assert values.dtype == np.complex64
    np.testing.assert_array_equal(lattice.hkl, friedel_half(lattice.hkl))
    assert np.all(np.diff(hkl_key(lattice.hkl)) > 0)
    np.testing.assert_allclose(values, point_atoms(lattice.hkl, group), atol=1e-4)

    wanted = friedel_half(sphere())
    present = ~group.operations().systematic_absences(wanted.astype(np.int32))
    assert set(map(tuple, wanted[present].tolist())) <= set(map(tuple, lattice.hkl.tolist()))


@pytest.mark.parametrize("name", ["P 1 21 1", "P 41", "P 63"])
def test_the_p1_reflections_are_those_of_the_laue_groups(tmp_path: Path, name: str) -> None:
    group = gemmi.SpaceGroup(name)
    hkl = asymmetric_unit(group)
    lattice, _ = read_frame(save(tmp_path / "f.mtz", hkl, point_atoms(hkl, group), group, ("FC", "PHIC")))
    merged = MillerLattice(hkl, gemmi.UnitCell(*CELLS[name]), group)
    np.testing.assert_array_equal(lattice.hkl, laue_groups(merged).p1.hkl)


def test_a_model_in_P21_gives_what_gemmi_sums_over_the_model_in_P1(tmp_path: Path) -> None:
    cell, group = gemmi.UnitCell(*CELLS["P 1 21 1"]), gemmi.SpaceGroup("P 1 21 1")
    small = gemmi.SmallStructure()
    small.cell, small.spacegroup = cell, group
    whole = gemmi.SmallStructure()
    whole.cell, whole.spacegroup = cell, gemmi.SpaceGroup("P 1")
    for number, xyz in enumerate(ATOMS[:5].tolist()):
        for structure, operations in [(small, ["x,y,z"]), (whole, ["x,y,z", "-x,y+1/2,-z"])]:
            for operation in operations:
                site = gemmi.SmallStructure.Site()
                site.element = gemmi.Element(("C", "N", "O", "S", "P")[number])
                site.fract = gemmi.Fractional(*gemmi.Op(operation).apply_to_xyz(xyz))
                site.occ, site.u_iso = 1.0, 0.1
                structure.add_site(site)
    small.setup_cell_images()
    whole.setup_cell_images()
    merged, direct = gemmi.StructureFactorCalculatorX(small.cell), gemmi.StructureFactorCalculatorX(whole.cell)
    hkl = asymmetric_unit(group)
    f = np.array([merged.calculate_sf_from_small_structure(small, index) for index in hkl.tolist()])
    lattice, values = read_frame(save(tmp_path / "f.mtz", hkl, f, group, ("FMODEL", "PHIFMODEL")))
    expected = [direct.calculate_sf_from_small_structure(whole, index) for index in lattice.hkl.tolist()]
    np.testing.assert_allclose(values, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["1dur_vanilla.mtz", "1dur_ksol1.mtz", "5wkd_phases.mtz.gz", "phaser_1.mtz"])
def test_real_frames_expand_as_in_gemmi(shared_data: Path, name: str) -> None:
    path = shared_data / "mtz" / name
    lattice, values = read_frame(path)
    mtz = gemmi.read_mtz_file(str(path))
    f, phase = next(pair for pair in [("FC", "PHIC"), ("FMODEL", "PHIFMODEL"), ("FWT", "PHIFWT")] if mtz.count(pair[0]))
    mtz.expand_to_p1()
    hkl = mtz.make_miller_array()
    expected = mtz.column_with_label(f).array * np.exp(1j * np.deg2rad(mtz.column_with_label(phase).array))
    expected = np.where(hkl_key(hkl) < 0, expected.conj(), expected)
    by_index = dict(zip(map(tuple, friedel_half(hkl).tolist()), expected, strict=True))
    assert set(by_index) == set(map(tuple, lattice.hkl.tolist()))
    ours = np.array([by_index[tuple(index)] for index in lattice.hkl.tolist()])
    np.testing.assert_allclose(values, ours, atol=2e-5 * np.abs(ours).max())


def frame_with(path: Path, columns: list[MtzColumn], group: str = "P 1 21 1") -> Path:
    hkl = np.array([[1, 0, 0], [0, 1, 1], [2, 3, -1]])
    lattice = MillerLattice(hkl, gemmi.UnitCell(*CELLS["P 1 21 1"]), gemmi.SpaceGroup(group))
    write_mtz(path, lattice, columns, title="", history=[])
    return path


def column(label: str, kind: str, *values: float) -> MtzColumn:
    return MtzColumn(label, kind, np.array(values or (1.0, 2.0, 3.0), dtype=np.float32))


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        ([("FWT", "F"), ("PHWT", "P"), ("FC", "F"), ("PHIC", "P")], 2),
        ([("FWT", "F"), ("PHIFWT", "P"), ("FMODEL", "F"), ("PHIFMODEL", "P")], 2),
        ([("fmodel", "F"), ("PHIFMODEL", "P"), ("FP", "F")], 0),
        ([("FP", "F"), ("FWT", "F"), ("PHWT", "P"), ("PHCOMB", "P")], 1),
        ([("W", "W"), ("Fsum", "F"), ("PHIsum", "P")], 1),
    ],
)
def test_the_pair_is_known_by_its_names_or_by_being_the_only_one(
    tmp_path: Path, labels: list[tuple[str, str]], first: int
) -> None:
    path = frame_with(tmp_path / "f.mtz", [column(n, t, 10.0 * i, 1, 2) for i, (n, t) in enumerate(labels)], "P 1")
    lattice, values = read_frame(path)
    assert abs(values[lattice.hkl.tolist().index([1, 0, 0])]) == pytest.approx(10.0 * first)


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    columns = [column("FC", "F"), column("PHIC", "P"), column("F2", "F", 5, 6, 7), column("P2", "P", 90, 90, 90)]
    path = frame_with(tmp_path / "f.mtz", columns, "P 1")
    lattice, values = read_frame(path, columns=("F2", "P2"))
    assert values[lattice.hkl.tolist().index([1, 0, 0])] == pytest.approx(5j, abs=1e-5)


def test_missing_numbers_are_left_out_and_a_zero_needs_no_phase(tmp_path: Path) -> None:
    columns = [column("FC", "F", np.nan, 0.0, 2.0), column("PHIC", "P", 10.0, np.nan, 0.0)]
    lattice, values = read_frame(frame_with(tmp_path / "f.mtz", columns, "P 1"))
    assert lattice.hkl.tolist() == [[0, 1, 1], [2, 3, -1]]
    np.testing.assert_array_equal(values, [0, 2])


@pytest.mark.parametrize(
    ("columns", "chosen", "words"),
    [
        ([("FC", "F"), ("SIGF", "Q")], None, r"no phase \(type P\)"),
        ([("PHIC", "P")], None, r"no amplitude \(type F\)"),
        ([("F1", "F"), ("F2", "F"), ("PHI1", "P")], None, r"not clear.*F1 \(F\), F2 \(F\) and one of PHI1 \(P\)"),
        ([("FC", "F"), ("PHIC", "P")], ("FX", "PHIC"), r"no column FX.*FC \(F\)"),
        ([("FC", "F"), ("PHIC", "P")], ("PHIC", "FC"), r"PHIC is of type P and cannot be an amplitude.*FC \(F\)"),
        ([("FC", "F"), ("SIGF", "Q")], ("FC", "SIGF"), "cannot be a phase.*no column of type P"),
    ],
)
def test_an_unclear_frame_is_refused(
    tmp_path: Path, columns: list[tuple[str, str]], chosen: tuple[str, str] | None, words: str
) -> None:
    path = frame_with(tmp_path / "f.mtz", [column(*names) for names in columns])
    with pytest.raises(BadInput, match=words) as caught:
        read_frame(path, columns=chosen)
    assert caught.value.where == str(path)


def test_a_frame_without_any_number_is_refused(tmp_path: Path) -> None:
    columns = [column("FC", "F", 1, np.nan, np.nan), column("PHIC", "P", np.nan, 2, np.inf)]
    with pytest.raises(BadInput, match="No reflection has both FC and PHIC"):
        read_frame(frame_with(tmp_path / "f.mtz", columns))


def test_a_p1_frame_under_the_name_of_a_higher_group_is_refused(tmp_path: Path) -> None:
    """All of a P1 hemisphere of atoms without symmetry, with the crystal's space group in the header."""
    group = gemmi.SpaceGroup("P 41")
    hkl = np.unique(friedel_half(sphere()), axis=0)
    asymmetric = np.exp(2j * np.pi * (hkl @ ATOMS.T)).sum(axis=1)
    path = save(tmp_path / "f.mtz", hkl, asymmetric, group, ("FC", "PHIC"))
    with pytest.raises(BadInput, match="equivalent in P 41 have different structure factors"):
        read_frame(path)

    path = save(tmp_path / "g.mtz", hkl, point_atoms(hkl, group), group, ("FC", "PHIC"))
    lattice, values = read_frame(path)
    np.testing.assert_array_equal(lattice.hkl, hkl)
    np.testing.assert_allclose(values, point_atoms(hkl, group), atol=1e-3)

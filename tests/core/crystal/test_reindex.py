"""Other axes for the same lattice: checked by distances, which no choice of axes can change, and by brute force."""

from __future__ import annotations

import itertools

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, cell_parameters
from mdweights_core.crystal.laue import laue_rotations
from mdweights_core.crystal.reindex import parse_operator, reindex, reindexing_candidates
from mdweights_core.errors import BadInput

TRICLINIC = (27.424, 32.134, 34.513, 88.66, 108.46, 111.88)
TETRAGONAL = (48.5, 48.5, 63.43, 90.0, 90.0, 90.0)


def lattice(cell: tuple[float, ...], space_group: str, ndiv: tuple[int, int, int] = (1, 1, 1)) -> MillerLattice:
    hkl = np.random.default_rng(3).integers(-9, 10, (200, 3))
    return MillerLattice(hkl, gemmi.UnitCell(*cell), gemmi.SpaceGroup(space_group), ndiv)


@pytest.mark.parametrize("operator", ["k,h,-l", "k,h,l", "-h,-k,l", "h,k,h+l", "k,l,h", "h-k,k,l", "h+k,-k,-l"])
@pytest.mark.parametrize("ndiv", [(1, 1, 1), (1, 2, 3)])
def test_every_reflection_keeps_its_resolution(operator: str, ndiv: tuple[int, int, int]) -> None:
    before = lattice(TRICLINIC, "P 1", ndiv)
    after = reindex(before, operator)
    np.testing.assert_allclose(after.d_spacing, before.d_spacing, rtol=1e-9)
    assert after.cell.volume == pytest.approx(before.cell.volume, rel=1e-9)


@pytest.mark.parametrize("operator", ["h,k,h+l", "-h,-k,l", "k,l,h", "l,h,k", "-h-l,-k,l", "-k,-h,-l"])
def test_indices_cell_and_space_group_are_those_of_gemmi(operator: str) -> None:
    before = lattice((60.0, 70.0, 80.0, 90.0, 103.0, 90.0), "P 1 21 1")
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = before.space_group
    mtz.set_cell_for_all(before.cell)
    mtz.set_data(before.hkl.astype(np.float32))
    mtz.reindex(gemmi.Op(operator))
    after = reindex(before, operator)
    np.testing.assert_array_equal(after.hkl, mtz.make_miller_array())
    np.testing.assert_allclose(cell_parameters(after.cell), cell_parameters(mtz.cell), atol=1e-5)
    assert after.space_group.xhm() == mtz.spacegroup.xhm()


def test_coordinates_and_indices_keep_their_product() -> None:
    before = lattice(TRICLINIC, "P 1")
    xyz = np.random.default_rng(4).random((3, 5))
    after = reindex(before, "x+z,y-x,z")
    moved = np.array([xyz[0] + xyz[2], xyz[1] - xyz[0], xyz[2]])
    np.testing.assert_allclose(after.hkl @ moved, before.hkl @ xyz, atol=1e-9)
    np.testing.assert_array_equal(reindex(before, "x+z,y,z").hkl, reindex(before, "h,k,-h+l").hkl)


def test_going_there_and_back_changes_nothing() -> None:
    before = lattice(TRICLINIC, "P 1", (2, 1, 3))
    back = reindex(reindex(before, "k,l,h"), "l,h,k")
    np.testing.assert_array_equal(back.hkl, before.hkl)
    np.testing.assert_allclose(cell_parameters(back.cell), TRICLINIC, atol=1e-8)
    assert back.ndiv == before.ndiv


def test_only_h_and_k_change_in_P41_and_the_hand_stays() -> None:
    before = lattice(TETRAGONAL, "P 41")
    for operator, sign in [("k,h,-l", -1), ("k,h,l", 1)]:
        after = reindex(before, operator)
        np.testing.assert_array_equal(after.hkl, before.hkl[:, [1, 0, 2]] * [1, 1, sign])
        assert cell_parameters(after.cell) == TETRAGONAL
        assert after.space_group.hm == "P 41"


def test_a_centred_setting_gets_its_other_name() -> None:
    before = lattice((78.0, 45.0, 40.0, 90.0, 112.0, 90.0), "C 1 2 1")
    assert reindex(before, "-h-l,-k,l").space_group.hm == "I 1 2 1"


def test_the_name_of_the_setting_follows_the_axes_and_not_the_origin() -> None:
    orthorhombic = (60.0, 70.0, 80.0, 90.0, 90.0, 90.0)
    for name, operator, expected in [
        ("P 21 21 21", "k,h,-l", "P 21 21 21"),
        ("P 21 21 2", "k,l,h", "P 21 2 21"),
        ("P 21 21 2", "k,h,-l", "P 21 21 2"),
        ("P b c a", "k,h,-l", "P c a b"),
        ("C 2 2 21", "l,h,k", "A 21 2 2"),
    ]:
        assert reindex(lattice(orthorhombic, name), operator).space_group.hm == expected


def test_a_map_is_reindexed_row_by_row_and_says_so() -> None:
    n = 200
    before = DiffuseMap(lattice(TETRAGONAL, "P 41"), np.arange(n, dtype=np.float32), provenance={"file": "a.mtz"})
    after = reindex(before, " K, H, -L ")
    np.testing.assert_array_equal(after.intensity, before.intensity)
    np.testing.assert_array_equal(after.lattice.hkl[:, 0], before.lattice.hkl[:, 1])
    assert after.provenance["file"] == "a.mtz"
    assert after.provenance["reindex"] == " K, H, -L "
    assert "reindex" not in before.provenance


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        ("", "not a reindexing operator"),
        ("k,h", "not a reindexing operator"),
        ("k,h,q", "not a reindexing operator"),
        ("h,k,z", "not a reindexing operator"),
        ("h,k,l/0", "not a reindexing operator"),
        ("h,k,\N{ANGSTROM SIGN}", "not a reindexing operator"),
        ("9" * 40 + "*h,k,l", "not a reindexing operator"),
        ("h+1/2,k,l", "not a reindexing operator"),
        ("x+1/2,y,z", "moves the origin"),
        ("h,h,l", "0-fold"),
        ("2*h,k,l", "2-fold"),
        ("h/2+k/2,h/2-k/2,-l", "0.5-fold"),
        ("h/2,2*k,l", "fractional indices"),
        ("h+k,-k,-l", "P 1 21 1 has no name"),
    ],
)
def test_what_is_no_choice_of_axes_is_refused(operator: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        reindex(lattice((60.0, 70.0, 80.0, 90.0, 103.0, 90.0), "P 1 21 1"), operator)


@pytest.mark.parametrize(
    ("cell", "space_group", "expected"),
    [
        (TETRAGONAL, "P 41", ["k,h,-l"]),
        (TETRAGONAL, "P 41 21 2", []),
        (TRICLINIC, "P 1", []),
        ((50.0, 50.4, 60.0, 90.0, 90.0, 90.0), "P 21 21 21", ["k,h,-l"]),
        ((50.0, 58.0, 66.0, 90.0, 90.0, 90.0), "P 21 21 21", []),
        ((66.9, 66.9, 40.8, 90.0, 90.0, 120.0), "P 63", ["k,h,-l"]),
        ((60.0, 60.0, 90.0, 90.0, 90.0, 120.0), "P 31", ["k,h,-l", "-h,-k,l", "-k,-h,-l"]),
        ((78.0, 45.0, 40.0, 90.0, 112.0, 90.0), "C 1 2 1", []),
    ],
)
def test_candidates_of_known_cases(cell: tuple[float, ...], space_group: str, expected: list[str]) -> None:
    assert reindexing_candidates(gemmi.UnitCell(*cell), gemmi.SpaceGroup(space_group)) == expected


@pytest.mark.parametrize(
    ("cell", "space_group"),
    [
        (TETRAGONAL, "P 41"),
        (TETRAGONAL, "P 1"),
        ((60.0, 60.0, 90.0, 90.0, 90.0, 120.0), "P 32"),
        ((60.0, 60.0, 90.0, 90.0, 90.0, 120.0), "P 1 1 2"),
        ((70.0, 70.0, 70.0, 90.0, 90.0, 90.0), "P 21 3"),
        ((70.0, 70.0, 70.0, 90.0, 90.0, 90.0), "P 21 21 21"),
    ],
)
def test_candidates_are_one_of_each_coset_found_by_trying_all_matrices(
    cell: tuple[float, ...], space_group: str
) -> None:
    group = gemmi.SpaceGroup(space_group)
    axes = np.array(gemmi.UnitCell(*cell).orth.mat.tolist())
    metric = axes.T @ axes
    tried = np.array(list(itertools.product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    holohedry = [matrix for matrix in tried if np.allclose(matrix.T @ metric @ matrix, metric)]
    laue = laue_rotations(group)
    cosets = {frozenset((matrix @ rotation).tobytes() for rotation in laue) for matrix in holohedry}

    candidates = [parse_operator(operator) for operator in reindexing_candidates(gemmi.UnitCell(*cell), group)]
    found = {frozenset((np.rint(c).astype(int) @ rotation).tobytes() for rotation in laue) for c in candidates}
    unchanged = frozenset(rotation.tobytes() for rotation in laue)
    assert found == cosets - {unchanged}
    assert len(candidates) == len(found)


def test_turning_symmetry_axes_away_from_the_cell_axes_is_no_candidate() -> None:
    """A C-centred orthorhombic lattice with b = a sqrt(3) is hexagonal, but 60 degrees on its twofolds lie askew."""
    cell = gemmi.UnitCell(50.0, 50.0 * 3**0.5, 40.0, 90.0, 90.0, 90.0)
    assert len(gemmi.find_twin_laws(cell, gemmi.SpaceGroup("C 2 2 21"), 3.0, False)) == 2
    assert reindexing_candidates(cell, gemmi.SpaceGroup("C 2 2 21")) == []


def test_operators_of_a_centred_lattice_may_hold_halves() -> None:
    """The same hexagonal lattice described by another of its C-centred cells."""
    before = lattice((50.0, 50.0 * 3**0.5, 40.0, 90.0, 90.0, 90.0), "P 1")
    before = before.select(before.hkl[:, :2].sum(axis=1) % 2 == 0)
    after = reindex(before, "h/2+k/2,-3/2*h+k/2,l")
    np.testing.assert_allclose(after.d_spacing, before.d_spacing, rtol=1e-9)
    np.testing.assert_allclose(cell_parameters(after.cell), cell_parameters(before.cell), atol=1e-8)


def test_every_candidate_can_be_applied() -> None:
    before = lattice((70.0, 70.0, 70.0, 90.0, 90.0, 90.0), "P 1 2 1")
    candidates = reindexing_candidates(before.cell, before.space_group)
    assert len(candidates) == 24 // 2 - 1
    for operator in candidates:
        np.testing.assert_allclose(reindex(before, operator).d_spacing, before.d_spacing, rtol=1e-9)

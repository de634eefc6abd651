"""Equivalent reflections against gemmi, for space groups of every Laue class."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdweights_core.crystal.lattice import MillerLattice, on_unit_cell, supercell
from mdweights_core.crystal.laue import (
    find_points,
    find_rows,
    friedel_half,
    group_of,
    hkl_key,
    hkl_of_key,
    images,
    in_asu,
    laue_groups,
    laue_rotations,
    representatives,
)
from mdweights_core.errors import BadInput

GROUPS = [
    "P 1",
    "P -1",
    "C 1 2 1",
    "P 21 21 21",
    "P 41",
    "P 43 21 2",
    "R 3",
    "R 3 2",
    "P 3 1 2",
    "P 61",
    "P 62 2 2",
    "I 2 3",
    "F 4 3 2",
]
CELLS = {"R": (60, 60, 80, 90, 90, 120), "P 3": (60, 60, 80, 90, 90, 120), "P 6": (60, 60, 80, 90, 90, 120)}


def _cell(name: str) -> gemmi.UnitCell:
    for start, cell in CELLS.items():
        if name.startswith(start):
            return gemmi.UnitCell(*cell)
    return gemmi.UnitCell(50, 50, 50, 90, 90, 90)


def _block(reach: int = 4) -> np.ndarray:
    axis = np.arange(-reach, reach + 1)
    hkl = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return hkl[np.any(hkl != 0, axis=1)].astype(np.int32)


@pytest.mark.parametrize("name", GROUPS)
def test_rotations_form_the_laue_group(name):
    rotations = laue_rotations(gemmi.SpaceGroup(name))
    centric = gemmi.SpaceGroup(name).operations()
    expected = len(centric.sym_ops) * (1 if centric.is_centrosymmetric() else 2)
    assert len(rotations) == expected
    np.testing.assert_array_equal(rotations[0], np.eye(3))


@pytest.mark.parametrize("name", GROUPS)
def test_groups_are_those_of_gemmis_asymmetric_unit(name):
    """Two reflections share a group exactly when gemmi maps them to the same index."""
    lattice = MillerLattice(_block(), _cell(name), gemmi.SpaceGroup(name))
    ours = group_of(lattice.hkl, laue_groups(lattice))
    theirs = hkl_key(in_asu(lattice.hkl, lattice.space_group))
    _, theirs = np.unique(theirs, return_inverse=True)
    pairs = {(a, b) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)}
    assert len(pairs) == len(set(ours.tolist())) == len(set(theirs.tolist()))


@pytest.mark.parametrize("name", GROUPS)
def test_p1_holds_every_image_once(name):
    lattice = MillerLattice(_block(), _cell(name), gemmi.SpaceGroup(name))
    groups = laue_groups(lattice)
    expected = np.unique(hkl_key(friedel_half(images(lattice.hkl, lattice.space_group).reshape(-1, 3))))
    np.testing.assert_array_equal(np.sort(hkl_key(groups.p1.hkl)), expected)
    used = groups.copies[groups.copies >= 0]
    np.testing.assert_array_equal(np.sort(used), np.arange(len(groups.p1)))


@pytest.mark.parametrize("name", GROUPS)
def test_members_of_a_group_have_one_resolution(name):
    groups = laue_groups(MillerLattice(_block(), _cell(name), gemmi.SpaceGroup(name)))
    average = groups.average(groups.p1.inverse_d)
    np.testing.assert_allclose(average, groups.lattice.inverse_d, rtol=1e-6)


def test_average_of_a_symmetric_function_is_the_function():
    groups = laue_groups(MillerLattice(_block(), _cell("P 41"), gemmi.SpaceGroup("P 41")))
    h, k, l = groups.p1.hkl.T.astype(float)
    values = (h**2 + k**2) * l**2 + l**4
    h, k, l = groups.lattice.hkl.T.astype(float)
    np.testing.assert_allclose(groups.average(values), (h**2 + k**2) * l**2 + l**4)


def test_a_set_and_its_asymmetric_unit_make_the_same_groups():
    group = gemmi.SpaceGroup("P 21 21 21")
    full = laue_groups(MillerLattice(_block(), _cell("P 21 21 21"), group))
    asu = laue_groups(MillerLattice(np.unique(in_asu(_block(), group), axis=0), _cell("P 21 21 21"), group))
    np.testing.assert_array_equal(full.lattice.hkl, asu.lattice.hkl)
    np.testing.assert_array_equal(full.p1.hkl, asu.p1.hkl)
    np.testing.assert_array_equal(full.copies, asu.copies)


@given(st.lists(st.tuples(*[st.integers(-500, 500)] * 3), min_size=1, max_size=30))
def test_friedel_half_picks_one_of_each_pair(indices):
    hkl = np.array(indices, dtype=np.int32)
    half = friedel_half(hkl)
    np.testing.assert_array_equal(half, friedel_half(-hkl))
    assert all((a == b).all() or (a == -b).all() for a, b in zip(half, hkl, strict=True))
    assert (hkl_key(half) >= 0).all()


@given(st.lists(st.tuples(*[st.integers(-20, 20)] * 3), min_size=1, max_size=20))
def test_representatives_do_not_depend_on_the_image(indices):
    group = gemmi.SpaceGroup("P 62 2 2")
    hkl = np.array(indices, dtype=np.int32)
    for image in images(hkl, group):
        np.testing.assert_array_equal(representatives(image, group), representatives(hkl, group))


def test_find_rows_says_what_is_absent():
    table = np.array([[1, 0, 0], [0, -2, 3], [0, 0, 5]])
    np.testing.assert_array_equal(find_rows(np.array([[0, 0, 5], [1, 1, 1], [1, 0, 0]]), table), [2, -1, 0])
    np.testing.assert_array_equal(find_rows(np.array([[0, 0, 5]]), np.zeros((0, 3), dtype=int)), [-1])


@given(st.lists(st.tuples(*[st.integers(-(2**20) + 1, 2**20 - 1)] * 3), min_size=1, max_size=30))
def test_keys_order_reflections_and_can_be_undone(indices):
    hkl = np.array(indices, dtype=np.int32)
    np.testing.assert_array_equal(hkl_of_key(hkl_key(hkl)), hkl)
    assert [indices[i] for i in np.argsort(hkl_key(hkl), kind="stable")] == sorted(indices)


@pytest.mark.parametrize("name", GROUPS)
def test_the_asymmetric_unit_is_gemmis(name):
    """One by one, as gemmi tells them."""
    group = gemmi.SpaceGroup(name)
    asu, operations = gemmi.ReciprocalAsu(group), group.operations()
    moved = in_asu(_block(), group)
    assert moved.tolist() == [asu.to_asu(h, operations)[0] for h in _block().tolist()]


@pytest.mark.parametrize("ndiv", [(1, 1, 1), (2, 2, 2), (2, 2, 3), (4, 2, 2), (2, 3, 2), (2, 3, 4)])
def test_lattices_that_are_divided_unevenly_are_refused(ndiv):
    """Brute force over every setting in use: a rotated true index is, or is not, a point of the divided lattice."""
    table = {str(laue_rotations(group).tolist()): group for group in gemmi.spacegroup_table()}
    for group in table.values():
        step = laue_rotations(group) / np.array(ndiv)[:, None] * np.array(ndiv)  # of the images of 1/n 0 0, 0 1/n 0...
        lattice = MillerLattice(np.eye(3), gemmi.UnitCell(50, 50, 50, 90, 90, 90), group, ndiv)
        if np.allclose(step, np.rint(step)):
            images_there = laue_groups(lattice).p1.index
            every = (lattice.index @ laue_rotations(group)).reshape(-1, 3)
            found = {tuple(h) for h in np.round([*images_there, *-images_there], 6).tolist()}
            assert {tuple(h) for h in np.round(every, 6).tolist()} == found
        else:
            with pytest.raises(BadInput, match="Divide equivalent axes alike"):
                laue_groups(lattice)


def test_points_are_found_on_a_lattice_divided_otherwise():
    cell, p1 = gemmi.UnitCell(10, 11, 12, 80, 90, 100), gemmi.SpaceGroup("P 1")
    table = MillerLattice(np.array([[1, 2, 3], [2, 4, 6], [4, 2, 2]]), cell, p1, (2, 2, 2))
    whole = MillerLattice(np.array([[1, 2, 3], [2, 1, 1], [2, 4, 6]]), cell, p1)
    assert find_points(whole, table).tolist() == [1, 2, -1]
    assert find_points(table, whole).tolist() == [-1, 0, 1]


def test_points_are_found_on_the_lattice_of_a_block_of_cells():
    cell, p1 = gemmi.UnitCell(10, 11, 12, 80, 90, 100), gemmi.SpaceGroup("P 1")
    whole = MillerLattice(np.array([[1, 2, 3], [2, 1, 1], [1, 0, 0]]), cell, p1)
    block = MillerLattice(np.array([[2, 2, 8], [4, 1, 3], [3, 0, 0]]), supercell(cell, (2, 1, 3)), p1)
    assert find_points(whole, block).tolist() == [-1, 1, -1]
    assert find_points(block, whole).tolist() == [-1, 1, -1]
    assert find_points(on_unit_cell(block, (2, 1, 3)), block).tolist() == [0, 1, 2]


def test_groups_of_a_divided_lattice_have_one_resolution():
    cell = gemmi.UnitCell(60, 60, 80, 90, 90, 120)
    groups = laue_groups(MillerLattice(_block(), cell, gemmi.SpaceGroup("P 31 1 2"), (3, 3, 2)))
    np.testing.assert_allclose(groups.average(groups.p1.inverse_d), groups.lattice.inverse_d, rtol=1e-12)
    assert groups.p1.ndiv == groups.lattice.ndiv == (3, 3, 2)

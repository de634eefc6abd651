"""Supercell to primitive cell, against gemmi's structure factors of the primitive cell in its space group."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.collapse import Collapse
from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes, supercell
from mdweights_core.crystal.laue import find_rows, friedel_half, in_asu
from mdweights_core.errors import BadInput
from mdweights_core.scattering.reflections import half_lattice

P1 = gemmi.SpaceGroup("P 1")
REFERENCE = [group for group in gemmi.spacegroup_table() if group.is_reference_setting()]
OTHER_SETTINGS = ["R 3 2:R", "P 1 1 21", "A 1 2 1", "I 1 2 1", "P 2 21 21", "F 1 2 1"]
BOXES = [(2, 1, 1), (1, 2, 3), (2, 2, 1), (1, 1, 1)]
ELEMENTS = ["C", "O", "S", "N"]


def cell_for(group: gemmi.SpaceGroup) -> gemmi.UnitCell:
    """A small cell with the metric of the space group and nothing more."""
    if group.ext == "R":
        return gemmi.UnitCell(9, 9, 9, 80, 80, 80)
    monoclinic = {"a": (9, 8, 10, 107, 90, 90), "b": (9, 8, 10, 90, 107, 90), "c": (9, 8, 10, 90, 90, 107)}
    return gemmi.UnitCell(
        *{
            "triclinic": (8, 9, 10, 77, 95, 112),
            "monoclinic": monoclinic.get(group.monoclinic_unique_axis()),
            "orthorhombic": (8, 9, 10, 90, 90, 90),
            "tetragonal": (8, 8, 10, 90, 90, 90),
            "trigonal": (8, 8, 10, 90, 90, 120),
            "hexagonal": (8, 8, 10, 90, 90, 120),
            "cubic": (8, 8, 8, 90, 90, 90),
        }[group.crystal_system_str()]
    )


def form_factor(element: str, inverse_d: np.ndarray) -> np.ndarray:
    it92 = gemmi.Element(element).it92
    return np.array([it92.calculate_sf(float(s) ** 2 / 4) for s in inverse_d])


def atoms_in(box: tuple[int, int, int], seed: int) -> np.ndarray:
    """Positions in units of the primitive cell, anywhere in the box: the cells of the box differ."""
    return np.random.default_rng(seed).random((len(ELEMENTS), 3)) * box


def in_box(fractional: np.ndarray, lattice: MillerLattice) -> np.ndarray:
    """Direct summation over the atoms in P1, at true indices; fractional in ``lattice.cell``."""
    waves = np.exp(2j * np.pi * (lattice.index @ fractional.T))
    return sum(form_factor(element, lattice.inverse_d) * wave for element, wave in zip(ELEMENTS, waves.T, strict=True))


def under_symmetry(
    fractional: np.ndarray, occupancy: float, group: gemmi.SpaceGroup, lattice: MillerLattice
) -> np.ndarray:
    """gemmi: the same atoms in the primitive cell, with all their images."""
    structure = gemmi.SmallStructure()
    structure.cell, structure.spacegroup = lattice.cell, group
    for element, place in zip(ELEMENTS, fractional, strict=True):
        site = gemmi.SmallStructure.Site()
        site.element, site.occ, site.fract = gemmi.Element(element), occupancy, gemmi.Fractional(*place)
        structure.add_site(site)
    structure.setup_cell_images()
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    return np.array([calculator.calculate_sf_from_small_structure(structure, h) for h in lattice.hkl.tolist()])


def check(group: gemmi.SpaceGroup, box: tuple[int, int, int], *, divided: bool) -> None:
    cell = cell_for(group)
    a, b, c, *angles = cell.parameters
    if divided:
        lattice, repeats = half_lattice(cell, P1, 2.4, ndiv=box), (1, 1, 1)
    else:
        whole = gemmi.UnitCell(a * box[0], b * box[1], c * box[2], *angles)
        lattice, repeats = half_lattice(whole, P1, 2.4), box
    atoms = atoms_in(box, group.ccp4)
    recipe = Collapse(lattice, group, repeats)
    found, values = recipe.lattice, recipe(in_box(atoms / repeats, lattice))
    expected = under_symmetry(atoms, 1 / (np.prod(box) * len(group.operations())), group, found)
    assert np.abs(values - expected).sum() < 1e-5 * np.abs(expected).sum()
    assert found.cell.approx(cell, 1e-9)
    # all of the asymmetric unit is there, but for absences
    unique = gemmi.make_miller_array(cell, group, 2.4, unique=True)
    assert {tuple(h) for h in found.hkl.tolist()} == {tuple(h) for h in unique.tolist()}


@pytest.mark.parametrize("group", REFERENCE, ids=lambda group: group.short_name())
def test_all_space_groups(group):
    check(group, BOXES[group.number % len(BOXES)], divided=bool(group.number % 2))


@pytest.mark.parametrize("name", OTHER_SETTINGS)
@pytest.mark.parametrize("divided", [True, False])
def test_other_settings(name, divided):
    check(gemmi.SpaceGroup(name), (3, 2, 1), divided=divided)


@pytest.fixture
def crystal() -> tuple[MillerLattice, gemmi.SpaceGroup]:
    group = gemmi.SpaceGroup("C 1 2 1")
    return half_lattice(cell_for(group), P1, 2.5, ndiv=(2, 1, 2)), group


def test_frames_are_collapsed_together_as_one_by_one(crystal):
    lattice, group = crystal
    rng = np.random.default_rng(0)
    frames = (rng.normal(size=(3, 2, len(lattice))) + 1j * rng.normal(size=(3, 2, len(lattice)))).astype(np.complex64)
    recipe = Collapse(lattice, group)
    together = recipe(frames)
    assert together.shape == (3, 2, len(recipe.lattice))
    np.testing.assert_allclose(together[1, 1], recipe(frames[1, 1]), rtol=1e-12)


@pytest.mark.parametrize("name", ["C 1 2 1", "P 41", "P 3 2 1", "I 21 3"])
@pytest.mark.parametrize("divided", [True, False])
def test_a_crystal_is_moved_as_its_atoms_would_be(name, divided):
    group, box = gemmi.SpaceGroup(name), (2, 2, 2)
    small = cell_for(group)
    if divided:
        lattice, cells = half_lattice(small, P1, 2.5, ndiv=box), (1, 1, 1)
    else:
        lattice, cells = half_lattice(supercell(small, box), P1, 2.5), box
    atoms = np.random.default_rng(5).random((6, 3)) * box
    shift = np.array([0.1, -0.23, 0.31])

    def f(positions: np.ndarray) -> np.ndarray:
        return np.exp(2j * np.pi * (positions / cells @ lattice.index.T)).sum(axis=0)

    recipe = Collapse(lattice, group, cells, keep_absent=True)
    at_rest = recipe(f(atoms + shift))
    np.testing.assert_allclose(recipe.moved(shift)(f(atoms)), at_rest, atol=1e-9)
    np.testing.assert_allclose(recipe(f(atoms + shift)), at_rest)  # the recipe itself stays as it was
    assert np.abs(recipe(f(atoms)) - at_rest).max() > 0.1


@pytest.mark.parametrize("divided", [True, False])
def test_the_origin_is_found_in_a_supercell(divided):
    group, box = gemmi.SpaceGroup("P 2 21 21"), (2, 1, 2)
    small = gemmi.UnitCell(11, 12, 13, 90, 90, 90)
    if divided:
        lattice, cells = half_lattice(small, P1, 2.0, ndiv=box), (1, 1, 1)
    else:
        lattice, cells = half_lattice(supercell(small, box), P1, 2.0), box
    sites = np.random.default_rng(1).random((3, 3)).tolist()
    one = np.array([operation.apply_to_xyz(x) for operation in group.operations() for x in sites])
    atoms = (one[:, None] + np.indices(box).reshape(3, -1).T).reshape(-1, 3)
    f = np.exp(2j * np.pi * ((atoms + np.array([0.04, -0.02, 0.06])) / cells @ lattice.index.T)).sum(axis=0)
    origin = Collapse(lattice, group, cells).origin(f)
    assert origin.is_needed
    np.testing.assert_allclose(origin.shift, [-0.04, 0.02, -0.06], atol=1e-4)


def test_absences_are_zero_where_they_are_kept(crystal):
    lattice, group = crystal
    recipe = Collapse(lattice, group, keep_absent=True)
    absent = (recipe.lattice.hkl[:, 0] + recipe.lattice.hkl[:, 1]) % 2 == 1
    values = recipe(in_box(atoms_in((2, 1, 2), 7), lattice))
    assert absent.any()
    assert np.abs(values[absent]).max() < 1e-12 * np.abs(values).max()
    np.testing.assert_array_equal(recipe.lattice.hkl[~absent], Collapse(lattice, group).lattice.hkl)


def test_intensities_are_means_over_the_equivalents(crystal):
    lattice, group = crystal
    recipe = Collapse(lattice, group, keep_absent=True)
    values = np.random.default_rng(1).random((2, len(lattice)))
    expected = []
    for h, k, l in recipe.lattice.hkl:  # C 1 2 1: the twofold takes h k l to -h k -l
        pair = friedel_half(np.array([[h, k, l], [-h, k, -l]])) * lattice.ndiv
        expected.append(values[:, find_rows(pair, lattice.hkl)].mean(axis=1) / 4**2)
    np.testing.assert_allclose(recipe.intensity(values), np.transpose(expected))


def test_a_reflection_without_all_its_images_is_left_out():
    group = gemmi.SpaceGroup("P 41")
    lattice = half_lattice(cell_for(group), P1, 2.5)
    gone = find_rows(friedel_half(np.array([[-2, 1, 1]])), lattice.hkl)  # an image of 1 2 1
    found = Collapse(lattice.select(np.delete(np.arange(len(lattice)), gone)), group).lattice.hkl
    whole = Collapse(lattice, group).lattice.hkl
    missing = in_asu(np.array([[1, 2, 1]]), group)[0].tolist()
    assert missing in whole.tolist()
    assert [h for h in whole.tolist() if h not in found.tolist()] == [missing]


def test_the_cells_in_f_need_not_be_those_of_the_divisions():
    """A finer sampling of one cell's transform: nothing is shared between cells."""
    group = gemmi.SpaceGroup("P 21 21 21")
    fine = half_lattice(cell_for(group), P1, 3.0, ndiv=(2, 2, 2))
    atoms = atoms_in((1, 1, 1), 3)
    recipe = Collapse(fine, group, n_cells=1)
    expected = under_symmetry(atoms, 1 / 4, group, recipe.lattice)
    np.testing.assert_allclose(recipe(in_box(atoms, fine)), expected, atol=1e-4)


def test_a_cell_slightly_off_its_symmetry_is_taken_and_another_refused():
    group = gemmi.SpaceGroup("P 41")
    assert len(Collapse(half_lattice(gemmi.UnitCell(20, 10.05, 12, 90, 90, 90), P1, 4.0), group, (2, 1, 1)).lattice)
    with pytest.raises(BadInput, match="does not fit the space group"):
        Collapse(half_lattice(gemmi.UnitCell(20, 10.05, 12, 90, 90, 90), P1, 4.0), group)


def test_a_lattice_without_whole_indices_is_refused():
    lattice = MillerLattice(np.array([[1, 0, 0], [3, 1, 0]]), gemmi.UnitCell(20, 10, 12, 90, 90, 90), P1)
    with pytest.raises(BadInput, match="Check the supercell"):
        Collapse(lattice, gemmi.SpaceGroup("P 2 2 2"), (2, 1, 1))


def test_the_resolution_is_that_of_the_supercell(crystal):
    lattice, group = crystal
    found = Collapse(lattice, group).lattice
    np.testing.assert_allclose(np.linalg.norm(found.hkl @ reciprocal_axes(found.cell), axis=1), found.inverse_d)
    assert found.d_spacing.min() >= 2.5 * (1 - 1e-9)
    assert found.ndiv == (1, 1, 1)

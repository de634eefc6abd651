"""The origin found against crystals built atom by atom at a known place, and against a search of every point."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import find_rows, friedel_half
from mdweights_core.crystal.origin import Origin, find_origin, moved
from mdweights_core.scattering.reflections import half_lattice

P1 = gemmi.SpaceGroup("P 1")
CELLS = {
    "P -1": (12, 13, 14, 77, 95, 112),
    "P 1 21 1": (12, 13, 14, 90, 104, 90),
    "P 1 1 21": (12, 13, 14, 90, 90, 104),
    "C 1 2 1": (24, 13, 14, 90, 104, 90),
    "P 2 21 21": (12, 13, 14, 90, 90, 90),
    "P 21 21 21": (12, 13, 14, 90, 90, 90),
    "F 2 2 2": (22, 23, 24, 90, 90, 90),
    "P 41": (12, 12, 15, 90, 90, 90),
    "P 41 21 2": (16, 16, 15, 90, 90, 90),
    "I 41/a:1": (16, 16, 15, 90, 90, 90),
    "I 41/a:2": (16, 16, 15, 90, 90, 90),
    "P 3 2 1": (14, 14, 15, 90, 90, 120),
    "R 3:R": (14, 14, 14, 82, 82, 82),
    "R 3 2:H": (18, 18, 20, 90, 90, 120),
    "P 61 2 2": (16, 16, 20, 90, 90, 120),
    "F 2 3": (24, 24, 24, 90, 90, 90),
    "P 43 3 2": (20, 20, 20, 90, 90, 90),
}
POLAR = {"P 1 21 1": (0, 1, 0), "P 1 1 21": (0, 0, 1), "C 1 2 1": (0, 1, 0), "P 41": (0, 0, 1), "R 3:R": (1, 1, 1)}


def content(group: gemmi.SpaceGroup, seed: int) -> np.ndarray:
    """Three general positions and all their images: fractional [n, 3]."""
    sites = np.random.default_rng(seed).random((3, 3)).tolist()
    return np.array([operation.apply_to_xyz(site) for operation in group.operations() for site in sites])


def factors(atoms: np.ndarray, lattice: MillerLattice) -> np.ndarray:
    return np.exp(2j * np.pi * (atoms @ lattice.index.T)).sum(axis=0)


def lattice_of(name: str, d_min: float = 2.0) -> tuple[gemmi.SpaceGroup, MillerLattice]:
    return gemmi.SpaceGroup(name), half_lattice(gemmi.UnitCell(*CELLS[name]), P1, d_min)


def off_symmetry(atoms: np.ndarray, group: gemmi.SpaceGroup) -> float:
    """How far the operations carry an atom from all others at most, in fractions of the cell."""
    images = np.array([[operation.apply_to_xyz(x) for x in atoms.tolist()] for operation in group.operations()])
    apart = images[:, :, None] - atoms
    return float(np.abs(apart - np.rint(apart)).max(axis=-1).min(axis=-1).max())


@pytest.mark.parametrize("name", CELLS)
def test_a_moved_crystal_is_moved_back(name):
    """The atoms themselves then obey every operation, wherever among equivalent origins they came to lie."""
    group, lattice = lattice_of(name)
    for seed in range(3):
        away = np.random.default_rng(100 + seed).random(3)
        atoms = content(group, seed) + away
        origin = find_origin(factors(atoms, lattice), lattice, group)
        assert origin.agreement_after == pytest.approx(1, abs=1e-6)
        assert off_symmetry(atoms + origin.shift, group) < 1e-4
        if origin.agreement_before < 0.8:
            assert origin.is_needed
            assert off_symmetry(atoms, group) > 0.01


@pytest.mark.parametrize("name", CELLS)
def test_of_equivalent_origins_the_nearest_is_taken(name):
    """A small move is found as it was made, but for its part along polar directions, which stay."""
    group, lattice = lattice_of(name)
    to_cartesian = np.array(lattice.cell.orth.mat.tolist())
    away = np.linalg.solve(to_cartesian, [0.5, -0.4, 0.3])
    origin = find_origin(factors(content(group, 5) + away, lattice), lattice, group)
    expected = -to_cartesian @ away
    if name in POLAR:
        axis = to_cartesian @ POLAR[name]
        expected = expected - axis * (axis @ expected) / (axis @ axis)
    np.testing.assert_allclose(to_cartesian @ origin.shift, expected, atol=1e-3)


@pytest.mark.parametrize("name", CELLS)
def test_a_crystal_at_its_origin_stays(name):
    group, lattice = lattice_of(name)
    origin = find_origin(factors(content(group, 2), lattice), lattice, group)
    assert not origin.is_needed
    np.testing.assert_allclose(origin.shift, 0, atol=1e-5)
    assert origin.agreement_before == pytest.approx(1, abs=1e-6)
    assert origin.remarks(group, "FC") == []
    np.testing.assert_array_equal(origin.move, 0)


def kept(values: np.ndarray, lattice: MillerLattice, group: gemmi.SpaceGroup) -> float:
    """Sum |F|^2 of the average over the space group, term by term."""
    rotations = [(np.array(op.rot) // op.DEN, np.array(op.tran) / op.DEN) for op in group.operations()]
    total = np.zeros(len(lattice), dtype=complex)
    for rotation, translation in rotations:
        image = lattice.hkl @ rotation
        half = friedel_half(image)
        value = values[find_rows(half, lattice.hkl)]
        value = np.where((half == image).all(axis=1), value, value.conj())
        total += value * np.exp(2j * np.pi * (lattice.hkl @ translation))
    return float((np.abs(total / len(rotations)) ** 2).sum())


@pytest.mark.parametrize("name", ["P -1", "P 2 21 21", "P 3 2 1", "P 41", "C 1 2 1"])
def test_no_other_origin_keeps_more(name):
    """Of a crystal with noise, against the average itself at every point of a fine grid."""
    group, lattice = lattice_of(name, 3.0)
    rng = np.random.default_rng(8)
    atoms = content(group, 3) + rng.random(3)
    atoms = atoms + 0.03 * rng.normal(size=atoms.shape)
    values = factors(atoms, lattice)
    origin = find_origin(values, lattice, group)
    grid = np.indices((20, 20, 20)).reshape(3, -1).T[rng.permutation(8000)[:1500]] / 20
    near = origin.shift + 0.01 * rng.normal(size=(50, 3))
    best = kept(moved(values, lattice.hkl, origin.shift), lattice, group)
    others = [kept(moved(values, lattice.hkl, x), lattice, group) for x in np.concatenate([grid, near])]
    assert max(others) <= best * (1 + 1e-6)
    assert max(others[1500:]) > 0.9 * best
    assert 0.3 < origin.agreement_after < 0.98


def test_the_agreement_is_what_the_average_keeps():
    """With one operation besides the identity: half of sum |F|^2 when it agrees not at all, all when it does."""
    group, lattice = lattice_of("P 1 21 1")
    values = factors(content(group, 1) + 0.02 * np.random.default_rng(3).normal(size=(6, 3)), lattice)
    origin = find_origin(values, lattice, group)
    share = kept(values, lattice, group) / (np.abs(values) ** 2).sum()
    assert origin.agreement_before == pytest.approx(2 * share - 1, abs=1e-9)


def test_fractional_indices_tell_nothing_of_the_origin():
    """Of a supercell whose cells differ: the same as from its whole indices alone."""
    group = gemmi.SpaceGroup("P 21 21 21")
    cell = gemmi.UnitCell(*CELLS["P 21 21 21"])
    rng = np.random.default_rng(2)
    atoms = content(group, 4) + np.array([0.1, 0.2, 0.3])
    atoms = np.concatenate([atoms, atoms + np.array([1, 0, 0])])
    atoms = atoms + 0.01 * rng.normal(size=atoms.shape)
    divided, whole = half_lattice(cell, P1, 2.0, ndiv=(2, 1, 1)), half_lattice(cell, P1, 2.0)
    one = find_origin(factors(atoms, divided), divided, group)
    other = find_origin(factors(atoms, whole), whole, group)
    np.testing.assert_allclose(one.shift, other.shift, atol=1e-7)
    assert one.agreement_after == pytest.approx(other.agreement_after)
    assert one.is_needed


@pytest.mark.parametrize("name", ["P 1 21 1", "P 21 21 21", "P 41", "P 41 21 2", "C 1 2 1", "P 3 2 1"])
def test_atoms_without_order_are_left_where_they_are(name):
    group = gemmi.SpaceGroup(name)
    a, b, c, *angles = CELLS[name]
    lattice = half_lattice(gemmi.UnitCell(2 * a, 2 * b, 2 * c, *angles), P1, 3.0)
    for seed in range(4):
        atoms = np.random.default_rng(seed).random((60, 3))
        origin = find_origin(factors(atoms, lattice), lattice, group)
        assert not origin.is_needed
        np.testing.assert_array_equal(origin.move, 0)


def test_a_crystal_with_some_of_the_operations_only_is_not_moved():
    """Three operations of P 41 21 2 agree in P 41, four do not at any origin."""
    group, lattice = lattice_of("P 41 21 2")
    atoms = content(gemmi.SpaceGroup("P 41"), 6)
    origin = find_origin(factors(atoms, lattice), lattice, group)
    assert not origin.is_needed
    (told,) = origin.remarks(group, "FC and PHIC")
    assert "FC and PHIC mean nothing" in told
    assert "P 41 21 2" in told


def test_what_was_done_is_a_sentence():
    origin = Origin(np.array([0.04, -0.02, 0.0]), 0.05, 0.61, True)
    (told,) = origin.remarks(gemmi.SpaceGroup("P 2 21 21"), "FC and PHIC")
    assert "lies (-0.040, 0.020, 0.000) off the origin of P 2 21 21: FC and PHIC were shifted" in told
    assert "0.05 before, 0.61 after" in told


@pytest.mark.parametrize("values", ["zero", "P 1", "none", "lone"])
def test_without_anything_to_compare_nothing_is_moved(values):
    group, lattice = lattice_of("P 21 21 21")
    f = factors(content(group, 1), lattice)
    if values == "zero":
        origin = find_origin(0 * f, lattice, group)
    elif values == "P 1":
        origin = find_origin(f, lattice, P1)
    elif values == "none":
        origin = find_origin(f[:0], lattice.select(np.arange(0)), group)
    else:  # none of its images is there
        lone = find_rows(np.array([[2, 3, 1]]), lattice.hkl)
        origin = find_origin(f[lone], lattice.select(lone), group)
    np.testing.assert_array_equal(origin.shift, 0)
    assert not origin.is_needed
    assert origin.remarks(group, "FC") == []


def test_a_real_crystal_simulation(shared_data):
    """Four frames of a peptide in P 2 21 21, two cells: its own space group is found, another is not."""
    from mdweights_core.io.frames.trajectories import open_frames

    folder = shared_data / "peptide_crystal"
    source = open_frames([folder / "mdXtal.nc"], folder / "x6dky.parm7")
    cell = gemmi.UnitCell(19.142, 23.632, 23.851, 90, 90, 90)
    lattice = half_lattice(cell, P1, 2.5)
    heavy = source.atoms.element != "H"
    positions = source.positions(0)[heavy].astype(float) @ np.array(cell.frac.mat.tolist()).T
    values = np.zeros(len(lattice), dtype=complex)
    for part in np.array_split(positions, 8):
        values += factors(part, lattice)
    origin = find_origin(values, lattice, gemmi.SpaceGroup("P 2 21 21"))
    assert origin.is_needed
    assert origin.agreement_before < 0.1
    assert origin.agreement_after > 0.4
    np.testing.assert_allclose(origin.shift, [-0.032, 0.013, -0.062], atol=0.005)
    assert not find_origin(values, lattice, gemmi.SpaceGroup("P 21 21 21")).is_needed


def test_a_move_is_a_phase():
    _, lattice = lattice_of("P -1")
    atoms = np.random.default_rng(1).random((5, 3))
    away = np.array([0.1, -0.2, 0.3])
    np.testing.assert_allclose(moved(factors(atoms, lattice), lattice.hkl, away), factors(atoms + away, lattice))

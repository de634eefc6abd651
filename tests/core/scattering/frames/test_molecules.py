from __future__ import annotations

import time

import gemmi
import numpy as np
import pytest

from mdweights_core.io.frames.atoms import Atoms, make_atoms
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.scattering.frames.molecules import Molecules

BOXES = [gemmi.UnitCell(30, 34, 38, 90, 90, 90), gemmi.UnitCell(32, 35, 40, 75, 100, 62)]
WATER = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


def orth(box: gemmi.UnitCell) -> np.ndarray:
    return np.array(box.orth.mat.tolist()).T


def frac(box: gemmi.UnitCell) -> np.ndarray:
    return np.array(box.frac.mat.tolist()).T


def chain(n: int, start, rng) -> np.ndarray:
    """Carbons 1.5 A apart that wind along a helix, so that none comes near a third."""
    t = np.arange(n)
    helix = np.column_stack([2.0 * np.cos(0.7 * t), 2.0 * np.sin(0.7 * t), 0.55 * t])
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return helix @ turn + start


def system(box: gemmi.UnitCell, seed: int = 1) -> tuple[Atoms, np.ndarray]:
    """Two long chains and waters on a grid around them, unwrapped: atoms and Cartesian positions."""
    rng = np.random.default_rng(seed)
    chains = [chain(80, np.array(at) @ orth(box), rng) for at in ([0.1, 0.2, 0.3], [0.6, 0.7, 0.9])]
    grid = np.stack(np.meshgrid(*[np.arange(6) / 6] * 3), axis=-1).reshape(-1, 3) @ orth(box)
    both = np.concatenate(chains)
    apart = (both[:, None] - grid[None]) @ frac(box)
    apart = np.linalg.norm((apart - np.round(apart)) @ orth(box), axis=2).min(axis=0)
    waters = (grid[apart > 3.5][:, None] + WATER).reshape(-1, 3)
    n = len(waters) // 3
    atoms = make_atoms(
        ["C"] * 160 + ["O", "H", "H"] * n,
        ["CB"] * 160 + ["O", "H1", "H2"] * n,
        ["ALA"] * 160 + ["HOH"] * 3 * n,
        [*np.repeat(np.arange(20), 8).tolist(), *np.repeat(np.arange(n), 3).tolist()],
        ["A"] * 80 + ["B"] * 80 + ["W"] * 3 * n,
    )
    return atoms, np.concatenate([both, waters])


def scattered(place: np.ndarray, hkl: np.ndarray) -> np.ndarray:
    return np.exp(2j * np.pi * (hkl @ place.T)).sum(axis=1)


def wrapped(place: np.ndarray, rng) -> np.ndarray:
    return place + rng.integers(-2, 3, place.shape)


@pytest.mark.parametrize("box", BOXES)
def test_molecules_cut_at_random_scatter_as_whole_ones(box):
    """Every atom of every frame on a random image, the first frame's too; molecules move less than half a box."""
    rng = np.random.default_rng(7)
    atoms, start = system(box)
    truth = start @ frac(box)
    molecules = Molecules(atoms, wrapped(truth, rng) @ orth(box), box)
    first = molecules.whole(truth)  # the images that the first frame's were put on
    assert molecules.n_molecules == 2 + (len(atoms) - 160) // 3
    assert molecules.warnings == []
    at_any, at_own = rng.uniform(-6, 6, (200, 3)), rng.integers(-6, 7, (200, 3))
    for _ in range(4):
        moved = (start + rng.normal(scale=0.1, size=start.shape) + rng.uniform(-2, 2, 3)) @ frac(box)
        found = molecules.whole(wrapped(moved, rng))
        np.testing.assert_allclose(found, moved + first - truth, atol=1e-9)
        expected = scattered(moved + first - truth, at_any)
        cut = scattered(moved % 1, at_any)
        assert np.linalg.norm(scattered(found, at_any) - expected) < 1e-9 * np.linalg.norm(expected)
        assert np.linalg.norm(cut - expected) > 0.1 * np.linalg.norm(expected)
        np.testing.assert_allclose(scattered(found, at_own), scattered(moved % 1, at_own), atol=1e-8)


@pytest.mark.parametrize("box", BOXES)
def test_each_molecule_holds_together(box):
    rng = np.random.default_rng(2)
    atoms, start = system(box)
    molecules = Molecules(atoms, (start @ frac(box) % 1) @ orth(box), box)
    found = molecules.whole(wrapped(start @ frac(box), rng)) @ orth(box)
    for rows in (slice(0, 80), slice(80, 160), slice(160, 163)):
        np.testing.assert_allclose(found[rows] - found[rows.start], start[rows] - start[rows.start], atol=1e-6)


def test_a_common_drift_leaves_the_arrangement_of_molecules():
    """Molecules do not fall apart while all of them move on through several boxes."""
    box = BOXES[1]
    atoms, start = system(box)
    molecules = Molecules(atoms, start, box)
    place = start @ frac(box)
    for step in np.linspace(0, 2.3, 12):
        found = molecules.whole((place + step * np.array([1, -0.6, 0.3])) % 1)
        moved = found - molecules.whole(place)
        np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-9)
        assert np.abs(moved).max() <= 0.5 + 1e-9


def test_frames_need_not_come_in_order():
    box = BOXES[0]
    rng = np.random.default_rng(3)
    atoms, start = system(box)
    molecules = Molecules(atoms, start, box)
    frames = [wrapped((start + rng.normal(scale=0.3, size=start.shape)) @ frac(box), rng) for _ in range(3)]
    forward = [molecules.whole(frame) for frame in frames]
    backward = [molecules.whole(frame) for frame in reversed(frames)][::-1]
    np.testing.assert_array_equal(forward, backward)


def bonded(elements, residues, positions, names=None, box=BOXES[0]) -> list[int]:
    """The molecule of each atom; `residues` are (name, number)."""
    atoms = make_atoms(elements, names or elements, *zip(*residues, strict=True), ["A"] * len(elements))
    return Molecules(atoms, np.array(positions, dtype=float), box).label.tolist()


@pytest.mark.parametrize(
    ("elements", "residues", "distance", "together"),
    [
        (["C", "C"], [("ALA", 1), ("ALA", 2)], 1.54, True),
        (["C", "N"], [("ALA", 1), ("ALA", 2)], 1.33, True),
        (["S", "S"], [("CYS", 1), ("CYS", 9)], 2.05, True),  # a disulfide bridge
        (["S", "S"], [("CYS", 1), ("CYS", 9)], 3.6, False),
        (["C", "O"], [("ALA", 1), ("ALA", 2)], 2.9, False),
        (["O", "H"], [("ALA", 1), ("ALA", 2)], 1.6, False),  # a hydrogen bond
        (["H", "H"], [("ALA", 1), ("ALA", 1)], 0.9, False),
        (["O", "O"], [("HOH", 1), ("HOH", 2)], 1.4, False),
        (["Na", "O"], [("NA", 1), ("HOH", 2)], 2.3, False),
        (["Zn", "S"], [("ZN", 1), ("CYS", 2)], 2.3, False),
        (["Fe", "N"], [("HEM", 1), ("HEM", 1)], 2.0, True),
    ],
)
def test_what_is_a_bond(elements, residues, distance, together):
    one, other = bonded(elements, residues, [[0.2, 5, 5], [0.2 - distance, 5, 5]])  # across the face of the box
    assert (one == other) is together


def test_alpha_carbons_alone_make_a_chain():
    names, residues = ["CA"] * 4, [("ALA", 1), ("GLY", 2), ("ALA", 3), ("ALA", 4)]
    label = bonded(["C"] * 4, residues, [[1, 1, 1], [4.8, 1, 1], [4.8, 4.8, 1], [20, 20, 20]], names)
    assert label[0] == label[1] == label[2] != label[3]


@pytest.mark.parametrize("length", [9.0, 2.9])
def test_molecules_without_end_are_told(length):
    """A chain of carbons 1.5 A apart from face to face; in the short cell each is bonded to two images of one."""
    n = round(length / 1.5)
    box = gemmi.UnitCell(length, 20, 20, 90, 90, 90)
    positions = np.column_stack([np.arange(n) * length / n, np.full(n, 5.0), np.full(n, 5.0)])
    atoms = make_atoms(["C"] * n, ["C"] * n, ["POL"] * n, [1] * n, ["A"] * n)
    (text,) = Molecules(atoms, positions, box).warnings
    assert f"of {n} atoms is bonded to its own images" in text
    broken = Molecules(atoms.select(slice(n - 1)), positions[:-1], box)
    assert broken.warnings == []


def test_a_molecule_that_touches_its_own_image_stays_as_it_is_written():
    """A model put into a crystal by hand: its ends clash across a face in the first frame, and not in the second."""
    box = gemmi.UnitCell(20, 20, 20, 90, 90, 90)
    along = 0.7 + 1.55 * np.arange(13)
    first = np.column_stack([along, np.full(13, 5.0), np.full(13, 5.0)])
    second = first + np.where(np.arange(13) > 6, 1.0, 0.0)[:, None] * [-5.0, 4.0, 9.5]
    atoms = make_atoms(["C"] * 13, ["C"] * 13, ["LIG"] * 13, [1] * 13, ["A"] * 13)
    molecules = Molecules(atoms, first, box)
    assert "bonded to its own images" in molecules.warnings[0]
    assert molecules.is_endless.tolist() == [True]
    for positions in (first, second):
        place = positions @ frac(box)
        np.testing.assert_allclose(molecules.whole(place), place, atol=1e-12)


def test_no_atoms_and_one_atom():
    one = make_atoms(["Na"], ["NA"], ["NA"], [1], ["A"])
    assert Molecules(one, np.zeros((1, 3)), BOXES[0]).whole(np.array([[0.1, 0.2, 0.3]])).tolist() == [[0.1, 0.2, 0.3]]
    none = one.select(slice(0))
    assert Molecules(none, np.zeros((0, 3)), BOXES[0]).n_molecules == 0


def test_a_frame_of_130_000_atoms_takes_less_than_a_tenth_of_a_second():
    rng = np.random.default_rng(0)
    box = gemmi.UnitCell(110, 110, 110, 90, 90, 90)
    grid = np.stack(np.meshgrid(*[np.arange(35) * 3.1] * 3), axis=-1).reshape(-1, 3)
    waters = (grid[:, None] + WATER).reshape(-1, 3)
    n = len(grid)
    atoms = make_atoms(
        ["O", "H", "H"] * n, ["O", "H1", "H2"] * n, ["HOH"] * 3 * n, np.repeat(np.arange(n), 3), ["W"] * 3 * n
    )
    molecules = Molecules(atoms, waters, box)
    assert molecules.n_molecules == n
    place = wrapped(waters @ frac(box), rng)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        molecules.whole(place)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1


def test_molecules_of_real_systems(shared_data):
    folder = shared_data / "trajectories"
    source = open_frames([folder / "adk_oplsaa.xtc"], folder / "adk_oplsaa.gro")
    molecules = Molecules(source.atoms, source.positions(0), source.cell)
    sizes, counts = np.unique(np.bincount(molecules.label), return_counts=True)
    assert dict(zip(sizes.tolist(), counts.tolist(), strict=True)) == {1: 4, 3: 11084, 3341: 1}
    (chunk,) = source.chunks(size=10)
    alpha = (source.atoms.name == "CA") & (molecules.label == molecules.label[0])
    for positions, cell in zip(chunk.positions, chunk.cells, strict=True):
        box = gemmi.UnitCell(*cell)
        whole = molecules.whole(positions @ frac(box)) @ orth(box)
        assert np.linalg.norm(np.diff(whole[alpha], axis=0), axis=1).max() < 4.2

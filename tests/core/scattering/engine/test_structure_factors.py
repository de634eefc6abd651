from __future__ import annotations

import tracemalloc
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.scattering.engine import structure_factors as structure_factors_module
from mdweights_core.scattering.engine.direct import direct_structure_factors, measured_error
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import (
    ScatteringEngine,
    available_threads,
    cgroup_quota,
    fractional,
    structure_factors,
)
from mdweights_core.scattering.reflections import half_lattice

CELLS = {
    "triclinic": (30.0, 31.0, 35.0, 80.0, 95.0, 110.0),
    "hexagonal": (40.0, 40.0, 25.0, 90.0, 90.0, 120.0),
    "cubic": (30.0, 30.0, 30.0, 90.0, 90.0, 90.0),
}
P1 = gemmi.SpaceGroup("P 1")


def lattice_of(hkl, cell, ndiv=(1, 1, 1)) -> MillerLattice:
    return MillerLattice(np.asarray(hkl), cell, P1, ndiv)


def scene(kind: str = "triclinic", n_atoms: int = 200, limit: int = 14, ndiv=(1, 1, 1)):
    rng = np.random.default_rng(7)
    cell = gemmi.UnitCell(*CELLS[kind])
    elements = rng.choice(["H", "C", "N", "O", "S", "Zn"], n_atoms, p=[0.5, 0.3, 0.1, 0.08, 0.01, 0.01])
    positions = rng.uniform(-60, 60, (n_atoms, 3))
    hkl = rng.integers(-limit, limit + 1, (300, 3))
    return positions, elements, lattice_of(hkl, cell, ndiv), cell


def direct_sum(positions, elements, lattice, cell, b_iso=0.0) -> np.ndarray:
    """The definition, atom by atom, with gemmi's own form factors and gemmi's own fractional coordinates."""
    total = np.zeros(len(lattice), dtype=complex)
    a, b, c, *angles = cell.parameters
    divided = gemmi.UnitCell(a * lattice.ndiv[0], b * lattice.ndiv[1], c * lattice.ndiv[2], *angles)
    stol2 = divided.calculate_1_d2_array(lattice.hkl) / 4
    for position, symbol in zip(positions, elements, strict=True):
        place = np.array(cell.fractionalize(gemmi.Position(*map(float, position))).tolist())
        f = np.array([gemmi.Element(str(symbol)).it92.calculate_sf(s) for s in stol2])
        total += f * np.exp(-b_iso * stol2) * np.exp(2j * np.pi * (lattice.index @ place))
    return total


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("wanted", [1e-3, 1e-5, 1e-7])
def test_equals_direct_summation(kind, wanted):
    positions, elements, lattice, cell = scene(kind)
    found = structure_factors(positions, elements, lattice, cell, relative_error=wanted)
    assert found.dtype == np.complex64
    assert error(found, direct_sum(positions, elements, lattice, cell)) < wanted


@pytest.mark.parametrize("wanted", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8])
@pytest.mark.parametrize("b_iso", ["none", "by element", "by atom"])
@pytest.mark.parametrize("radiation", ["xray", "electron", "neutron"])
def test_error_is_at_most_the_one_wanted(wanted, b_iso, radiation):
    rng = np.random.default_rng(11)
    cell = gemmi.UnitCell(40, 44, 52, 85, 95, 100)
    every = half_lattice(cell, P1, 2.0)
    lattice = every.select(np.sort(rng.choice(len(every), 400, replace=False)))
    element = rng.choice(["H", "C", "N", "O", "S"], 1500, p=[0.5, 0.3, 0.1, 0.09, 0.01])
    b = {"none": np.zeros(1500), "by element": 5.0 * (element == "H"), "by atom": rng.gamma(3.0, 10.0, 1500)}[b_iso]
    scatterers = Scatterers(element, b, rng.choice([0.5, 1.0], 1500))
    positions = rng.uniform(-1, 2, (1500, 3))
    found = ScatteringEngine(scatterers, lattice, radiation=radiation, relative_error=wanted)(positions)
    exact = direct_structure_factors(scatterers, lattice, positions, radiation=radiation)
    assert error(found, exact) < max(wanted, 5e-8)  # what rounding to complex64 leaves


def test_weak_scattering_at_low_angles_keeps_its_error(shared_data: Path):
    """Matter of even density scatters less there than its atoms would alone."""
    source = open_frames(
        [shared_data / "trajectories" / "adk_oplsaa.xtc"], shared_data / "trajectories" / "adk_oplsaa.gro"
    )
    real = np.flatnonzero([gemmi.Element(str(symbol)).atomic_number > 0 for symbol in source.atoms.element])
    scatterers = Scatterers.alike(source.atoms.element[real])
    positions = fractional(source.positions(0)[real], source.cell)
    for d_min in (4.0, 10.0):
        lattice = half_lattice(source.cell, P1, d_min)
        for wanted in (1e-3, 1e-4, 1e-5):
            engine = ScatteringEngine(scatterers, lattice, relative_error=wanted)
            assert measured_error(engine, scatterers, lattice, positions, max_work=1e7) < wanted


def test_one_b_factor_for_all_atoms():
    positions, elements, lattice, cell = scene()
    found = structure_factors(positions, elements, lattice, cell, b_iso=12.5)
    assert error(found, direct_sum(positions, elements, lattice, cell, b_iso=12.5)) < 1e-5


def test_atoms_of_one_b_factor_cost_no_more_than_without():
    _, elements, lattice, _ = scene(n_atoms=3000)
    plain, alike, by_element = (
        ScatteringEngine(Scatterers(np.asarray(elements), b, np.ones(3000)), lattice, relative_error=1e-4)
        for b in (np.zeros(3000), np.full(3000, 20.0), np.where(np.asarray(elements) == "H", 20.0, 0.0))
    )
    assert alike.n_transforms <= plain.n_transforms
    assert by_element.n_transforms <= plain.n_transforms + 1


def test_subdivided_reciprocal_axes():
    positions, elements, lattice, cell = scene(ndiv=(2, 1, 3))
    assert error(
        structure_factors(positions, elements, lattice, cell), direct_sum(positions, elements, lattice, cell)
    ) < (1e-5)


def test_equals_gemmi_on_a_real_crystal(shared_data: Path):
    structure = gemmi.read_structure(str(shared_data / "mtz" / "5e5z.pdb"))
    atoms = [cra.atom for cra in structure[0].all()]
    for atom in atoms:
        atom.occ, atom.b_iso, atom.aniso = 1.0, 0.0, gemmi.SMat33f(0, 0, 0, 0, 0, 0)
    structure.spacegroup_hm = "P 1"
    structure.setup_cell_images()
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    hkl = np.mgrid[0:6, -6:7, -9:10].reshape(3, -1).T
    expected = np.array([calculator.calculate_sf_from_model(structure[0], list(map(int, h))) for h in hkl])
    found = structure_factors(
        np.array([atom.pos.tolist() for atom in atoms]),
        [atom.element.name for atom in atoms],
        lattice_of(hkl, structure.cell),
        structure.cell,
    )
    assert error(found, expected) < 1e-5


def test_translation_is_a_phase():
    positions, elements, lattice, cell = scene()
    shift = np.array([0.21, -0.37, 0.05])
    moved = positions + np.array(cell.orth.mat.tolist()) @ shift
    phase = np.exp(2j * np.pi * (lattice.hkl @ shift))
    before = structure_factors(positions, elements, lattice, cell)
    assert error(structure_factors(moved, elements, lattice, cell), before * phase) < 1e-5


def test_wrapping_atoms_by_cell_edges_changes_nothing():
    positions, elements, lattice, cell = scene("hexagonal")
    jumps = np.random.default_rng(1).integers(-3, 4, positions.shape)
    wrapped = positions + jumps @ np.array(cell.orth.mat.tolist()).T
    before = structure_factors(positions, elements, lattice, cell)
    assert error(structure_factors(wrapped, elements, lattice, cell), before) < 1e-6


def test_friedel_mates_are_conjugate():
    positions, elements, lattice, cell = scene()
    mates = lattice_of(-lattice.hkl, cell)
    plus, minus = (structure_factors(positions, elements, part, cell) for part in (lattice, mates))
    assert error(minus, plus.conj()) < 1e-6


def test_origin_counts_electrons():
    cell = gemmi.UnitCell(*CELLS["cubic"])
    found = structure_factors(np.random.default_rng(0).random((30, 3)), ["C"] * 30, lattice_of([[0, 0, 0]], cell), cell)
    assert abs(found[0] - 30 * 6.0) < 0.05


def test_deuterium_scatters_like_hydrogen():
    positions, _, lattice, cell = scene(n_atoms=10)
    heavy, light = (structure_factors(positions, [symbol] * 10, lattice, cell) for symbol in ("D", "H"))
    np.testing.assert_array_equal(heavy, light)


def test_high_indices_along_one_axis():
    cell = gemmi.UnitCell(300, 10, 10, 90, 90, 90)
    rng = np.random.default_rng(2)
    positions, elements = rng.uniform(0, 300, (50, 3)), ["C"] * 50
    lattice = lattice_of([[h, k, 1] for h in (-150, -149, 0, 149, 150) for k in (-3, 0, 2)], cell)
    assert error(
        structure_factors(positions, elements, lattice, cell), direct_sum(positions, elements, lattice, cell)
    ) < (1e-5)


def test_one_element_and_no_reflections_and_no_atoms():
    positions, _, lattice, cell = scene(n_atoms=20)
    carbon = ["C"] * 20
    assert (
        error(structure_factors(positions, carbon, lattice, cell), direct_sum(positions, carbon, lattice, cell)) < 1e-5
    )
    assert structure_factors(positions, carbon, lattice.select(slice(0)), cell).shape == (0,)
    assert not structure_factors(np.zeros((0, 3)), [], lattice, cell).any()


def test_positions_that_are_no_numbers():
    positions, elements, lattice, cell = scene()
    positions[17, 1] = np.nan
    with pytest.raises(BadInput, match="not numbers"):
        structure_factors(positions, elements, lattice, cell)


@pytest.mark.parametrize(
    ("b_iso", "occupancy", "message"),
    [
        ([1.0, -2.0], [1.0, 1.0], "Atom 2 has a B factor of -2"),
        ([np.nan, 0.0], [1.0, 1.0], "Atom 1 has a B factor of nan"),
        ([0.0, 0.0], [1.0, np.inf], "Atom 2 has an occupancy of inf"),
        ([0.0], [1.0, 1.0], "2 elements, 1 B factors and 2 occupancies"),
    ],
)
def test_scatterers_that_make_no_sense(b_iso, occupancy, message):
    with pytest.raises(BadInput, match=message):
        Scatterers(np.array(["C", "C"]), np.array(b_iso), np.array(occupancy))


def test_unknown_element_is_named():
    positions, _, lattice, cell = scene(n_atoms=2)
    with pytest.raises(BadInput, match="'Qq'"):
        structure_factors(positions, ["C", "Qq"], lattice, cell)


def test_positions_of_another_number_of_atoms():
    positions, elements, lattice, cell = scene()
    with pytest.raises(BadInput, match="200 atoms"):
        structure_factors(positions[:-1], elements, lattice, cell)


def test_index_range_too_large_for_memory():
    cell = gemmi.UnitCell(*CELLS["cubic"])
    with pytest.raises(BadInput, match="memory"):
        structure_factors(np.zeros((1, 3)), ["C"], lattice_of([[2000, 2000, 2000]], cell), cell)


def test_engine_serves_threads_at_the_same_time():
    from concurrent.futures import ThreadPoolExecutor

    positions, elements, lattice, cell = scene()
    engine = ScatteringEngine(Scatterers.alike(elements), lattice, n_threads=3)
    places = [fractional(positions + 0.3 * i, cell) for i in range(12)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(engine, places))
    assert engine.n_workers == 3
    for place, found in zip(places, together, strict=True):
        np.testing.assert_array_equal(found, engine(place))


def test_grids_too_large_to_lie_side_by_side_share_their_threads(monkeypatch):
    positions, elements, lattice, cell = scene(n_atoms=3000)
    apart = ScatteringEngine(Scatterers.alike(elements), lattice, n_threads=2)
    monkeypatch.setattr(structure_factors_module, "SHARED_BYTES", 1)
    together = ScatteringEngine(Scatterers.alike(elements), lattice, n_threads=2)
    assert (apart.n_workers, together.n_workers) == (2, 1)
    place = fractional(positions, cell)
    assert error(together(place), apart(place)) < 1e-6


def test_memory_is_used_again_for_every_frame():
    positions, elements, lattice, cell = scene(limit=40)
    engine = ScatteringEngine(Scatterers.alike(elements), lattice, n_threads=1)
    place = fractional(positions, cell)
    engine(place)
    tracemalloc.start()
    for _ in range(20):
        engine(place)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6  # the grid alone takes 8 MB


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_container_quota(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cgroup_quota(tmp_path) == expected
    assert available_threads() >= 1

from __future__ import annotations

import tracemalloc

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.scattering.engine.direct import direct_structure_factors, measured_error
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine

CELL = gemmi.UnitCell(30.0, 31.0, 35.0, 80.0, 95.0, 110.0)
CALCULATORS = {
    "xray": gemmi.StructureFactorCalculatorX,
    "electron": gemmi.StructureFactorCalculatorE,
    "neutron": gemmi.StructureFactorCalculatorN,
}
ELEMENTS = ["H", "D", "C", "N", "O", "S", "Zn"]


def scene(n_atoms: int = 60, n_hkl: int = 80, ndiv=(1, 1, 1)):
    rng = np.random.default_rng(5)
    scatterers = Scatterers(
        rng.choice(ELEMENTS, n_atoms), rng.uniform(0, 60, n_atoms), rng.choice([0.25, 0.5, 1.0], n_atoms)
    )
    lattice = MillerLattice(rng.integers(-14, 15, (n_hkl, 3)), CELL, gemmi.SpaceGroup("P 1"), ndiv)
    return scatterers, lattice, rng.uniform(-2, 2, (n_atoms, 3))


def of_gemmi(scatterers, lattice, positions, radiation, group="P 1") -> np.ndarray:
    """The same sum by gemmi, from a structure with the same atoms."""
    structure = gemmi.SmallStructure()
    structure.cell, structure.spacegroup = lattice.cell, gemmi.SpaceGroup(group)
    for i, (element, place) in enumerate(zip(scatterers.element, positions, strict=True)):
        site = gemmi.SmallStructure.Site()
        site.element, site.fract = gemmi.Element(str(element)), gemmi.Fractional(*map(float, place))
        site.u_iso = float(scatterers.b_iso[i] / (8 * np.pi**2))
        site.occ = float(scatterers.occupancy[i])
        structure.add_site(site)
    structure.setup_cell_images()
    calculator = CALCULATORS[radiation](structure.cell)
    return np.array([calculator.calculate_sf_from_small_structure(structure, list(map(int, h))) for h in lattice.hkl])


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize("radiation", CALCULATORS)
def test_equals_gemmi(radiation):
    scatterers, lattice, positions = scene()
    expected = of_gemmi(scatterers, lattice, positions, radiation)
    assert error(direct_structure_factors(scatterers, lattice, positions, radiation=radiation), expected) < 1e-6
    engine = ScatteringEngine(scatterers, lattice, radiation=radiation, relative_error=1e-6)
    assert error(engine(positions), expected) < 1e-6


def test_rows_choose_reflections():
    scatterers, lattice, positions = scene()
    every = direct_structure_factors(scatterers, lattice, positions)
    rows = np.array([3, 70, 11])
    np.testing.assert_allclose(direct_structure_factors(scatterers, lattice, positions, rows=rows), every[rows])


def test_divided_axes_are_those_of_a_supercell():
    scatterers, lattice, positions = scene(ndiv=(2, 1, 3))
    a, b, c, *angles = CELL.parameters
    large = MillerLattice(lattice.hkl, gemmi.UnitCell(2 * a, b, 3 * c, *angles), lattice.space_group)
    np.testing.assert_allclose(
        direct_structure_factors(scatterers, lattice, positions),
        direct_structure_factors(scatterers, large, positions / (2, 1, 3)),
        rtol=1e-9,
    )


def test_memory_does_not_grow_with_the_number_of_atoms():
    scatterers, lattice, positions = scene(n_atoms=40_000, n_hkl=100)
    tracemalloc.start()
    direct_structure_factors(scatterers, lattice, positions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # all products at once would be 64 MB


def test_measured_error_is_that_of_all_reflections():
    scatterers, lattice, positions = scene(n_atoms=200, n_hkl=500)
    engine = ScatteringEngine(scatterers, lattice, relative_error=1e-3)
    measured = measured_error(engine, scatterers, lattice, positions)
    assert measured == pytest.approx(error(engine(positions), direct_structure_factors(scatterers, lattice, positions)))
    fewer = measured_error(engine, scatterers, lattice, positions, max_work=200 * 50)
    assert measured / 2 < fewer < measured * 2
    assert fewer == measured_error(engine, scatterers, lattice, positions, max_work=200 * 50)


def test_measured_error_sees_what_is_wrong():
    scatterers, lattice, positions = scene()
    engine = ScatteringEngine(scatterers, lattice)
    assert measured_error(lambda x: 1.02 * engine(x), scatterers, lattice, positions) == pytest.approx(0.02, rel=0.01)


def test_nothing_scatters():
    scatterers, lattice, positions = scene()
    nothing = Scatterers(scatterers.element, scatterers.b_iso, np.zeros(len(scatterers)))
    engine = ScatteringEngine(nothing, lattice)
    assert not engine(positions).any()
    assert np.isnan(measured_error(engine, nothing, lattice, positions))

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.direct import direct_structure_factors
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine
from mdweights_core.scattering.reflections import half_lattice

GROUPS = [group for group in gemmi.spacegroup_table() if group.is_reference_setting()]
RHOMBOHEDRAL = [group for group in gemmi.spacegroup_table() if group.ext == "R"]
CELLS = {
    "triclinic": (13, 14, 15, 80, 95, 110),
    "monoclinic": (13, 14, 15, 90, 105, 90),
    "orthorhombic": (13, 14, 15, 90, 90, 90),
    "tetragonal": (13, 13, 15, 90, 90, 90),
    "trigonal": (13, 13, 15, 90, 90, 120),
    "hexagonal": (13, 13, 15, 90, 90, 120),
    "cubic": (13, 13, 13, 90, 90, 90),
}


def cell_of(group: gemmi.SpaceGroup) -> gemmi.UnitCell:
    return (
        gemmi.UnitCell(13, 13, 13, 75, 75, 75)
        if group.ext == "R"
        else gemmi.UnitCell(*CELLS[group.crystal_system_str()])
    )


def asymmetric_unit(n_atoms: int = 12):
    rng = np.random.default_rng(n_atoms)
    scatterers = Scatterers(
        rng.choice(["C", "N", "O"], n_atoms), rng.uniform(0, 30, n_atoms), rng.uniform(0.3, 1, n_atoms)
    )
    return scatterers, rng.uniform(-1, 1, (n_atoms, 3))


def of_gemmi(scatterers, positions, lattice, group) -> np.ndarray:
    structure = gemmi.SmallStructure()
    structure.cell, structure.spacegroup = lattice.cell, group
    for i, place in enumerate(positions):
        site = gemmi.SmallStructure.Site()
        site.element, site.fract = gemmi.Element(str(scatterers.element[i])), gemmi.Fractional(*place)
        site.u_iso, site.occ = scatterers.b_iso[i] / (8 * np.pi**2), scatterers.occupancy[i]
        structure.add_site(site)
    structure.setup_cell_images()
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    return np.array([calculator.calculate_sf_from_small_structure(structure, list(map(int, h))) for h in lattice.hkl])


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_every_space_group_is_there():
    assert sorted(group.number for group in GROUPS) == list(range(1, 231))
    assert len(RHOMBOHEDRAL) == 7


@pytest.mark.parametrize("group", GROUPS + RHOMBOHEDRAL, ids=lambda group: group.xhm())
def test_cell_from_asymmetric_unit(group):
    scatterers, positions = asymmetric_unit()
    every = half_lattice(cell_of(group), gemmi.SpaceGroup("P 1"), 2.5)
    lattice = every.select(np.random.default_rng(1).choice(len(every), 60, replace=False))
    found = ScatteringEngine(scatterers, lattice, symmetry=group, n_threads=1)(positions)
    expected = of_gemmi(scatterers, positions, lattice, group)
    assert error(found, expected) < 1e-4
    assert error(direct_structure_factors(scatterers, lattice, positions, symmetry=group), expected) < 1e-6


@pytest.mark.parametrize(("name", "ndiv"), [("P 21 21 21", (2, 3, 1)), ("P 43 21 2", (2, 2, 3)), ("R 3 :H", (3, 3, 2))])
def test_between_the_bragg_positions(name, ndiv):
    group = gemmi.SpaceGroup(name)
    scatterers, positions = asymmetric_unit()
    hkl = np.random.default_rng(2).integers(-9, 10, (80, 3))
    lattice = MillerLattice(hkl, cell_of(group), gemmi.SpaceGroup("P 1"), ndiv)
    every = np.concatenate([[op.apply_to_xyz(list(x)) for x in positions] for op in group.operations()])
    n_op = len(every) // len(positions)
    whole = Scatterers(*(np.tile(part, n_op) for part in (scatterers.element, scatterers.b_iso, scatterers.occupancy)))
    expected = direct_structure_factors(whole, lattice, every)
    assert error(ScatteringEngine(scatterers, lattice, symmetry=group)(positions), expected) < 1e-4
    assert error(direct_structure_factors(scatterers, lattice, positions, symmetry=group), expected) < 1e-12


def test_axes_that_symmetry_exchanges_must_be_divided_alike():
    scatterers, _ = asymmetric_unit()
    lattice = MillerLattice(
        np.array([[1, 2, 3]]), gemmi.UnitCell(13, 13, 15, 90, 90, 90), gemmi.SpaceGroup("P 1"), (2, 1, 1)
    )
    with pytest.raises(BadInput, match=r"divided by 2 x 1 x 1 .* operations of P 43 21 2"):
        ScatteringEngine(scatterers, lattice, symmetry=gemmi.SpaceGroup("P 43 21 2"))

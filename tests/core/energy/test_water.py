"""Waters and ions beside a molecule: modelled by what goes with the force field, left out, or there once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mdweights_core.energy.settings import FORCE_FIELDS, EnergySettings
from mdweights_core.energy.setup import Molecule, set_up
from mdweights_core.energy.structure_checks import close_pairs
from mdweights_core.errors import BadInput

WATERS = """\
HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O
HETATM    2  O   HOH A   2       3.000   0.000   0.000  1.00  0.00           O
HETATM    3 NA    NA A   3       0.000   4.000   0.000  1.00  0.00          NA
HETATM    4 CL    CL A   4       5.000   4.000   0.000  1.00  0.00          CL
END
"""


@pytest.fixture
def waters(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes two waters without hydrogens and two ions, with words changed."""

    def write(old: str = "", new: str = "", head: str = "") -> Path:
        path = tmp_path / "waters.pdb"
        path.write_text(head + WATERS.replace(old, new))
        return path

    return write


@pytest.mark.parametrize("field", list(FORCE_FIELDS))
def test_each_force_field_has_its_water_and_ions(waters: Callable[..., Path], field: str) -> None:
    molecule = set_up(waters(), EnergySettings(force_field=field, solvent="none", add_hydrogens=True), is_start=False)
    forces = {type(force).__name__: force for force in molecule.system.getForces()}
    charges = [forces["NonbondedForce"].getParticleParameters(i)[0]._value for i in range(8)]
    assert sum(charges[:3]) == pytest.approx(0, abs=1e-9)
    assert charges[6:] == [1.0, -1.0]
    assert charges[0] < -0.8
    assert forces["HarmonicBondForce"].getNumBonds() >= 4  # water may bend and stretch
    assert any(remark.startswith("The water model") for remark in molecule.remarks)


def test_water_has_openmms_energy(waters: Callable[..., Path], reference: Callable[..., None]) -> None:
    molecule = set_up(waters(), EnergySettings(add_hydrogens=True))
    assert molecule.remarks[0] == "The water model TIP3P-FB (amber14/tip3pfb.xml) is used for 2 waters and 2 ions."
    assert "leave the waters" in molecule.remarks[1]
    reference(molecule.system, molecule.x)


def test_hydrogens_that_waters_lack_are_told(waters: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match=r"Hydrogens are missing in HOH 1 \(chain A\)"):
        set_up(waters(), EnergySettings(solvent="none"))


def test_ions_are_told_apart_by_their_names(waters: Callable[..., Path]) -> None:
    charges = {}
    for name in ("FE ", "FE2"):
        path = waters("NA    NA", f"FE   {name}"[:8].rjust(8))
        path.write_text(path.read_text().replace("          NA\n", "          FE\n"))
        molecule = set_up(path, EnergySettings(solvent="none", drop_water=False, add_hydrogens=True), is_start=False)
        force = next(it for it in molecule.system.getForces() if type(it).__name__ == "NonbondedForce")
        charges[name] = force.getParticleParameters(6)[0]._value
    assert charges == {"FE ": 3.0, "FE2": 2.0}


def test_water_and_ions_can_be_left_out(shared_data: Path) -> None:
    settings = EnergySettings(solvent="none", drop_water=True, add_hydrogens=True)
    molecule = set_up(shared_data / "peptides" / "5AWL.pdb", settings, is_start=False)
    assert molecule.remarks[0] == "12 waters were left out."
    assert {residue.name for residue in molecule.topology.residues()}.isdisjoint({"HOH"})


def test_added_atoms_lie_in_the_same_place_every_time(shared_data: Path) -> None:
    def again(**how: bool) -> Molecule:
        return set_up(shared_data / "peptides" / "5AWL.pdb", EnergySettings(solvent="none", **how), is_start=False)

    for how in ({"add_hydrogens": True}, {"repair": True}):
        np.testing.assert_array_equal(again(**how).x, again(**how).x)


def test_a_water_on_an_axis_of_symmetry_is_there_once(waters: Callable[..., Path]) -> None:
    cell = "CRYST1   20.000   20.000   20.000  90.00  90.00  90.00 P 1 2 1\n"
    settings = EnergySettings(solvent="none", crystal=True, cutoff=0.9, add_hydrogens=True)
    molecule = set_up(waters("5.000   4.000   0.000", "5.000   4.000   5.000", cell), settings, is_start=False)
    names = [residue.name for residue in molecule.topology.residues()]
    assert sorted(names) == ["CL", "CL", "HOH", "HOH", "HOH", "NA"]  # the first water and sodium lie on the axis
    assert any(remark.startswith("1 water and 1 ion were left out") for remark in molecule.remarks)


def test_close_pairs_are_found_across_the_sides_of_any_cell() -> None:
    box = np.array([[2.0, 0.0, 0.0], [-0.6, 1.9, 0.0], [0.3, -0.5, 1.7]])
    x = np.random.default_rng(0).uniform(0, 1, (150, 3)) @ box * 3 - 1
    pairs, apart = close_pairs(x, box, 0.25)
    shifts = (np.array(list(np.ndindex(15, 15, 15))) - 7) @ box
    between = x[:, None] - x[None]
    nearest = np.array([[np.linalg.norm(v + shifts, axis=1).min() for v in row] for row in between])
    expected = np.argwhere(np.triu(nearest < 0.25, 1))
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_allclose(apart, nearest[tuple(expected.T)])

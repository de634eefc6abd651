"""From structure files to molecules with energies, and the sentences for those that cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import openmm
import pytest
from openmm import app, unit

from mdweights_core.energy.base import hessian_product, value_and_gradient
from mdweights_core.energy.crystal import images
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import read_structure, set_up
from mdweights_core.errors import BadInput

IN_VACUO = EnergySettings(solvent="none")

# Alanine dipeptide as PDBFixer and amber14 have it, after some steps of minimisation.
DIPEPTIDE = """\
CRYST1   12.000   13.000   14.000  90.00  90.00  90.00 P 21 21 21
ATOM      1  H1  ACE A   1       2.000   1.000   0.000  1.00  0.00           H
ATOM      2  CH3 ACE A   1       2.000   2.090   0.000  1.00  0.00           C
ATOM      3  H2  ACE A   1       1.486   2.454   0.890  1.00  0.00           H
ATOM      4  H3  ACE A   1       1.486   2.454  -0.890  1.00  0.00           H
ATOM      5  C   ACE A   1       3.427   2.641   0.000  1.00  0.00           C
ATOM      6  O   ACE A   1       4.391   1.877   0.000  1.00  0.00           O
ATOM      7  N   ALA A   2       3.555   3.970   0.000  1.00  0.00           N
ATOM      8  H   ALA A   2       2.733   4.556   0.000  1.00  0.00           H
ATOM      9  CA  ALA A   2       4.853   4.614   0.000  1.00  0.00           C
ATOM     10  HA  ALA A   2       5.408   4.316   0.890  1.00  0.00           H
ATOM     11  CB  ALA A   2       5.661   4.221  -1.232  1.00  0.00           C
ATOM     12  HB1 ALA A   2       5.123   4.521  -2.131  1.00  0.00           H
ATOM     13  HB2 ALA A   2       6.630   4.719  -1.206  1.00  0.00           H
ATOM     14  HB3 ALA A   2       5.809   3.141  -1.241  1.00  0.00           H
ATOM     15  C   ALA A   2       4.713   6.129   0.000  1.00  0.00           C
ATOM     16  O   ALA A   2       3.601   6.653   0.000  1.00  0.00           O
ATOM     17  N   NME A   3       5.846   6.835   0.000  1.00  0.00           N
ATOM     18  H   NME A   3       6.737   6.359   0.000  1.00  0.00           H
ATOM     19  C   NME A   3       5.846   8.284   0.000  1.00  0.00           C
ATOM     20  H1  NME A   3       4.819   8.648   0.000  1.00  0.00           H
ATOM     21  H2  NME A   3       6.360   8.648   0.890  1.00  0.00           H
ATOM     22  H3  NME A   3       6.360   8.648  -0.890  1.00  0.00           H
END
"""


@pytest.fixture
def structure(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the dipeptide, with lines changed."""

    def write(change: Callable[[str], str] = lambda text: text) -> Path:
        path = tmp_path / "dipeptide.pdb"
        path.write_text(change(DIPEPTIDE))
        return path

    return write


def without(*names: str) -> Callable[[str], str]:
    """Leave out atoms by their names."""
    return lambda text: "\n".join(line for line in text.splitlines() if line[12:16].strip() not in names)


def test_a_structure_has_an_energy(structure: Callable[..., Path], reference: Callable[..., None]) -> None:
    molecule = set_up(structure())
    assert molecule.n_atoms == 22
    assert not molecule.remarks
    assert molecule.masses.sum() == pytest.approx(144.18, abs=0.01)
    reference(molecule.system, molecule.x)


def test_forces_in_a_solvent_have_derivatives(structure: Callable[..., Path]) -> None:
    molecule = set_up(structure())
    along = np.random.default_rng(0).normal(size=molecule.x.shape)
    sides = [np.asarray(value_and_gradient(molecule.energy, molecule.x + step * along)[1]) for step in (-1e-6, 1e-6)]
    found = np.asarray(hessian_product(molecule.energy, molecule.x, along))
    np.testing.assert_allclose(found, (sides[1] - sides[0]) / 2e-6, rtol=0, atol=1e-5 * np.abs(found).max())


def test_hydrogens_are_added_when_asked(structure: Callable[..., Path]) -> None:
    molecule = set_up(structure(without("HA", "HB1")), EnergySettings(solvent="none", add_hydrogens=True))
    assert molecule.n_atoms == 22
    assert "2 hydrogens were added at pH 7." in molecule.remarks


def test_missing_hydrogens_are_told(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match=r"dipeptide.pdb: Hydrogens are missing in ALA 2 \(chain A\). Let hydrogens be"):
        set_up(structure(without("HA")), IN_VACUO)


def test_missing_atoms_are_told_and_repaired(structure: Callable[..., Path]) -> None:
    broken = structure(without("CB", "HB1", "HB2", "HB3"))
    with pytest.raises(BadInput, match="Atoms are missing or have other names"):
        set_up(broken, EnergySettings(solvent="none", add_hydrogens=True))
    repaired = set_up(broken, EnergySettings(solvent="none", repair=True))
    assert repaired.n_atoms == 22
    assert "1 missing atom was added." in repaired.remarks


def test_an_unknown_residue_is_named(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match="The force field knows no residue XYZ"):
        set_up(structure(lambda text: text.replace("ALA", "XYZ")), IN_VACUO)


def test_atoms_on_top_of_one_another_are_named(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match=r"closer than 0.5 Å: HA of ALA 2 \(chain A\) and CB of ALA 2 .* \(0.23 Å\)"):
        set_up(structure(lambda text: text.replace("5.408   4.316   0.890", "5.661   4.221  -1.002")), IN_VACUO)


def test_positions_that_are_no_numbers_are_told(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match=r"dipeptide.pdb"):
        set_up(structure(lambda text: text.replace("  5.408", "    nan")), IN_VACUO)


def test_pieces_and_long_bonds_are_remarked(structure: Callable[..., Path]) -> None:
    molecule = set_up(structure(lambda text: text.replace("5.846   8.284", "5.846   9.984")), IN_VACUO)
    assert any("1 bond longer than 2.5 Å: " in remark for remark in molecule.remarks)


@pytest.mark.parametrize("name", ["empty.pdb", "words.pdb", "words.cif", "words.xml", "words.prmtop", "words.docx"])
def test_files_that_are_no_structures_are_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("" if name == "empty.pdb" else "nothing of the kind\n")
    with pytest.raises(BadInput, match=name):
        set_up(path, IN_VACUO, coordinates=path)


@pytest.mark.parametrize(
    ("text", "why"), [("<ForceField><oops></ForceField>", "force field cannot be read"), ("<a/>", "knows no residue")]
)
def test_force_field_files_that_are_none_are_told(
    structure: Callable[..., Path], tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "ff.xml"
    path.write_text(text)
    with pytest.raises(BadInput, match=why):
        set_up(structure(), EnergySettings(str(path), solvent="none"))
    with pytest.raises(BadInput, match=r"gone\.xml"):
        set_up(structure(), EnergySettings("amber14,gone.xml", solvent="none"))


def test_a_damaged_structure_is_told_without_a_word_of_python(tmp_path: Path) -> None:
    path = tmp_path / "words.cif"
    path.write_text("data_\n")
    with pytest.raises(BadInput, match=r"damaged, or no \.cif file despite its name"):
        read_structure(path)


def test_mmcif_is_read_like_pdb(structure: Callable[..., Path], tmp_path: Path) -> None:
    topology, x = read_structure(structure())
    path = tmp_path / "dipeptide.cif"
    with path.open("w") as file:
        app.PDBxFile.writeFile(topology, x * unit.nanometer, file)
    again, same = read_structure(path)
    assert [atom.name for atom in again.atoms()] == [atom.name for atom in topology.atoms()]
    np.testing.assert_allclose(same, x, atol=1e-5)


def test_a_model_that_is_not_there_is_told(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match="There is no model 2: the file holds 1"):
        read_structure(structure(), 2)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (EnergySettings(force_field="amber"), "There is no force field 'amber'"),
        (EnergySettings(solvent="oil"), "There is no solvent 'oil'"),
        (EnergySettings(cutoff=0.0), "not above 0"),
        (EnergySettings(solvent="none", crystal=True), "A crystal needs a cut-off"),
        (EnergySettings(crystal=True, cutoff=0.5), "not for crystals"),
        (EnergySettings(copies=(1, 0, 1)), "unit cells are none"),
        (EnergySettings(model=0), "no model 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: EnergySettings, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        settings.check()


def test_a_system_brings_its_parameters_along(structure: Callable[..., Path], tmp_path: Path) -> None:
    path = structure()
    molecule = set_up(path, IN_VACUO)
    file = tmp_path / "system.xml"
    file.write_text(openmm.XmlSerializer.serialize(molecule.system))
    again = set_up(file, coordinates=path)
    expected = float(value_and_gradient(molecule.energy, molecule.x)[0])
    assert value_and_gradient(again.energy, again.x)[0] == pytest.approx(expected)
    with pytest.raises(BadInput, match="holds no positions"):
        set_up(file)


def test_a_system_of_other_atoms_is_refused(structure: Callable[..., Path], tmp_path: Path) -> None:
    file = tmp_path / "system.xml"
    file.write_text(openmm.XmlSerializer.serialize(openmm.System()))
    with pytest.raises(BadInput, match="holds 22 atoms, the parameters are of 0"):
        set_up(file, coordinates=structure())


def test_a_crystal_fills_its_cell(structure: Callable[..., Path]) -> None:
    molecule = set_up(structure(), EnergySettings(solvent="none", crystal=True, cutoff=0.59))
    assert molecule.n_atoms == 4 * 22
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(molecule.system, openmm.VerletIntegrator(1.0), platform)
    context.setPositions(molecule.x)
    expected = context.getState(getEnergy=True).getPotentialEnergy()._value
    assert value_and_gradient(molecule.energy, molecule.x)[0] == pytest.approx(expected, abs=1e-6)


def test_a_cut_off_beyond_half_the_cell_is_refused(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match=r"more than half the box, which is 1.2 nm wide"):
        set_up(structure(), EnergySettings(solvent="none", crystal=True, cutoff=0.61))


def test_a_crystal_needs_a_cell(structure: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match="tells no unit cell and space group"):
        set_up(structure(lambda text: text.split("\n", 1)[1]), EnergySettings(solvent="none", crystal=True, cutoff=0.5))


def test_images_are_those_of_the_space_group() -> None:
    cell = gemmi.UnitCell(20, 30, 40, 90, 105, 90)
    group = gemmi.find_spacegroup_by_name("P 1 21 1")
    x = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 5.0]])
    found = images(x, cell, group.operations(), (2, 1, 1))
    assert len(found) == 4
    for image in found:
        np.testing.assert_allclose(np.linalg.norm(image[1] - image[0]), np.linalg.norm(x[1] - x[0]))
    whole, screw = (np.array(cell.fractionalize(gemmi.Position(*image[0])).tolist()) for image in (found[0], found[2]))
    np.testing.assert_allclose((screw - [-whole[0], whole[1] + 0.5, -whole[2]] + 0.5) % 1, 0.5)


def test_openmm_says_nothing_where_we_speak(structure: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    set_up(structure(without("CB", "HB1", "HB2", "HB3")), EnergySettings(solvent="none", repair=True))
    assert capfd.readouterr() == ("", "")


def test_an_amber_topology_has_openmms_energy(
    shared_data: Path, tmp_path: Path, reference: Callable[..., None]
) -> None:
    import mdtraj

    folder = shared_data / "peptide_crystal"
    topology, coordinates = folder / "x6dky.parm7", tmp_path / "frame.pdb"
    with warnings.catch_warnings(action="ignore"):
        frame = mdtraj.load(str(folder / "mdXtal.nc"), top=str(topology), frame=0)
        frame.save_pdb(str(coordinates))
    found = set_up(topology, EnergySettings(solvent="obc2", cutoff=0.5), coordinates=coordinates)
    np.testing.assert_allclose(found.x, frame.xyz[0], atol=1e-4)
    assert any("OpenMM warns" in remark for remark in found.remarks)  # radii of the topology are of another model
    reference(found.system, found.x)


def test_atoms_in_one_place_of_an_amber_structure_are_named(shared_data: Path) -> None:
    folder = shared_data / "peptide_crystal"
    with pytest.raises(BadInput, match=r"16 pairs of atoms are closer than 0\.5 Å: N of ILE 1 .*OXT of GLY 8"):
        set_up(folder / "x6dky.parm7", IN_VACUO, coordinates=folder / "mdXtal.inpcrd")

"""Coordinates and states by words, against mdtraj and plain arithmetic."""

from __future__ import annotations

import mdtraj
import numpy as np
import pytest
from support.amide import PDB, write_structure

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.workflow.along import along, backbone_torsions, own_states, parted, two_states
from mdweights_core.workflow.sampled import Origin

MOLECULE, TOY = Origin(structure=PDB, temperature=300.0), Origin(toy="double-well")
X = np.random.default_rng(0).normal(size=(50, 36))


def test_torsions_and_distances_are_those_of_mdtraj(tmp_path):
    topology = mdtraj.load_pdb(str(write_structure(tmp_path))).topology
    frames = mdtraj.Trajectory(X.reshape(-1, 12, 3), topology)
    torsion, distance = along("torsion 0 4 6 8", MOLECULE, 36), along("Distance 3 7", MOLECULE, 36)
    expected = np.degrees(mdtraj.compute_dihedrals(frames, [[0, 4, 6, 8]], periodic=False)[:, 0])
    np.testing.assert_allclose(torsion.values(X), expected, atol=2e-3)
    expected = mdtraj.compute_distances(frames, [[3, 7]], periodic=False)[:, 0]
    np.testing.assert_allclose(distance.values(X), expected, rtol=1e-5)
    assert (torsion.title, distance.title) == ("torsion 0-4-6-8 (degrees)", "distance 3-7 (nm)")
    np.testing.assert_array_equal(along("variable 5", MOLECULE, 36).values(X), X[:, 5])


def test_phi_and_psi_are_found_by_the_number_of_the_residue():
    names = ["CH3", "C", "N", "CA", "C", "N", "CA", "C", "N"]
    atoms = Atoms(
        element=np.array([name[0] for name in names]),
        name=np.array(names),
        residue_name=np.array(["ACE"] * 2 + ["ALA"] * 3 + ["GLY"] * 3 + ["NME"]),
        residue_number=np.array([5, 5, 6, 6, 6, 7, 7, 7, 8], dtype=np.int32),
        chain=np.array(["A"] * 9),
    )
    assert backbone_torsions(atoms, "phi") == {6: (1, 2, 3, 4), 7: (4, 5, 6, 7)}
    assert backbone_torsions(atoms, "psi") == {6: (2, 3, 4, 5), 7: (5, 6, 7, 8)}


def test_a_state_may_lie_round_the_circle():
    angle = along("torsion 0 4 6 8", MOLECULE, 36).values(X)
    states = two_states("torsion 0 4 6 8 135 -120", "torsion 0 4 6 8 0 60", MOLECULE, 36)
    first, second = states.masks(X)
    np.testing.assert_array_equal(first, (angle >= 135) | (angle < -120))
    np.testing.assert_array_equal(second, (angle >= 0) & (angle < 60))
    everything, nothing = two_states("torsion 0 4 6 8 -180 180", "else", MOLECULE, 36).masks(X)
    assert everything.all()
    assert not nothing.any()


def test_a_boundary_parts_lines_and_circles():
    x = X[:, :2]
    below, above = parted("x < 0.08", "", TOY, 2).masks(x)
    np.testing.assert_array_equal(below, x[:, 0] < 0.08)
    np.testing.assert_array_equal(above, ~below)
    first, _ = parted("> 0.08", "variable 1", TOY, 2).masks(x)
    np.testing.assert_array_equal(first, x[:, 1] >= 0.08)
    angle = along("torsion 0 4 6 8", MOLECULE, 36).values(X)
    low, high = parted("< 30", "torsion 0 4 6 8", MOLECULE, 36).masks(X)
    np.testing.assert_array_equal(low, angle < 30)
    assert (low ^ high).all()


def test_a_toy_system_knows_its_states():
    states = own_states(TOY, 2)
    assert states.names == ("left well", "right well")
    np.testing.assert_array_equal(states.masks(X[:, :2])[0], X[:, 0] < 0.083528)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("torsion 1 2 3", "is no coordinate"),
        ("torsion 1 2 3 3", "different numbers from 0 to 11"),
        ("distance 1 12", "different numbers from 0 to 11"),
        ("bend 1 2 3", "is no coordinate"),
        ("phi 1", "Residue 1 has no phi"),
        ("phi", "several phi, or none"),
        ("", "is no coordinate"),
    ],
)
def test_a_coordinate_that_is_none_is_refused(words, told):
    with pytest.raises(BadInput, match=told):
        along(words, MOLECULE, 36)


def test_toys_have_no_atoms_and_samples_may_know_no_residues():
    with pytest.raises(BadInput, match="no atoms"):
        along("distance 0 1", TOY, 2)
    with pytest.raises(BadInput, match="do not tell their residues"):
        along("phi 2", Origin(), 36)


@pytest.mark.parametrize("text", ["distance 0 1", "distance 0 1 2 x", "distance 0 1 2 1", "distance 0 1 1 1"])
def test_a_state_that_is_none_is_refused(text):
    with pytest.raises(BadInput, match=r"no state|hold nothing|no coordinate"):
        two_states(text, "else", MOLECULE, 36)


@pytest.mark.parametrize("text", ["x = 3", "x < y", "3"])
def test_a_boundary_that_is_none_is_refused(text):
    with pytest.raises(BadInput, match="no boundary"):
        parted(text, "", TOY, 2)

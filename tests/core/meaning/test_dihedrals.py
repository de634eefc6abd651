"""Dihedral angles against mdtraj's, and their states."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import numpy as np
import pytest

from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.meaning.dihedrals import BACKBONE, ROTAMERS, backbone_state, dihedral, rotamer
from mdweights_core.meaning.solute import Solute


@pytest.mark.filterwarnings("ignore:Unlikely unit cell vectors")
def test_angles_are_those_of_mdtraj(shared_data: Path):
    path = shared_data / "peptides" / "2JOF.pdb"
    trajectory = mdtraj.load(path)
    solute = Solute(open_frames([path]))
    own = solute.dihedrals
    positions = np.array([solute.source.positions(frame) for frame in range(trajectory.n_frames)])
    _, phi = mdtraj.compute_phi(trajectory)
    _, psi = mdtraj.compute_psi(trajectory)
    _, chi1 = mdtraj.compute_chi1(trajectory)
    # residues with both: mdtraj's phi lacks the first residue, its psi the last
    np.testing.assert_allclose(dihedral(positions, own.phi), np.degrees(phi[:, :-1]), atol=0.02)
    np.testing.assert_allclose(dihedral(positions, own.psi), np.degrees(psi[:, 1:]), atol=0.02)
    np.testing.assert_allclose(dihedral(positions, own.chi1), np.degrees(chi1), atol=0.02)
    assert own.names[0] == "ALA 2 backbone"
    assert own.states(positions).shape == (trajectory.n_frames, len(own))


@pytest.mark.parametrize(
    ("phi", "psi", "state"),
    [
        (-60, -45, "alpha"),
        (-120, 130, "beta"),
        (-70, 150, "beta"),
        (170, 170, "beta"),
        (55, 40, "left"),
        (70, -80, "other"),
    ],
)
def test_regions_of_the_ramachandran_plot(phi: float, psi: float, state: str):
    assert BACKBONE[backbone_state(np.array(phi), np.array(psi))] == state


@pytest.mark.parametrize(("chi1", "state"), [(-60, "-"), (62, "+"), (180, "t"), (-175, "t")])
def test_rotamers(chi1: float, state: str):
    assert ROTAMERS[rotamer(np.array(chi1))] == state

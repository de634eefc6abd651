"""A small crystal: ten residues of five atoms in P 41."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.dynamics.crystal_network.units import Crystal, crystal_of
from mdweights_core.io.frames.atoms import make_atoms

CELL, GROUP = gemmi.UnitCell(19, 19, 24, 90, 90, 90), gemmi.SpaceGroup("P 41")
NAMES = ("N", "CA", "C", "O", "CB")


def _positions() -> np.ndarray:
    """Residues on a coil, atoms of each about 1.5 angstrom apart."""
    turn = np.arange(10)
    centres = np.stack([4 * np.cos(1.7 * turn), 4 * np.sin(1.7 * turn), 1.5 * turn], axis=1) + np.array([6, 6, 2])
    star = 1.3 * np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0.9], [-0.6, -0.6, 0.6]])
    return (centres[:, None] + star).reshape(-1, 3)


@pytest.fixture(scope="session")
def crystal() -> Crystal:
    """Twenty units."""
    atoms = make_atoms(
        [name[0] for name in NAMES] * 10,
        list(NAMES) * 10,
        ["ALA"] * 50,
        np.repeat(np.arange(1, 11), 5).tolist(),
        ["A"] * 50,
        b_iso=np.full(50, 20.0, np.float32),
        occupancy=np.ones(50, np.float32),
    )
    return crystal_of(atoms, _positions(), CELL, GROUP, 3)


@pytest.fixture(scope="session")
def settings() -> CrystalNetworkSettings:
    """Classes of springs that fit a small crystal."""
    return CrystalNetworkSettings(d_min=2.6, d_fit=2.6, atoms_per_unit=3, bins=(5.0, 9.0), held_out=0.2, n_fit=300)


@pytest.fixture
def structure(crystal: Crystal, tmp_path: Path) -> Path:
    """The asymmetric unit as a PDB file."""
    made, model, chain = gemmi.Structure(), gemmi.Model(1), gemmi.Chain("A")
    made.cell, made.spacegroup_hm = CELL, GROUP.hm
    for start in range(0, 50, 5):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(start // 5 + 1, " ")
        for row in range(start, start + 5):
            atom = gemmi.Atom()
            atom.name, atom.element = NAMES[row - start], gemmi.Element(NAMES[row - start][0])
            atom.pos = gemmi.Position(*crystal.positions[row])
            atom.b_iso = 20.0
            residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    made.add_model(model)
    made.write_pdb(str(tmp_path / "small.pdb"))
    return tmp_path / "small.pdb"

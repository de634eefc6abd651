"""Frames as starts of the molecule they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from openmm import app

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.selection import select_atoms
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.minimize.frames import write_frames
from mdweights_core.minimize.starts import atoms_of, frame_starts


def topology_of(elements: str) -> app.Topology:
    made = app.Topology()
    chain = made.addChain("A")
    residue = made.addResidue("ALA", chain, "7")
    for i, symbol in enumerate(elements):
        made.addAtom(f"{symbol}{i}", app.Element.getBySymbol(symbol), residue)
    return made


@pytest.fixture
def trajectory(tmp_path: Path) -> tuple[Path, np.ndarray]:
    x = np.random.default_rng(0).random((4, 5, 3))
    write_frames(topology_of("CNOCH"), x, tmp_path / "frames.pdb")
    return tmp_path / "frames.pdb", x


def test_frames_are_starts_in_nanometre(trajectory: tuple[Path, np.ndarray]) -> None:
    path, x = trajectory
    source = open_frames([path])
    np.testing.assert_allclose(frame_starts(topology_of("CNOCH"), source), x, atol=1e-4)
    np.testing.assert_allclose(frame_starts(topology_of("CNOCH"), source, [3, 1]), x[[3, 1]], atol=1e-4)


def test_frames_of_another_molecule_are_refused(trajectory: tuple[Path, np.ndarray]) -> None:
    source = open_frames([trajectory[0]])
    with pytest.raises(BadInput, match="5 atoms, the structure 4"):
        frame_starts(topology_of("CNOC"), source)
    with pytest.raises(BadInput, match=r"Atom 2 is N1 \(N\) in the frames and O1 \(O\) in the structure"):
        frame_starts(topology_of("CONCH"), source)
    with pytest.raises(BadInput, match="no frame 9"):
        frame_starts(topology_of("CNOCH"), source, [8])


def test_atoms_can_be_selected() -> None:
    atoms = atoms_of(topology_of("CNOCH"))
    assert select_atoms(atoms, "element N or name H4").tolist() == [1, 4]
    assert atoms.residue_number.tolist() == [7] * 5

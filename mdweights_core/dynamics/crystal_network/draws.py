"""Configurations of a tuned crystal: what predict and fit take as the frames of a simulation."""

from __future__ import annotations

import os
from pathlib import Path

import gemmi
import numpy as np
import scipy.linalg

from mdweights_core.dynamics.crystal_network.motions import Motions
from mdweights_core.dynamics.crystal_network.units import Crystal

_PER_NM = 10.0  # angstrom


def draw_frames(motions: Motions, constants: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Independent configurations of the whole cell at force constants [n_class].

    Displacements are kT^1/2 L^-T z of the Hessian K = L L^T and normal deviates z, one for each unit.

    Returns
    -------
    float32 [count, n_copy * n_atoms, 3]
        Angstrom, the copies of the asymmetric unit one behind the other.
    """
    crystal = motions.crystal
    rest = crystal.copies(crystal.positions)
    if not count:
        return np.zeros((0, rest.size // 3, 3), dtype=np.float32)
    lower = scipy.linalg.cholesky(motions.springs.hessian(constants), lower=True)
    dimension, n_cell = motions.springs.dimension, crystal.n_copies * crystal.n_units
    noise = np.random.default_rng(seed).normal(size=(n_cell * dimension, count * (3 // dimension)))
    moved = scipy.linalg.solve_triangular(lower, noise, lower=True, trans="T")
    moved = moved.reshape(n_cell, dimension, count, 3 // dimension).transpose(2, 0, 1, 3)
    moved = _PER_NM * np.sqrt(motions.kt) * moved.reshape(count, crystal.n_copies, crystal.n_units, 3)
    return (rest + moved[:, :, crystal.member]).reshape(count, -1, 3).astype(np.float32)


def write_ensemble(crystal: Crystal, frames: np.ndarray, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write `cell.pdb`, the cell in P1, and `frames.xtc` into a folder that is there.

    Parameters
    ----------
    crystal : Crystal
    frames : float32 [n, n_copy * n_atoms, 3]
        Angstrom.
    folder : path

    Returns
    -------
    (Path, Path)
        The topology and the trajectory.
    """
    import mdtraj

    topology, trajectory = Path(folder) / "cell.pdb", Path(folder) / "frames.xtc"
    _structure(crystal).write_pdb(str(topology))
    known = mdtraj.load_topology(str(topology))
    cell = crystal.cell
    lengths, angles = [(cell.a, cell.b, cell.c)] * len(frames), [(cell.alpha, cell.beta, cell.gamma)] * len(frames)
    written = mdtraj.Trajectory(
        frames / _PER_NM, known, unitcell_lengths=np.array(lengths) / _PER_NM, unitcell_angles=np.array(angles)
    )
    written.save_xtc(str(trajectory))
    return topology, trajectory


def _structure(crystal: Crystal) -> gemmi.Structure:
    """The cell in P1, each copy of each chain a chain of its own."""
    structure, model = gemmi.Structure(), gemmi.Model(1)
    structure.cell, structure.spacegroup_hm = crystal.cell, "P 1"
    names = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" * crystal.n_copies)
    for positions in crystal.copies(crystal.positions):
        model.add_chain(_chain(crystal, positions, next(names)))
    structure.add_model(model)
    return structure


def _chain(crystal: Crystal, positions: np.ndarray, name: str) -> gemmi.Chain:
    atoms, chain = crystal.atoms, gemmi.Chain(name)
    number, before = 0, None
    for row, position in enumerate(positions.tolist()):
        label = (atoms.chain[row], int(atoms.residue_number[row]), str(atoms.residue_name[row]))
        if label != before:
            number, before = number + 1, label
            residue = gemmi.Residue()
            residue.name, residue.seqid = label[2], gemmi.SeqId(number, " ")
            chain.add_residue(residue)
        atom = gemmi.Atom()
        atom.name, atom.element = str(atoms.name[row]), gemmi.Element(str(atoms.element[row]))
        atom.pos = gemmi.Position(*position)
        chain[-1].add_atom(atom)
    return chain

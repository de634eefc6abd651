"""The frames as stored: drift removed, waters in the cell, written as PDB and XTC and read back as rounded there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gemmi
import mdtraj
import numpy as np
from openmm import app

from resources.make_example.packing import SPACE_GROUP
from resources.make_example.simulate import Trajectory, alpha_carbons

TOPOLOGY, FRAMES = "peptide_crystal.pdb", "peptide_crystal.xtc"


def write_frames(trajectory: Trajectory, spacing: float, folder: Path) -> None:
    """Write the whole cell as one PDB model with CRYST1 and all frames as XTC, `spacing` ps apart."""
    topology = mdtraj.Topology.from_openmm(trajectory.topology)
    positions = in_cell(without_drift(trajectory.positions, alpha_carbons(trajectory.topology)), trajectory)
    n_frames = len(positions)
    box = np.broadcast_to(0.1 * trajectory.edges, (n_frames, 3))
    right = np.full((n_frames, 3), 90.0)
    time = spacing * np.arange(n_frames)
    mdtraj.Trajectory(0.1 * positions, topology, time, box, right).save_xtc(str(folder / FRAMES))
    _write_pdb(trajectory, positions[0], folder / TOPOLOGY)


def without_drift(positions: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Shift every frame so that its CA atoms are on average where they are in frame 0: the shape of `positions`."""
    drift = (positions[:, alphas] - positions[0, alphas]).mean(axis=1, keepdims=True)
    return positions - drift


def in_cell(positions: np.ndarray, trajectory: Trajectory) -> np.ndarray:
    """Move whole molecules by lattice vectors: peptides as in frame 0 (no jumps), waters where they are."""
    moved = positions.copy()
    for rows, is_water in _molecules(trajectory.topology):
        centre = positions[:, rows].mean(axis=1) if is_water else positions[:1, rows].mean(axis=1)
        moved[:, rows] -= (np.floor(centre / trajectory.edges) * trajectory.edges)[:, None]
    return moved


def read_frames(folder: Path) -> tuple[np.ndarray, np.ndarray, gemmi.UnitCell]:
    """Positions as stored (float64 [n_frames, n_atoms, 3], angstrom), elements [n_atoms] and the cell."""
    stored = mdtraj.load(str(folder / FRAMES), top=str(folder / TOPOLOGY))
    elements = np.array([atom.element.symbol for atom in stored.topology.atoms])
    cell = gemmi.read_structure(str(folder / TOPOLOGY)).cell
    return 10.0 * stored.xyz.astype(float), elements, cell


def _molecules(topology: app.Topology) -> Iterator[tuple[list[int], bool]]:
    """Rows of the atoms of each peptide and each water, and whether it is a water."""
    for chain in topology.chains():
        waters = [residue for residue in chain.residues() if residue.name == "HOH"]
        for molecule in waters or [chain]:
            yield [atom.index for atom in molecule.atoms()], bool(waters)


def _write_pdb(trajectory: Trajectory, positions: np.ndarray, path: Path) -> None:
    """One model; the space group of CRYST1 is P 1 because the file holds every atom of the cell."""
    structure = gemmi.Structure()
    a, b, c = trajectory.edges.tolist()
    structure.cell = gemmi.UnitCell(a, b, c, 90.0, 90.0, 90.0)
    structure.spacegroup_hm = "P 1"
    model = gemmi.Model(1)
    for name, chain in zip("ABCDW", trajectory.topology.chains(), strict=True):
        model.add_chain(_pdb_chain(name, chain, positions))
    structure.add_model(model)
    remark = f"SIMULATED PEPTIDE CRYSTAL, BUILT IN {SPACE_GROUP.hm}; ALL ATOMS OF THE CELL ARE LISTED"
    structure.raw_remarks = [f"REMARK   1 {remark}"]
    structure.write_pdb(str(path), gemmi.PdbWriteOptions(minimal=False, cryst1_record=True, conect_records=False))


def _pdb_chain(name: str, source: app.topology.Chain, positions: np.ndarray) -> gemmi.Chain:
    chain = gemmi.Chain(name)
    for residue in source.residues():
        made = gemmi.Residue()
        made.name, made.seqid = residue.name, gemmi.SeqId(str(residue.id))
        made.het_flag = "H" if residue.name == "HOH" else "A"
        for atom in residue.atoms():
            new = gemmi.Atom()
            new.name, new.element = atom.name, gemmi.Element(atom.element.symbol)
            new.pos = gemmi.Position(*positions[atom.index])
            new.occ, new.b_iso = 1.0, 0.0
            made.add_atom(new)
        chain.add_residue(made)
    return chain

"""Conformations as files that other commands and programs take: PDB with models, XTC."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write, atomic_write_text
from mdweights_core.io.frames.selection import residue_index

if TYPE_CHECKING:
    from openmm import app

    from mdweights_core.io.frames.atoms import Atoms

FORMATS = (".pdb", ".xtc")
_DENSEST = 0.004  # nm^3 per atom: a box that is smaller is the dummy of a structure that has none


def write_frames(topology: app.Topology, x: np.ndarray, path: Path) -> None:
    """Write conformations x [S, n_atoms, 3] (nm) of a molecule in the format that the file's name tells.

    The box is the topology's. An XTC file has no atoms of its own, and rounds to 0.001 nm.

    Raises
    ------
    BadInput
        A name that ends in something else than .pdb or .xtc.
    DiskProblem
        When it cannot be written; a file that was there stays.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BadInput("frames are written as .pdb or .xtc", where=path, advice=f"Try {path.stem}.pdb")
    if suffix == ".pdb":
        atomic_write_text(path, _pdb(topology, x))
    else:
        atomic_write(path, lambda target: _write_xtc(topology, x, target))


def write_with_topology(topology: app.Topology, x: np.ndarray, path: Path) -> tuple[Path, Path | None]:
    """Write conformations x [S, n_atoms, 3] (nm), and beside an XTC file the first of them as its topology.

    Returns
    -------
    Path
        The conformations.
    Path or None
        Their topology, STEM.pdb, or STEM_topology.pdb where there is a file of that name.
    """
    write_frames(topology, x, path)
    if path.suffix.lower() == ".pdb":
        return path, None
    beside = path.with_suffix(".pdb")
    if beside.exists():
        beside = path.with_name(f"{path.stem}_topology.pdb")
    write_frames(topology, x[:1], beside)
    return path, beside


def topology_of(atoms: Atoms) -> app.Topology:
    """Atoms as OpenMM has them, without bonds."""
    from openmm import app

    made = app.Topology()
    chain = residue = None
    before = -1
    for i, number in enumerate(residue_index(atoms)):
        if chain is None or atoms.chain[i] != atoms.chain[i - 1]:
            chain = made.addChain(str(atoms.chain[i]))
        if number != before:
            residue, before = made.addResidue(str(atoms.residue_name[i]), chain, str(atoms.residue_number[i])), number
        symbol = str(atoms.element[i])
        element = app.Element.getBySymbol(symbol) if symbol in app.Element._elements_by_symbol else None
        made.addAtom(str(atoms.name[i]), element, residue)
    return made


def _pdb(topology: app.Topology, x: np.ndarray) -> str:
    from openmm import app

    text = io.StringIO()
    app.PDBFile.writeHeader(topology, text)
    for number, positions in enumerate(x, start=1):
        app.PDBFile.writeModel(topology, 10 * positions, text, modelIndex=number if len(x) > 1 else None, keepIds=True)
    app.PDBFile.writeFooter(topology, text)
    return text.getvalue()


def _write_xtc(topology: app.Topology, x: np.ndarray, target: Path) -> None:
    from mdtraj.formats import XTCTrajectoryFile
    from openmm import unit

    vectors = topology.getPeriodicBoxVectors()
    box = np.zeros((3, 3)) if vectors is None else np.array(vectors.value_in_unit(unit.nanometer))
    if np.linalg.det(box) < _DENSEST * x.shape[1]:
        box = np.zeros((3, 3))
    boxes = np.repeat(box[None], len(x), axis=0).astype(np.float32)
    with XTCTrajectoryFile(str(target), "w", force_overwrite=True) as file:
        file.write(np.asarray(x, dtype=np.float32), time=np.arange(len(x), dtype=np.float32), box=boxes)

"""Where minimisations begin: the structure itself, or frames of a trajectory of the same atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import select_atoms
from mdweights_core.minimize.settings import SPRING

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.io.frames.trajectories import FrameSource

_PER_NM = 10.0  # angstrom


def atoms_of(topology: Any) -> Atoms:
    """The atoms of an OpenMM topology, for selections."""
    atoms = list(topology.atoms())
    numbers = [atom.residue.id for atom in atoms]
    return Atoms(
        element=np.array([atom.element.symbol if atom.element is not None else "" for atom in atoms]),
        name=np.array([atom.name for atom in atoms]),
        residue_name=np.array([atom.residue.name for atom in atoms]),
        residue_number=np.array([int(n) if n.lstrip("-").isdigit() else 0 for n in numbers], dtype=np.int32),
        chain=np.array([atom.residue.chain.id for atom in atoms]),
    )


def frame_starts(topology: Any, source: FrameSource, frames: Sequence[int] | None = None) -> np.ndarray:
    """Positions of frames as starts for a molecule, float64 [S, n_atoms, 3] in nm.

    Parameters
    ----------
    topology : openmm.app.Topology
        Of the molecule.
    source : FrameSource
        Frames of the same atoms in the same order.
    frames : sequence of int, optional
        Which, from 0; all by default.

    Raises
    ------
    BadInput
        When the frames have other atoms, or there is no such frame.
    """
    _refuse_other_atoms(atoms_of(topology), source)
    chosen = range(source.n_frames) if frames is None else frames
    return np.stack([source.positions(int(frame)).astype(np.float64) for frame in chosen]) / _PER_NM


def held_atoms(
    molecule: Molecule, fix: str = "", restrain: str = "", spring: float = SPRING
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Atoms that a minimisation is to hold, chosen by words such as ``name CA``.

    Parameters
    ----------
    molecule : Molecule
    fix, restrain : str
        Which atoms do not move, and which are held by springs; none where empty.
    spring : float
        Of these, kJ/mol/nm^2.

    Returns
    -------
    fixed : bool [n_atoms] or None
        Those that the system itself holds among them.
    restrained : int [m] or None

    Raises
    ------
    BadInput
        For words that choose no atoms, or a spring that holds nothing.
    """
    fixed = np.zeros(molecule.n_atoms, dtype=bool)
    fixed[molecule.fixed] = True
    atoms = atoms_of(molecule.topology) if fix or restrain else None
    if fix and atoms is not None:
        fixed[select_atoms(atoms, fix)] = True
    restrained = select_atoms(atoms, restrain) if restrain and atoms is not None else None
    if restrained is not None and not 0 < spring < float("inf"):
        raise BadInput(f"the spring of {spring:g} kJ/mol/nm^2 holds nothing", advice="Give a positive number")
    return fixed if fixed.any() else None, restrained


def _refuse_other_atoms(atoms: Atoms, source: FrameSource) -> None:
    there, where = source.atoms, source.paths[0]
    if len(there) != len(atoms):
        raise BadInput(
            f"The frames have {counted(len(there), 'atom')}, the structure {len(atoms)}",
            where=where,
            advice="Choose the atoms of the structure, or give the structure the trajectory is of",
        )
    differing = np.flatnonzero(there.element != atoms.element)
    if len(differing):
        first = int(differing[0])
        raise BadInput(
            f"Atom {first + 1} is {there.name[first]} ({there.element[first]}) in the frames and {atoms.name[first]} "
            f"({atoms.element[first]}) in the structure",
            where=where,
            advice="Give the structure the trajectory is of, with atoms in the same order",
        )

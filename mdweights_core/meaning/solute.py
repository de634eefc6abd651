"""The molecules that are looked at: which atoms, what is one molecule, and which are copies of each other."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import reciprocal_axes, transformed
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import is_solvent, residue_index, select_atoms
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.meaning.dihedrals import Dihedrals, find_dihedrals
from mdweights_core.scattering.frames.molecules import Molecules

_FEWEST = 3  # atoms that tell an orientation
_LONGEST_LOOP = 30  # residues that may be missing inside a chain
_STRETCHED = 6.0  # angstrom from one CA (C1') to the next in the worst of models
_LAST = ("OXT", "OT1", "OT2", "OC1", "OC2")  # atoms of the last residue of a protein


@dataclass(frozen=True, eq=False)
class Molecule:
    """One molecule.

    Attributes
    ----------
    place : str
        What is added to a residue's name to tell it from those of other molecules; empty for the only one.
    atoms : int64 [n_atoms]
        Its rows among the atoms of the solute.
    anchors : int64 [n_anchors]
        Rows of the atoms it is superposed by: C-alpha and C1', or all but hydrogens.
    """

    place: str
    atoms: np.ndarray
    anchors: np.ndarray


class Solute:
    """The molecules of a simulation that are looked at.

    Attributes
    ----------
    source : FrameSource
        With their atoms only, hydrogens left aside.
    molecules : tuple of Molecule
    kinds : tuple of tuple of int
        Copies of one sequence together.
    dihedrals : Dihedrals
    by_residue : bool
        Anchors are one atom per residue; else atoms.
    notes : tuple of str
    """

    def __init__(self, source: FrameSource, selection: str = "") -> None:
        rows = _chosen(source.atoms, selection)
        label, is_polymer = _told_apart(source.select(rows))
        keep = np.isin(label, _large(label, is_polymer))
        if not keep.any():
            raise BadInput(f"No molecule has {_FEWEST} atoms besides hydrogens: there is no shape to speak of")
        self.source = source.select(rows[keep])
        self._cell = self.source.cell
        self._whole = None
        if self._cell is not None:
            self._whole = Molecules(self.source.atoms, self.source.positions(0), self._cell)
        label = np.unique(label[keep], return_inverse=True)[1]
        self.by_residue = bool(len(_large(label, is_polymer[keep], True)))
        self.molecules = _molecules(self.source.atoms, label, is_polymer[keep], self.by_residue)
        self.kinds = _kinds(self.source.atoms, self.molecules)
        first = self.placed(self.source.positions(0), None)
        self.dihedrals: Dihedrals = find_dihedrals(
            self.source.atoms, first, label, tuple(m.place for m in self.molecules)
        )

    @property
    def anchors(self) -> np.ndarray:
        """Anchors of all molecules one after the other, int64 [n_anchors]."""
        return np.concatenate([molecule.anchors for molecule in self.molecules])

    @property
    def parts(self) -> list[slice]:
        """Where each molecule's anchors lie in `anchors`."""
        ends = np.cumsum([len(molecule.anchors) for molecule in self.molecules])
        return [slice(int(end) - len(m.anchors), int(end)) for end, m in zip(ends, self.molecules, strict=True)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done with the molecules, in sentences."""
        count, what = len(self.molecules), "C-alpha (C1') atoms" if self.by_residue else "all atoms but hydrogens"
        if count == 1:
            return (f"Frames were superposed on their mean by {counted(len(self.anchors), 'atom')}: {what}.",)
        kinds = counted(len(self.kinds), "sequence")
        return (
            f"Each of {count} molecules ({kinds}) was superposed on its own mean by its {what}; RMSD and radius of "
            "gyration are means over molecules, fluctuations and distances means over the copies of a sequence.",
        )

    def placed(self, positions: np.ndarray, box: np.ndarray | None) -> np.ndarray:
        """Positions [n_atoms, 3] of a frame with `box` [6] (the first frame's when None), molecules whole; float64."""
        if self._whole is None or self._cell is None:
            return np.asarray(positions, dtype=np.float64)
        cell = gemmi.UnitCell(*box) if box is not None and np.isfinite(box).all() else self._cell
        place = self._whole.whole(transformed(positions, reciprocal_axes(cell)))
        return transformed(place, np.array(cell.orth.mat.tolist()))

    def anchor_names(self) -> list[tuple[str, ...]]:
        """Names of the anchors of each kind of molecule, after its first copy: ``LEU 36``, or ``LIG 1 C7``."""
        return [self._names_of(kind) for kind in self.kinds]

    def _names_of(self, kind: tuple[int, ...]) -> tuple[str, ...]:
        molecule, atoms = self.molecules[kind[0]], self.source.atoms
        place = molecule.place if len(self.kinds) > 1 else ""
        names = []
        for row in molecule.anchors:
            residue = f"{atoms.residue_name[row]} {atoms.residue_number[row]}"
            names.append(f"{residue}{place}" if self.by_residue else f"{residue} {atoms.name[row]}{place}")
        return tuple(names)


def _chosen(atoms: Atoms, selection: str) -> np.ndarray:
    """Rows of the atoms of a selection, of all but the solvent when it is empty; no hydrogens."""
    heavy = ~np.isin(atoms.element, ("H", "D"))
    if selection.strip():
        chosen = np.zeros(len(atoms), dtype=bool)
        chosen[select_atoms(atoms, selection)] = True
    else:
        chosen = ~is_solvent(atoms)
    rows = np.flatnonzero(heavy & chosen)
    if not len(rows):
        raise BadInput("There are no atoms besides hydrogens, water and ions to look at")
    return rows


def _told_apart(source: FrameSource) -> tuple[np.ndarray, np.ndarray]:
    """The molecule of each atom, int [n_atoms], and True for the one atom that stands for a residue of a polymer."""
    atoms, positions = source.atoms, source.positions(0)
    a, b, c = (float(side) + 100.0 for side in np.ptp(positions, axis=0))  # without a box nothing has images
    label = Molecules(atoms, positions, source.cell or gemmi.UnitCell(a, b, c, 90, 90, 90)).label
    is_polymer = (atoms.element == "C") & np.isin(atoms.name, ("CA", "C1'", "C1*"))
    return _joined(label, atoms, np.flatnonzero(is_polymer), positions), is_polymer


def _joined(label: np.ndarray, atoms: Atoms, anchors: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Molecules with the pieces of a chain joined that a missing loop or a distorted first frame set apart."""
    one, other = anchors[:-1], anchors[1:]
    residue = residue_index(atoms)
    steps = atoms.residue_number[other] - atoms.residue_number[one]
    follows = (atoms.chain[one] == atoms.chain[other]) & (residue[other] - residue[one] == 1)
    follows &= (steps >= 1) & (steps <= _LONGEST_LOOP) & ~np.isin(residue[one], residue[np.isin(atoms.name, _LAST)])
    follows &= np.linalg.norm(positions[other] - positions[one], axis=1) <= _STRETCHED * steps
    label = label.copy()
    for a, b in zip(one[follows], other[follows], strict=True):
        label[label == label[b]] = label[a]
    return np.unique(label, return_inverse=True)[1]


def _large(label: np.ndarray, is_polymer: np.ndarray, only_polymer: bool = False) -> np.ndarray:
    """Molecules with enough residues of a polymer; where there are none, those with enough atoms."""
    polymers = np.flatnonzero(np.bincount(label, weights=is_polymer) >= _FEWEST)
    return polymers if len(polymers) or only_polymer else np.flatnonzero(np.bincount(label) >= _FEWEST)


def _molecules(atoms: Atoms, label: np.ndarray, is_polymer: np.ndarray, by_residue: bool) -> tuple[Molecule, ...]:
    parts = [np.flatnonzero(label == number) for number in range(int(label.max()) + 1)]
    chains = [str(atoms.chain[rows[0]]).strip() for rows in parts]
    tells = all(chains) and len(set(chains)) == len(chains)
    places = [f" (chain {c})" if tells else f" (molecule {n})" for n, c in enumerate(chains, 1)]
    return tuple(
        Molecule(place if len(parts) > 1 else "", rows, rows[is_polymer[rows]] if by_residue else rows)
        for place, rows in zip(places, parts, strict=True)
    )


def _kinds(atoms: Atoms, molecules: tuple[Molecule, ...]) -> tuple[tuple[int, ...], ...]:
    """Molecules whose anchors have the same names and residues, in the same order."""
    kinds: dict[tuple[str, ...], list[int]] = {}
    for number, molecule in enumerate(molecules):
        rows = molecule.anchors
        kinds.setdefault((*atoms.residue_name[rows], *atoms.name[rows]), []).append(number)
    return tuple(tuple(copies) for copies in kinds.values())

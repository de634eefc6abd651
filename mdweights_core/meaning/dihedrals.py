"""States of the dihedral angles of proteins: regions of phi and psi, rotamers of chi1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import residue_index

BACKBONE = ("alpha", "beta", "left", "other")
ROTAMERS = ("-", "+", "t")
_GAMMA = ("CG", "CG1", "OG", "OG1", "SG")
_PEPTIDE = 2.0  # angstrom between C and N that are bonded, with room for a bad start


@dataclass(frozen=True, eq=False)
class Dihedrals:
    """Dihedral angles with states.

    Attributes
    ----------
    names : tuple of str
        Of the backbones first, then of the side chains.
    phi, psi : int64 [n_backbone, 4]
        Atoms of each.
    chi1 : int64 [n_chi1, 4]
    """

    names: tuple[str, ...]
    phi: np.ndarray
    psi: np.ndarray
    chi1: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def state_names(self, row: int) -> tuple[str, ...]:
        """What the states of an angle are called."""
        return BACKBONE if row < len(self.phi) else ROTAMERS

    def states(self, positions: np.ndarray) -> np.ndarray:
        """The state of each angle in frames [n, n_atoms, 3], int8 [n, n_angles]."""
        phi, psi, chi1 = (dihedral(positions, quads) for quads in (self.phi, self.psi, self.chi1))
        return np.concatenate([backbone_state(phi, psi), rotamer(chi1)], axis=1)


def find_dihedrals(atoms: Atoms, positions: np.ndarray, molecule: np.ndarray, places: tuple[str, ...]) -> Dihedrals:
    """The phi, psi and chi1 angles of a protein's residues.

    Parameters
    ----------
    atoms : Atoms
    positions : float [n_atoms, 3]
        Of one frame with whole molecules, angstrom: neighbouring residues have to be bonded.
    molecule : int [n_atoms]
    places : tuple of str
        What is added to a residue's name to tell the molecules apart.
    """
    residues = _residues(atoms)
    backbone: list[tuple[str, list[int], list[int]]] = []
    chi1: list[tuple[str, list[int]]] = []
    for number, rows in enumerate(residues):
        if not {"N", "CA", "C"} <= rows.keys():
            continue
        before = residues[number - 1] if number else {}
        after = residues[number + 1] if number + 1 < len(residues) else {}
        atom = rows["CA"]
        name, place = f"{atoms.residue_name[atom]} {atoms.residue_number[atom]}", places[molecule[atom]]
        if _bonded(before.get("C"), rows["N"], positions) and _bonded(rows["C"], after.get("N"), positions):
            core = [rows["N"], rows["CA"], rows["C"]]
            backbone.append((f"{name} backbone{place}", [before["C"], *core], [*core, after["N"]]))
        gamma = next((rows[g] for g in _GAMMA if g in rows), None)
        if gamma is not None and "CB" in rows:
            chi1.append((f"{name} chi1{place}", [rows["N"], rows["CA"], rows["CB"], gamma]))
    names = (*(name for name, _, _ in backbone), *(name for name, _ in chi1))
    quads = ([phi for _, phi, _ in backbone], [psi for _, _, psi in backbone], [quad for _, quad in chi1])
    return Dihedrals(names, *(np.array(part, dtype=np.int64).reshape(-1, 4) for part in quads))


def dihedral(positions: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Dihedral angles of `quads` [n_quads, 4] in frames [n, n_atoms, 3], degrees in -180 to 180, float64 [n, n_quads].

    Signed as IUPAC-IUB (1970) has it: 0 for cis, positive clockwise along the middle bond.
    """
    one, two, three, four = (np.asarray(positions[:, quads[:, n]], dtype=np.float64) for n in range(4))
    back, axis, ahead = one - two, three - two, four - three
    first, second = np.cross(axis, back), np.cross(axis, ahead)
    sine = np.einsum("nqi,nqi->nq", np.cross(first, second), axis) / np.maximum(np.linalg.norm(axis, axis=2), 1e-12)
    return np.degrees(np.arctan2(sine, np.einsum("nqi,nqi->nq", first, second)))


def backbone_state(phi: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """The region of phi and psi (degrees) as a number of `BACKBONE`, int8.

    alpha: phi < 0, psi -120 to 50; beta: the rest of phi < 0 and what it continues in beyond 180; left: phi 0 to 120,
    psi -50 to 100.
    """
    is_alpha = (phi < 0) & (psi >= -120) & (psi < 50)
    is_beta = ((phi < 0) & ~is_alpha) | ((phi > 150) & ((psi > 90) | (psi < -120)))
    is_left = (phi >= 0) & (phi < 120) & (psi >= -50) & (psi < 100)
    return np.select([is_alpha, is_beta, is_left], [0, 1, 2], 3).astype(np.int8)


def rotamer(chi1: np.ndarray) -> np.ndarray:
    """The rotamer of chi1 (degrees) as a number of `ROTAMERS`, int8: - about -60, + about 60, t about 180."""
    return np.select([(chi1 >= -120) & (chi1 < 0), (chi1 >= 0) & (chi1 < 120)], [0, 1], 2).astype(np.int8)


def _residues(atoms: Atoms) -> list[dict[str, int]]:
    """Rows of the atoms of each residue by name."""
    index = residue_index(atoms)
    residues: list[dict[str, int]] = [{} for _ in range(int(index.max(initial=-1)) + 1)]
    for row, (residue, name) in enumerate(zip(index.tolist(), atoms.name.tolist(), strict=True)):
        residues[residue].setdefault(name, row)
    return residues


def _bonded(one: int | None, other: int | None, positions: np.ndarray) -> bool:
    if one is None or other is None:
        return False
    return bool(np.linalg.norm(positions[one] - positions[other]) < _PEPTIDE)

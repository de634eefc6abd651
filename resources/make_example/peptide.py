"""A helical decapeptide from internal coordinates (bond lengths, angles and torsions of standard amino acids)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

SEQUENCE = ("ALA", "SER", "PHE", "ALA", "LEU", "ALA", "SER", "PHE", "ALA", "LEU")
HELIX = (-63.0, -42.0)  # phi, psi of a right-handed alpha helix, degrees
OMEGA = 180.0


class Placement(NamedTuple):
    """How an atom hangs on three others: distance to `c`, angle b-c-atom, torsion a-b-c-atom."""

    name: str
    a: str
    b: str
    c: str
    bond: float
    angle: float
    torsion: float


# Side chains beyond CB; torsions are the most common rotamer on a helix.
SIDE_CHAINS: dict[str, tuple[Placement, ...]] = {
    "ALA": (),
    "SER": (Placement("OG", "N", "CA", "CB", 1.42, 110.8, -65.0),),
    "LEU": (
        Placement("CG", "N", "CA", "CB", 1.53, 116.1, -68.0),
        Placement("CD1", "CA", "CB", "CG", 1.52, 110.3, 175.0),
        Placement("CD2", "CA", "CB", "CG", 1.52, 110.6, -62.0),
    ),
    "PHE": (
        Placement("CG", "N", "CA", "CB", 1.51, 113.8, -70.0),
        Placement("CD1", "CA", "CB", "CG", 1.39, 120.4, 95.0),
        Placement("CD2", "CA", "CB", "CG", 1.39, 120.4, -85.0),
        Placement("CE1", "CB", "CG", "CD1", 1.39, 120.5, 180.0),
        Placement("CE2", "CB", "CG", "CD2", 1.39, 120.5, 180.0),
        Placement("CZ", "CG", "CD1", "CE1", 1.39, 120.0, 0.0),
    ),
}


@dataclass(frozen=True)
class HeavyAtom:
    """One non-hydrogen atom: element, name, residue name and number (0 = ACE, 11 = NME), position in angstrom."""

    element: str
    name: str
    residue_name: str
    residue: int
    position: np.ndarray


def place(a: np.ndarray, b: np.ndarray, c: np.ndarray, bond: float, angle: float, torsion: float) -> np.ndarray:
    """Position at `bond` (angstrom) from `c` with angle b-c-x and torsion a-b-c-x (degrees): float64 [3]."""
    theta, phi = np.radians([angle, torsion])
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, along)
    step = np.array([-np.cos(theta), np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)])
    return c + bond * (step[0] * along + step[1] * across + step[2] * normal)


def build_peptide() -> list[HeavyAtom]:
    """ACE, the sequence as an alpha helix, NME: heavy atoms in file order."""
    residues: list[tuple[str, dict[str, np.ndarray]]] = [("ACE", _acetyl())]
    for name in SEQUENCE:
        residues.append((name, _amino_acid(name, residues[-1][1])))
    residues.append(("NME", _methylamide(residues[-1][1])))
    return [
        HeavyAtom(atom[0], atom, name, number, position)
        for number, (name, atoms) in enumerate(residues)
        for atom, position in atoms.items()
    ]


def _acetyl() -> dict[str, np.ndarray]:
    methyl, carbonyl = np.array([0.0, 0.0, 0.0]), np.array([1.51, 0.0, 0.0])
    oxygen = place(np.array([0.0, 1.0, 0.0]), methyl, carbonyl, 1.23, 120.5, 0.0)
    return {"CH3": methyl, "C": carbonyl, "O": oxygen}


def _peptide_nitrogen(previous: dict[str, np.ndarray]) -> np.ndarray:
    if "CA" in previous:
        return place(previous["N"], previous["CA"], previous["C"], 1.335, 116.6, HELIX[1])
    return place(previous["O"], previous["CH3"], previous["C"], 1.335, 116.6, 180.0)


def _amino_acid(name: str, previous: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    before = previous["CA"] if "CA" in previous else previous["CH3"]
    carbonyl = previous["C"]
    nitrogen = _peptide_nitrogen(previous)
    alpha = place(before, carbonyl, nitrogen, 1.455, 121.7, OMEGA)
    carbon = place(carbonyl, nitrogen, alpha, 1.525, 111.0, HELIX[0])
    atoms = {"N": nitrogen, "CA": alpha, "C": carbon}
    atoms["O"] = place(nitrogen, alpha, carbon, 1.23, 120.5, HELIX[1] + 180.0)
    atoms["CB"] = place(carbonyl, nitrogen, alpha, 1.53, 110.4, HELIX[0] - 122.5)  # the L hand
    for p in SIDE_CHAINS[name]:
        atoms[p.name] = place(atoms[p.a], atoms[p.b], atoms[p.c], p.bond, p.angle, p.torsion)
    return atoms


def _methylamide(previous: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    nitrogen = _peptide_nitrogen(previous)
    methyl = place(previous["CA"], previous["C"], nitrogen, 1.45, 121.7, OMEGA)
    return {"N": nitrogen, "C": methyl}

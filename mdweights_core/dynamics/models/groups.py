"""Groups of atoms, bonds, angles and torsion angles of a molecule by what force fields call them.

"CT" is a type of atom, "CT-HC" the bonds of two types, * (or X) stands for any, and text in brackets, as "(name CA)",
is in mdtraj's selection language. Types are those of the force field, or atom names where no force field tells any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from mdweights_core.energy.base import Energy
from mdweights_core.energy.bonded import HarmonicBonds
from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import select_atoms
from mdweights_core.minimize.starts import atoms_of

ANY = "*"
_AMBER_ANY = "X"
_LISTED = 12  # types that a sentence names


@dataclass(frozen=True, eq=False)
class Described:
    """A molecule and what its atoms are called.

    Attributes
    ----------
    molecule : Molecule
    types : str [n_atoms]
    """

    molecule: Molecule
    types: np.ndarray

    @property
    def energy(self) -> Energy:
        """Of the molecule."""
        return self.molecule.energy

    @cached_property
    def atoms(self) -> Atoms:
        """What the topology says of each atom."""
        return atoms_of(self.molecule.topology)

    @cached_property
    def bonds(self) -> np.ndarray:
        """Bonded pairs of atoms int [m, 2]: those with springs, or where there are none those of the topology."""
        springs = [np.asarray(it.atoms) for it in self.energy.terms.values() if isinstance(it, HarmonicBonds)]
        if springs and sum(map(len, springs)):
            return np.concatenate(springs)
        told = [(bond.atom1.index, bond.atom2.index) for bond in self.molecule.topology.bonds()]
        return np.array(told, dtype=int).reshape(-1, 2)

    @cached_property
    def neighbours(self) -> list[list[int]]:
        """Atoms bonded to each atom."""
        found: list[set[int]] = [set() for _ in range(self.molecule.n_atoms)]
        for first, second in self.bonds.tolist():
            found[first].add(second)
            found[second].add(first)
        return [sorted(it) for it in found]

    def group(self, text: str) -> np.ndarray:
        """Atoms bool [n_atoms] that a word or a selection in brackets names.

        Raises
        ------
        BadInput
            Where there is none.
        """
        text = text.strip()
        if text == ANY or (text == _AMBER_ANY and text not in self.types):
            return np.ones(self.molecule.n_atoms, dtype=bool)
        found = np.zeros(self.molecule.n_atoms, dtype=bool)
        if text.startswith("(") and text.endswith(")"):
            found[select_atoms(self.atoms, text[1:-1])] = True
        else:
            found = self.types == text
        if not found.any():
            known = sorted(set(self.types.tolist()))
            shown = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} others" if len(known) > _LISTED else "")
            raise BadInput(
                f"No atom is of the type '{text}'", advice=f"Types are {shown}; (name CA) chooses atoms by their names"
            )
        return found

    def matching(self, atoms: np.ndarray, groups: Sequence[str]) -> np.ndarray:
        """Which rows of atoms int [m, k] are of k groups, in this order or the other way round: bool [m]."""
        members = [self.group(text) for text in groups]
        forwards = np.all([member[column] for member, column in zip(members, atoms.T, strict=True)], axis=0)
        backwards = np.all([member[column] for member, column in zip(members, atoms.T[::-1], strict=True)], axis=0)
        return np.asarray(forwards | backwards)

    def chains(self, length: int) -> np.ndarray:
        """All bonds (2), angles (3) or torsion angles (4) of bonded atoms, each once: int [m, length]."""
        found = [chain for atom in range(self.molecule.n_atoms) for chain in self._walks((atom,), length)]
        return np.array([it for it in found if it[0] < it[-1]], dtype=int).reshape(-1, length)

    def within(self, bonds: int) -> np.ndarray:
        """Pairs of atoms int [m, 2] that are at most so many bonds apart."""
        found = [self.chains(length)[:, [0, -1]] for length in range(2, bonds + 2)]
        return np.unique(np.concatenate([np.empty((0, 2), dtype=int), *found]), axis=0)

    def are_bonded(self, atoms: np.ndarray) -> np.ndarray:
        """Which rows of atoms int [m, k] are chains of bonds: bool [m]."""
        return np.array(
            [all(b in self.neighbours[a] for a, b in pairwise(row)) for row in atoms.tolist()],
            dtype=bool,
        )

    def _walks(self, begun: tuple[int, ...], length: int) -> Iterator[tuple[int, ...]]:
        if len(begun) == length:
            yield begun
            return
        for atom in self.neighbours[begun[-1]]:
            if atom not in begun:
                yield from self._walks((*begun, atom), length)


def split_groups(text: str) -> list[str]:
    """The words of "CT-CT-(name HB1)", without the hyphens between them."""
    return [part.strip() for part in re.findall(r"\([^()]*\)|[^-()]+", text) if part.strip()]

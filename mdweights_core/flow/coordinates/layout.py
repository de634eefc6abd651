"""Which length, angle and torsion each value of a Z-matrix is, and what people call it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdweights_core.flow.coordinates.zmatrix import Graph, ZMatrix


@dataclass(frozen=True)
class Layout:
    """The values of a Z-matrix: lengths, then angles, then torsions.

    Attributes
    ----------
    zmatrix : ZMatrix
    atoms : list of tuple of int
        Two, three or four for each value, the one that it places first.
    names : list of str
    n_lengths, n_angles, n_torsions : int
    """

    zmatrix: ZMatrix
    atoms: list[tuple[int, ...]]
    names: list[str]
    n_lengths: int
    n_angles: int
    n_torsions: int

    @classmethod
    def of(cls, zmatrix: ZMatrix, labels: Sequence[str], *, with_start: bool) -> Layout:
        """Values of the atoms after the start, and of its triangle, too, where that is told by them."""
        middle, one, other = zmatrix.start.atoms[:3]
        lengths: list[tuple[int, ...]] = [(one, middle), (other, middle)] if with_start else []
        angles: list[tuple[int, ...]] = [(one, middle, other)] if with_start else []
        quads = [(int(a), *map(int, of)) for a, of in zip(zmatrix.atoms, zmatrix.references, strict=True)]
        lengths += [quad[:2] for quad in quads]
        angles += [quad[:3] for quad in quads]
        names = [_listed("bond", of, labels) for of in lengths] + [_listed("angle", of, labels) for of in angles]
        names += [_torsion_name(zmatrix, row, labels) for row in range(len(quads))]
        return cls(zmatrix, [*lengths, *angles, *quads], names, len(lengths), len(angles), len(quads))

    @property
    def first_torsion(self) -> int:
        """Where torsions begin."""
        return self.n_lengths + self.n_angles


def labels_of(topology: Any) -> list[str]:
    """Atoms as people call them: by name, with the residue's number where the name occurs twice."""
    atoms = list(topology.atoms())
    count = Counter(atom.name for atom in atoms)
    return [atom.name if count[atom.name] == 1 else f"{atom.name}:{atom.residue.id}" for atom in atoms]


def bonds_in_rings(graph: Graph) -> set[tuple[int, int]]:
    """Bonds, either way round, whose ends are joined by other bonds as well (Tarjan's bridges are all others)."""
    entered: dict[int, int] = {}
    lowest: dict[int, int] = {}
    bridges: set[tuple[int, int]] = set()
    for root in range(graph.n_atoms):
        if root in entered:
            continue
        entered[root] = lowest[root] = len(entered)
        path = [(root, -1, iter(graph.neighbours[root]))]
        while path:
            atom, before, others = path[-1]
            other = next(others, None)
            if other is None:
                path.pop()
                if path:
                    lowest[before] = min(lowest[before], lowest[atom])
                    if lowest[atom] > entered[before]:
                        bridges |= {(atom, before), (before, atom)}
            elif other not in entered:
                entered[other] = lowest[other] = len(entered)
                path.append((other, atom, iter(graph.neighbours[other])))
            elif other != before:
                lowest[atom] = min(lowest[atom], entered[other])
    every = {(a, b) for a in range(graph.n_atoms) for b in graph.neighbours[a]}
    return every - bridges


def planar_bonds(graph: Graph) -> set[tuple[int, int]]:
    """Bonds, either way round, of two atoms with three neighbours each: those of peptides and double bonds."""
    three = np.array([len(of) == 3 for of in graph.neighbours])
    return {(a, b) for a in range(graph.n_atoms) for b in graph.neighbours[a] if three[a] and three[b]}


def _torsion_name(zmatrix: ZMatrix, row: int, labels: Sequence[str]) -> str:
    atom, (p, g, t) = int(zmatrix.atoms[row]), map(int, zmatrix.references[row])
    if not zmatrix.is_branch[row]:
        return _listed("torsion", (t, g, p, atom), labels)
    first = int(zmatrix.first[row])
    sibling = t if first == row else int(zmatrix.atoms[first])
    return f"branch {labels[atom]} from {labels[sibling]} about {labels[g]}-{labels[p]}"


def _listed(what: str, atoms: Sequence[int], labels: Sequence[str]) -> str:
    return f"{what} {'-'.join(labels[atom] for atom in atoms)}"

"""Which atoms each atom is placed by: a Z-matrix chosen from a graph of bonds.

The tree of bonds starts at the middle of the molecule, so that few atoms lie between any atom and the start, and goes
on by distance in bonds: all atoms of one level are placed together. Bonds that close rings are in no tree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput, counted

STRAIGHT = np.radians(165.0)
"""Three atoms at more than this angle are no reference of a torsion."""


@dataclass(frozen=True)
class Start:
    """The atoms that are placed before all others.

    Attributes
    ----------
    atoms : tuple of int
        Three of a molecule, the first bonded to both others; or any number that lie in space by other means.
    parent : dict of int to int
        The bonded atom before each of them but the first.
    """

    atoms: tuple[int, ...]
    parent: dict[int, int]


@dataclass(frozen=True)
class ZMatrix:
    """How the atoms after the start are placed, level by level.

    Attributes
    ----------
    start : Start
    atoms : int64 [m]
        In the order in which they are placed.
    references : int64 [m, 3]
        For each the atoms p, g, t: of its bond, of its angle (atom, p, g) and of its torsion (atom, p, g, t).
    levels : int64 [m]
        Never falling; references of an atom are in the start or have a lower level.
    first : int64 [m]
        Row of the first of the atoms bonded to p. Torsions of its siblings are told as differences to its own.
    is_branch : bool [m]
        Whether the variable is the angle between two bonds of p seen along g-p, and no torsion about g-p: that of
        siblings, and where t is bonded to p.
    """

    start: Start
    atoms: np.ndarray
    references: np.ndarray
    levels: np.ndarray
    first: np.ndarray
    is_branch: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """All atoms, those of the start first."""
        return np.concatenate([np.array(self.start.atoms, dtype=np.int64), self.atoms])


class Graph:
    """Atoms and bonds, with what is asked of them.

    Parameters
    ----------
    n_atoms : int
    bonds : iterable of pairs of int
    is_hydrogen : sequence of bool, optional
        These come last among their siblings.
    positions : float [k, n_atoms, 3], optional
        Conformations that tell straight angles.
    """

    def __init__(
        self,
        n_atoms: int,
        bonds: Iterable[Sequence[int]],
        is_hydrogen: Sequence[bool] | None = None,
        positions: np.ndarray | None = None,
    ) -> None:
        self.n_atoms = n_atoms
        self.neighbours: list[list[int]] = [[] for _ in range(n_atoms)]
        for a, b in sorted({(min(pair), max(pair)) for pair in ((int(a), int(b)) for a, b in bonds)}):
            self.neighbours[a].append(b)
            self.neighbours[b].append(a)
        self.is_hydrogen = [False] * n_atoms if is_hydrogen is None else list(is_hydrogen)
        self._positions = positions

    def is_straight(self, a: int, apex: int, b: int) -> bool:
        """Whether the angle of three atoms is near 0 or 180 degrees in a conformation."""
        if self._positions is None:
            return False
        x = self._positions
        u, v = x[:, a] - x[:, apex], x[:, b] - x[:, apex]
        angles = np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), np.sum(u * v, axis=1))
        return bool((angles > STRAIGHT).any() or (angles < np.pi - STRAIGHT).any())

    def distances(self, start: int) -> dict[int, int]:
        """Number of bonds from an atom to all that it is joined to, the nearest first."""
        found, waiting = {start: 0}, deque([start])
        while waiting:
            atom = waiting.popleft()
            for other in self.neighbours[atom]:
                if other not in found:
                    found[other] = found[atom] + 1
                    waiting.append(other)
        return found


def refuse_pieces(graph: Graph) -> None:
    """Refuse fewer than three atoms, and molecules that no bond joins."""
    if graph.n_atoms < 3:
        raise BadInput(
            f"{counted(graph.n_atoms, 'atom')} cannot be told in internal coordinates: these need at least three",
            advice="Choose Cartesian coordinates",
        )
    pieces, seen = 0, set[int]()
    for atom in range(graph.n_atoms):
        if atom not in seen:
            pieces += 1
            seen |= graph.distances(atom).keys()
    if pieces > 1:
        raise BadInput(
            f"The structure consists of {pieces} pieces that no bond joins, and internal coordinates are of one "
            "molecule",
            advice="Give one molecule without water and ions, or its missing bonds (CONECT records)",
        )


def choose_zmatrix(graph: Graph, start: Start | None = None) -> ZMatrix:
    """Choose references for all atoms.

    Parameters
    ----------
    graph : Graph
        Of one molecule of three atoms or more.
    start : Start, optional
        Atoms that are placed by other means: connected by bonds, three or more. By default the three in the middle.

    Raises
    ------
    BadInput
        If the molecule is in pieces or straight.
    """
    refuse_pieces(graph)
    start = start or _middle(graph)
    parent, level = _tree(graph, start)
    sizes = _sizes(parent, level)

    def rank(atom: int) -> tuple[int, bool, int, int]:
        return level[atom], graph.is_hydrogen[atom], -sizes[atom], atom

    atoms = sorted((atom for atom in parent if atom not in start.atoms), key=rank)
    row_of_first: dict[int, int] = {}
    references: list[tuple[int, int, int]] = []
    first, is_branch = [], []
    for row, atom in enumerate(atoms):
        p = parent[atom]
        g, t = references[row_of_first[p]][1:] if p in row_of_first else _references(graph, parent, level, p)
        references.append((p, g, t))
        first.append(row_of_first.setdefault(p, row))
        is_branch.append(first[-1] != row or t in graph.neighbours[p])
    return ZMatrix(
        start,
        np.array(atoms, dtype=np.int64),
        np.array(references, dtype=np.int64).reshape(-1, 3),
        np.array([level[atom] for atom in atoms], dtype=np.int64),
        np.array(first, dtype=np.int64),
        np.array(is_branch, dtype=bool),
    )


def _middle(graph: Graph) -> Start:
    """Return three atoms not in a line: one from which all others are near, and two of its neighbours."""

    def rank(atom: int) -> tuple[int, int, int]:
        heavy = sum(not graph.is_hydrogen[other] for other in graph.neighbours[atom])
        return -min(heavy, 2), max(graph.distances(atom).values()), atom

    for root in sorted((a for a in range(graph.n_atoms) if len(graph.neighbours[a]) > 1), key=rank):
        behind = _sizes(*_tree(graph, Start((root,), {})))  # backbones before side chains
        ends = sorted(graph.neighbours[root], key=lambda a: (graph.is_hydrogen[a], -behind[a], a))
        for i, one in enumerate(ends):
            for other in ends[i + 1 :]:
                if graph.n_atoms == 3 or not graph.is_straight(one, root, other):
                    return Start((root, one, other), {one: root, other: root})
    raise BadInput("All atoms lie in a line, and no torsion can be told", advice="Choose Cartesian coordinates")


def _tree(graph: Graph, start: Start) -> tuple[dict[int, int], dict[int, int]]:
    """Return the atom before each atom, and the number of bonds from the start."""
    parent, level = dict(start.parent), dict.fromkeys(start.atoms, 0)
    waiting = deque(start.atoms)
    while waiting:
        atom = waiting.popleft()
        for other in graph.neighbours[atom]:
            if other not in level:
                parent[other], level[other] = atom, level[atom] + 1
                waiting.append(other)
    return parent, level


def _sizes(parent: dict[int, int], level: dict[int, int]) -> dict[int, int]:
    """Return how many atoms hang on each atom, itself counted."""
    sizes = dict.fromkeys(level, 1)
    for atom in sorted(level, key=lambda a: -level[a]):
        if level[atom]:
            sizes[parent[atom]] += sizes[atom]
    return sizes


def _references(graph: Graph, parent: dict[int, int], level: dict[int, int], p: int) -> tuple[int, int]:
    """Return g bonded to p and t, both placed not later than p: not in a line with it.

    A t that is bonded to p, too, comes first: the angle between two bonds of p varies least.
    """
    bonded = [a for a in graph.neighbours[p] if level[a] <= level[p]]
    for g in sorted(bonded, key=lambda a: (a != parent.get(p), graph.is_hydrogen[a], a)):
        near = graph.distances(g)
        others = [a for a in near if a not in (g, p) and level[a] <= level[p]]
        siblings = set(graph.neighbours[p])
        for t in sorted(
            others, key=lambda a: (a not in siblings, near[a], a != parent.get(g), graph.is_hydrogen[a], a)
        ):
            apex, end = (p, g) if t in siblings else (g, p)
            if not graph.is_straight(t, apex, end):
                return g, t
    raise BadInput("All atoms placed before another lie in a line with it", advice="Choose Cartesian coordinates")

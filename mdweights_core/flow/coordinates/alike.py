"""Which hydrogens cannot be told apart, and which labels they have in frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.base import Energy, value
from mdweights_core.energy.internal import torsion
from mdweights_core.errors import counted
from mdweights_core.flow.coordinates.hydrogens import Hydrogens
from mdweights_core.flow.coordinates.kinds import wrapped
from mdweights_core.flow.coordinates.layout import Layout
from mdweights_core.flow.coordinates.zmatrix import Graph

SAME = 1e-6
"""Hydrogens are alike when the energy changes by less than this share (or kJ/mol) as two of them change places."""


class Alike(NamedTuple):
    """Rows of a Z-matrix: groups of three hydrogens [k, 3] and of two [j, 2]."""

    triples: np.ndarray
    pairs: np.ndarray


def find_alike(layout: Layout, graph: Graph, energy: Energy, x: np.ndarray) -> Alike:
    """Hydrogens of CH3 and NH3 groups, and of CH2, that the energy at x [n_atoms, 3] does not tell apart."""
    zmatrix = layout.zmatrix
    of_parent: dict[int, list[int]] = defaultdict(list)
    for row, atom in enumerate(zmatrix.atoms):
        if graph.is_hydrogen[atom] and len(graph.neighbours[atom]) == 1:
            of_parent[int(zmatrix.references[row, 0])].append(row)
    groups = [rows for p, rows in of_parent.items() if _is_tetrahedral(graph, p, len(rows))]
    groups = [rows for rows in groups if _are_alike(energy, x, zmatrix.atoms[rows])]
    triples = [rows for rows in groups if len(rows) == 3 and not zmatrix.is_branch[rows[0]]]
    pairs = [rows for rows in groups if len(rows) == 2]
    return Alike(_table(triples, 3), _table(pairs, 2))


def no_alike() -> Alike:
    """No groups at all."""
    return Alike(_table([], 3), _table([], 2))


def label_rules(layout: Layout, alike: Alike, frames: np.ndarray, weights: np.ndarray) -> Hydrogens:
    """Hands and places of groups as most frames [T, n_atoms, 3] have them."""
    zmatrix = layout.zmatrix
    triples, pairs = zmatrix.atoms[alike.triples], zmatrix.atoms[alike.pairs]
    of_triples, of_pairs = (zmatrix.references[rows[:, 0]] for rows in alike)
    turns = _torsions(frames, triples, of_triples)
    tables = (triples, of_triples, alike.triples, _hand(turns, weights), _middle(turns, weights))
    of_two = (pairs, of_pairs, _hand(_torsions(frames, pairs, of_pairs), weights))
    return Hydrogens(*(jnp.asarray(table) for table in (*tables, *of_two)))


def told(alike: Alike, n_relabelled: int, n_frames: int) -> list[str]:
    """Sentences on hydrogens that are told by their order only."""
    said = []
    if len(alike.triples):
        said.append(
            f"The hydrogens of {counted(len(alike.triples), 'CH3 or NH3 group')} cannot be told apart: a third of the "
            "circle holds all their turns, and averages are those of hydrogens without labels."
        )
    if n_relabelled:
        said.append(f"In {n_relabelled} of {counted(n_frames, 'frame')} hydrogens were given each other's labels.")
    return said


def _is_tetrahedral(graph: Graph, p: int, n: int) -> bool:
    """Whether an atom has four neighbours, of which these n hydrogens are all that are hydrogens."""
    hydrogens = sum(graph.is_hydrogen[a] for a in graph.neighbours[p])
    return len(graph.neighbours[p]) == 4 and hydrogens == n > 1


def _are_alike(energy: Energy, x: np.ndarray, atoms: np.ndarray) -> bool:
    here = float(value(energy, jnp.asarray(x)))
    for other in atoms[1:]:
        swapped = np.array(x)
        swapped[[atoms[0], other]] = x[[other, atoms[0]]]
        if not abs(float(value(energy, jnp.asarray(swapped))) - here) <= SAME * max(1.0, abs(here)):
            return False
    return True


def _torsions(frames: np.ndarray, hydrogens: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Torsions [T, k, j] of k groups of j hydrogens."""
    others = np.broadcast_to(references[:, None], (*hydrogens.shape, 3))
    quads = np.concatenate([hydrogens[..., None], others], axis=-1)
    return np.asarray(torsion(jnp.asarray(frames[:, quads])))


def _hand(turns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 where torsions mostly grow from the first hydrogen to the second, -1 where they fall: float64 [k]."""
    growing = weights @ np.sign(wrapped(turns[..., 1] - turns[..., 0]))
    return np.where(growing < 0, -1.0, 1.0)


def _middle(turns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where the mean torsion of groups of three mostly is, up to thirds of a turn: float64 [k]."""
    return np.angle(np.tensordot(weights, np.exp(3j * turns), axes=1).sum(axis=1)) / 3


def _table(groups: Sequence[Sequence[int]], width: int) -> np.ndarray:
    return np.array(groups, dtype=np.int64).reshape(-1, width)

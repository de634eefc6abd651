"""Whether positions can be those of a molecule: finite, not on top of one another, with bonds of possible length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mdweights_core.energy.water import of_water
from mdweights_core.errors import BadInput, counted

CLASH = 0.05  # nm: no two nuclei come that close
LONG = 0.25  # nm: no bond is that long
NAMED = 3  # of many, in a sentence


def refuse_impossible_positions(topology: Any, x: np.ndarray, *, is_crystal: bool = False) -> None:
    """Refuse positions that are not numbers, and atoms in the same place, by their names.

    Parameters
    ----------
    topology : openmm.app.Topology
    x : float64 [n_atoms, 3]
        In nm.
    is_crystal : bool
        Whether atoms meet those of the cells around, too.
    """
    atoms = list(topology.atoms())
    broken = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(broken):
        raise BadInput(
            f"{counted(len(broken), 'position')} are not numbers: {_listed([name_of(atoms[i]) for i in broken])}",
            advice="Take these atoms out of the file, or give their positions",
        )
    box = box_of(topology) if is_crystal else None
    pairs, apart = close_pairs(x, box)
    if len(pairs):
        named = [
            f"{name_of(atoms[i])} and {name_of(atoms[j])} ({10 * distance:.2f} Å)"
            for (i, j), distance in zip(pairs, apart, strict=True)
        ]
        raise BadInput(
            f"{counted(len(pairs), 'pair')} of atoms are closer than {10 * CLASH:g} Å: {_listed(named)}",
            advice="Look for alternative conformations or molecules that are there twice",
        )


def remarks_on_starts(starts: np.ndarray, frames: Sequence[int]) -> list[str]:
    """A sentence on frames [S, n_atoms, 3] in nm whose atoms lie on top of one another; `frames` are their numbers."""
    pairs = zip(starts, frames, strict=False)  # the structure itself is no frame, and was looked at
    clashing = [frame for x, frame in pairs if np.isfinite(x).all() and len(close_pairs(x)[0])]
    if not clashing:
        return []
    return [
        f"{len(clashing)} of {counted(len(frames), 'frame')} have atoms closer than {10 * CLASH:g} Å, the first of "
        f"them frame {clashing[0]}: these are pushed apart, which can end far from where the frame was."
    ]


def close_pairs(x: np.ndarray, box: np.ndarray | None = None, limit: float = CLASH) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms closer than a limit, in a crystal also to images in the cells around.

    Parameters
    ----------
    x : float64 [n_atoms, 3]
        In nm.
    box : float64 [3, 3], optional
        Edges of the cell in its rows, nm.
    limit : float
        In nm.

    Returns
    -------
    pairs : int64 [m, 2]
    distances : float64 [m]
        In nm.
    """
    from scipy.spatial import cKDTree

    number = np.arange(len(x))
    if box is not None:
        x, number = _with_margin(x, box, limit)
    pairs = cKDTree(x).query_pairs(limit, output_type="ndarray")
    apart = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    pairs, first = np.unique(np.sort(number[pairs], axis=1), axis=0, return_index=True)
    return pairs, apart[first]


def _with_margin(x: np.ndarray, box: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Atoms put into their cell, and those images that lie within a width of it, nm; which atom each is."""
    to_fractional = np.linalg.inv(box)
    fractional = x @ to_fractional
    fractional -= np.floor(fractional)
    margin = width * np.linalg.norm(to_fractional, axis=0)
    parts, numbers = [], []
    for shift in np.ndindex(3, 3, 3):
        image = fractional + np.array(shift) - 1
        near = np.flatnonzero(((image > -margin) & (image < 1 + margin)).all(axis=1))
        parts.append(image[near] @ box)
        numbers.append(near)
    return np.concatenate(parts), np.concatenate(numbers)


def box_of(topology: Any) -> np.ndarray | None:
    """Edges of the cell of a topology in rows [3, 3], nm; None where it has none."""
    from openmm import unit

    vectors = topology.getPeriodicBoxVectors()
    return None if vectors is None else np.array(vectors.value_in_unit(unit.nanometer), dtype=np.float64)


def remarks_on(topology: Any, x: np.ndarray) -> list[str]:
    """Sentences on bonds of impossible length, and on pieces that no bond joins."""
    said = []
    long = [(a, b) for a, b in topology.bonds() if _apart(x, a.index, b.index) > 10 * LONG]
    if long:
        named = [f"{name_of(a)} to {name_of(b)} ({_apart(x, a.index, b.index):.1f} Å)" for a, b in long]
        said.append(
            f"{counted(len(long), 'bond')} longer than {10 * LONG:g} Å: {_listed(named)}. "
            "Residues may be missing between these atoms."
        )
    n_pieces = number_of_pieces(topology)
    if n_pieces > 1:
        said.append(f"The structure consists of {n_pieces} pieces that no bond joins.")
    return said


def number_of_pieces(topology: Any) -> int:
    """Number of molecules beside waters and single ions: of sets of atoms that bonds join."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = topology.getNumAtoms()
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds()], dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    water = [atom.index for residue in of_water(topology) for atom in residue.atoms()]
    return len(np.unique(np.delete(labels, water)))


def name_of(atom: Any) -> str:
    """Return what a user calls an atom: ``CA of LEU 12 (chain A)``."""
    return f"{atom.name} of {residue_name(atom.residue)}"


def residue_name(residue: Any) -> str:
    """Return what a user calls a residue: ``LEU 12 (chain A)``."""
    chain = f" (chain {residue.chain.id})" if residue.chain.id.strip() else ""
    return f"{residue.name} {residue.id}{chain}"


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _apart(x: np.ndarray, i: int, j: int) -> float:
    """Distance in Å."""
    return 10 * float(np.linalg.norm(x[i] - x[j]))

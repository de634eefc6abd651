"""Whether positions can be those of a molecule: finite, not on top of one another, with bonds of possible length."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdweights_core.energy.water import of_water
from mdweights_core.errors import BadInput, counted

CLASH = 0.05  # nm: no two nuclei come that close
LONG = 0.25  # nm: no bond is that long
NAMED = 3  # of many, in a sentence


def refuse_impossible_positions(topology: Any, x: np.ndarray) -> None:
    """Refuse positions that are not numbers, and atoms in the same place, by their names.

    Parameters
    ----------
    topology : openmm.app.Topology
    x : float64 [n_atoms, 3]
        In nm.
    """
    atoms = list(topology.atoms())
    broken = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(broken):
        raise BadInput(
            f"{counted(len(broken), 'position')} are not numbers: {_listed([name_of(atoms[i]) for i in broken])}",
            advice="Take these atoms out of the file, or give their positions",
        )
    pairs = close_pairs(x)
    if len(pairs):
        named = [f"{name_of(atoms[i])} and {name_of(atoms[j])} ({_apart(x, i, j):.2f} Å)" for i, j in pairs]
        raise BadInput(
            f"{counted(len(pairs), 'pair')} of atoms are closer than {10 * CLASH:g} Å: {_listed(named)}",
            advice="Look for alternative conformations or molecules that are there twice",
        )


def close_pairs(x: np.ndarray) -> np.ndarray:
    """Pairs of atoms [m, 2] closer than `CLASH` nm."""
    from scipy.spatial import cKDTree

    return cKDTree(x).query_pairs(CLASH, output_type="ndarray")


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

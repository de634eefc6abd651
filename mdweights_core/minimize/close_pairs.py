"""Curvature along the distance of close non-bonded pairs: the part of it that binds neighbours stiffly to their places.

Bonded terms alone leave contacts to the iterations. With pairs nearer than 0.4 nm in the preconditioner a sixth to a
third of the evaluations is saved (docs/benchmarks.md), and its factors are several times as large. These grow faster
than the molecule: large ones take fewer pairs.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.spatial

from mdweights_core.energy.base import Energy, Stiffness
from mdweights_core.energy.blocks import PairBlocks
from mdweights_core.energy.curvature import gauss_newton, stiffness_by_term
from mdweights_core.energy.nonbonded import COULOMB, Nonbonded
from mdweights_core.minimize.base import Curvature

REACH = 0.4
"""Pairs nearer than this are close, nm."""

REACH_OF_MANY = 0.25
"""The same in systems of more than `MANY` atoms: of 8 867, factors take 0.1 s, where 0.3 nm takes 1.3 s."""

MANY = 3000


def curvature_of(energy: Energy) -> Curvature:
    """The positive curvature of all terms of an energy that know it, and of its close pairs."""
    reach = REACH if energy.n_atoms <= MANY else REACH_OF_MANY

    def curvature(x: np.ndarray) -> scipy.sparse.csc_array:
        contacts = [close_pairs(term, x, reach) for term in energy.terms.values() if isinstance(term, Nonbonded)]
        return gauss_newton([*stiffness_by_term(energy, x), *contacts], energy.n_atoms)

    return curvature


def close_pairs(term: Nonbonded, x: np.ndarray, reach: float = REACH) -> Stiffness:
    """Positive second derivatives of Lennard-Jones and Coulomb energies along the distance of close pairs.

    Of periodic systems pairs within the box only; of a reaction field the Coulomb energy only.

    Parameters
    ----------
    term : Nonbonded
    x : float64 [n_atoms, 3]
        nm.
    reach : float
        nm.
    """
    pairs = scipy.spatial.cKDTree(x).query_pairs(reach, output_type="ndarray")
    pairs = pairs[_counts(term.blocks, pairs)]
    charge, radius, well = (np.asarray(term.atoms[name])[pairs] for name in ("charge", "radius", "well"))
    special = np.asarray(term.special, dtype=np.int64).reshape(-1, 2)
    atoms = np.concatenate([pairs, special])
    charges = np.concatenate([charge.prod(axis=1), np.asarray(term.special_charge)])
    sigma = np.concatenate([radius.sum(axis=1), np.asarray(term.special_sigma)])
    epsilon = np.concatenate([4 * well.prod(axis=1), 4 * np.asarray(term.special_epsilon)])
    apart = x[atoms[:, 0]] - x[atoms[:, 1]]
    r = np.maximum(np.linalg.norm(apart, axis=1), 1e-6)
    sixth = (sigma / r) ** 6
    constants = epsilon * (156 * sixth**2 - 42 * sixth) / r**2 + 2 * COULOMB * charges / r**3
    stiff = (constants > 0) & (r < reach)
    along = (apart / r[:, None])[stiff]
    return Stiffness(atoms[stiff], np.stack([along, -along], axis=1), constants[stiff])


def _counts(blocks: PairBlocks, pairs: np.ndarray) -> np.ndarray:
    """Which pairs [m, 2] are not excluded, bool [m]."""
    places = np.asarray(blocks.place, dtype=np.int64)[pairs]
    block, slot = places // blocks.size, places % blocks.size
    near = np.asarray(blocks.near, dtype=np.int64)
    # the last tiles may be padding that repeats the first: of equal ones the first counts
    known, first = np.unique(near @ [blocks.n_blocks, 1], return_index=True)
    mask = np.asarray(blocks.mask)
    is_far, counts = np.ones(len(pairs), dtype=bool), np.zeros(len(pairs), dtype=bool)
    for a, b in ((0, 1), (1, 0)):
        wanted = block[:, a] * blocks.n_blocks + block[:, b]
        found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        is_near = known[found] == wanted
        is_far &= ~is_near
        counts |= is_near & mask[first[found], slot[:, a], slot[:, b]]
    return counts | is_far

"""Motions of a molecule as a whole, or of blocks of it, as orthonormal vectors of mass-weighted displacements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from mdweights_core.energy.blocks import compact_order

_FLAT = 1e-8
"""A rotation that moves atoms by less than this share of the largest one is none: of a line about itself."""


def rigid_motions(x: np.ndarray, masses: np.ndarray | None = None, *, only_translations: bool = False) -> np.ndarray:
    """Translations and rotations.

    Parameters
    ----------
    x : float64 [n_atoms, 3]
        Positions.
    masses : float64 [n_atoms], optional
        Displacements are times the square root of these; 1 when not given.
    only_translations : bool
        True for a crystal, whose rotation deforms it.

    Returns
    -------
    float64 [3 n_atoms, r]
        Orthonormal columns; r is 6, of a line 5, of a single atom or a crystal 3.
    """
    weight = np.sqrt(np.ones(len(x)) if masses is None else masses)
    centre = weight**2 @ x / np.sum(weight**2)
    moves = [np.broadcast_to(axis, x.shape) for axis in np.eye(3)]
    if not only_translations:
        moves += [np.cross(axis, x - centre) for axis in np.eye(3)]
    columns = np.stack([(weight[:, None] * move).ravel() for move in moves], axis=1)
    # rotations in nm are as large as translations, so that the small ones can be told
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, sizes > _FLAT * sizes[0]]


def compact_blocks(x: np.ndarray, size: int) -> np.ndarray:
    """Number compact blocks of `size` atoms, the last with what is left: int64 [n_atoms]."""
    labels = np.empty(len(x), dtype=np.int64)
    labels[compact_order(x, size)] = np.arange(len(x)) // size
    return labels


def block_motions(
    x: np.ndarray, blocks: np.ndarray | Sequence[int], masses: np.ndarray | None = None
) -> scipy.sparse.csr_array:
    """The rotations and translations of blocks (Tama et al., Proteins 41, 1, 2000): a basis of few, soft motions.

    Parameters
    ----------
    x : float64 [n_atoms, 3]
    blocks : int [n_atoms]
        The block of each atom, residues for one.
    masses : float64 [n_atoms], optional

    Returns
    -------
    csr_array [3 n_atoms, r]
        Orthonormal columns: `rigid_motions` of every block.
    """
    masses = np.ones(len(x)) if masses is None else masses
    order = np.argsort(blocks, kind="stable")
    ends = np.flatnonzero(np.diff(np.asarray(blocks)[order])) + 1
    groups = np.split(order, ends)
    parts = [scipy.sparse.coo_array(rigid_motions(x[atoms], masses[atoms])) for atoms in groups]
    joined = scipy.sparse.block_diag(parts, format="csr")
    place = np.empty(len(x), dtype=np.int64)
    place[order] = np.arange(len(x))
    return scipy.sparse.csr_array(joined[(3 * place[:, None] + np.arange(3)).ravel()])

"""Packs one molecule and its symmetry mates in P 21 21 21 by relaxing a soft repulsion between heavy atoms."""

from __future__ import annotations

from itertools import product

import gemmi
import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

SPACE_GROUP = gemmi.SpaceGroup("P 21 21 21")
CONTACT = 3.9  # heavy atoms of two molecules nearer than this repel, angstrom
_SHIFTS = np.array(list(product((-1, 0, 1), repeat=3)), dtype=float)


def symmetry_copies(positions: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The molecule [n, 3] and its symmetry mates in an orthorhombic cell: [n_op, n, 3], angstrom."""
    fractional = positions / edges
    copies = []
    for op in SPACE_GROUP.operations():
        rotation, shift = np.array(op.rot) / op.DEN, np.array(op.tran) / op.DEN
        copies.append(fractional @ rotation.T + shift)
    return np.array(copies) * edges


def symmetrised(copies: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Copies [n_op, n, 3] with every one replaced by the symmetry image of their common mean; same cell places."""
    back = []
    for op, copy in zip(SPACE_GROUP.operations(), copies / edges, strict=True):
        rotation, shift = np.array(op.rot) / op.DEN, np.array(op.tran) / op.DEN
        back.append((copy - shift) @ np.linalg.inv(rotation).T)
    reference = back[0]
    whole = [np.round((reference - one).mean(axis=0)) for one in back]
    mean = np.mean([one + shift for one, shift in zip(back, whole, strict=True)], axis=0)
    images = symmetry_copies(mean * edges, edges)
    return images + np.round((copies - images).mean(axis=1, keepdims=True) / edges) * edges


def overlap(positions: np.ndarray, edges: np.ndarray) -> float:
    """Sum over contacts of one molecule with all others of (CONTACT - d)^2, angstrom^2."""
    copies = symmetry_copies(positions, edges)
    copies -= np.round((copies - positions).mean(axis=1, keepdims=True) / edges) * edges  # nearest image of each
    images = copies[:, None] + (_SHIFTS * edges)[:, None, :]  # [n_op, 27, n, 3]
    images[0, len(_SHIFTS) // 2] += 1e6  # not with itself
    tree = cKDTree(images.reshape(-1, 3))
    distance = tree.query(positions, k=12, distance_upper_bound=CONTACT)[0]
    return float(((CONTACT - distance[np.isfinite(distance)]) ** 2).sum())


def pack(positions: np.ndarray, edges: np.ndarray, *, trials: int, seed: int) -> tuple[np.ndarray, float]:
    """The best of `trials` relaxed random placements near the c axis: positions [n, 3] and their overlap."""
    rng = np.random.default_rng(seed)
    centred = _along_c(positions)
    best, lowest = centred, np.inf
    for _ in range(trials):
        start = np.concatenate([rng.uniform(0.0, 1.0, 3), [rng.uniform(0.0, 2.0 * np.pi)], rng.normal(0.0, 0.15, 2)])
        found = minimize(
            lambda p: overlap(_placed(centred, p, edges), edges), start, method="Powell", options={"maxiter": 6}
        )
        if found.fun < lowest:
            best, lowest = _placed(centred, found.x, edges), float(found.fun)
    return best, lowest


def water_sites(positions: np.ndarray, edges: np.ndarray, n_sites: int, *, nearest: float = 2.75) -> np.ndarray:
    """Oxygen sites in the voids, tightest first, and their symmetry mates: [n_op, n_found, 3], angstrom.

    `positions` are the heavy atoms of all molecules; no oxygen comes nearer than `nearest` to them or to another.
    """
    counts = np.ceil(edges / 0.5).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(n) / n for n in counts], indexing="ij"), axis=-1).reshape(-1, 3) * edges
    room = cKDTree(np.mod(positions, edges), boxsize=edges).query(grid)[0]
    rows = np.argsort(room, kind="stable")
    taken: list[np.ndarray] = []
    for site in grid[rows[room[rows] >= nearest]]:
        mates = symmetry_copies(site[None], edges)
        others = np.concatenate([mates[1:], *taken]).reshape(-1, 3) - site
        others -= np.round(others / edges) * edges
        if np.linalg.norm(others, axis=1).min() >= nearest:
            taken.append(mates)
        if len(taken) == n_sites:
            break
    return np.concatenate(taken, axis=1)


def _along_c(positions: np.ndarray) -> np.ndarray:
    """Centred, with the longest principal axis along z and the hand kept."""
    centred = positions - positions.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][::-1]
    axes[0] *= np.sign(np.linalg.det(axes))
    return centred @ axes.T


def _placed(centred: np.ndarray, p: np.ndarray, edges: np.ndarray) -> np.ndarray:
    turn = Rotation.from_euler("zxy", p[3:6])
    return turn.apply(centred) + p[:3] * edges

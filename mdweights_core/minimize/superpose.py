"""How far conformations lie apart when laid onto each other."""

from __future__ import annotations

import numpy as np


def rmsd(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Least root mean square distance of atoms, over all rotations and translations (Kabsch 1976).

    Parameters
    ----------
    x : float64 [S, n_atoms, 3]
    reference : float64 [n_atoms, 3] or [S, n_atoms, 3]

    Returns
    -------
    float64 [S]
        In the unit of x; NaN where a coordinate is no number.
    """
    reference = np.broadcast_to(reference, x.shape)
    fine = np.isfinite(x).all(axis=(1, 2)) & np.isfinite(reference).all(axis=(1, 2))
    apart = np.full(len(x), np.nan)
    a, b = (part[fine] - part[fine].mean(axis=1, keepdims=True) for part in (x, reference))
    left, values, right = np.linalg.svd(np.einsum("ski,skj->sij", a, b))
    values[:, 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))
    square = (a**2).sum(axis=(1, 2)) + (b**2).sum(axis=(1, 2)) - 2 * values.sum(axis=1)
    apart[fine] = np.sqrt(np.maximum(square, 0.0) / x.shape[1])
    return apart

"""How far conformations lie apart when laid onto each other."""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.superposition import fit


def rmsd(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Least root mean square distance of atoms, over all rotations and translations.

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
    apart[fine] = fit(x[fine], reference[fine]).rmsd
    return apart

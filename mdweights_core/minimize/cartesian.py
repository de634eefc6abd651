"""Coordinates of free atoms as variables: no reparametrisation at all."""

from __future__ import annotations

import numpy as np
import scipy.sparse


class FreeAtoms:
    """All coordinates of the atoms that are free to move; the others stay where they are.

    Parameters
    ----------
    x0 : float64 [n_atoms, 3]
        Where fixed atoms stay, nm.
    fixed : bool [n_atoms], optional
        None are fixed by default.
    """

    def __init__(self, x0: np.ndarray, fixed: np.ndarray | None = None) -> None:
        self._x0 = np.array(x0, dtype=np.float64)
        self.free = np.ones(len(x0), dtype=bool) if fixed is None else ~np.asarray(fixed, dtype=bool)
        self.n_variables = 3 * int(self.free.sum())
        columns = np.flatnonzero(np.repeat(self.free, 3))
        self._jacobian = scipy.sparse.eye_array(self._x0.size, format="csc")[:, columns]

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Coordinates float64 [R, n_atoms, 3] of z float64 [R, n_variables]."""
        x = np.repeat(self._x0[None], len(z), axis=0)
        x[:, self.free] = z.reshape(len(z), -1, 3)
        return x

    def pull_back(self, z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradients of the free atoms, [R, n_variables]."""
        return gradient[:, self.free].reshape(len(z), -1)

    def variables(self, x: np.ndarray) -> np.ndarray:
        """Coordinates of the free atoms, [R, n_variables]."""
        return x[:, self.free].reshape(len(x), -1)

    def jacobian(self) -> scipy.sparse.csc_array:
        """Ones where a variable is a coordinate, sparse [3 n_atoms, n_variables]."""
        return self._jacobian

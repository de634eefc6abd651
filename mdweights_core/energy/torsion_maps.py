"""Energies given as maps of two torsion angles (CMAP: MacKerell et al., J. Am. Chem. Soc. 126, 698, 2004)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.internal import torsion

Array = jax.Array

# From value and slope at both ends of an interval to coefficients of powers 0 to 3.
_HERMITE = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TorsionMaps:
    """Sum over m pairs of torsion angles of maps that are interpolated by periodic bicubic splines.

    Attributes
    ----------
    first, second : int [m, 4]
        Atoms of both angles.
    cell : int [m]
        Where the map of each pair begins in `coefficients`.
    size : int [m]
        Number of intervals of that map along each angle.
    coefficients : float64 [cells, 4, 4]
        Of powers of the fractions along both angles, row by row of the maps.
    box : float64 [3, 3], optional
    """

    first: Array
    second: Array
    cell: Array
    size: Array
    coefficients: Array
    box: Array | None = None

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        (row, s), (column, t) = (self._interval(torsion(x[atoms], self.box)) for atoms in (self.first, self.second))
        c = self.coefficients[self.cell + row * self.size + column]
        powers = jnp.arange(4)
        return jnp.einsum("mij,mi,mj->", c, s[:, None] ** powers, t[:, None] ** powers)

    def _interval(self, angle: Array) -> tuple[Array, Array]:
        """Interval of an angle in radian, counted from 0, and the fraction of it."""
        turns = angle / (2 * jnp.pi)
        position = (turns - jnp.floor(turns)) * self.size
        interval = jnp.minimum(jnp.floor(position).astype(jnp.int32), self.size - 1)
        return interval, position - interval


def bicubic(values: np.ndarray) -> np.ndarray:
    """Coefficients [n * n, 4, 4] of the periodic bicubic spline through values [n, n] at equidistant angles."""
    along_first, along_second = _slopes(values), _slopes(values.T).T
    both = _slopes(along_second)

    def corners(grid: np.ndarray) -> np.ndarray:
        """Return the values at the corners of each interval, [n, n, 2, 2]."""
        ahead = np.roll(grid, -1, axis=1)
        return np.stack([np.stack([g, np.roll(g, -1, axis=0)], axis=-1) for g in (grid, ahead)], axis=-1)

    hermite = np.block([[corners(values), corners(along_second)], [corners(along_first), corners(both)]])
    return np.einsum("ik,xykl,jl->xyij", _HERMITE, hermite, _HERMITE).reshape(-1, 4, 4)


def _slopes(values: np.ndarray) -> np.ndarray:
    """Slopes per interval along axis 0 of the periodic cubic splines through values [n, n]."""
    from scipy.interpolate import CubicSpline

    closed = np.concatenate([values, values[:1]])
    return CubicSpline(np.arange(len(closed)), closed, bc_type="periodic", axis=0)(np.arange(len(values)), 1)

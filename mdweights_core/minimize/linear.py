"""Coordinates as sums of slow modes: x = x0 + Psi Z, or the literal X = Psi Z of Dehmamy et al. (NeurIPS 2024)."""

from __future__ import annotations

import numpy as np

from mdweights_core.minimize.base import Reparametrisation


class LinearModes:
    """Amplitudes of modes as variables.

    Parameters
    ----------
    modes : float64 [n_atoms, k] or [n_atoms, 3, k]
        Orthonormal modes: numbers per atom that x, y and z share (3 k variables, those of the paper), or displacements
        with a direction (k variables).
    origin : float64 [n_atoms, 3], optional
        x0, nm. Without it all of x is made of modes, as in the paper, which leaves nothing of the shape of molecules.
    scale : float64 [k], optional
        Length of a mode where its variable is 1: soft modes may move further for the same change of a variable.
    keeps_spread : bool
        True to scale variables found for coordinates so that their spread stays what it was: slow modes hold only a
        part of it. As the published program does.

    Attributes
    ----------
    n_variables : int
    """

    def __init__(
        self,
        modes: np.ndarray,
        *,
        origin: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        keeps_spread: bool = False,
    ) -> None:
        n_atoms, k = len(modes), modes.shape[-1]
        self._is_shared = modes.ndim == 2
        self._modes = modes.reshape(-1, k)
        self._scale = np.ones(k) if scale is None else np.asarray(scale, dtype=np.float64)
        self._origin = np.zeros((n_atoms, 3)) if origin is None else np.asarray(origin, dtype=np.float64)
        self._keeps_spread = keeps_spread
        self.n_variables = 3 * k if self._is_shared else k

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Coordinates float64 [R, n_atoms, 3] of z float64 [R, n_variables]."""
        amplitudes = self._scale[:, None] * z.reshape(len(z), len(self._scale), -1)
        # one product for all rows: the modes are read once
        moved = np.tensordot(amplitudes, self._modes, axes=(1, 1)).swapaxes(1, 2)
        return self._origin + moved.reshape(len(z), *self._origin.shape)

    def pull_back(self, z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradients [R, n_atoms, 3] as gradients in the amplitudes, [R, n_variables]."""
        return (self._scale[:, None] * self._along(gradient)).reshape(len(z), -1)

    def variables(self, x: np.ndarray) -> np.ndarray:
        """The amplitudes nearest to coordinates [R, n_atoms, 3], float64 [R, n_variables]."""
        z = (self._along(x - self._origin) / self._scale[:, None]).reshape(len(x), -1)
        if not self._keeps_spread:
            return z
        found = self.coordinates(z).std(axis=(1, 2))
        return z * (x.std(axis=(1, 2)) / np.maximum(found, np.finfo(float).tiny))[:, None]

    def jacobian(self) -> np.ndarray:
        """dx/dz, float64 [3 n_atoms, n_variables]."""
        scaled = self._modes * self._scale
        return np.kron(scaled, np.eye(3)) if self._is_shared else scaled

    def _along(self, x: np.ndarray) -> np.ndarray:
        """Products of the modes with displacements [R, n_atoms, 3]: [R, k, 3], or [R, k, 1] of those with direction."""
        columns = x.reshape(len(x), len(self._modes), -1)
        return np.tensordot(columns, self._modes, axes=(1, 0)).swapaxes(1, 2)


class Clamped:
    """Another map whose gradients are cut off at a size, component by component, as the published program does.

    Parameters
    ----------
    inner : Reparametrisation
    largest : float
    """

    def __init__(self, inner: Reparametrisation, largest: float) -> None:
        self._inner, self._largest, self.n_variables = inner, largest, inner.n_variables

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Those of the inner map."""
        return self._inner.coordinates(z)

    def pull_back(self, z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradients of the inner map, cut off."""
        return np.clip(self._inner.pull_back(z, gradient), -self._largest, self._largest)

    def variables(self, x: np.ndarray) -> np.ndarray:
        """Those of the inner map."""
        return self._inner.variables(x)

    def jacobian(self) -> None:
        """None: what is cut off is no gradient."""
        return

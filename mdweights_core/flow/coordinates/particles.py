"""Particles whose energy does not change when all move or turn together: the centre, and the rotation in the plane."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import Array, as_dtype, wrapped
from mdweights_core.flow.coordinates.plain import Standardised, Whitening

Linear = Standardised | Whitening


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MeanFree:
    """Particles about their centre: x = basis z, with z placed by linear coordinates.

    The volume is that of the mean-free subspace in orthonormal coordinates.

    Attributes
    ----------
    basis : float64 [n_particles, n_particles - 1]
        Orthonormal columns that are orthogonal to a common shift (Helmert's).
    inner : Standardised or Whitening
        Of z, (n_particles - 1) dim variables.
    n_particles, dim : int
    """

    basis: Array
    inner: Linear
    n_particles: int = field(metadata={"static": True})
    dim: int = field(metadata={"static": True})

    @classmethod
    def from_frames(
        cls, frames: np.ndarray, dim: int, weights: np.ndarray | None = None, *, whiten: bool = True
    ) -> MeanFree:
        """Coordinates scaled by frames [T, n_particles dim], with principal components or without."""
        n_particles, basis = _basis_of(frames, dim)
        inner = _reduced(frames, basis, dim).reshape(len(frames), -1)
        make = Whitening.from_frames if whiten else Standardised.from_frames
        return cls(jnp.asarray(basis), make(inner, weights), n_particles, dim)

    @classmethod
    def of_scale(cls, n_particles: int, dim: int, scale: float = 1.0) -> MeanFree:
        """Coordinates of one scale, where there are no frames."""
        size = (n_particles - 1) * dim
        inner = Standardised.given(np.zeros(size), np.full(size, float(scale)))
        return cls(jnp.asarray(helmert(n_particles)), inner, n_particles, dim)

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.inner.n

    @property
    def n_cartesian(self) -> int:
        """Number of Cartesian variables."""
        return self.n_particles * self.dim

    @property
    def circular(self) -> tuple[bool, ...]:
        """No variable is an angle."""
        return self.inner.circular

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return self.inner.names

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [N] about the origin of variables [n], and the logarithm of the volume change."""
        z, log_det = self.inner.place(y)
        return (as_dtype(self.basis, y) @ z.reshape(-1, self.dim)).ravel(), log_det

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [N], wherever their centre, and the logarithm of the volume change."""
        z = as_dtype(self.basis, x).T @ x.reshape(-1, self.dim)
        return self.inner.read(z.ravel())


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PolarMeanFree:
    """Particles in the plane about their centre, with the overall rotation as a variable of its own, the last.

    The first Jacobi vector, between particles 1 and 2, gives the direction, and its length e^s is the first variable
    (s scaled); all other vectors are told in the frame that turns with it. An energy that does not change under
    rotation makes the last variable uniform and independent of all others.

    Attributes
    ----------
    basis : float64 [n_particles, n_particles - 1]
    inner : Standardised or Whitening
        Of s and the other vectors turned, 2 n_particles - 3 variables.
    n_particles : int
    """

    basis: Array
    inner: Linear
    n_particles: int = field(metadata={"static": True})

    @classmethod
    def from_frames(
        cls, frames: np.ndarray, weights: np.ndarray | None = None, *, whiten: bool = False
    ) -> PolarMeanFree:
        """Coordinates scaled by frames [T, 2 n_particles].

        Raises
        ------
        BadInput
            If particles 1 and 2 are in one place.
        """
        n_particles, basis = _basis_of(frames, 2)
        z = _reduced(frames, basis, 2) @ np.array([1, 1j])
        length = np.abs(z[:, :1])
        if not (length > 0).all():
            raise BadInput("The first two particles lie on each other in a frame, and show no direction")
        turned = z[:, 1:] * (z[:, :1] / length).conj()
        inner = np.concatenate([np.log(length), np.stack([turned.real, turned.imag], -1).reshape(len(z), -1)], axis=1)
        make = Whitening.from_frames if whiten else Standardised.from_frames
        return cls(jnp.asarray(basis), make(inner, weights), n_particles)

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.inner.n + 1

    @property
    def n_cartesian(self) -> int:
        """Number of Cartesian variables."""
        return 2 * self.n_particles

    @property
    def circular(self) -> tuple[bool, ...]:
        """Only the last variable, the rotation, is an angle."""
        return (False,) * self.inner.n + (True,)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return (*self.inner.names, "overall rotation")

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [2 n_particles] about the origin of variables [n], and the logarithm of the volume change."""
        inner, log_det = self.inner.place(y[:-1])
        length = jnp.exp(inner[0])
        # in place of complex numbers, whose derivatives cost twice as much
        own = jnp.concatenate([jnp.stack([length, jnp.zeros_like(length)])[None], inner[1:].reshape(-1, 2)])
        z = own @ _turn(y[-1])
        return (as_dtype(self.basis, y) @ z).ravel(), log_det + 2 * inner[0]

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [2 n_particles], and the logarithm of the volume change."""
        z = as_dtype(self.basis, x).T @ x.reshape(-1, 2)
        rotation = jnp.arctan2(z[0, 1], z[0, 0])
        own = z @ _turn(rotation).T
        s = jnp.log(jnp.sum(z[0] ** 2)) / 2
        inner, log_det = self.inner.read(jnp.concatenate([s[None], own[1:].ravel()]))
        return jnp.append(inner, wrapped(rotation)), log_det - 2 * s


def helmert(n: int) -> np.ndarray:
    """Orthonormal columns [n, n - 1] of sum 0: column k compares point k + 1 with the mean of those before it."""
    basis = np.zeros((n, n - 1))
    for k in range(1, n):
        basis[:k, k - 1], basis[k, k - 1] = -1, k
        basis[:, k - 1] /= np.sqrt(k * (k + 1))
    return basis


def _basis_of(frames: np.ndarray, dim: int) -> tuple[int, np.ndarray]:
    n_particles, left = divmod(frames.shape[1], dim)
    if left or n_particles < 2:
        raise BadInput(f"Frames of {frames.shape[1]} coordinates are not of two or more particles in {dim} dimensions")
    return n_particles, helmert(n_particles)


def _reduced(frames: np.ndarray, basis: np.ndarray, dim: int) -> np.ndarray:
    """Mean-free coordinates [T, n_particles - 1, dim] of frames."""
    return np.einsum("pk,tpd->tkd", basis, np.asarray(frames, dtype=np.float64).reshape(len(frames), -1, dim))


def _turn(angle: Array) -> Array:
    """Rotation [2, 2] that row vectors are multiplied with."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([c, s]), jnp.stack([-s, c])])

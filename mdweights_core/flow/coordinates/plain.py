"""Linear coordinates: shifted and scaled, or whitened (principal components of frames)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import Array, as_dtype, normalised

NULL = 1e-10
"""A principal component with less than this share of the largest variance is none."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Standardised:
    """x = shift + scale y, each variable on its own.

    Attributes
    ----------
    shift, scale : float64 [n]
    names : tuple of str
    """

    shift: Array
    scale: Array
    names: tuple[str, ...] = field(metadata={"static": True})

    @classmethod
    def given(cls, shift: np.ndarray, scale: np.ndarray, names: Sequence[str] | None = None) -> Standardised:
        """Coordinates with a shift and a scale that are known.

        Raises
        ------
        BadInput
            If a scale is not positive.
        """
        shift, scale = np.asarray(shift, dtype=np.float64), np.asarray(scale, dtype=np.float64)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise BadInput(
                "A variable has the same value in all frames, and no scale can be told from it",
                advice="Give frames that differ in all coordinates",
            )
        return cls(jnp.asarray(shift), jnp.asarray(scale), numbered(len(shift)) if names is None else tuple(names))

    @classmethod
    def from_frames(cls, frames: np.ndarray, weights: np.ndarray | None = None) -> Standardised:
        """Mean and standard deviation of frames [T, n]."""
        mean, centred, weights = _centred(frames, weights)
        return cls.given(mean, np.sqrt(weights @ centred**2))

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.names)

    @property
    def n_cartesian(self) -> int:
        """Number of Cartesian variables."""
        return len(self.names)

    @property
    def circular(self) -> tuple[bool, ...]:
        """No variable is an angle."""
        return (False,) * self.n

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [n] of variables [n], and ln |det dx/dy|."""
        own = as_dtype(self, y)
        return own.shift + own.scale * y, jnp.sum(jnp.log(own.scale))

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [n], and ln |det dy/dx|."""
        own = as_dtype(self, x)
        return (x - own.shift) / own.scale, -jnp.sum(jnp.log(own.scale))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Whitening:
    """x = mean + axes (scale y): y are principal components of frames, each with variance 1.

    Directions without variance may be left out; the volume is then that of the plane of the others.

    Attributes
    ----------
    mean : float64 [N]
    axes : float64 [N, n]
        Orthonormal columns, the largest variance first.
    scale : float64 [n]
        Standard deviation along them.
    names : tuple of str
    """

    mean: Array
    axes: Array
    scale: Array
    names: tuple[str, ...] = field(metadata={"static": True})
    n_cartesian: int = field(metadata={"static": True})

    @classmethod
    def from_frames(
        cls, frames: np.ndarray, weights: np.ndarray | None = None, *, drop_null: bool = False
    ) -> Whitening:
        """Principal components of frames [T, N].

        Parameters
        ----------
        frames : float [T, N]
        weights : float [T], optional
        drop_null : bool
            Leave directions out that have less than `NULL` of the largest variance.

        Raises
        ------
        BadInput
            If there is no variance along some direction that is to be kept.
        """
        mean, centred, weights = _centred(frames, weights)
        variance, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
        keep = variance > NULL * variance[-1]
        if not (keep.all() or drop_null) or not variance[-1] > 0:
            raise BadInput(
                f"The frames vary in {keep.sum() if variance[-1] > 0 else 0} of {len(mean)} directions only",
                advice="Give more frames, or leave the other directions out",
            )
        variance, axes = variance[keep][::-1], axes[:, keep][:, ::-1]
        names = tuple(f"component {i + 1}" for i in range(len(variance)))
        return cls(jnp.asarray(mean), jnp.asarray(axes), jnp.asarray(np.sqrt(variance)), names, len(mean))

    @property
    def n(self) -> int:
        """Number of principal components."""
        return len(self.names)

    @property
    def circular(self) -> tuple[bool, ...]:
        """No variable is an angle."""
        return (False,) * self.n

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [N] of variables [n], and the logarithm of the volume change."""
        own = as_dtype(self, y)
        return own.mean + own.axes @ (own.scale * y), jnp.sum(jnp.log(own.scale))

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [N], and the logarithm of the volume change."""
        own = as_dtype(self, x)
        return ((x - own.mean) @ own.axes) / own.scale, -jnp.sum(jnp.log(own.scale))


def numbered(n: int) -> tuple[str, ...]:
    """Names of variables that have none: x1, x2..."""
    return tuple(f"x{i + 1}" for i in range(n))


def _centred(frames: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [n] of frames, frames less it [T, n], and weights [T] of sum 1."""
    frames = np.asarray(frames, dtype=np.float64)
    weights = normalised(weights, len(frames))
    mean = weights @ frames
    return mean, frames - mean, weights

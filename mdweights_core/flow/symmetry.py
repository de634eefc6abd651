"""Operations that no energy notices: orders of alike particles, mirror images. Few enough to sum a density over them.

A flow that has learned one order of its particles says nothing of the others; the mixture of all its images is a
proposal for all of them, with the same configurations up to names, and its density is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Symmetry:
    """A group of permutations of variables with signs.

    Attributes
    ----------
    take : int [G, N]
        For each operation, which variable comes where; the first one changes nothing.
    sign : float64 [G, N]
    """

    take: Array
    sign: Array

    @property
    def order(self) -> int:
        """Number of operations."""
        return self.take.shape[0]

    def images(self, x: Array) -> Array:
        """All images [G, N] of a configuration [N]."""
        return x[self.take] * self.sign.astype(x.dtype)

    def images_of_all(self, frames: np.ndarray) -> np.ndarray:
        """All images [G T, N] of frames [T, N], operation by operation."""
        each = zip(np.asarray(self.take), np.asarray(self.sign), strict=True)
        return np.concatenate([frames[:, take] * sign.astype(frames.dtype) for take, sign in each])


def of_particles(n_particles: int, dimension: int, *, mirror: bool) -> Symmetry:
    """All orders of alike particles and, where the energy has it, the mirror image in the last direction."""
    take = np.array(
        [[dimension * i + k for i in order for k in range(dimension)] for order in permutations(range(n_particles))]
    )
    sign = np.ones(take.shape)
    if mirror:
        flipped = np.tile([*np.ones(dimension - 1), -1.0], n_particles)
        take, sign = np.concatenate([take, take]), np.concatenate([sign, sign * flipped])
    return Symmetry(jnp.asarray(take), jnp.asarray(sign))


def of_mirrors(template: np.ndarray, dimension: int) -> Symmetry:
    """Mirror images along each axis, the particles named after those of a template whose places they come to.

    Parameters
    ----------
    template : float [n_particles dimension]
        One that is its own mirror image along each axis, but for the names of alike particles.
    dimension : int

    Raises
    ------
    ValueError
        When the template is not.
    """
    places = np.asarray(template, dtype=np.float64).reshape(-1, dimension)
    take, sign = [], []
    for signs in product((1.0, -1.0), repeat=dimension):
        apart = np.linalg.norm(places[:, None] - signs * places[None], axis=-1)
        from_where = apart.argmin(axis=1)
        if len(set(from_where)) < len(places) or apart.min(axis=1).max() > _SAME_PLACE:
            raise ValueError("the template is not its own mirror image")
        take.append((dimension * from_where[:, None] + np.arange(dimension)).reshape(-1))
        sign.append(np.tile(signs, len(places)))
    return Symmetry(jnp.asarray(np.array(take)), jnp.asarray(np.array(sign)))


_SAME_PLACE = 1e-6

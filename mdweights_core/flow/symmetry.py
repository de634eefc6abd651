"""Operations that no energy notices: orders of alike particles, mirror images. Few enough to sum a density over them.

A flow that has learned one order of its particles says nothing of the others; the mixture of all its images is a
proposal for all of them, with the same configurations up to names, and its density is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

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

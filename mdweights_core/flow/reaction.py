"""Coordinates that states and profiles are told by: one number of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


@dataclass(frozen=True)
class Distance:
    """The distance of two points in `dimension` dimensions."""

    points: tuple[int, int]
    dimension: int = 3

    def __call__(self, x: Any) -> Array:
        """Distances [...] of configurations [..., N], in their units."""
        first, second = (jnp.asarray(x)[..., self.dimension * i : self.dimension * (i + 1)] for i in self.points)
        return jnp.linalg.norm(first - second, axis=-1)


@dataclass(frozen=True)
class Torsion:
    """The torsion of four atoms, by the convention of IUPAC."""

    atoms: tuple[int, int, int, int]

    def __call__(self, x: Any) -> Array:
        """Angles [...] on (-pi, pi] of configurations [..., 3 n_atoms]."""
        a, b, c, d = (jnp.asarray(x)[..., 3 * i : 3 * i + 3] for i in self.atoms)
        first, middle, last = b - a, c - b, d - c
        normal, other = jnp.cross(first, middle), jnp.cross(middle, last)
        length = jnp.linalg.norm(middle, axis=-1)
        return jnp.arctan2(length * jnp.sum(first * other, axis=-1), jnp.sum(normal * other, axis=-1))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Reaction:
    """A number of a configuration, and the range of it that is to be covered.

    Attributes
    ----------
    measure : function
        From configurations [..., N] to numbers [...].
    low, high : float
    """

    measure: Callable[[Any], Any] = field(metadata={"static": True})
    low: float
    high: float

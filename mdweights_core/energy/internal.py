"""Internal coordinates of two, three and four atoms: distances, angles, torsion angles, and their derivatives.

Derivatives are finite everywhere: where a coordinate has none (a straight angle, a torsion about collinear bonds, atoms
on top of one another) they are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.periodic import nearest_image

Array = jax.Array
Coordinate = Callable[..., Array]  # of positions [k, 3] and a box


def norm(v: Array) -> Array:
    """Length of vectors [..., 3], with derivative zero where it is zero."""
    squared = jnp.sum(v * v, axis=-1)
    is_zero = squared == 0
    return jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, squared)))


def distance(x: Array, box: Array | None = None) -> Array:
    """Distance of two atoms [..., 2, 3] in nm."""
    return norm(nearest_image(x[..., 1, :] - x[..., 0, :], box))


def angle(x: Array, box: Array | None = None) -> Array:
    """Angle of three atoms [..., 3, 3] at the middle one, in radian from 0 to pi."""
    u = nearest_image(x[..., 0, :] - x[..., 1, :], box)
    v = nearest_image(x[..., 2, :] - x[..., 1, :], box)
    return _arctan2(norm(jnp.cross(u, v)), jnp.sum(u * v, axis=-1))


def torsion(x: Array, box: Array | None = None) -> Array:
    """Torsion angle of four atoms [..., 4, 3] about the bond of the middle two, in radian from -pi to pi (IUPAC)."""
    b1, b2, b3 = (nearest_image(x[..., i + 1, :] - x[..., i, :], box) for i in range(3))
    first, second = jnp.cross(b1, b2), jnp.cross(b2, b3)
    return _arctan2(norm(b2) * jnp.sum(b1 * second, axis=-1), jnp.sum(first * second, axis=-1))


def _arctan2(y: Array, x: Array) -> Array:
    is_undefined = (x == 0) & (y == 0)
    return jnp.where(is_undefined, 0.0, jnp.arctan2(y, jnp.where(is_undefined, 1.0, x)))


def derivatives(coordinate: Coordinate, x: np.ndarray, atoms: Array, box: Array | None = None) -> np.ndarray:
    """Derivatives [m, k, 3] of m internal coordinates by the positions of their atoms [m, k]."""
    return np.asarray(_derivatives(coordinate, jnp.asarray(x), atoms, box))


@partial(jax.jit, static_argnums=0)
def _derivatives(coordinate: Coordinate, x: Array, atoms: Array, box: Array | None) -> Array:
    return jax.vmap(lambda at: jax.grad(coordinate)(at, box))(x[atoms])

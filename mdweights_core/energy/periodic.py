"""Displacements in a periodic box.

A box is float64 [3, 3], rows a, b, c in nm, in OpenMM's reduced form: a along x, b in the xy plane, and off-diagonal
elements at most half as long as the diagonal above them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def nearest_image(displacement: jax.Array, box: jax.Array | None) -> jax.Array:
    """Displacements [..., 3] between nearest images; unchanged without a box.

    Exact for distances up to half the smallest width of a reduced box, like OpenMM's.
    """
    if box is None:
        return displacement
    for axis in (2, 1, 0):
        displacement = displacement - box[axis] * jnp.round(displacement[..., axis, None] / box[axis, axis])
    return displacement

"""Scales of variables where there are no frames: the spread of each on the springs of the energy, the others held."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.curvature import stiffness_matrix
from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.energy.setup import Molecule
from mdweights_core.flow.coordinates.base import Coordinates

SOFTEST = 0.5
"""The largest spread of ln r and of logits of angles: where hardly a spring acts."""


def thermal_scales(coordinates: Coordinates, molecule: Molecule, temperature: float) -> np.ndarray:
    """Standard deviation sqrt(kT / K_ii) of each variable [n] about the molecule's positions.

    K is the positive part of the second derivatives, that of bonds, angles and torsions (`energy.curvature`).
    """
    x, along = (np.asarray(found) for found in _placed(coordinates, jnp.asarray(molecule.x).ravel()))
    stiffness = np.einsum("ki,ki->i", along, stiffness_matrix(molecule.energy, x.reshape(-1, 3)) @ along)
    return np.sqrt(1 / np.maximum(stiffness / (GAS_CONSTANT * temperature), SOFTEST**-2))


@jax.jit
def _placed(coordinates: Coordinates, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Positions [n_cartesian] as the coordinates place them, and their derivatives [n_cartesian, n]."""

    def place(at: jax.Array) -> jax.Array:
        return coordinates.place(at)[0]

    y, _ = coordinates.read(x)
    return place(y), jax.jacfwd(place)(y)

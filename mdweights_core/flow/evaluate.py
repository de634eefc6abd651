"""What a target, and a trained flow, say of given configurations."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.losses import System
from mdweights_core.flow.model import cast
from mdweights_core.flow.sample import log_weights_at
from mdweights_core.flow.targets import Target
from mdweights_core.flow.train import Trained

Array = jax.Array

_AT_ONCE = 256


def energies_at(target: Target, x: np.ndarray) -> np.ndarray:
    """Reduced energies of configurations x [T, N] in double precision, float64 [T] in kT."""
    return np.asarray(_energies(target, jnp.asarray(x, jnp.float64)))


@eqx.filter_jit
def _energies(target: Target, x: Array) -> Array:
    return jax.lax.map(target.reduced, x, batch_size=_AT_ONCE)


def trained_log_weights(trained: Trained, x: np.ndarray) -> np.ndarray:
    """Log-weights that draws of a trained flow would have at configurations x [T, N], in double precision.

    Returns
    -------
    float64 [t]
        Of evenly chosen ones where they are many; see `sample.log_weights_at`.
    """
    system = System(trained.target, trained.coordinates, symmetry=trained.symmetry)
    return log_weights_at(cast(trained.flow, jnp.float64), system, x)

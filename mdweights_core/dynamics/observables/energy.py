"""The mean energy, whose derivative by a parameter has a part of its own: <dE/dtheta>."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import jax
import jax.numpy as jnp

from mdweights_core.dynamics.observables.base import Array


class HasEnergy(Protocol):
    """Anything with an energy of named parameters: a pytree."""

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [N] with parameters [P], a scalar."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MeanEnergy:
    """<E>.

    Attributes
    ----------
    model : HasEnergy
    names : tuple of str
    """

    model: HasEnergy
    names: tuple[str, ...] = field(default=("energy (kJ/mol)",), metadata={"static": True})

    @property
    def n_features(self) -> int:
        """The energy."""
        return 1

    def features(self, x: Array, theta: Array) -> Array:
        """Energy of the configuration, float64 [1]."""
        return jnp.atleast_1d(self.model.energy(x, theta))

    def combine(self, means: Array, theta: Array) -> Array:
        """The mean [1] itself."""
        return means

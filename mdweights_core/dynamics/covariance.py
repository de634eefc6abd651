"""The covariance estimator: d<f> = <df/dtheta> - Cov(f, dE/dtheta) / kT, from the ensemble alone.

It is the derivative of Boltzmann's ensemble, not of the one that a finite step samples, and its noise is that of the
energy of the whole system even where an observable belongs to one atom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.base import Model

Array = jax.Array


def forces(model: Model, x: Array, theta: Array) -> Array:
    """dE/dtheta [P] at x, in kJ/mol per unit of each parameter."""
    return jax.grad(model.energy, argnums=1)(x, theta)

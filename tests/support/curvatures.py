"""Derivatives in closed form beside those of automatic differentiation."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from mdweights_core.dynamics.models.base import Array


@jax.jit
def _both(model: Any, x: Array, theta: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    slope = jax.grad(model.energy)
    of_jax = slope(x, theta), jax.jacfwd(slope)(x, theta), jax.jacfwd(slope, argnums=1)(x, theta)
    return model.curvature(x, theta), of_jax


def same_as_jax(model: Any, x: Any, theta: Any, near: float = 1e-11) -> None:
    """Compare gradient, Hessian and d2E/dx dtheta in closed form with those of JAX."""
    for part, expected in zip(*_both(model, x, theta), strict=True):
        np.testing.assert_allclose(part, expected, rtol=0, atol=near * np.abs(expected).max())

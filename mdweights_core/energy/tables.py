"""Functions given by tables, as OpenMM's custom forces use them."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Discrete:
    """A function of whole numbers: values [n], [n, m] or [n, m, l]."""

    values: Array

    @property
    def n_arguments(self) -> int:
        """How many numbers it is a function of."""
        return self.values.ndim

    def __call__(self, *arguments: Array) -> Array:
        """Values at numbers that are rounded; beyond the table, at its edge."""
        places = [
            jnp.clip(jnp.floor(argument + 0.5).astype(jnp.int32), 0, length - 1)
            for argument, length in zip(arguments, self.values.shape, strict=True)
        ]
        return self.values[tuple(places)]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Spline:
    """A cubic spline through equidistant values; 0 outside, or periodic.

    Attributes
    ----------
    coefficients : float64 [n - 1, 4]
        Of powers 0 to 3 of the fraction of each interval.
    lowest, highest : float64
        Where the table begins and ends.
    is_periodic : bool
        0 or 1.
    """

    coefficients: Array
    lowest: Array
    highest: Array
    is_periodic: Array

    n_arguments = 1

    def __call__(self, argument: Array) -> Array:
        """Values of the spline."""
        n = len(self.coefficients)
        position = (argument - self.lowest) / (self.highest - self.lowest)
        position = jnp.where(self.is_periodic, position - jnp.floor(position), position) * n
        interval = jnp.clip(jnp.floor(position).astype(jnp.int32), 0, n - 1)
        t = position - interval
        c = self.coefficients[interval]
        inside = (position >= 0) & (position <= n)
        return jnp.where(inside, c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3])), 0.0)


def spline(values: np.ndarray, lowest: float, highest: float, *, is_periodic: bool) -> Spline:
    """Natural, or periodic, spline through equidistant values [n] from `lowest` to `highest`."""
    from scipy.interpolate import CubicSpline

    found = CubicSpline(np.arange(len(values)), values, bc_type="periodic" if is_periodic else "natural")
    return Spline(jnp.asarray(found.c[::-1].T), jnp.asarray(lowest), jnp.asarray(highest), jnp.asarray(is_periodic))

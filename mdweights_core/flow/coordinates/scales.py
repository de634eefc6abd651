"""From variables of mean 0 and variance 1 to bond lengths and angles that are possible whatever the variables are.

Lengths r = exp(v) are positive, bounded angles a = low + (high - low) / (1 + exp(-v)) stay in an interval, where
v = centre + scale y; circular angles are told modulo 2 pi / fold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.coordinates.base import Array, as_dtype, wrapped

EDGE = 1e-6
"""Share of an interval that values read from frames keep from its ends."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scales:
    """Lengths first, then bounded angles, then circular ones.

    Attributes
    ----------
    centre, scale : float64 [n_lengths + n_bounded]
        Of v.
    low, high : float64 [n_bounded]
        In radian.
    middle : float64 [n_circular]
        The angle at y = 0, radian.
    fold : float64 [n_circular]
        How many times the circle repeats itself: 3 for a methyl group, else 1.
    n_lengths : int
    """

    centre: Array
    scale: Array
    low: Array
    high: Array
    middle: Array
    fold: Array
    n_lengths: int = field(metadata={"static": True})

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.centre.shape[-1] + self.middle.shape[-1]

    @property
    def circular(self) -> tuple[bool, ...]:
        """Which variables are angles on [-pi, pi)."""
        return (False,) * self.centre.shape[-1] + (True,) * self.middle.shape[-1]

    def values(self, y: Array) -> tuple[Array, Array]:
        """Lengths in nm and angles in radian [n] of variables [n], and the logarithm of the volume change."""
        own = as_dtype(self, y)
        n_scaled = self.centre.shape[-1]
        v = own.centre + own.scale * y[:n_scaled]
        ln_length, u = v[: self.n_lengths], v[self.n_lengths :]
        width = own.high - own.low
        found = [jnp.exp(ln_length), own.low + width * jax.nn.sigmoid(u), own.middle + y[n_scaled:] / own.fold]
        slope = jnp.log(width) + jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u)
        log_det = jnp.sum(jnp.log(own.scale)) + jnp.sum(ln_length) + jnp.sum(slope) - jnp.sum(jnp.log(own.fold))
        return jnp.concatenate(found), log_det

    def variables(self, values: Array) -> tuple[Array, Array]:
        """Variables [n] of lengths and angles [n], and the logarithm of the volume change."""
        own = as_dtype(self, values)
        n_scaled, n_lengths = self.centre.shape[-1], self.n_lengths
        ln_length = jnp.log(values[:n_lengths])
        width = own.high - own.low
        middle = (own.low + own.high) / 2
        share = wrapped(values[n_lengths:n_scaled] - middle) / width + 0.5
        share = jnp.clip(share, EDGE, 1 - EDGE)
        v = jnp.concatenate([ln_length, jnp.log(share) - jnp.log1p(-share)])
        circular = wrapped(own.fold * (values[n_scaled:] - own.middle))
        slope = jnp.log(width) + jnp.log(share) + jnp.log1p(-share)
        log_det = jnp.sum(jnp.log(own.scale)) + jnp.sum(ln_length) + jnp.sum(slope) - jnp.sum(jnp.log(own.fold))
        return jnp.concatenate([(v - own.centre) / own.scale, circular]), -log_det


def logits(angles: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The v of bounded angles."""
    share = np.clip((angles - low) / (high - low), EDGE, 1 - EDGE)
    return np.log(share) - np.log1p(-share)

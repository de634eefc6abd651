"""A coupling layer of splines on intervals and circles: one half of the variables is bent, as the other half says.

Dinh, Sohl-Dickstein, Bengio 2017 (arXiv:1605.08803) with the splines of `spline.py`. flowjax has no coupling whose
variables lie on lines and circles side by side; all else around this layer is flowjax's. Without splines it is their
affine coupling, RealNVP: a step takes a third of the time, and many variables that are each of one hump need no more.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flowjax.bijections import AbstractBijection

from mdweights_core.flow.coordinates.base import wrapped
from mdweights_core.flow.layers.spline import LARGEST_LOGIT, Knots, forward, inverse, knots, n_parameters

Array = jax.Array

BOUND = 5.0
"""Half the interval of splines that are not on a circle; outside it they are the identity."""

_LARGEST_LOG_SCALE = 2.0


def bounds(circular: Array, dtype: jnp.dtype) -> Array:
    """Half the interval of each variable."""
    return jnp.where(circular, jnp.asarray(np.pi, dtype), jnp.asarray(BOUND, dtype))


def bend(z: Array, raw: Array, circular: Array, largest: float = LARGEST_LOGIT) -> tuple[Array, Array]:
    """Variables z [n] through the splines that raw [n, 3 K + 2] says, and the logarithms of the derivatives [n].

    The last two numbers turn a circle, or move and stretch a line behind its spline. There is no spline for K = 0.
    """
    turned = jnp.where(circular, wrapped(z + raw[:, -2]), z)
    y, log_slope = _through(forward, turned, raw, circular, largest)
    log_scale = _log_scale(raw)
    return jnp.where(circular, y, y * jnp.exp(log_scale) + raw[:, -2]), log_slope + jnp.where(circular, 0.0, log_scale)


def unbend(y: Array, raw: Array, circular: Array, largest: float = LARGEST_LOGIT) -> tuple[Array, Array]:
    """The inverse of `bend`."""
    log_scale = _log_scale(raw)
    before = jnp.where(circular, y, (y - raw[:, -2]) * jnp.exp(-log_scale))
    z, log_slope = _through(inverse, before, raw, circular, largest)
    return jnp.where(circular, wrapped(z - raw[:, -2]), z), log_slope - jnp.where(circular, 0.0, log_scale)


def _through(
    way: Callable[[Array, Knots], tuple[Array, Array]], at: Array, raw: Array, circular: Array, largest: float
) -> tuple[Array, Array]:
    """Variables [n] one way through their splines, or unchanged where there are none."""
    if raw.shape[-1] == n_raw(0):
        return at, jnp.zeros_like(at)
    return way(at, knots(raw[:, :-2], bounds(circular, at.dtype), circular, largest))


def n_raw(bins: int) -> int:
    """Numbers that say how one variable is bent."""
    return n_parameters(bins) + 2


def _log_scale(raw: Array) -> Array:
    return _LARGEST_LOG_SCALE * jnp.tanh(raw[:, -1] / _LARGEST_LOG_SCALE)


class SplineCoupling(AbstractBijection):
    """Bends some variables by splines whose shape a network reads from the others.

    Attributes
    ----------
    conditioner : equinox.nn.MLP
        Its last layer begins at zero, so that the layer begins as the identity.
    taken, given : int [m], [n - m]
        Variables that are bent, and those that say how.
    circular : bool [n]
    """

    conditioner: eqx.nn.MLP
    taken: Array
    given: Array
    circular: Array
    shape: tuple[int, ...] = eqx.field(static=True)
    cond_shape: None = eqx.field(static=True, default=None)

    def __init__(
        self, key: Array, taken: Array, given: Array, circular: Array, *, bins: int, width: int, depth: int
    ) -> None:
        n_taken, n_given = taken.shape[-1], given.shape[-1]
        self.shape = (n_taken + n_given,)
        self.taken, self.given, self.circular = taken, given, circular
        network = eqx.nn.MLP(
            2 * n_given, n_taken * n_raw(bins), width, depth, activation=jax.nn.silu, key=key, dtype=jnp.float32
        )
        last = jax.tree.map(jnp.zeros_like, network.layers[-1])
        self.conditioner = eqx.tree_at(lambda n: n.layers[-1], network, last)

    def transform_and_log_det(self, x: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """From the latent side to the configuration's."""
        bent, log_slope = bend(x[self.taken], self._raw(x), self.circular[self.taken])
        return x.at[self.taken].set(bent), jnp.sum(log_slope)

    def inverse_and_log_det(self, y: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """The other way."""
        unbent, log_slope = unbend(y[self.taken], self._raw(y), self.circular[self.taken])
        return y.at[self.taken].set(unbent), jnp.sum(log_slope)

    def _raw(self, x: Array) -> Array:
        given, is_circular = x[self.given], self.circular[self.given]
        features = [jnp.where(is_circular, jnp.cos(given), given), jnp.where(is_circular, jnp.sin(given), 0.0)]
        return self.conditioner(jnp.concatenate(features)).reshape(self.taken.shape[0], -1)

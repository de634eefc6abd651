"""Monotonic rational-quadratic splines on an interval or on a circle, for many variables at once.

Durkan, Bekasov, Murray, Papamakarios 2019 (arXiv:1906.04032, equations 4 to 8); on circles Rezende et al. 2020
(arXiv:2002.02428). An interval's ends have slope one, so that the map goes on as the identity outside it; on a circle
both ends share one slope. Logits are bounded: no bin becomes so thin that single precision loses the inverse.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array

LARGEST_LOGIT = 3.0
"""Of shapes that a network chooses."""

LEAST_SHARE = 1e-3
"""Of the interval, for a bin."""

_LEAST_SLOPE = 1e-2


class Knots(NamedTuple):
    """Splines of n variables with K bins.

    Attributes
    ----------
    x, y : [n, K + 1]
        Where the bins begin and end.
    slopes : [n, K + 1]
        Derivatives there.
    """

    x: Array
    y: Array
    slopes: Array


class _Bin(NamedTuple):
    """The bin in which each variable lies, all of shape [n]."""

    x: Array
    y: Array
    width: Array
    height: Array
    slope: Array
    next_slope: Array


def n_parameters(bins: int) -> int:
    """Numbers that a spline of so many bins is made from."""
    return 3 * bins


def knots(raw: Array, bound: Array, circular: Array, largest: float = LARGEST_LOGIT) -> Knots:
    """Splines on [-bound, bound].

    Parameters
    ----------
    raw : [n, 3 K]
        Any numbers; zero gives the identity.
    bound : [n]
    circular : bool [n]
        Which variables lie on a circle.
    largest : float
        No logit is beyond it.
    """
    bins = raw.shape[-1] // 3
    raw = largest * jnp.tanh(raw / largest)
    slopes = _slope(raw[:, 2 * bins :])
    first = jnp.where(circular[:, None], slopes[:, :1], 1.0)
    slopes = jnp.concatenate([first, slopes[:, 1:], first], axis=1)
    return Knots(_edges(raw[:, :bins], bound), _edges(raw[:, bins : 2 * bins], bound), slopes)


def forward(x: Array, spline: Knots) -> tuple[Array, Array]:
    """Values [n] and the logarithms of the derivatives [n]; the identity outside the interval."""
    at, inside = _clipped(x, spline.x)
    bin_ = _bin(at, spline.x, spline)
    share = (at - bin_.x) / bin_.width
    mean = bin_.height / bin_.width
    below = mean + (bin_.next_slope + bin_.slope - 2 * mean) * share * (1 - share)
    y = bin_.y + bin_.height * (mean * share**2 + bin_.slope * share * (1 - share)) / below
    return jnp.where(inside, y, x), jnp.where(inside, _log_slope(share, bin_), 0.0)


def inverse(y: Array, spline: Knots) -> tuple[Array, Array]:
    """Arguments [n] of values and the logarithms of the inverse's derivatives [n]."""
    at, inside = _clipped(y, spline.y)
    bin_ = _bin(at, spline.y, spline)
    mean = bin_.height / bin_.width
    rest = at - bin_.y
    bent = rest * (bin_.next_slope + bin_.slope - 2 * mean)
    a = bin_.height * (mean - bin_.slope) + bent
    b = bin_.height * bin_.slope - bent
    c = -mean * rest
    root = jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 1e-30))
    share = jnp.clip(2 * c / (-b - root), 0.0, 1.0)
    x = bin_.x + share * bin_.width
    return jnp.where(inside, x, y), jnp.where(inside, -_log_slope(share, bin_), 0.0)


def _edges(raw: Array, bound: Array) -> Array:
    bins = raw.shape[-1]
    shares = LEAST_SHARE + (1 - bins * LEAST_SHARE) * jax.nn.softmax(raw, axis=-1)
    inner = jnp.cumsum(shares, axis=-1)[:, :-1]
    zero = jnp.zeros_like(inner[:, :1])
    return bound[:, None] * (2 * jnp.concatenate([zero, inner, zero + 1], axis=-1) - 1)


def _slope(raw: Array) -> Array:
    """One at zero, never below `_LEAST_SLOPE`."""
    return _LEAST_SLOPE + (1 - _LEAST_SLOPE) * jnp.exp(raw)


def _clipped(at: Array, edges: Array) -> tuple[Array, Array]:
    low, high = edges[:, 0], edges[:, -1]
    return jnp.clip(at, low, high), (at > low) & (at < high)


def _bin(at: Array, edges: Array, spline: Knots) -> _Bin:
    """Pick by masks instead of indices: a gather a variable is slow on a processor."""
    is_past = at[:, None] >= edges[:, 1:-1]
    ones = jnp.ones_like(is_past[:, :1])
    begins = jnp.concatenate([ones, is_past], axis=1)
    ends = jnp.concatenate([is_past, ~ones], axis=1)
    mask = begins & ~ends

    def pick(values: Array) -> Array:
        return jnp.sum(jnp.where(mask, values, 0.0), axis=1)

    x, y = pick(spline.x[:, :-1]), pick(spline.y[:, :-1])
    width, height = pick(jnp.diff(spline.x, axis=1)), pick(jnp.diff(spline.y, axis=1))
    return _Bin(x, y, width, height, pick(spline.slopes[:, :-1]), pick(spline.slopes[:, 1:]))


def _log_slope(share: Array, bin_: _Bin) -> Array:
    """Logarithm of equation 5."""
    mean = bin_.height / bin_.width
    rest = share * (1 - share)
    above = bin_.next_slope * share**2 + 2 * mean * rest + bin_.slope * (1 - share) ** 2
    below = mean + (bin_.next_slope + bin_.slope - 2 * mean) * rest
    return 2 * jnp.log(mean) + jnp.log(above) - 2 * jnp.log(below)

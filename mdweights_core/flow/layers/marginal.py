"""Splines of single variables, which say nothing of one another: what a product of densities needs."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flowjax.bijections import AbstractBijection
from scipy.stats import norm

from mdweights_core.flow.layers.coupling import BOUND, bend, n_raw, unbend
from mdweights_core.flow.layers.spline import LEAST_SHARE

Array = jax.Array

LARGEST_LOGIT = 8.0
"""Larger than a network may choose: the outermost bins of a normal density are far wider than those in its middle."""


class Marginals(AbstractBijection):
    """Each variable through a spline of its own.

    Attributes
    ----------
    raw : float32 [n, 3 K + 2]
    circular : bool [n]
    """

    raw: Array
    circular: Array
    shape: tuple[int, ...] = eqx.field(static=True)
    cond_shape: None = eqx.field(static=True, default=None)

    def __init__(self, raw: np.ndarray, circular: np.ndarray) -> None:
        self.raw, self.circular = jnp.asarray(raw, jnp.float32), jnp.asarray(circular)
        self.shape = (len(circular),)

    def transform_and_log_det(self, x: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """From the latent side to the configuration's."""
        y, log_slope = bend(x, self.raw, self.circular, LARGEST_LOGIT)
        return y, jnp.sum(log_slope)

    def inverse_and_log_det(self, y: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """The other way."""
        x, log_slope = unbend(y, self.raw, self.circular, LARGEST_LOGIT)
        return x, jnp.sum(log_slope)


def marginals(circular: np.ndarray, bins: int, examples: np.ndarray | None = None) -> Marginals:
    """The identity, or what makes examples [T, n] normal (on circles: uniform) variable by variable.

    Bins are laid between quantiles, so that the spline's distribution function is the examples' own.
    """
    raw = np.zeros((len(circular), n_raw(bins)))
    if examples is not None:
        for i, is_circular in enumerate(circular):
            raw[i, :-2] = _of_quantiles(examples[:, i], bins, is_circular)
    return Marginals(raw, circular)


def _of_quantiles(values: np.ndarray, bins: int, is_circular: bool) -> np.ndarray:
    bound = np.pi if is_circular else BOUND
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    z = (2 * inner - 1) * np.pi if is_circular else norm.ppf(inner)
    z = np.array([-bound, *z, bound])
    y = np.array([-bound, *np.quantile(values, inner), bound])
    widths, heights = np.diff(z), np.diff(y)
    least = 2 * LEAST_SHARE * 2 * bound
    heights = np.maximum(heights, least)
    inside = np.log(heights / widths)
    steep = np.concatenate([[0.0], (inside[1:] + inside[:-1]) / 2])  # the first belongs to a circle's seam
    if is_circular:
        steep[0] = (inside[0] + inside[-1]) / 2
    bounded = np.concatenate([_logits(widths), _logits(heights), steep]) / LARGEST_LOGIT
    return LARGEST_LOGIT * np.arctanh(np.clip(bounded, -0.999, 0.999))


def _logits(lengths: np.ndarray) -> np.ndarray:
    """What a softmax with `LEAST_SHARE` added turns into shares of these lengths."""
    shares = np.maximum(lengths / lengths.sum() - LEAST_SHARE, 1e-6)
    logits = np.log(shares)
    return logits - (logits.max() + logits.min()) / 2

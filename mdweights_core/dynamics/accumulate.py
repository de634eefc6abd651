"""Sums over samples, block by block, and what follows from them: values, derivatives, and their standard errors.

Nothing is kept of a trajectory but these sums. Blocks are groups of replicas, which know nothing of one another; errors
are jackknife errors over blocks, carried through whatever an observable makes of its means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.result import Estimate

if TYPE_CHECKING:
    from mdweights_core.dynamics.observables.base import Observable

Array = jax.Array

_MOST_NUMBERS = 4_000_000  # of means and derivatives that are combined at once


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sums:
    """Sums over samples in each of B blocks; K features f, P parameters. What an estimator needs is None without it.

    Attributes
    ----------
    count : float64 [B]
        Samples.
    kinetic : float64 [B]
        Twice the kinetic energy over degrees of freedom: a temperature.
    f : float64 [B, K]
    f_theta : float64 [B, K, P]
        Explicit derivatives.
    through : float64 [B, K, P] or None
        Derivatives through the trajectory.
    e, fe : float64 [B, P], [B, K, P] or None
        dE/dtheta, and its product with f.
    q, fq : float64 [B, P], [B, K, P] or None
        Likelihood ratios, and their product with f.
    """

    count: Array
    kinetic: Array
    f: Array
    f_theta: Array
    through: Array | None = None
    e: Array | None = None
    fe: Array | None = None
    q: Array | None = None
    fq: Array | None = None


def cleared(sums: Sums) -> Sums:
    """The same sums over nothing."""
    return jax.tree.map(jnp.zeros_like, sums)


def gathered(parts: Sequence[Sums]) -> Sums:
    """Sums of all blocks, from those of some blocks each, as NumPy arrays."""
    return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *parts)


def without_each(sums: Sums) -> Sums:
    """Sums over all blocks [1 + B, ...]: the first of all, the others with one block left out."""

    def left_out(values: np.ndarray) -> np.ndarray:
        total = values.sum(axis=0, keepdims=True)
        return np.concatenate([total, total - values])

    return jax.tree.map(left_out, sums)


def mean_derivatives(sums: Sums, name: str, kt: float) -> np.ndarray:
    """Derivatives [..., K, P] of the means of features by one estimator, from sums [...]."""
    count: Any = sums.count[..., None]
    explicit: Any = sums.f_theta / count[..., None]
    if name == "pathwise":
        assert sums.through is not None
        return explicit + sums.through / count[..., None]
    if name == "likelihood":
        assert sums.q is not None
        assert sums.fq is not None
        return explicit + _covariance(sums.f, sums.q, sums.fq, count)
    assert sums.e is not None
    assert sums.fe is not None
    return explicit - _covariance(sums.f, sums.e, sums.fe, count) / kt


def _covariance(f: Any, g: Any, fg: Any, count: Any) -> Any:
    """Of f [..., K] with g [..., P], from sums and their products [..., K, P]."""
    return fg / count[..., None] - (f / count)[..., :, None] * (g / count)[..., None, :]


@dataclass(frozen=True, eq=False)
class Delivered:
    """Values and derivatives with one block left out in turn.

    Attributes
    ----------
    values : float64 [1 + B, M]
    jacobians : float64 [1 + B, M, P]
    """

    values: np.ndarray
    jacobians: np.ndarray

    @property
    def estimate(self) -> Estimate:
        """Derivatives of all blocks, and their errors."""
        return Estimate(self.jacobians[0], jackknife_error(self.jacobians[1:]))


def delivered(observable: Observable, theta: Array, sums: Sums, name: str, kt: float) -> Delivered:
    """What one estimator makes of sums [B, ...] of NumPy arrays."""
    left = without_each(sums)
    means = left.f / left.count[:, None]
    slopes = mean_derivatives(left, name, kt)
    at_once = max(1, _MOST_NUMBERS // max(slopes[0].size, 1))
    values, jacobians = _combined(observable, theta, means, slopes, at_once)
    return Delivered(np.asarray(values), np.asarray(jacobians))


def values_of(observable: Observable, theta: Array, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """Values [M] of an observable and their errors [M], from sums [B, ...] of NumPy arrays."""
    left = without_each(sums)
    values = np.asarray(_values(observable, theta, left.f / left.count[:, None]))
    return values[0], jackknife_error(values[1:])


def jackknife_error(left_out: np.ndarray) -> np.ndarray:
    """Standard errors from values [B, ...] with one block left out in turn: sqrt((B - 1) / B sum (v - mean)^2)."""
    blocks = len(left_out)
    return np.sqrt((blocks - 1) / blocks * np.sum((left_out - left_out.mean(axis=0)) ** 2, axis=0))


@partial(jax.jit, static_argnames="at_once")
def _combined(observable: Observable, theta: Array, means: Array, slopes: Array, at_once: int) -> tuple[Array, Array]:
    """Values [S, M] and derivatives [S, M, P] of S sets of means [S, K] and their derivatives [S, K, P]."""

    def one(both: tuple[Array, Array]) -> tuple[Array, Array]:
        mean, slope = both
        value, linear = jax.linearize(observable.combine, mean, theta)
        columns = jax.vmap(linear, in_axes=(1, 1), out_axes=1)(slope, jnp.eye(len(theta)))
        return value, columns

    return jax.lax.map(one, (means, slopes), batch_size=at_once)


@jax.jit
def _values(observable: Observable, theta: Array, means: Array) -> Array:
    return jax.lax.map(lambda mean: observable.combine(mean, theta), means)

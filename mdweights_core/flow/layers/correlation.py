"""The linear layer: correlations of the variables that are not on circles."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flowjax.bijections import AbstractBijection, TriangularAffine

Array = jax.Array


@partial(jnp.vectorize, signature="(d,d)->(d,d)")
def _lower_triangular(entries: Array) -> Array:
    """With a positive diagonal."""
    return jnp.fill_diagonal(jnp.tril(entries), jax.nn.softplus(jnp.diag(entries)), inplace=False)


class Correlation(AbstractBijection):
    """A triangular matrix on some of the variables.

    Attributes
    ----------
    linear : flowjax TriangularAffine
        On m variables.
    plain : int [m]
        Which these are.
    """

    linear: TriangularAffine
    plain: Array
    shape: tuple[int, ...] = eqx.field(static=True)
    cond_shape: None = eqx.field(static=True, default=None)

    def __init__(self, matrix: np.ndarray, plain: np.ndarray, n: int) -> None:
        linear = TriangularAffine(jnp.zeros(len(plain)), jnp.asarray(matrix))
        # flowjax makes a function anew for each layer, and programs of one flow would be compiled again for its like
        linear = eqx.tree_at(lambda it: it.triangular.fn, linear, _lower_triangular)
        in_double, rest = eqx.partition(linear, eqx.is_inexact_array)
        self.linear = eqx.combine(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), in_double), rest)
        self.plain = jnp.asarray(plain)
        self.shape = (n,)

    def transform_and_log_det(self, x: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """From the latent side to the configuration's."""
        mixed, log_det = self.linear.transform_and_log_det(x[self.plain])
        return x.at[self.plain].set(mixed), log_det

    def inverse_and_log_det(self, y: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """The other way."""
        apart, log_det = self.linear.inverse_and_log_det(y[self.plain])
        return y.at[self.plain].set(apart), log_det


def correlation(plain: np.ndarray, n: int, examples: np.ndarray | None = None) -> Correlation:
    """The identity, or the matrix that gives standard normal variables the covariance of examples [T, n]."""
    if examples is None or len(examples) <= 2 * len(plain):
        return Correlation(np.eye(len(plain)), plain, n)
    covariance = np.atleast_2d(np.cov(examples[:, plain], rowvar=False))
    ridge = 1e-4 * np.trace(covariance) / len(plain)
    return Correlation(np.linalg.cholesky(covariance + ridge * np.eye(len(plain))), plain, n)

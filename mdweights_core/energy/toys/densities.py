"""Densities that are known and drawn from exactly: Gaussian, mixtures of Gaussians, a funnel.

All are in units of kT: `reduced` is u = U/kT, in the precision of the configuration it is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gaussian:
    """u(x) = (x - mean)^T precision (x - mean) / 2, not normalised: ln Z = n/2 ln 2 pi - 1/2 ln det precision.

    Attributes
    ----------
    mean : float64 [n]
    precision : float64 [n, n]
        Inverse of the covariance, symmetric and positive.
    """

    mean: Array
    precision: Array

    @classmethod
    def of(cls, mean: np.ndarray, covariance: np.ndarray) -> Gaussian:
        """Return the Gaussian of a mean [n] and a covariance [n, n]."""
        inverse = np.linalg.inv(np.asarray(covariance, dtype=np.float64))
        return cls(jnp.asarray(mean, jnp.float64), jnp.asarray((inverse + inverse.T) / 2))

    @classmethod
    def correlated(cls, n: int = 10) -> Gaussian:
        """Neighbours correlated by 0.7, standard deviations from 0.5 to 2."""
        index = np.arange(n)
        scale = np.geomspace(0.5, 2.0, n)
        return cls.of(np.linspace(-1.0, 1.0, n), 0.7 ** np.abs(index[:, None] - index) * scale[:, None] * scale)

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.mean.shape[-1]

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        away = x - jnp.asarray(self.mean, x.dtype)
        return away @ jnp.asarray(self.precision, x.dtype) @ away / 2

    @property
    def starts(self) -> np.ndarray:
        """The mean, float64 [1, n]."""
        return np.asarray(self.mean)[None]

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent configurations, float64 [size, n]."""
        factor = np.linalg.cholesky(
            np.asarray(self.precision)
        )  # L L^T = precision: L^-T z has its inverse as covariance
        return np.asarray(self.mean) + np.linalg.solve(factor.T, rng.normal(size=(self.n, size))).T


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GaussianMixture:
    """Round Gaussians of equal weights and widths; normalised, ln Z = 0.

    Attributes
    ----------
    means : float64 [modes, n]
    sd : float
        Standard deviation of each along each variable.
    """

    means: Array
    sd: float = field(metadata={"static": True})

    @classmethod
    def three_by_three(cls) -> GaussianMixture:
        """Nine modes on a square lattice of spacing 5, variance 0.3."""
        lattice = np.stack(np.meshgrid(*[[-5.0, 0.0, 5.0]] * 2, indexing="ij"), axis=-1)
        return cls(jnp.asarray(lattice.reshape(-1, 2)), 0.3**0.5)

    @classmethod
    def forty_modes(cls, seed: int = 0) -> GaussianMixture:
        """Forty means uniform in [-40, 40]^2, sd ln(1 + e) = 1.3133; like that of Midgley et al., with other means."""
        means = np.random.default_rng(seed).uniform(-40.0, 40.0, size=(40, 2))
        return cls(jnp.asarray(means), math.log1p(math.e))

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.means.shape[-1]

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        away = (x - jnp.asarray(self.means, x.dtype)) / self.sd
        norm = np.log(len(self.means)) + self.n * (np.log(2 * np.pi) / 2 + np.log(self.sd))
        return float(norm) - jax.nn.logsumexp(-jnp.sum(away**2, axis=1) / 2)

    @property
    def starts(self) -> np.ndarray:
        """The means, float64 [modes, n]."""
        return np.asarray(self.means)

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent configurations, float64 [size, n]."""
        means = np.asarray(self.means)
        return means[rng.integers(len(means), size=size)] + rng.normal(scale=self.sd, size=(size, self.n))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Funnel:
    """A Gaussian of variance 9 that sets the logarithm of the variance of all others (Neal 2003); ln Z = 0.

    Attributes
    ----------
    n : int
        Number of variables; the first one is the neck. Below -`NARROWEST`, 20 standard deviations out, the funnel
        narrows no further, so that float32 holds all energies.
    """

    n: int = field(default=10, metadata={"static": True})

    NARROWEST = 60.0

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        neck, others = x[0], x[1:]
        norm = self.n * np.log(2 * np.pi) / 2 + np.log(3.0)
        narrowness = jnp.exp(jnp.minimum(-neck, self.NARROWEST))
        return neck**2 / 18 + (self.n - 1) * neck / 2 + jnp.sum(others**2) * narrowness / 2 + float(norm)

    @property
    def starts(self) -> np.ndarray:
        """The origin, float64 [1, n]."""
        return np.zeros((1, self.n))

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent configurations, float64 [size, n]."""
        neck = rng.normal(scale=3.0, size=(size, 1))
        return np.concatenate([neck, np.exp(neck / 2) * rng.normal(size=(size, self.n - 1))], axis=1)

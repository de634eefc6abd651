"""Harmonic systems in closed form: what simulations of them must give, with every derivative from autodiff.

Displacements of a harmonic system are Gaussian. With K the Hessian, M the masses and D = M^-1/2 K M^-1/2 their
covariance is

- kT K^-1 in the continuum, and for the middle scheme (LFMiddle, BAOAB) at any stable time step;
- kT f M^-1/2 [D - (dt^2 / 4f) D^2]^-1 M^-1/2 with f = (gamma dt / 2) coth(gamma dt / 2) for the integrator of Zhao
  (that of OpenMM before version 8: v' = a v - b grad E + c n, x' = x + v' dt).

Motions that cost no energy are named by the caller (`translations`) and projected out. All functions take and return
JAX arrays, so that `jax.jacfwd` gives the derivative by any parameter that the Hessian depends on.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput

Array = jax.Array

SCHEMES = ("continuum", "middle", "zhao")


@dataclass(frozen=True)
class Scheme:
    """How time is cut into steps.

    Attributes
    ----------
    name : str
        One of `SCHEMES`.
    step : float
        dt; only for Zhao's integrator.
    friction : float
        gamma, one over the unit of the step.
    """

    name: str = "continuum"
    step: float = 0.0
    friction: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in SCHEMES:
            raise BadInput(f"There is no scheme '{self.name}'", advice=f"Choose one of {', '.join(SCHEMES)}")
        if self.name == "zhao" and not (self.step > 0 and self.friction > 0):
            raise BadInput("Zhao's integrator needs a time step and a friction above 0")

    @property
    def widening(self) -> float:
        """f = (gamma dt / 2) coth(gamma dt / 2): 1 where steps do not matter."""
        if self.name != "zhao":
            return 1.0
        half = self.friction * self.step / 2
        return float(half / np.tanh(half))


CONTINUUM = Scheme()


def translations(masses: np.ndarray, dimension: int = 3) -> np.ndarray:
    """Uniform displacements as orthonormal columns of mass-weighted displacements.

    Parameters
    ----------
    masses : float64 [N]
        Of each variable.
    dimension : int
        Variables per atom.

    Returns
    -------
    float64 [N, dimension]
    """
    root = np.sqrt(np.asarray(masses, dtype=np.float64))
    columns = root[:, None] * (np.arange(len(root))[:, None] % dimension == np.arange(dimension))
    return columns / np.linalg.norm(columns, axis=0)


def covariance(
    hessian: Array, masses: Array, kt: float, scheme: Scheme = CONTINUUM, null: Array | None = None
) -> Array:
    """<u u^T> of a harmonic system.

    Parameters
    ----------
    hessian : float64 [N, N]
        Symmetric, positive but for the directions `null`.
    masses : float64 [N]
        Of each variable.
    kt : float
    scheme : Scheme
    null : float64 [N, r], optional
        Orthonormal columns of mass-weighted displacements that are projected out (`translations`).

    Returns
    -------
    float64 [N, N]
        In the unit of kt over that of the Hessian. NaN or not positive where a step is too long for a mode.
    """
    root = jnp.sqrt(masses)
    dynamical = hessian / root[:, None] / root
    free = jnp.zeros_like(hessian) if null is None else null @ null.T
    f = scheme.widening
    stiff = dynamical + free * jnp.trace(dynamical) / len(root)  # finite there, and taken out again
    if scheme.name == "zhao":
        stiff = stiff - scheme.step**2 / (4 * f) * dynamical @ dynamical
    inside = jnp.eye(len(root)) - free
    inverse = inside @ jnp.linalg.solve(stiff, inside)
    return kt * f * (inverse + inverse.T) / 2 / root[:, None] / root


def is_stable(hessian: np.ndarray, masses: np.ndarray, scheme: Scheme) -> bool:
    """True when no mode is too fast for the step of Zhao's integrator: dt^2 D < 4 f."""
    root = np.sqrt(np.asarray(masses, dtype=np.float64))
    fastest = float(np.linalg.eigvalsh(np.asarray(hessian) / root[:, None] / root)[-1])
    return scheme.name != "zhao" or fastest * scheme.step**2 < 4 * scheme.widening


def mean_squares(covariance: Array, dimension: int = 3) -> Array:
    """<u.u> of each atom [n] from <u u^T> [N, N]."""
    return jnp.sum(jnp.diagonal(covariance).reshape(-1, dimension), axis=1)


def mean_structure_factors(q: Array, factors: Array, positions: Array, covariance: Array) -> Array:
    """<F(q)> = sum_j f_j exp(i q.R_j - q.C_jj q / 2), complex128 [H].

    Parameters
    ----------
    q : float64 [H, dimension]
        Scattering vectors with their 2 pi, one over the unit of positions.
    factors : float64 [H, n]
        Form factors of the atoms.
    positions : float64 [n, dimension]
    covariance : float64 [n * dimension, n * dimension]
    """
    return jnp.sum(_damped(q, factors, positions, covariance), axis=1)


def diffuse_intensities(q: Array, factors: Array, positions: Array, covariance: Array) -> Array:
    """I_D(q) = sum_jk F_j F_k* (exp(q.C_jk q) - 1), F_j = f_j exp(i q.R_j - q.C_jj q / 2), float64 [H].

    The exact double sum over atoms, to all orders (phonons). Parameters as of `mean_structure_factors`. One scattering
    vector at a time, n^2 numbers each.
    """
    n, dimension = positions.shape
    blocks = covariance.reshape(n, dimension, n, dimension)
    damped = _damped(q, factors, positions, covariance)

    def one(row: tuple[Array, Array]) -> Array:
        at, waves = row
        together = jnp.expm1(jnp.einsum("a,jakb,b->jk", at, blocks, at))
        return jnp.real(jnp.conj(waves) @ (together @ waves))

    return jax.lax.map(one, (q, damped))


def _damped(q: Array, factors: Array, positions: Array, covariance: Array) -> Array:
    """f_j exp(i q.R_j - q.C_jj q / 2), complex128 [H, n]."""
    n, dimension = positions.shape
    own = covariance.reshape(n, dimension, n, dimension)[jnp.arange(n), :, jnp.arange(n)]
    exponent = jnp.einsum("ha,jab,hb->hj", q, own, q) / 2
    return factors * jnp.exp(1j * (q @ positions.T) - exponent)

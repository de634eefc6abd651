"""Closed forms of harmonic systems against published numbers, Lyapunov equations and draws of the Gaussian."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mdweights_core.dynamics.harmonic import (
    CONTINUUM,
    Scheme,
    covariance,
    diffuse_intensities,
    is_stable,
    mean_squares,
    mean_structure_factors,
    translations,
)
from mdweights_core.errors import BadInput

N = 12  # variables of the random systems


def _stiff(seed: int, n: int = N) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(n, n))
    return root @ root.T + np.eye(n)


@pytest.mark.parametrize(
    ("k", "friction", "step", "square", "derivative"),
    [  # from the exact solution of Zhao's map for one oscillator, kT = m = 1
        (1.0, 1.0, 0.01, 1.000033334, -1.000008333),
        (1.0, 1.0, 0.1, 1.003339455, -1.000826918),
        (1.0, 1.0, 0.5, 1.087323495, -1.016404708),
        (1.0, 10.0, 0.1, 1.084482497, -1.081970904),
        (4.0, 0.1, 0.1, 0.252527336, -0.062494144),
        (25.0, 1.0, 0.1, 0.042699846, -0.001594229),
    ],
)
def test_one_oscillator_has_the_known_variance_and_derivative(
    k: float, friction: float, step: float, square: float, derivative: float
) -> None:
    scheme = Scheme("zhao", step, friction)

    def variance(stiffness: jax.Array) -> jax.Array:
        return covariance(stiffness[None, None], jnp.ones(1), 1.0, scheme)[0, 0]

    value, slope = jax.value_and_grad(variance)(jnp.asarray(k))
    np.testing.assert_allclose([float(value), float(slope)], [square, derivative], rtol=0, atol=1e-9)


def test_many_modes_solve_the_lyapunov_equation_of_the_integrator() -> None:
    """v' = a v - b K x + c n, x' = x + v' dt: the covariance S of (x, v) satisfies S = A S A^T + Q."""
    hessian, masses = _stiff(1), np.random.default_rng(2).uniform(1, 5, N)
    kt, step, friction = 2.5, 0.1, 3.0
    a = np.exp(-friction * step)
    b, c = (1 - a) / (friction * masses), np.sqrt(kt * (1 - a**2) / masses)
    v_of_x, one = -b[:, None] * hessian, np.eye(N)
    move = np.block([[one + step * v_of_x, step * a * one], [v_of_x, a * one]])
    noise = np.concatenate([step * np.diag(c), np.diag(c)])
    expected = scipy.linalg.solve_discrete_lyapunov(move, noise @ noise.T)[:N, :N]
    scheme = Scheme("zhao", step, friction)
    assert is_stable(hessian, masses, scheme)
    found = np.asarray(covariance(jnp.asarray(hessian), jnp.asarray(masses), kt, scheme))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_step_too_long_is_told() -> None:
    assert not is_stable(np.array([[100.0]]), np.ones(1), Scheme("zhao", 0.5, 0.1))
    assert is_stable(np.array([[100.0]]), np.ones(1), CONTINUUM)


@pytest.mark.parametrize("scheme", [CONTINUUM, Scheme("middle")])
def test_the_continuum_is_the_inverse(scheme: Scheme) -> None:
    hessian, masses = _stiff(3), np.random.default_rng(4).uniform(1, 5, N)
    found = np.asarray(covariance(jnp.asarray(hessian), jnp.asarray(masses), 2.0, scheme))
    np.testing.assert_allclose(found @ hessian, 2 * np.eye(N), atol=1e-10)


@pytest.mark.parametrize("scheme", [CONTINUUM, Scheme("zhao", 0.2, 1.0)])
def test_translations_are_projected_out(scheme: Scheme) -> None:
    """The pseudo-inverse by eigenvectors is the same, and the centre of mass rests."""
    n, rng = 4, np.random.default_rng(5)
    apart = np.eye(n) - np.full((n, n), 1 / n)
    hessian = np.kron(apart @ _stiff(6, n) @ apart, np.eye(3))
    masses = np.repeat(rng.uniform(1, 5, n), 3)
    null = translations(masses)
    found = np.asarray(covariance(jnp.asarray(hessian), jnp.asarray(masses), 1.0, scheme, jnp.asarray(null)))
    values, vectors = np.linalg.eigh(hessian / np.sqrt(masses[:, None] * masses))
    kept, modes = values[3:], vectors[:, 3:] / np.sqrt(masses)[:, None]
    f = scheme.widening
    variance = f / (kept - scheme.step**2 / (4 * f) * kept**2)
    np.testing.assert_allclose(found, (modes * variance) @ modes.T, atol=1e-12 * np.abs(found).max())
    np.testing.assert_allclose(null.T @ (np.sqrt(masses)[:, None] * found), 0, atol=1e-12)


def test_intensities_are_those_of_draws() -> None:
    """200 000 draws of the Gaussian: means and variances of F within five standard errors."""
    n, rng = 4, np.random.default_rng(7)
    found = np.asarray(covariance(jnp.asarray(_stiff(8)), jnp.ones(N), 0.4))
    positions, q, factors = rng.normal(size=(n, 3)), rng.normal(size=(6, 3)), rng.uniform(1, 3, (6, n))
    draws = 200_000
    x = positions + (rng.normal(size=(draws, N)) @ np.linalg.cholesky(found).T).reshape(-1, n, 3)
    waves = np.einsum("hj,thj->th", factors, np.exp(1j * np.einsum("ha,tja->thj", q, x)))
    mean, about = waves.mean(axis=0), np.abs(waves - waves.mean(axis=0)) ** 2
    args = [jnp.asarray(it) for it in (q, factors, positions, found)]
    error = about.std(axis=0) / np.sqrt(draws)
    np.testing.assert_array_less(np.abs(np.asarray(diffuse_intensities(*args)) - about.mean(axis=0)), 5 * error)
    error = np.sqrt(about.mean(axis=0) / draws)
    np.testing.assert_array_less(np.abs(np.asarray(mean_structure_factors(*args)) - mean), 5 * error)
    np.testing.assert_allclose(mean_squares(jnp.asarray(found)), np.diag(found).reshape(-1, 3).sum(axis=1))


def test_derivatives_of_intensities_agree_with_finite_differences() -> None:
    n, rng = 4, np.random.default_rng(9)
    hessian, more = jnp.asarray(_stiff(10)), jnp.asarray(_stiff(11))
    positions, q = jnp.asarray(rng.normal(size=(n, 3))), jnp.asarray(rng.normal(size=(5, 3)))
    scheme = Scheme("zhao", 0.1, 2.0)

    def intensities(k: jax.Array) -> jax.Array:
        found = covariance(hessian + k * more, jnp.ones(N), 0.4, scheme)
        return diffuse_intensities(q, jnp.ones((5, n)), positions, found)

    slope = jax.jacfwd(intensities)(jnp.asarray(0.3))
    differences = (intensities(jnp.asarray(0.3 + 1e-5)) - intensities(jnp.asarray(0.3 - 1e-5))) / 2e-5
    np.testing.assert_allclose(slope, differences, rtol=1e-6)


def test_schemes_are_checked() -> None:
    with pytest.raises(BadInput, match="no scheme 'verlet'"):
        Scheme("verlet")
    with pytest.raises(BadInput, match="needs a time step and a friction"):
        Scheme("zhao", 0.1)

"""Gaussians, mixtures and the funnel against closed forms and quadrature."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm

from mdweights_core.energy.toys.densities import Funnel, Gaussian, GaussianMixture


def test_gaussian_is_that_of_its_covariance_but_for_the_norm() -> None:
    target = Gaussian.correlated(6)
    covariance = np.linalg.inv(np.asarray(target.precision))
    x = np.random.default_rng(0).normal(size=(20, 6))
    log_z = 3 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] / 2
    expected = -multivariate_normal(np.asarray(target.mean), covariance).logpdf(x) - log_z
    np.testing.assert_allclose(jax.vmap(target.reduced)(jnp.asarray(x)), expected, rtol=1e-9)


def test_gaussian_has_the_correlations_it_is_named_for() -> None:
    covariance = np.linalg.inv(np.asarray(Gaussian.correlated(6).precision))
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(sd, np.geomspace(0.5, 2.0, 6), rtol=1e-9)
    np.testing.assert_allclose(np.diag(covariance / np.outer(sd, sd), 1), 0.7, rtol=1e-9)


def test_samples_of_a_gaussian_have_its_moments() -> None:
    target = Gaussian.correlated(4)
    samples = target.sample(np.random.default_rng(0), 200_000)
    covariance = np.linalg.inv(np.asarray(target.precision))
    np.testing.assert_allclose(samples.mean(axis=0), target.mean, atol=4 * 2.0 / 200_000**0.5)
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=4 * 4.0 * (2 / 200_000) ** 0.5)


@pytest.mark.parametrize(
    ("make", "reach"), [(GaussianMixture.three_by_three, 9.0), (GaussianMixture.forty_modes, 52.0)]
)
def test_mixtures_are_normalised(make: object, reach: float) -> None:
    target = make()  # type: ignore[operator]
    grid = np.arange(-reach, reach, target.sd / 3)  # sums converge as exp(-2 pi^2 9)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    u = np.asarray(jax.vmap(target.reduced)(jnp.asarray(x)))
    assert np.log(np.exp(-u).sum() * (target.sd / 3) ** 2) == pytest.approx(0.0, abs=1e-9)


def test_mixtures_have_the_widths_they_are_known_for() -> None:
    assert GaussianMixture.three_by_three().sd == pytest.approx(0.5477222, abs=4e-6)  # 0.3^(1/2)
    assert GaussianMixture.forty_modes().sd == pytest.approx(1.3133, abs=5e-5)
    assert len(np.unique(GaussianMixture.three_by_three().starts, axis=0)) == 9
    assert np.abs(GaussianMixture.forty_modes().starts).max() < 40


def test_samples_of_a_mixture_visit_its_modes_alike() -> None:
    target = GaussianMixture.three_by_three()
    samples = target.sample(np.random.default_rng(0), 90_000)
    modes = np.round(samples / 5).astype(int) @ [3, 1] + 4
    counts = np.bincount(modes, minlength=9)
    assert len(counts) == 9
    np.testing.assert_allclose(counts, 10_000, atol=4 * 10_000**0.5)
    assert kstest((samples - 5 * np.round(samples / 5)).ravel(), norm(scale=target.sd).cdf).pvalue > 0.01


def test_funnel_is_a_product_of_normal_densities() -> None:
    target = Funnel()
    x = np.random.default_rng(0).normal(scale=2.0, size=(50, 10))
    expected = norm(scale=3.0).logpdf(x[:, 0]) + norm(scale=np.exp(x[:, :1] / 2)).logpdf(x[:, 1:]).sum(axis=1)
    np.testing.assert_allclose(jax.vmap(target.reduced)(jnp.asarray(x)), -expected, rtol=1e-10)


def test_samples_of_the_funnel_follow_its_density() -> None:
    samples = Funnel().sample(np.random.default_rng(0), 20_000)
    assert kstest(samples[:, 0], norm(scale=3.0).cdf).pvalue > 0.01
    assert kstest((samples[:, 1:] * np.exp(-samples[:, :1] / 2)).ravel(), "norm").pvalue > 0.01

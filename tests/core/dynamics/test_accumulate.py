"""Sums of samples and what follows from them, against direct formulas; how long observables remember."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.dynamics.accumulate import Sums, delivered, jackknife_error, values_of
from mdweights_core.dynamics.job import sensitivity
from mdweights_core.dynamics.likelihood import chosen_window, memory
from mdweights_core.dynamics.models.toys import oscillator
from mdweights_core.dynamics.observables.energy import MeanEnergy
from mdweights_core.dynamics.settings import SensitivitySettings

KT, B, S, K, P, M = 0.7, 16, 50, 3, 2, 2


@jax.tree_util.register_static
class Product:
    """A variance, and a product of means that depends on the parameters themselves."""

    names = ("variance", "product")
    n_features = K

    def features(self, x, theta):
        return jnp.stack([x[0], x[0] ** 2, x[0] ** 3])

    def combine(self, means, theta):
        return jnp.stack([means[1] - means[0] ** 2, theta[0] ** 2 * means[0] * means[2]])


@pytest.fixture(scope="module")
def samples() -> dict[str, np.ndarray]:
    """Features, explicit derivatives, derivatives through the trajectory, dE/dtheta and likelihood ratios."""
    rng = np.random.default_rng(0)
    shapes = {"f": (K,), "f_theta": (K, P), "through": (K, P), "e": (P,), "q": (P,)}
    return {name: rng.normal(1.0, 0.5, size=(B, S, *shape)) for name, shape in shapes.items()}


def summed(it: dict[str, np.ndarray]) -> Sums:
    added = {name: values.sum(axis=1) for name, values in it.items()}
    products = {f"f{g}": np.einsum("bsk,bsp->bkp", it["f"], it[g]) for g in "eq"}
    return Sums(count=np.full(len(it["f"]), float(S)), kinetic=np.zeros(len(it["f"])), **added, **products)


def slope(it: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Derivatives of means as the estimators' formulas have them, from all samples."""
    flat = {key: values.reshape(-1, *values.shape[2:]) for key, values in it.items()}
    explicit = flat["f_theta"].mean(axis=0)
    if name == "pathwise":
        return explicit + flat["through"].mean(axis=0)
    other, factor = (flat["q"], 1.0) if name == "likelihood" else (flat["e"], -1 / KT)
    both = np.cov(flat["f"].T, other.T, bias=True)
    return explicit + factor * both[:K, K:]


@pytest.mark.parametrize("name", ["pathwise", "likelihood", "covariance"])
def test_derivatives_of_functions_of_means(samples, name: str) -> None:
    theta = jnp.array([1.5, -0.3])
    found = delivered(Product(), theta, summed(samples), name, KT)

    def jacobian(it: dict[str, np.ndarray]) -> np.ndarray:
        means, d = it["f"].reshape(-1, K).mean(axis=0), slope(it, name)
        variance = d[1] - 2 * means[0] * d[0]
        product = 2.25 * (means[2] * d[0] + means[0] * d[2]) + np.array([3.0 * means[0] * means[2], 0.0])
        return np.stack([variance, product])

    np.testing.assert_allclose(found.estimate.jacobian, jacobian(samples), rtol=1e-10)
    left = [jacobian({key: np.delete(values, b, axis=0) for key, values in samples.items()}) for b in range(B)]
    np.testing.assert_allclose(found.jacobians[1:], left, rtol=1e-9)
    np.testing.assert_allclose(found.estimate.error, jackknife_error(np.stack(left)), rtol=1e-8)


def test_the_error_of_a_mean_is_that_of_block_means(samples) -> None:
    theta = jnp.array([1.0, 0.0])
    linear = replace(summed(samples))
    values, errors = values_of(Mean(), theta, linear)
    blocks = samples["f"].mean(axis=1)
    np.testing.assert_allclose(values, blocks.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(errors, blocks.std(axis=0, ddof=1) / np.sqrt(B), rtol=1e-10)


@jax.tree_util.register_static
class Mean(Product):
    names = ("a", "b", "c")

    def combine(self, means, theta):
        return means


def test_energies_that_depend_on_parameters_themselves() -> None:
    """<E> is kT/2 for any spring: what the trajectory changes is taken back by the parameter itself."""
    settings = SensitivitySettings(step=0.3, friction=2.0, replicas=128, steps=1200, burn_in=60, stride=3)
    system = oscillator()
    found = jobs.run(sensitivity(system, MeanEnergy(system.model), settings))
    assert found.values[0] == pytest.approx(0.5, abs=4 * found.value_errors[0])
    for name, estimate in found.estimates.items():
        assert abs(estimate.jacobian[0, 0]) < 3.5 * estimate.error[0, 0], name
        assert estimate.error[0, 0] < 0.03, name


def test_memory_is_the_decay_time_of_the_slowest() -> None:
    rng, times = np.random.default_rng(1), np.array([3.0, 12.0])
    kept = np.exp(-1 / times)
    trace = np.zeros((400, 64, 2))
    trace[0] = rng.normal(size=(64, 2))
    for i in range(1, 400):
        trace[i] = kept * trace[i - 1] + np.sqrt(1 - kept**2) * rng.normal(size=(64, 2))
    assert memory(trace) == pytest.approx(12.0, rel=0.1)
    assert memory(trace[..., :1]) == pytest.approx(3.0, rel=0.1)
    assert chosen_window(trace, 10, 0.01, 5.0) == pytest.approx(72, rel=0.1)
    assert chosen_window(trace, 10, 0.01, 0.1) == 800  # velocities remember longer

"""Small systems against integrals by quadrature and matrices by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from mdweights_core.dynamics.models.base import Simulated, mixed_product
from mdweights_core.dynamics.models.checks import checked
from mdweights_core.dynamics.models.registry import SMALL_SYSTEMS, small_system
from mdweights_core.dynamics.models.toys import TetheredDimer, diatomic_ring, double_well, tethered_dimer, water
from mdweights_core.errors import BadInput

TOYS = [name for name in SMALL_SYSTEMS if not name.startswith("lj-c") and name != "lj-liquid"]


@pytest.mark.parametrize("name", TOYS)
def test_derivatives_of_each_agree_with_differences(name: str) -> None:
    it = checked(small_system(name).make())
    assert len(it.start) == len(it.masses) == it.n
    assert not it.remarks


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(BadInput, match="no small system 'wel'"):
        small_system("wel")


def means(it: Simulated) -> tuple[float, float]:
    """<x> and <x^2> of one variable at kT = 1."""

    def weight(x: float) -> float:
        return float(np.exp(-float(it.model.energy(np.array([x]), np.asarray(it.theta)))))

    total, first, second = (quad(lambda x, p=p: x**p * weight(x), -4, 4, epsrel=1e-7)[0] for p in range(3))
    return first / total, second / total


@pytest.mark.parametrize(
    ("h", "s", "x", "x2"), [(1.0, 0.3, 0.24544297, 0.84988800), (0.25, 0.3, 0.30721667, 1.08387227)]
)
def test_the_ensemble_of_two_wells_is_the_published_one(h: float, s: float, x: float, x2: float) -> None:
    assert means(double_well(h, s)) == pytest.approx((x, x2), abs=1e-7)


def test_the_length_of_the_dimer_is_that_of_its_integral() -> None:
    theta = np.asarray(tethered_dimer().theta)
    r = np.linspace(0.6, 4.0, 20001)
    weight = r**2 * np.exp(-TetheredDimer.along(r, theta))
    assert np.sum(r * weight) / np.sum(weight) == pytest.approx(1.3534314826, abs=1e-8)
    x = np.array([0.2, -0.1, 0.4, 0.2, 0.9, 0.4])
    assert float(tethered_dimer().model.energy(x, theta)) == pytest.approx(float(TetheredDimer.along(1.0, theta)))


def test_the_ring_has_springs_in_turn_and_anchors() -> None:
    it = diatomic_ring(6)
    expected = np.zeros((6, 6))
    for i in range(6):
        k, j = (2.0, 6.0)[i % 2], (i + 1) % 6
        expected[[i, j], [i, j]] += k
        expected[[i, j], [j, i]] -= k
        expected[i, i] += 1.5
    np.testing.assert_allclose(jax.hessian(it.model.energy)(it.start, it.theta), expected, atol=1e-12)
    assert float(it.model.energy(it.start, it.theta)) == 0


def test_water_at_rest_has_no_energy() -> None:
    it = water()
    arms = 0.8 * np.array([[np.sin(1.05), np.cos(1.05), 0], [-np.sin(1.05), np.cos(1.05), 0]])
    at_rest = jnp.asarray(np.concatenate([np.zeros((1, 3)), arms]).reshape(-1))
    assert float(it.model.energy(at_rest, it.theta)) == pytest.approx(0, abs=1e-20)
    assert float(it.model.energy(it.start, it.theta)) > 0.1


def test_one_pass_gives_the_mixed_derivatives_of_all_parameters() -> None:
    it = water(is_ensemble=True)
    v = jnp.asarray(np.random.default_rng(0).normal(size=9))
    expected = v @ jax.jacfwd(jax.grad(it.model.energy), argnums=1)(it.start, it.theta)
    np.testing.assert_allclose(mixed_product(it.model, it.start, it.theta, v), expected, rtol=1e-10)


def test_values_and_temperature_are_changed() -> None:
    it = double_well().with_values({"h": 2.0}).at_temperature(0.5)
    assert (it.parameters[0].value, float(it.theta[0]), float(it.kt)) == (2.0, 2.0, 0.5)

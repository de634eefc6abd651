"""What holds for every toy system by its name."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.toys.registry import TOYS, toy
from mdweights_core.errors import BadInput


def near_starts(name: str, number: int = 5) -> np.ndarray:
    """Configurations a little off those to start from, in float64."""
    target = toy(name).make()
    rng = np.random.default_rng(0)
    return target.starts[rng.integers(len(target.starts), size=number)] + 0.1 * rng.normal(size=(number, target.n))


@pytest.mark.parametrize("name", TOYS)
def test_gradient_is_that_of_finite_differences(name: str) -> None:
    target, x = toy(name).make(), near_starts(name)
    energies = jax.jit(jax.vmap(target.reduced))
    direction = np.random.default_rng(1).normal(size=x.shape)
    along = np.sum(np.asarray(jax.vmap(jax.grad(target.reduced))(jnp.asarray(x))) * direction, axis=1)
    h = 1e-5
    expected = (np.asarray(energies(x + h * direction)) - np.asarray(energies(x - h * direction))) / (2 * h)
    np.testing.assert_allclose(along, expected, rtol=1e-6, atol=1e-6 * np.abs(along).max())


@pytest.mark.parametrize("name", TOYS)
def test_energies_follow_the_precision_of_configurations(name: str) -> None:
    target, x = toy(name).make(), near_starts(name)
    both = jax.jit(lambda target, x: jax.vmap(jax.value_and_grad(target.reduced))(x))
    energy, gradient = both(target, jnp.asarray(x))
    half_energy, half_gradient = both(target, jnp.asarray(x, jnp.float32))
    assert (energy.dtype, gradient.dtype) == (jnp.float64, jnp.float64)
    assert (half_energy.dtype, half_gradient.dtype) == (jnp.float32, jnp.float32)
    np.testing.assert_allclose(half_energy, energy, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TOYS)
def test_coordinate_is_the_same_for_numpy_and_jax(name: str) -> None:
    system, x = toy(name), near_starts(name)
    one_by_one = [float(system.coordinate(jnp.asarray(row))) for row in x]
    np.testing.assert_allclose(system.coordinate(x), one_by_one, rtol=1e-12)
    np.testing.assert_array_equal(system.is_above(x), np.array(one_by_one) > system.boundary)


@pytest.mark.parametrize(
    "name", ["double-well", "double-well-printed", "double-well-even", "mueller-brown", "many-well", "dimer"]
)
def test_starts_lie_in_both_states(name: str) -> None:
    is_above = toy(name).is_above(toy(name).make().starts)
    assert is_above.any()
    assert not is_above.all()


@pytest.mark.parametrize("name", ["gaussian", "mixture-9", "mixture-40", "funnel", "many-well", "double-well"])
def test_samples_have_the_density_that_the_energy_says(name: str) -> None:
    """E[exp(u - u shifted)] is 1 for a density and its shifted copy: the two integrals are the same."""
    target = toy(name).make()
    x = target.sample(np.random.default_rng(2), 100_000)  # type: ignore[attr-defined]
    energies = jax.jit(jax.vmap(target.reduced))
    shift = np.zeros(target.n)
    shift[0] = 0.1
    ratio = np.exp(np.asarray(energies(x)) - np.asarray(energies(x + shift)))
    assert ratio.mean() == pytest.approx(1.0, abs=4 * ratio.std() / len(x) ** 0.5)
    assert ratio.std() > 0.02


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="double-well, double-well-printed"):
        toy("tripple-well")


def test_names_are_read_without_jax() -> None:
    code = "import sys, mdweights_core.energy.toys.registry as r; r.TOYS; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

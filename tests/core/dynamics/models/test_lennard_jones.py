"""Lennard-Jones crystals against sums over images by hand and automatic differentiation."""

from __future__ import annotations

from itertools import product

import jax
import numpy as np
import pytest
from support.curvatures import same_as_jax

from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.models.checks import checked
from mdweights_core.dynamics.models.lennard_jones import lennard_jones_crystal
from mdweights_core.errors import BadInput


def displaced(it: Simulated, size: float = 0.05) -> np.ndarray:
    return np.asarray(it.start) + size * np.random.default_rng(1).normal(size=it.n)


def of_kinds() -> Simulated:
    """Three kinds of atoms whose values differ."""
    names = [parameter.name for parameter in lennard_jones_crystal(32, species=3).parameters]
    return lennard_jones_crystal(32, species=3).with_values(
        dict(zip(names, (0.8, 1.0, 1.3, 0.95, 1.0, 1.04), strict=True))
    )


def by_hand(it: Simulated, x: np.ndarray) -> float:
    """Half the double sum over atoms and over images of the next cells."""
    model, theta = it.model, np.asarray(it.theta).reshape(2, -1)
    epsilon, sigma = theta[:, np.asarray(model.species)]
    at, edge = x.reshape(-1, 3), float(model.edge)
    begin, end = float(model.switch) ** 2, float(model.cutoff) ** 2
    total = 0.0
    for step in product((-1, 0, 1), repeat=3):
        s = np.sum((at[:, None] - at[None] - edge * np.array(step)) ** 2, axis=-1)
        q = ((sigma[:, None] + sigma) / 2) ** 2 / np.where(s > 0, s, np.inf)
        t = np.clip((s - begin) / (end - begin), 0, 1)
        plain = 4 * np.sqrt(np.outer(epsilon, epsilon)) * (q**6 - q**3)
        total += np.sum(plain * (1 - 10 * t**3 + 15 * t**4 - 6 * t**5)) / 2
    return total


@pytest.mark.parametrize("make", [lambda: lennard_jones_crystal(32, density=0.9), of_kinds])
def test_energy_is_the_sum_over_nearest_images(make: object) -> None:
    it = make()  # type: ignore[operator]
    x = displaced(it) + 7.3  # wherever the box begins
    assert float(it.model.energy(x, it.theta)) == pytest.approx(by_hand(it, x), rel=1e-12)


@pytest.mark.parametrize("make", [lambda: lennard_jones_crystal(32), of_kinds])
def test_derivatives_in_closed_form_are_those_of_jax(make: object) -> None:
    it = make()  # type: ignore[operator]
    same_as_jax(it.model, displaced(it), it.theta)


def test_derivatives_agree_with_differences() -> None:
    assert not checked(lennard_jones_crystal(32)).remarks


def test_two_derivatives_are_continuous_at_the_cut_off() -> None:
    model = lennard_jones_crystal(108).model
    s = np.float64(float(model.cutoff) ** 2)
    for at in (s, np.float64(float(model.switch) ** 2)):
        below, above = (np.array(model._switched(at * (1 + step))) for step in (-1e-9, 1e-9))
        np.testing.assert_allclose(below, above, atol=1e-6)


def test_the_crystal_is_at_rest_on_its_lattice_and_fills_the_box() -> None:
    it = lennard_jones_crystal(108, density=0.9)
    np.testing.assert_allclose(jax.grad(it.model.energy)(it.start, it.theta), 0, atol=1e-11)
    assert 108 / float(it.model.edge) ** 3 == pytest.approx(0.9)
    apart = np.asarray(it.start).reshape(-1, 3)
    near = np.linalg.norm(apart[1:] - apart[0], axis=1).min()
    assert near == pytest.approx((4 / 0.9) ** (1 / 3) / 2**0.5)
    assert it.is_free


def test_atoms_that_fill_no_cube_are_refused() -> None:
    with pytest.raises(BadInput, match="33 atoms fill no cube"):
        lennard_jones_crystal(33)

"""Bonds, angles and torsions against closed forms and finite differences, and their curvature."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.base import (
    Energy,
    hessian_product,
    value,
    value_and_gradient,
    values_and_gradients,
    values_by_term,
)
from mdweights_core.energy.bonded import HarmonicAngles, HarmonicBonds, PeriodicTorsions
from mdweights_core.energy.internal import Coordinate, angle, distance, torsion

RNG = np.random.default_rng(3)


def chain() -> Energy:
    """Five atoms in a row, with a term of each kind."""
    return Energy(
        {
            "bonds": HarmonicBonds(jnp.array([[0, 1], [1, 2], [2, 3]]), jnp.full(3, 0.15), jnp.full(3, 2e5)),
            "angles": HarmonicAngles(jnp.array([[0, 1, 2], [1, 2, 3]]), jnp.full(2, 1.9), jnp.full(2, 400.0)),
            "torsions": PeriodicTorsions(
                jnp.array([[0, 1, 2, 3], [1, 2, 3, 4]]), jnp.array([3.0, 2.0]), jnp.array([0.0, 1.0]), jnp.full(2, 5.0)
            ),
        },
        n_atoms=5,
    )


X = np.cumsum(RNG.normal(scale=0.1, size=(5, 3)), axis=0)


def test_energies_of_a_bond_an_angle_and_a_torsion() -> None:
    x = jnp.array([[0.2, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.1, 0.1]])
    bond = HarmonicBonds(jnp.array([[0, 1]]), jnp.array([0.15]), jnp.array([1000.0]))
    straight = HarmonicAngles(jnp.array([[0, 1, 2]]), jnp.array([np.pi]), jnp.array([8.0]))
    periodic = PeriodicTorsions(jnp.array([[0, 1, 2, 3]]), jnp.array([1.0]), jnp.array([0.0]), jnp.array([7.0]))
    found = values_by_term(Energy({"bond": bond, "angle": straight, "torsion": periodic}, 4), x)
    assert found["bond"] == pytest.approx(1000 * 0.05**2 / 2)
    assert found["angle"] == pytest.approx(8 * (np.pi / 2) ** 2 / 2)
    assert found["torsion"] == pytest.approx(7.0)


@pytest.mark.parametrize("degrees", [-170.0, -60.0, 30.0, 120.0])
def test_a_torsion_has_the_sign_of_iupac(degrees: float) -> None:
    phi = np.radians(degrees)
    x = jnp.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [np.cos(phi), np.sin(phi), 1]])
    assert jax.jit(torsion)(x) == pytest.approx(phi)


def test_gradient_is_the_finite_difference() -> None:
    energy, step = chain(), 1e-6
    _, gradient = value_and_gradient(energy, X)
    numerical = np.empty_like(X)
    for i in np.ndindex(X.shape):
        shift = np.zeros_like(X)
        shift[i] = step
        numerical[i] = (value(energy, X + shift) - value(energy, X - shift)) / (2 * step)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-4)


def test_hessian_product_is_the_difference_of_gradients() -> None:
    energy, step = chain(), 1e-6
    v = RNG.normal(size=X.shape)
    ahead, behind = (value_and_gradient(energy, X + s * v)[1] for s in (step, -step))
    np.testing.assert_allclose(hessian_product(energy, X, v), (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-2)


def test_terms_add_up_and_can_be_left_out() -> None:
    energy = chain()
    parts = values_by_term(energy, X)
    assert value(energy, X) == pytest.approx(sum(map(float, parts.values())))
    assert set(energy.without("angles").terms) == {"bonds", "torsions"}
    assert value(energy.with_term("more bonds", energy.terms["bonds"]), X) == pytest.approx(
        float(value(energy, X)) + float(parts["bonds"])
    )


def test_batches_are_the_same_one_by_one() -> None:
    energy, many = chain(), X + RNG.normal(scale=0.01, size=(4, 5, 3))
    energies, gradients = values_and_gradients(energy, many)
    for x, e, g in zip(many, energies, gradients, strict=True):
        alone = value_and_gradient(energy, x)
        assert e == pytest.approx(float(alone[0]))
        np.testing.assert_allclose(g, alone[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "x",
    [
        [[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [0.3, 0, 0], [0.4, 0, 0]],
        [[0.0, 0, 0]] * 5,
    ],
    ids=["straight", "all in one place"],
)
def test_derivatives_are_finite_where_coordinates_have_none(x: list[list[float]]) -> None:
    energy, gradient = value_and_gradient(chain(), jnp.array(x))
    assert np.isfinite(energy)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian_product(chain(), jnp.array(x), jnp.ones((5, 3)))).all()


def test_a_straight_angle_is_pi() -> None:
    assert jax.jit(angle)(jnp.array([[0.1, 0, 0], [0, 0, 0], [-0.2, 0, 0]])) == pytest.approx(np.pi)


def test_distances_are_those_of_nearest_images() -> None:
    box = jnp.diag(jnp.array([1.0, 2.0, 3.0]))
    bond = HarmonicBonds(jnp.array([[0, 1]]), jnp.array([0.1]), jnp.array([100.0]), box)
    assert value(Energy({"bond": bond}, 2), jnp.array([[0.05, 0, 0], [0.95, 0, 0]])) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("name", "rest", "coordinate"), [("bonds", "length", distance), ("angles", "angle", angle)])
def test_stiffness_is_the_hessian_where_springs_are_at_rest(name: str, rest: str, coordinate: Coordinate) -> None:
    term = chain().terms[name]
    relaxed = replace(term, **{rest: jax.jit(coordinate)(X[term.atoms])})
    found = relaxed.stiffness(X)
    jacobian = np.zeros((len(found.constants), 5, 3))
    for row, atoms, gradients in zip(jacobian, found.atoms, found.gradients, strict=True):
        row[atoms] = gradients
    v = RNG.normal(size=X.shape)
    product = np.einsum("mik,m,mjl,jl->ik", jacobian, found.constants, jacobian, v)
    np.testing.assert_allclose(product, hessian_product(Energy({"one": relaxed}, 5), X, v), rtol=1e-9, atol=1e-6)


def test_stiffness_of_a_torsion_is_its_largest_curvature() -> None:
    stiffness = chain().terms["torsions"].stiffness(X)
    np.testing.assert_allclose(stiffness.constants, [45.0, 20.0])

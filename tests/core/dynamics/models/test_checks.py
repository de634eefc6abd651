"""Models whose derivatives are wrong are refused by name, and idle parameters told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.dynamics.models.base import Array, Parameter, Simulated, simulated
from mdweights_core.dynamics.models.checks import checked
from mdweights_core.energy.base import Energy
from mdweights_core.errors import BadInput

Form = Callable[[Array, Array], Array]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Any3:
    """Any energy of three variables and two parameters, a and b."""

    form: Form = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    n = 3

    def energy(self, x: Array, theta: Array) -> Array:
        return self.form(x, theta)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Curved3(Any3):
    """The same with a Hessian in closed form that is not its own."""

    def curvature(self, x: Array, theta: Array) -> tuple[Array, Array, Array]:
        return theta[0] * x, 2 * theta[0] * jnp.eye(3), jnp.stack([x, 0 * x], axis=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Part:
    """A term."""

    form: Form = field(metadata={"static": True})
    theta: Array

    def energy(self, x: Array) -> Array:
        return self.form(x.reshape(-1), self.theta)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Summed(Any3):
    """A sum of two terms, the second of which is smooth."""

    def energy(self, x: Array, theta: Array) -> Array:
        return self.as_energy(theta)(x.reshape(-1, 3))

    def as_energy(self, theta: Array) -> Energy:
        return Energy({"bonds": Part(smooth, theta), "mine": Part(self.form, theta)}, 1)


def smooth(x: Array, theta: Array) -> Array:
    return theta[0] * jnp.sum(x**2) / 2


def idle(x: Array, theta: Array) -> Array:
    return smooth(x, theta) + theta[1] ** 2


def kinked(x: Array, theta: Array) -> Array:
    return smooth(x, theta) + theta[1] * jnp.sum(jnp.abs(x))


def with_root(x: Array, theta: Array) -> Array:
    return smooth(x, theta) * (1 + jnp.sqrt(theta[1]))


@jax.custom_jvp
def lying(x: Array) -> Array:
    return x**3


lying.defjvps(lambda dx, value, x: 2 * x**2 * dx)


def with_lie(x: Array, theta: Array) -> Array:
    return smooth(x, theta) + jnp.sum(lying(x * theta[1]))


def of(kind: type, form: Form, b: float = 1.0, **bounds: Any) -> Simulated:
    parameters = (Parameter("a", 2.0), Parameter("b", b, **bounds))
    return simulated(kind(form, parameters), 1.0, np.array([1.0, 0.0, -2.0]), 1.0)


def test_parameters_that_change_nothing_are_told() -> None:
    assert checked(of(Any3, idle)).remarks == (
        "No force depends on the parameter b: averages over positions alone do not change with it.",
    )


def test_a_kink_is_found() -> None:
    with pytest.raises(BadInput, match="does not agree with differences"):
        checked(of(Any3, kinked))


def test_a_derivative_that_is_not_finite_is_named() -> None:
    with pytest.raises(BadInput, match="forces by b is not finite where"):
        checked(of(Any3, with_root, b=0.0, low=0.0))


def test_a_wrong_derivative_is_found_and_its_term_named() -> None:
    with pytest.raises(BadInput, match=r"gradient of the energy does not agree .*\(term 'mine'\)"):
        checked(of(Summed, with_lie))


def test_energies_that_are_not_finite_are_told() -> None:
    with pytest.raises(BadInput, match="energy, or a force, is not finite"):
        checked(of(Any3, lambda x, theta: smooth(x, theta) / x[1]))


def test_a_wrong_closed_form_is_found() -> None:
    with pytest.raises(BadInput, match="Hessian in closed form does not agree"):
        checked(of(Curved3, smooth))

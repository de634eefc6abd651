"""What is simulated: an energy with named parameters, and the masses, start and temperature that go with it.

One configuration is x [N]: Cartesian coordinates atom by atom, [3 n_atoms] in nm, or the variables of a toy system in
reduced units. Parameters are theta [P], in the order of `parameters`.

Energies of many pairs have a derivative rule of their own (see `energy.base`). Derivatives of all models here can be
taken in reverse mode, and forward over reverse: products of the Hessian and of d2E/dx dtheta with a direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.parameters import Parameter, at_values

__all__ = [
    "Array",
    "Curved",
    "Model",
    "Parameter",
    "Simulated",
    "gradient",
    "mixed_product",
    "model_at",
    "simulated",
    "theta_of",
]

Array = jax.Array
AnyModel = TypeVar("AnyModel")


class Model(Protocol):
    """An energy with named parameters: a frozen dataclass that is a pytree, with arrays as leaves and all else static.

    Attributes
    ----------
    n : int
        Number of variables N.
    parameters : tuple of Parameter
    """

    @property
    def n(self) -> int:
        """Number of variables."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """In the order of theta."""
        ...

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [N] with parameters [P], a scalar in kJ/mol (or in reduced units)."""
        ...


class Curved(Model, Protocol):
    """A model that knows its second derivatives in closed form, cheaper than `jax.linearize` makes them."""

    def curvature(self, x: Array, theta: Array) -> tuple[Array, Array, Array]:
        """Gradient [N], Hessian [N, N] and d2E/dx dtheta [N, P] of a configuration."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Simulated:
    """A model and what a simulation of it needs beside.

    Attributes
    ----------
    model : Model
    masses : float64 [N]
        Dalton; 1 in reduced units.
    start : float64 [N]
        Where it begins.
    kt : float64 scalar
        kJ/mol, or in the model's unit of energy.
    is_free : bool
        Whether the energy stays the same when all moves together, so that the centre of mass is projected out.
    dimension : int
        3, or 1 for systems on a line: variables i, i + dimension, ... move together.
    remarks : tuple of str
        What is unusual, in sentences.
    """

    model: Any
    masses: Array
    start: Array
    kt: Array
    is_free: bool = field(default=False, metadata={"static": True})
    dimension: int = field(default=3, metadata={"static": True})
    remarks: tuple[str, ...] = field(default=(), metadata={"static": True})

    @property
    def n(self) -> int:
        """Number of variables N."""
        return int(self.model.n)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Of the model."""
        return tuple(self.model.parameters)

    @property
    def theta(self) -> Array:
        """Values of the parameters, float64 [P]."""
        return theta_of(self.parameters)

    def with_values(self, values: Mapping[str, float]) -> Simulated:
        """The same with other values of some parameters, by their names.

        Raises
        ------
        BadInput
            For a name that no parameter has, or a value out of bounds.
        """
        return replace(self, model=model_at(self.model, values))

    def at_temperature(self, kt: float) -> Simulated:
        """The same at another temperature, kT in the unit of the energy."""
        return replace(self, kt=jnp.asarray(float(kt)))


def simulated(
    model: Model,
    masses: np.ndarray | float,
    start: np.ndarray,
    kt: float,
    *,
    is_free: bool = False,
    dimension: int = 3,
    remarks: tuple[str, ...] = (),
) -> Simulated:
    """Put together what is simulated, from masses [N] (or one for all) and a start [N] of any precision."""
    x = jnp.asarray(np.asarray(start, dtype=np.float64).reshape(-1))
    weights = jnp.asarray(np.broadcast_to(np.asarray(masses, dtype=np.float64), x.shape))
    return Simulated(model, weights, x, jnp.asarray(float(kt)), is_free, dimension, remarks)


def theta_of(parameters: tuple[Parameter, ...]) -> Array:
    """Values of parameters, float64 [P]."""
    return jnp.asarray(np.array([parameter.value for parameter in parameters], dtype=np.float64))


def model_at(model: AnyModel, values: Mapping[str, float]) -> AnyModel:
    """Return the same model with other values of some parameters, by their names."""
    changed: Any = model
    return replace(changed, parameters=at_values(changed.parameters, values))


def gradient(model: Model, x: Array, theta: Array) -> Array:
    """Gradient of the energy [N] at a configuration [N]."""
    return jax.grad(model.energy)(x, theta)


def mixed_product(model: Model, x: Array, theta: Array, v: Array) -> Array:
    """v . d2E/dx dtheta for all parameters at once [P], along a direction v [N].

    Forward over reverse mode: the gradient by theta, along v. That is the order that energies of many pairs allow.
    """
    return jax.jvp(lambda at: jax.grad(model.energy, argnums=1)(at, theta), (x,), (v,))[1]

"""What an energy is: named terms whose sum is a scalar, as a JAX pytree that jitted functions take as an argument.

Units are OpenMM's: nm, kJ/mol, dalton, ps, degrees in radian. Positions are float64 [n_atoms, 3].

Energies of many pairs have a derivative rule of their own (`jax.custom_vjp`): they can be differentiated in reverse
mode, and forward over reverse (Hessian products), but not in forward mode alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


class Term(Protocol):
    """One part of an energy: a frozen dataclass that is a pytree, with arrays as leaves and all else static."""

    def energy(self, x: Array) -> Array:
        """Energy of positions [n_atoms, 3], a scalar in kJ/mol."""
        ...


@dataclass(frozen=True)
class Stiffness:
    """The curvature of internal coordinates: K J^T J is the positive (Gauss-Newton) part of a term's Hessian.

    Attributes
    ----------
    atoms : int [m, k]
        The atoms that each internal coordinate depends on.
    gradients : float64 [m, k, 3]
        Its derivative by their positions (per nm; radian per nm).
    constants : float64 [m]
        Its force constant, never negative (kJ/mol per nm^2 or radian^2).
    """

    atoms: np.ndarray
    gradients: np.ndarray
    constants: np.ndarray


class StiffTerm(Term, Protocol):
    """A term that knows its Gauss-Newton curvature."""

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Curvature of its internal coordinates at positions [n_atoms, 3]."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Energy:
    """The sum of named terms.

    Attributes
    ----------
    terms : mapping of str to Term
        By what a user calls them: "bonds", "angles", "torsions", "nonbonded", "implicit solvent", "restraints"...
    n_atoms : int
        Number of atoms.
    """

    terms: Mapping[str, Term]
    n_atoms: int = field(metadata={"static": True})

    def __call__(self, x: Array) -> Array:
        """Energy of positions [n_atoms, 3] in kJ/mol."""
        return sum((term.energy(x) for term in self.terms.values()), start=jnp.zeros((), x.dtype))

    def by_term(self, x: Array) -> dict[str, Array]:
        """Energy of each term in kJ/mol."""
        return {name: term.energy(x) for name, term in self.terms.items()}

    def with_term(self, name: str, term: Term) -> Energy:
        """The same energy with one more term; one of that name is replaced."""
        return replace(self, terms={**self.terms, name: term})

    def without(self, name: str) -> Energy:
        """The same energy less one term."""
        return replace(self, terms={key: term for key, term in self.terms.items() if key != name})


def _gradient(energy: Energy, x: Array) -> Array:
    return jax.grad(lambda at: energy(at))(x)


def _value_and_gradient(energy: Energy, x: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda at: energy(at))(x)


def _hessian_product(energy: Energy, x: Array, v: Array) -> Array:
    return jax.jvp(partial(_gradient, energy), (x,), (v,))[1]


@jax.jit
def value(energy: Energy, x: Array) -> Array:
    """Energy in kJ/mol of positions [n_atoms, 3]."""
    return energy(x)


@jax.jit
def values_by_term(energy: Energy, x: Array) -> dict[str, Array]:
    """Energy of each term in kJ/mol at positions [n_atoms, 3]."""
    return energy.by_term(x)


@jax.jit
def value_and_gradient(energy: Energy, x: Array) -> tuple[Array, Array]:
    """Energy in kJ/mol and its gradient [n_atoms, 3] in kJ/mol/nm."""
    return _value_and_gradient(energy, x)


@jax.jit
def hessian_product(energy: Energy, x: Array, v: Array) -> Array:
    """Product of the Hessian with a displacement v [n_atoms, 3]: the work of two gradients."""
    return _hessian_product(energy, x, v)


@jax.jit
def values(energy: Energy, x: Array) -> Array:
    """Energies [S] in kJ/mol of positions [S, n_atoms, 3]."""
    return jax.vmap(energy)(x)


@jax.jit
def values_and_gradients(energy: Energy, x: Array) -> tuple[Array, Array]:
    """Energies [S] and gradients [S, n_atoms, 3] of positions [S, n_atoms, 3]."""
    return jax.vmap(partial(_value_and_gradient, energy))(x)


@jax.jit
def hessian_products(energy: Energy, x: Array, v: Array) -> Array:
    """Products of the Hessians at x [S, n_atoms, 3] with displacements v [S, n_atoms, 3]."""
    return jax.vmap(partial(_hessian_product, energy))(x, v)

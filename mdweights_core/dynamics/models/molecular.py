"""Molecules with parameters: an energy of terms in which some values are multiplied, and terms typed as expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from mdweights_core.dynamics.models.base import Array, Parameter
from mdweights_core.energy.base import Energy, Term


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ScaledTerm:
    """A term times a factor."""

    term: Term
    factor: Array

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        return self.factor * self.term.energy(x)


class Change(Protocol):
    """What one parameter does to an energy: a pytree."""

    def applied(self, energy: Energy, value: Array) -> Energy:
        """The energy where the parameter has a value."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WholeTerm:
    """A factor of a term."""

    term: str = field(metadata={"static": True})

    def applied(self, energy: Energy, value: Array) -> Energy:
        """The energy with that term times the value."""
        return energy.with_term(self.term, ScaledTerm(energy.terms[self.term], value))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scaling:
    """Values of a term that follow a parameter.

    Attributes
    ----------
    term : str
    path : tuple of str
        Where they are: ("constant",), ("atoms", "charge").
    amount : float64, as many as there are values
        Values are multiplied by the ratio of the parameter to what it was, to this power; or, where `is_linear`, this
        share of each of them is multiplied by the ratio.
    is_linear : bool
    """

    amount: Array
    term: str = field(metadata={"static": True})
    path: tuple[str, ...] = field(metadata={"static": True})
    is_linear: bool = field(default=False, metadata={"static": True})

    def applied(self, energy: Energy, ratio: Array) -> Energy:
        """The energy where the parameter is a multiple of what it was."""
        return energy.with_term(self.term, self._changed(energy.terms[self.term], self.path, ratio))

    def _changed(self, part: Any, path: tuple[str, ...], ratio: Array) -> Any:
        if isinstance(part, ScaledTerm):
            return replace(part, term=self._changed(part.term, path, ratio))
        if not path:
            return part + (ratio - 1) * self.amount if self.is_linear else part * jnp.power(ratio, self.amount)
        name, *rest = path
        if isinstance(part, Mapping):
            return {**part, name: self._changed(part[name], tuple(rest), ratio)}
        return replace(part, **{name: self._changed(getattr(part, name), tuple(rest), ratio)})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Values:
    """A value that entries of several lists have in common, or a factor of them.

    Attributes
    ----------
    parts : tuple of Scaling
    reference : float64 scalar
        What the parameter is in the energy as it is: the common value, 1 for a factor.
    """

    parts: tuple[Scaling, ...]
    reference: Array

    def applied(self, energy: Energy, value: Array) -> Energy:
        """The energy where the parameter has a value."""
        for part in self.parts:
            energy = part.applied(energy, value / self.reference)
        return energy


class TermOfParameters(Protocol):
    """A term whose form has parameters of its own: a pytree."""

    @property
    def name(self) -> str:
        """Of the term."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """In the order of theta."""
        ...

    def term(self, theta: Array) -> Term:
        """The term where its parameters have values [p]."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MolecularModel:
    """An energy of terms with parameters.

    Attributes
    ----------
    base : Energy
        Terms as they are.
    changes : tuple of Change
        One for each of the first parameters.
    forms : tuple of TermOfParameters
        Terms that are added; the other parameters are theirs, one form after the other.
    n : int
        Three times the number of atoms.
    parameters : tuple of Parameter
    """

    base: Energy
    changes: tuple[Any, ...]
    forms: tuple[Any, ...]
    n: int = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy in kJ/mol of a configuration [N] in nm."""
        return self.as_energy(theta)(x.reshape(-1, 3))

    def as_energy(self, theta: Array) -> Energy:
        """The energy at values of the parameters [P], as minimisers and flows take it."""
        energy = self.base
        for i, change in enumerate(self.changes):
            energy = change.applied(energy, theta[i])
        begin = len(self.changes)
        for form in self.forms:
            end = begin + len(form.parameters)
            energy = energy.with_term(form.name, form.term(theta[begin:end]))
            begin = end
        return energy

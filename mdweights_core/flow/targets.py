"""What is sampled: a reduced energy u(x) = U/kT of Cartesian variables x [N], a pytree that jitted functions take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import jax

from mdweights_core.energy.base import Energy
from mdweights_core.energy.dense import FEW, in_precision, with_dense_pairs
from mdweights_core.energy.settings import GAS_CONSTANT

Array = jax.Array


class Target(Protocol):
    """A Boltzmann distribution exp(-u).

    Attributes
    ----------
    n : int
        Number of Cartesian variables N.
    """

    @property
    def n(self) -> int:
        """Number of Cartesian variables."""
        ...

    def reduced(self, x: Array) -> Array:
        """u(x) of x [N], a scalar in kT, in the precision of x."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MolecularTarget:
    """A molecule at a temperature.

    Attributes
    ----------
    energy : Energy
        In kJ/mol of positions in nm, in double precision.
    kt : float
        kJ/mol.
    n : int
        Three times the number of atoms.
    """

    energy: Energy
    kt: float
    n: int = field(metadata={"static": True})

    @classmethod
    def at(cls, energy: Energy, kelvin: float) -> MolecularTarget:
        """The target at a temperature in kelvin."""
        few = energy.n_atoms <= FEW
        return cls(with_dense_pairs(energy) if few else energy, GAS_CONSTANT * kelvin, 3 * energy.n_atoms)

    def reduced(self, x: Array) -> Array:
        """u(x) of x [3 n_atoms] in nm, in kT."""
        return in_precision(self.energy, x.dtype)(x.reshape(-1, 3)) / self.kt

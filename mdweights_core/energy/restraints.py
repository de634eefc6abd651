"""Springs that hold atoms near where they are wanted."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.base import Stiffness

Array = jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PositionRestraints:
    """Sum of k |x - x0|^2 / 2 over m atoms.

    Attributes
    ----------
    atoms : int [m]
    positions : float64 [m, 3]
        x0 in nm.
    constant : float64 [m]
        k in kJ/mol/nm^2.
    """

    atoms: Array
    positions: Array
    constant: Array

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        return jnp.sum(self.constant[:, None] * (x[self.atoms] - self.positions) ** 2) / 2

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Curvature along x, y and z of each atom, which is all there is."""
        n = len(self.atoms)
        return Stiffness(
            atoms=np.repeat(np.asarray(self.atoms), 3)[:, None],
            gradients=np.tile(np.eye(3), (n, 1))[:, None],
            constants=np.repeat(np.asarray(self.constant, dtype=np.float64), 3),
        )


def position_restraints(atoms: np.ndarray, x: np.ndarray, constant: float) -> PositionRestraints:
    """Springs of one strength (kJ/mol/nm^2) from atoms [m] to where they are in x [n_atoms, 3]."""
    atoms = np.asarray(atoms)
    return PositionRestraints(jnp.asarray(atoms), jnp.asarray(x[atoms]), jnp.full(len(atoms), float(constant)))

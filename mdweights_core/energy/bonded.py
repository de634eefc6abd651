"""Energies of bonds, angles and torsions, and the positive part of their curvature."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.base import Stiffness
from mdweights_core.energy.internal import Coordinate, angle, derivatives, distance, torsion

Array = jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HarmonicBonds:
    """Sum of k (r - r0)^2 / 2 over m pairs of atoms.

    Attributes
    ----------
    atoms : int [m, 2]
    length : float64 [m]
        r0 in nm.
    constant : float64 [m]
        k in kJ/mol/nm^2.
    box : float64 [3, 3], optional
        Where distances are those of nearest images.
    """

    atoms: Array
    length: Array
    constant: Array
    box: Array | None = None

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        return jnp.sum(self.constant * (distance(x[self.atoms], self.box) - self.length) ** 2) / 2

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Curvature along the bonds."""
        return _stiffness(distance, x, self.atoms, self.box, self.constant)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HarmonicAngles:
    """Sum of k (theta - theta0)^2 / 2 over m triples of atoms.

    Attributes
    ----------
    atoms : int [m, 3]
        The middle one is the apex.
    angle : float64 [m]
        theta0 in radian.
    constant : float64 [m]
        k in kJ/mol/radian^2.
    box : float64 [3, 3], optional
    """

    atoms: Array
    angle: Array
    constant: Array
    box: Array | None = None

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        return jnp.sum(self.constant * (angle(x[self.atoms], self.box) - self.angle) ** 2) / 2

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Curvature of the angles."""
        return _stiffness(angle, x, self.atoms, self.box, self.constant)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PeriodicTorsions:
    """Sum of k (1 + cos(n phi - phase)) over m torsion angles.

    Attributes
    ----------
    atoms : int [m, 4]
    periodicity : float64 [m]
        n, a whole number.
    phase : float64 [m]
        In radian.
    constant : float64 [m]
        k in kJ/mol.
    box : float64 [3, 3], optional
    """

    atoms: Array
    periodicity: Array
    phase: Array
    constant: Array
    box: Array | None = None

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        phi = torsion(x[self.atoms], self.box)
        return jnp.sum(self.constant * (1 + jnp.cos(self.periodicity * phi - self.phase)))

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Largest curvature |k| n^2 of each torsion angle."""
        constants = np.abs(np.asarray(self.constant)) * np.asarray(self.periodicity) ** 2
        return _stiffness(torsion, x, self.atoms, self.box, constants)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RyckaertBellemansTorsions:
    """Sum of c_0 + c_1 cos(psi) + ... + c_5 cos(psi)^5, psi = phi - pi, over m torsion angles.

    Attributes
    ----------
    atoms : int [m, 4]
    coefficients : float64 [m, 6]
        c_0 to c_5 in kJ/mol.
    box : float64 [3, 3], optional
    """

    atoms: Array
    coefficients: Array
    box: Array | None = None

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        cosine = -jnp.cos(torsion(x[self.atoms], self.box))
        return jnp.sum(jnp.sum(self.coefficients * cosine[:, None] ** jnp.arange(6), axis=1))

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """A bound of the curvature of each torsion angle: sum of |c_n| n^2."""
        constants = np.abs(np.asarray(self.coefficients)) @ np.arange(6.0) ** 2
        return _stiffness(torsion, x, self.atoms, self.box, constants)


def _stiffness(
    coordinate: Coordinate, x: np.ndarray, atoms: Array, box: Array | None, constants: Array | np.ndarray
) -> Stiffness:
    """Curvature of internal coordinates of atoms [m, k] with force constants [m], of which negative ones count as 0."""
    positive = np.maximum(np.asarray(constants, dtype=np.float64), 0.0)
    return Stiffness(np.asarray(atoms), derivatives(coordinate, x, atoms, box), positive)

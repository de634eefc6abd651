"""What Bragg refinement calls displacement parameters: B, U_ij, and how atoms move together.

Features are taken of displacements u = x - reference, so that little is lost in <u u> - <u><u>. Positions are nm;
observables are in angstrom squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.observables.base import Array

SQUARE_ANGSTROM = 100.0
"""Angstrom squared per square nm."""

B_OF_U = 8 * np.pi**2 / 3
"""B = 8 pi^2 <u.u> / 3, u.u the square of the whole displacement."""

_TENSOR = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""U11 U22 U33 U12 U13 U23, in the order of PDB and CIF files."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MeanSquares:
    """Variances of positions of single atoms times a factor: B factors, or mean square displacements.

    Attributes
    ----------
    atoms : int [M]
    reference : float64 [M, dimension]
        nm; where displacements are counted from.
    factor : scalar
        What <u.u> in nm^2 is multiplied by.
    names : tuple of str
    """

    atoms: Array
    reference: Array
    factor: Array
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """Displacement and its square for each atom."""
        return self.reference.size + len(self.names)

    def features(self, x: Array, theta: Array) -> Array:
        """Displacements, then their squares, float64 [M * dimension + M]."""
        u = _displacements(x, self.atoms, self.reference)
        return jnp.concatenate([u.ravel(), jnp.sum(u**2, axis=1)])

    def combine(self, means: Array, theta: Array) -> Array:
        """factor (<u.u> - <u>.<u>), float64 [M]."""
        mean = means[: self.reference.size].reshape(self.reference.shape)
        return self.factor * (means[self.reference.size :] - jnp.sum(mean**2, axis=1))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DisplacementTensors:
    """U11, U22, U33, U12, U13, U23 of single atoms, Cartesian, angstrom squared.

    Attributes
    ----------
    atoms : int [n]
    reference : float64 [n, 3]
        nm.
    names : tuple of str
        Six for each atom.
    """

    atoms: Array
    reference: Array
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """Three displacements and six products for each atom."""
        return 9 * len(self.reference)

    def features(self, x: Array, theta: Array) -> Array:
        """Displacements [n, 3], then their products [n, 6], as one row."""
        u = _displacements(x, self.atoms, self.reference)
        return jnp.concatenate([u.ravel(), _products(u).ravel()])

    def combine(self, means: Array, theta: Array) -> Array:
        """<u_i u_j> - <u_i><u_j>, angstrom squared, float64 [6 n]."""
        mean = means[: self.reference.size].reshape(self.reference.shape)
        return SQUARE_ANGSTROM * (means[self.reference.size :] - _products(mean).ravel())


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Covariances:
    """<u_i.u_j> - <u_i>.<u_j> of pairs of atoms, angstrom squared: how far they move together.

    Attributes
    ----------
    pairs : int [M, 2]
    reference : float64 [2, M, dimension]
        nm, of the first and the second atoms.
    names : tuple of str
    """

    pairs: Array
    reference: Array
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """Both displacements and their product for each pair."""
        return self.reference.size + len(self.names)

    def features(self, x: Array, theta: Array) -> Array:
        """Displacements [2, M, dimension], then products [M], as one row."""
        u = x.reshape(-1, self.reference.shape[-1])[self.pairs.T] - self.reference
        return jnp.concatenate([u.ravel(), jnp.sum(u[0] * u[1], axis=1)])

    def combine(self, means: Array, theta: Array) -> Array:
        """Covariances, angstrom squared, float64 [M]."""
        mean = means[: self.reference.size].reshape(self.reference.shape)
        return SQUARE_ANGSTROM * (means[self.reference.size :] - jnp.sum(mean[0] * mean[1], axis=1))


def b_factors(positions: np.ndarray, atoms: Sequence[int] | np.ndarray, labels: Sequence[str]) -> MeanSquares:
    """B = 8 pi^2 <u.u> / 3 of atoms, angstrom squared.

    Parameters
    ----------
    positions : float64 [n_atoms, 3]
        Reference, nm.
    atoms : int [M]
    labels : sequence of str
        What each atom is called: "CA 12".
    """
    return _mean_squares(positions, atoms, B_OF_U * SQUARE_ANGSTROM, [f"B factor of {it} (A^2)" for it in labels])


def mean_square_displacements(
    positions: np.ndarray, atoms: Sequence[int] | np.ndarray, labels: Sequence[str]
) -> MeanSquares:
    """<u.u> about the mean position, angstrom squared; `positions` [n_atoms, dimension] in nm."""
    return _mean_squares(positions, atoms, SQUARE_ANGSTROM, [f"<u^2> of {it} (A^2)" for it in labels])


def displacement_tensors(
    positions: np.ndarray, atoms: Sequence[int] | np.ndarray, labels: Sequence[str]
) -> DisplacementTensors:
    """U_ij of atoms, angstrom squared; `positions` [n_atoms, 3] in nm."""
    atoms = np.asarray(atoms, dtype=np.int64)
    names = tuple(f"U{i + 1}{j + 1} of {label} (A^2)" for label in labels for i, j in _TENSOR)
    return DisplacementTensors(jnp.asarray(atoms), jnp.asarray(positions[atoms]), names)


def covariances(positions: np.ndarray, pairs: np.ndarray, labels: Sequence[str]) -> Covariances:
    """How pairs [M, 2] of atoms move together, angstrom squared; `positions` [n_atoms, dimension] in nm."""
    pairs = np.asarray(pairs, dtype=np.int64)
    names = tuple(f"covariance of {label} (A^2)" for label in labels)
    return Covariances(jnp.asarray(pairs), jnp.asarray(positions[pairs.T]), names)


def _mean_squares(
    positions: np.ndarray, atoms: Sequence[int] | np.ndarray, factor: float, names: list[str]
) -> MeanSquares:
    atoms = np.asarray(atoms, dtype=np.int64)
    return MeanSquares(jnp.asarray(atoms), jnp.asarray(positions[atoms]), jnp.asarray(factor), tuple(names))


def _displacements(x: Array, atoms: Array, reference: Array) -> Array:
    return x.reshape(-1, reference.shape[1])[atoms] - reference


def _products(u: Array) -> Array:
    """Products [n, 6] of components of u [n, 3]."""
    first, second = np.array(_TENSOR).T
    return u[:, first] * u[:, second]

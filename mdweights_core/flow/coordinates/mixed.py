"""Mixed coordinates of larger molecules: principal components of the backbone, and internal coordinates on it.

Small changes of torsions in the middle of a long chain move its ends far; Cartesian positions of the backbone do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.crystal.superposition import fit
from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.coordinates.base import Array, as_dtype
from mdweights_core.flow.coordinates.internal import Branches
from mdweights_core.flow.coordinates.placement import spherical_volume
from mdweights_core.flow.coordinates.plain import NULL

ROUNDS = 5
"""Superpositions on the mean of the last; the mean hardly moves after two."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Backbone:
    """Positions of m atoms as principal components of frames laid on a reference, less the six rigid motions.

    Positions x laid on the reference r by least squares fulfil sum r_i cross x_i = 0 (Eckart 1935): these are a plane
    in the space of positions, and the volume of all turns of a point of it, by a unit of angle each, is the determinant
    of tr(M) 1 - M with M = sum r_i x_i^T, over the root of that of the reference. Where this matrix has a negative
    eigenvalue, another orientation lies nearer to the reference: such points are outside (log-det -inf).

    Attributes
    ----------
    reference : float64 [m, 3]
        About its centre, nm.
    axes : float64 [3 m, 3 m - 6]
        Orthonormal columns.
    centre, scale : float64 [3 m - 6]
        Mean and standard deviation of frames along them.
    atoms : int [m]
    """

    reference: Array
    axes: Array
    centre: Array
    scale: Array
    atoms: Array

    @classmethod
    def from_frames(cls, atoms: np.ndarray, frames: np.ndarray, weights: np.ndarray) -> Backbone:
        """Principal components of some atoms of frames [T, n_atoms, 3] with weights [T] of sum 1.

        Raises
        ------
        BadInput
            If frames are too few to vary in all directions.
        """
        x = frames[:, atoms]
        reference = x[0] - x[0].mean(axis=0)
        for _ in range(ROUNDS):
            reference = np.tensordot(weights, fit(x, reference).moved(x), axes=1)
        apart = (fit(x, reference).moved(x) - reference).reshape(len(x), -1)
        plane = _without_rigid_motions(reference)
        inside = apart @ plane
        mean = weights @ inside
        variance, turned = np.linalg.eigh((inside - mean).T @ ((inside - mean) * weights[:, None]))
        if not variance[0] > NULL * variance[-1]:
            raise BadInput(
                f"{counted(len(frames), 'frame')} do not vary in all {len(mean)} directions of the backbone",
                advice="Give more frames, or choose internal coordinates",
            )
        turned, variance = turned[:, ::-1], variance[::-1]
        tables = (reference, plane @ turned, mean @ turned, np.sqrt(variance), np.asarray(atoms))
        return cls(*(jnp.asarray(table) for table in tables))

    @property
    def n(self) -> int:
        """Number of principal components."""
        return self.scale.shape[-1]

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [m, 3] of variables [n], and the logarithm of the volume change."""
        own = as_dtype(self, y)
        x = own.reference + (own.axes @ (own.centre + own.scale * y)).reshape(-1, 3)
        return x, own._log_det(x)

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [n_atoms, 3], and the logarithm of the volume change."""
        own = as_dtype(self, x)
        laid = _laid_on(x[self.atoms], own.reference)
        y = ((laid - own.reference).ravel() @ own.axes - own.centre) / own.scale
        return y, -own._log_det(laid)

    def _log_det(self, x: Array) -> Array:
        turns, at_rest = _turning(self.reference, x), _turning(self.reference, self.reference)
        minor = turns[0, 0] * turns[1, 1] - turns[0, 1] * turns[1, 0]
        volume = jnp.linalg.det(turns)
        is_nearest = (turns[0, 0] > 0) & (minor > 0) & (volume > 0)
        ln_volume = jnp.where(is_nearest, jnp.log(jnp.where(is_nearest, volume, 1.0)), -jnp.inf)
        shifts = 1.5 * jnp.log(jnp.asarray(x.shape[0], x.dtype))
        return jnp.sum(jnp.log(self.scale)) + ln_volume - jnp.log(jnp.linalg.det(at_rest)) / 2 + shifts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MixedCoordinates:
    """The backbone first, then lengths, angles and torsions of all other atoms.

    Positions are about the centre of the backbone, as it lies on the reference. The measure is that of
    `InternalCoordinates`.

    Attributes
    ----------
    backbone : Backbone
    branches : Branches
    names : tuple of str
    """

    backbone: Backbone
    branches: Branches
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.names)

    @property
    def n_cartesian(self) -> int:
        """Three for each atom."""
        return 3 * self.branches.placement.order.shape[-1]

    @property
    def circular(self) -> tuple[bool, ...]:
        """Which variables are angles on [-pi, pi)."""
        return (False,) * self.backbone.n + self.branches.scales.circular

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [3 n_atoms] in nm of variables [n], and ln |det dx/dy|."""
        start, log_det_start = self.backbone.place(y[: self.backbone.n])
        values, log_det = self.branches.values(y[self.backbone.n :])
        x, log_volume = self.branches.placement.place(start, *values)
        return x.ravel(), log_det_start + log_det + log_volume

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [3 n_atoms] in nm, anywhere, and ln |det dy/dx|.

        Hydrogens that cannot be told apart are relabelled first (`Hydrogens`).
        """
        atoms, _ = self.branches.hydrogens.relabelled(x.reshape(-1, 3))
        of_backbone, log_det_start = self.backbone.read(atoms)
        lengths, angles, torsions = self.branches.placement.read(atoms)
        y, log_det = self.branches.variables((lengths, angles, torsions))
        return jnp.concatenate([of_backbone, y]), log_det_start + log_det - spherical_volume(lengths, angles)


def _without_rigid_motions(reference: np.ndarray) -> np.ndarray:
    """Orthonormal columns [3 m, 3 m - 6] orthogonal to shifts and turns of a reference [m, 3]."""
    moves = [np.broadcast_to(axis, reference.shape).ravel() for axis in np.eye(3)]
    moves += [np.cross(axis, reference).ravel() for axis in np.eye(3)]
    complete, _ = np.linalg.qr(np.stack(moves, axis=1), mode="complete")
    return complete[:, 6:]


def _turning(reference: Array, x: Array) -> Array:
    """The matrix tr(M) 1 - M, [3, 3], with M = sum r_i x_i^T."""
    moment = reference.T @ x
    return jnp.trace(moment) * jnp.eye(3, dtype=x.dtype) - moment


def _laid_on(x: Array, reference: Array) -> Array:
    """Positions [m, 3] about the origin, turned onto a reference by least squares (Kabsch 1976)."""
    about = x - jnp.mean(x, axis=0)
    left, _, right = jnp.linalg.svd(about.T @ reference)
    hand = jnp.sign(jnp.linalg.det(left @ right))
    return about @ (left * jnp.stack([jnp.ones_like(hand)] * 2 + [hand])) @ right

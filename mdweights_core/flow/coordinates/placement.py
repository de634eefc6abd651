"""Atoms from bond lengths, angles and torsions, and back: level by level of a Z-matrix, after the atoms of its start.

Each atom lies at C + R d with d = (-r cos a, r sin a cos t, r sin a sin t) and R the axes of the atoms A, B, C before
it (the natural extension reference frame of Parsons et al. 2005). The volume is r^2 sin a for every atom.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.internal import angle, distance, torsion
from mdweights_core.flow.coordinates.base import Array, wrapped
from mdweights_core.flow.coordinates.zmatrix import ZMatrix

_TINY = 1e-20  # nm^4, far below the square of any area, and its power -3/2 is a float32


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Placement:
    """The atoms of a Z-matrix after its start: m atoms in n_levels levels, none of more than `width`.

    Attributes
    ----------
    quads : int [m, 4]
        Each atom with its references p, g and t.
    rows : int [n_levels, width, 3]
        Where p, g and t are in the order of placement.
    to : int [n_levels, width]
        Where the atoms of each level come; what fills a level up goes to one place after all atoms.
    first : int [m]
        See `ZMatrix`.
    order : int [n_atoms]
        The place of each atom in the order of placement.
    n_start : int
    """

    quads: Array
    rows: Array
    to: Array
    first: Array
    order: Array
    n_start: int = field(metadata={"static": True})

    @classmethod
    def of(cls, zmatrix: ZMatrix) -> Placement:
        """Tables for the levels of a Z-matrix."""
        order = zmatrix.order
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        _, starts, sizes = np.unique(zmatrix.levels, return_index=True, return_counts=True)
        width = int(sizes.max(initial=0))
        rows = np.zeros((len(starts), width, 3), dtype=np.int64)
        rows[:] = np.arange(3)
        to = np.full((len(starts), width), len(order))
        for level, (begin, size) in enumerate(zip(starts, sizes, strict=True)):
            rows[level, :size] = place[zmatrix.references[begin : begin + size]]
            to[level, :size] = place[zmatrix.atoms[begin : begin + size]]
        return cls(
            jnp.asarray(np.concatenate([zmatrix.atoms[:, None], zmatrix.references], axis=1)),
            jnp.asarray(rows),
            jnp.asarray(to),
            jnp.asarray(zmatrix.first),
            jnp.asarray(place),
            n_start=len(zmatrix.start.atoms),
        )

    @property
    def m(self) -> int:
        """Number of atoms to place."""
        return self.quads.shape[0]

    def place(self, start: Array, lengths: Array, angles: Array, torsions: Array) -> tuple[Array, Array]:
        """Positions [n_atoms, 3] and the logarithm of the volume.

        Parameters
        ----------
        start : float [n_start, 3]
            Positions of the atoms of the start.
        lengths, angles, torsions : float [m]
            Torsions of siblings as differences to the first.
        """
        local, log_volume = self._local(lengths, angles, torsions)
        x = jnp.concatenate([start, jnp.zeros((self.m + 1, 3), start.dtype)])

        def place_level(x: Array, level: tuple[Array, Array, Array]) -> tuple[Array, None]:
            rows, to, here = level
            return x.at[to].set(_extended(x[rows], here)), None

        of_levels = local[jnp.minimum(self.to - self.n_start, self.m - 1)]
        x, _ = jax.lax.scan(place_level, x, (self.rows, self.to, of_levels))
        return x[self.order], log_volume

    def read(self, x: Array) -> tuple[Array, Array, Array]:
        """Lengths, angles and torsions [m] of positions [n_atoms, 3], torsions of siblings as differences."""
        at = x[self.quads]
        torsions = torsion(at)
        is_first = self.first == jnp.arange(self.m)
        among_siblings = wrapped(torsions - torsions[self.first])
        return distance(at[:, :2]), angle(at[:, :3]), jnp.where(is_first, torsions, among_siblings)

    def _local(self, lengths: Array, angles: Array, torsions: Array) -> tuple[Array, Array]:
        """Return positions [m, 3] in the axes of the atoms before, and the logarithm of the volume."""
        is_first = self.first == jnp.arange(self.m)
        torsions = torsions + jnp.where(is_first, 0, torsions[self.first])
        across = lengths * jnp.sin(angles)
        local = [-lengths * jnp.cos(angles), across * jnp.cos(torsions), across * jnp.sin(torsions)]
        return jnp.stack(local, axis=-1), spherical_volume(lengths, angles)


def spherical_volume(lengths: Array, angles: Array) -> Array:
    """Sum of ln(r^2) and ln sin a."""
    return 2 * jnp.sum(jnp.log(lengths)) + jnp.sum(jnp.log(jnp.sin(angles)))


def _extended(references: Array, local: Array) -> Array:
    """Positions [..., 3] at local coordinates [..., 3] after references p, g, t [..., 3, 3]."""
    p, g, t = references[..., 0, :], references[..., 1, :], references[..., 2, :]
    along = _unit(p - g)
    normal = _unit(jnp.cross(g - t, along))
    across = jnp.cross(normal, along)
    return p + local[..., :1] * along + local[..., 1:2] * across + local[..., 2:] * normal


def _unit(v: Array) -> Array:
    # what fills a level up may lie in a line: no direction there, but finite derivatives
    return v * jax.lax.rsqrt(jnp.sum(v * v, axis=-1, keepdims=True) + _TINY)

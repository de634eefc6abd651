"""Internal coordinates: bond lengths, angles and torsions of a molecule, in a form that no flow can make impossible."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from mdweights_core.energy.internal import angle, distance
from mdweights_core.flow.coordinates.base import Array, as_dtype
from mdweights_core.flow.coordinates.hydrogens import Hydrogens
from mdweights_core.flow.coordinates.placement import Placement, spherical_volume
from mdweights_core.flow.coordinates.scales import Scales

Values = tuple[Array, Array, Array]  # lengths (nm), angles, torsions (radian)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Branches:
    """Lengths, angles and torsions of atoms that are placed one after another, some of them fixed.

    Attributes
    ----------
    placement : Placement
    hydrogens : Hydrogens
    scales : Scales
        Of the values that vary.
    fixed : float64 [n_fixed]
        Values that do not: nm or radian.
    take : int [n + n_fixed]
        For each length, angle and torsion, where it is among the varying values and then the fixed ones.
    free : int [n]
        For each varying value, where it is among lengths, angles and torsions.
    n_lengths, n_angles : int
    """

    placement: Placement
    hydrogens: Hydrogens
    scales: Scales
    fixed: Array
    take: Array
    free: Array
    n_lengths: int = field(metadata={"static": True})
    n_angles: int = field(metadata={"static": True})

    def values(self, y: Array) -> tuple[Values, Array]:
        """Lengths, angles and torsions of variables [n], and the logarithm of the volume change."""
        values, log_det = self.scales.values(y)
        values = jnp.concatenate([values, as_dtype(self.fixed, y)])[self.take]
        lengths, angles, torsions = self._split(values)
        return (lengths, angles, self.hydrogens.from_mean(torsions)), log_det

    def variables(self, values: Values) -> tuple[Array, Array]:
        """Variables [n] of lengths, angles and torsions, and the logarithm of the volume change."""
        lengths, angles, torsions = values
        found = jnp.concatenate([lengths, angles, self.hydrogens.to_mean(torsions)])
        return self.scales.variables(found[self.free])

    def _split(self, values: Array) -> Values:
        n = self.n_lengths
        return values[:n], values[n : n + self.n_angles], values[n + self.n_angles :]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InternalCoordinates:
    """Lengths, angles and torsions of all atoms, from the three atoms in the middle on.

    The first atom is at the origin, the second on the x axis, the third in the plane of x and y. The measure is that of
    Cartesian coordinates less a shift and a turn of the whole, of unit volume per nm^3 and per radian^3: the product of
    r^2 over all bonds, and of sin a over all angles. (All turns together are 8 pi^2.) Where lengths or angles are
    fixed, densities are on the manifold of the others, with this same measure: that of infinitely stiff springs.

    Attributes
    ----------
    branches : Branches
        The first two lengths and the first angle are those of the first three atoms.
    start : int [3]
        These three, the middle one first.
    names : tuple of str
    """

    branches: Branches
    start: Array
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
        return self.branches.scales.circular

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [3 n_atoms] in nm of variables [n], and ln |det dx/dy|."""
        (lengths, angles, torsions), log_det = self.branches.values(y)
        x, log_volume = self.branches.placement.place(_triangle(lengths, angles[0]), lengths[2:], angles[1:], torsions)
        return x.ravel(), log_det + log_volume + spherical_volume(lengths[:2], angles[:1])

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [3 n_atoms] in nm, and ln |det dy/dx|.

        Hydrogens that cannot be told apart are relabelled first (`Hydrogens`).
        """
        atoms, _ = self.branches.hydrogens.relabelled(x.reshape(-1, 3))
        lengths, angles, torsions = read_all(self.branches.placement, self.start, atoms)
        y, log_det = self.branches.variables((lengths, angles, torsions))
        return y, log_det - spherical_volume(lengths, angles)


def read_all(placement: Placement, start: Array, x: Array) -> Values:
    """Lengths [m + 2], angles [m + 1] and torsions [m] of positions [n_atoms, 3]."""
    lengths, angles, torsions = placement.read(x)
    middle, one, other = x[start[0]], x[start[1]], x[start[2]]
    of_start = jnp.stack([distance(jnp.stack([middle, end])) for end in (one, other)])
    first_angle = angle(jnp.stack([one, middle, other]))
    return jnp.concatenate([of_start, lengths]), jnp.concatenate([first_angle[None], angles]), torsions


def _triangle(lengths: Array, first_angle: Array) -> Array:
    """Positions [3, 3] of the first three atoms."""
    zero = jnp.zeros_like(first_angle)
    other = [lengths[1] * jnp.cos(first_angle), lengths[1] * jnp.sin(first_angle), zero]
    return jnp.stack([jnp.stack([zero] * 3), jnp.stack([lengths[0], zero, zero]), jnp.stack(other)])

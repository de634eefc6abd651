"""Structure factors of an ensemble: their means (Bragg) and variances (diffuse), by direct summation.

F(q) = sum_j f_j(q) exp(i q.x_j), with q = 2 pi (h a* + k b* + l c*) in 1/nm and x in nm. The sum is over the atoms that
are simulated, in P1: nothing is symmetrised before the variance is taken; equivalent reflections are averaged after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.crystal.laue import LaueGroups
from mdweights_core.dynamics.observables.base import Array

PER_NM = 10.0
"""Angstrom per nm."""

_AT_ONCE = 2**20  # phases that are held at a time
PARTS = ("amplitude", "real part", "imaginary part")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Waves:
    """Scattering vectors and what the atoms scatter there.

    Attributes
    ----------
    q : float64 [H, dimension]
        Scattering vectors, 2 pi over the length they belong to, 1/nm.
    factors : float64 [n_kind, H]
        Form factors of the kinds of atoms.
    strength : float64 [n_atoms, n_kind]
        How much of each kind an atom is: its occupancy in the column of its element.
    """

    q: Array
    factors: Array
    strength: Array

    def structure_factors(self, x: Array) -> tuple[Array, Array]:
        """Real and imaginary part of F at each q, float64 [H] each, of a configuration [n_atoms * dimension]."""
        positions = x.reshape(-1, self.q.shape[1])
        some = max(1, _AT_ONCE // len(positions))
        if len(self.q) <= some:
            return _summed(positions, self.strength, self.q, self.factors.T)

        def one(row: tuple[Array, Array]) -> tuple[Array, Array]:
            real, imaginary = _summed(positions, self.strength, row[0][None], row[1][None])
            return real[0], imaginary[0]

        return jax.lax.map(one, (self.q, self.factors.T), batch_size=some)


def _summed(positions: Array, strength: Array, q: Array, factors: Array) -> tuple[Array, Array]:
    phase = q @ positions.T
    return jnp.sum((jnp.cos(phase) @ strength) * factors, axis=1), jnp.sum(
        (jnp.sin(phase) @ strength) * factors, axis=1
    )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Equivalents:
    """Which waves are averaged into one.

    Attributes
    ----------
    rows : int [n_copies, n_group]
        Waves of each group.
    share : float64 [n_copies, n_group]
        One over the size of the group, 0 where a group has fewer.
    """

    rows: Array
    share: Array

    @classmethod
    def of(cls, groups: LaueGroups) -> Equivalents:
        """Groups of reflections equivalent in a Laue class, waves being the rows of ``groups.p1``."""
        present = groups.copies >= 0
        return cls(jnp.asarray(np.maximum(groups.copies, 0)), jnp.asarray(present / groups.multiplicity))

    @classmethod
    def none(cls, n: int) -> Equivalents:
        """Each of n waves for itself."""
        return cls(jnp.arange(n)[None], jnp.ones((1, n)))

    def average(self, values: Array) -> Array:
        """Means [n_group] of values [H]."""
        return jnp.sum(values[self.rows] * self.share, axis=0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MeanStructureFactors:
    """<F>: amplitude, real or imaginary part of the mean structure factor, electrons.

    Attributes
    ----------
    waves : Waves
    part : str
        One of `PARTS`.
    names : tuple of str
    """

    waves: Waves
    part: str = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """Real and imaginary part of each."""
        return 2 * len(self.waves.q)

    def features(self, x: Array, theta: Array) -> Array:
        """Real parts, then imaginary parts, float64 [2 H]."""
        return jnp.concatenate(self.waves.structure_factors(x))

    def combine(self, means: Array, theta: Array) -> Array:
        """The wanted part, float64 [H]."""
        real, imaginary = jnp.split(means, 2)
        if self.part == PARTS[0]:
            return jnp.hypot(real, imaginary)
        return real if self.part == PARTS[1] else imaginary


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DiffuseIntensities:
    """I_D = <|F|^2> - |<F>|^2, averaged over equivalent reflections, electrons squared.

    Attributes
    ----------
    waves : Waves
    equivalents : Equivalents
    names : tuple of str
        One for each group of equivalents.
    """

    waves: Waves
    equivalents: Equivalents
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """Real part, imaginary part and square of each."""
        return 3 * len(self.waves.q)

    def features(self, x: Array, theta: Array) -> Array:
        """Real parts, imaginary parts and |F|^2, float64 [3 H]."""
        real, imaginary = self.waves.structure_factors(x)
        return jnp.concatenate([real, imaginary, real**2 + imaginary**2])

    def combine(self, means: Array, theta: Array) -> Array:
        """Variances, float64 [n_group]."""
        real, imaginary, square = jnp.split(means, 3)
        return self.equivalents.average(square - real**2 - imaginary**2)


def waves_at(
    lattice: MillerLattice, elements: Sequence[str] | np.ndarray, occupancy: np.ndarray | None = None
) -> Waves:
    """Waves of a list of reflections and atoms.

    Parameters
    ----------
    lattice : MillerLattice
    elements : str [n_atoms]
        Element symbols, whose X-ray form factors are taken.
    occupancy : float [n_atoms], optional
        1 when not given.

    Raises
    ------
    BadInput
        An element without form factor.
    """
    from mdweights_core.scattering.engine.form_factors import form_factors

    symbols, kind = np.unique(np.asarray(elements, dtype=str), return_inverse=True)
    strength = np.zeros((len(kind), len(symbols)))
    strength[np.arange(len(kind)), kind] = 1.0 if occupancy is None else occupancy
    q = 2 * np.pi * PER_NM * lattice.index @ reciprocal_axes(lattice.cell)
    factors = form_factors(symbols.tolist(), lattice.inverse_d)
    return Waves(jnp.asarray(q), jnp.asarray(factors), jnp.asarray(strength))


def mean_structure_factors(
    lattice: MillerLattice, elements: Sequence[str] | np.ndarray, part: str = "amplitude"
) -> MeanStructureFactors:
    """Mean structure factors at the reflections of `lattice`; `part` is one of `PARTS`."""
    names = tuple(f"{part} of F {label} (e)" for label in labels(lattice))
    return MeanStructureFactors(waves_at(lattice, elements), part, names)


def diffuse_intensities(
    reflections: MillerLattice | LaueGroups, elements: Sequence[str] | np.ndarray
) -> DiffuseIntensities:
    """Diffuse intensities at reflections, each for itself (a lattice) or averaged over equivalents (groups)."""
    if isinstance(reflections, LaueGroups):
        lattice, listed, equivalents = reflections.p1, reflections.lattice, Equivalents.of(reflections)
    else:
        lattice, listed, equivalents = reflections, reflections, Equivalents.none(len(reflections))
    names = tuple(f"diffuse intensity {label} (e^2)" for label in labels(listed))
    return DiffuseIntensities(waves_at(lattice, elements), equivalents, names)


def labels(lattice: MillerLattice) -> list[str]:
    """What each reflection is called: ``3 0 -1``, fractions where axes are divided."""
    return [" ".join(f"{number:g}" for number in row) for row in lattice.index.tolist()]

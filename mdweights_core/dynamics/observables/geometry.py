"""Distances and what is made of them: moments, smooth histograms, radii of gyration.

Derivatives by the positions are needed, so that bins have soft edges. Molecules must be whole: no image of an atom is
looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from mdweights_core.dynamics.observables.base import Array
from mdweights_core.errors import BadInput


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Distances:
    """<r^p> of pairs of atoms.

    Attributes
    ----------
    pairs : int [M, 2]
    power : int
        1 for mean distances, -6 for what nuclear Overhauser effects see.
    names : tuple of str
    """

    pairs: Array
    power: int = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """One mean for each pair."""
        return len(self.names)

    def features(self, x: Array, theta: Array) -> Array:
        """r^p of each pair, float64 [M]."""
        return _lengths(x, self.pairs) ** self.power

    def combine(self, means: Array, theta: Array) -> Array:
        """The means [M] themselves."""
        return means


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DistanceHistogram:
    """Probability that a distance lies in each bin, edges blurred by a normal distribution.

    Attributes
    ----------
    pairs : int [n, 2]
        Distances of all of these make one histogram.
    edges : float64 [M + 1]
        nm.
    blur : scalar
        Standard deviation of an edge, nm.
    names : tuple of str
    """

    pairs: Array
    edges: Array
    blur: Array
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """One mean for each bin."""
        return len(self.names)

    def features(self, x: Array, theta: Array) -> Array:
        """Share of the pairs in each bin, float64 [M]."""
        above = (_lengths(x, self.pairs)[:, None] - self.edges) / (jnp.sqrt(2.0) * self.blur)
        return jnp.mean(-jnp.diff(erf(above), axis=1), axis=0) / 2

    def combine(self, means: Array, theta: Array) -> Array:
        """The means [M] themselves."""
        return means


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RadiusOfGyration:
    """<Rg^2>^(1/2): the radius that scattering at small angles sees, nm.

    Attributes
    ----------
    atoms : int [n]
    weight : float64 [n]
        Share of each atom in the mass: 1 in sum.
    names : tuple of str
    """

    atoms: Array
    weight: Array
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """The mean of the square."""
        return 1

    def features(self, x: Array, theta: Array) -> Array:
        """Rg^2 in nm^2, float64 [1]."""
        some = x.reshape(-1, 3)[self.atoms]
        about = some - self.weight @ some
        return jnp.atleast_1d(self.weight @ jnp.sum(about**2, axis=1))

    def combine(self, means: Array, theta: Array) -> Array:
        """Root of the mean square, nm, float64 [1]."""
        return jnp.sqrt(means)


def distances(pairs: Sequence[Sequence[int]] | np.ndarray, power: int = 1, unit: str = "nm") -> Distances:
    """<r^p> of pairs of atoms counted from 0; their names count from 1.

    Raises
    ------
    BadInput
        When a pair is one atom twice.
    """
    pairs = _checked(pairs)
    symbol = "distance" if power == 1 else f"r^{power}"
    label = unit if power == 1 else f"{unit}^{power}"
    names = tuple(f"{symbol} of atoms {i + 1} and {j + 1} ({label})" for i, j in pairs.tolist())
    return Distances(jnp.asarray(pairs), power, names)


def distance_histogram(
    pairs: Sequence[Sequence[int]] | np.ndarray, edges: Sequence[float] | np.ndarray, blur: float | None = None
) -> DistanceHistogram:
    """How distances of pairs of atoms are distributed; edges [M + 1] in nm are blurred by a quarter of a bin."""
    edges = np.asarray(edges, dtype=np.float64)
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise BadInput("The edges of a histogram do not rise", advice="Give the lower limit first")
    blur = float(np.diff(edges).mean()) / 4 if blur is None else blur
    names = tuple(f"share between {low:.4g} and {high:.4g} nm" for low, high in pairwise(edges))
    return DistanceHistogram(jnp.asarray(_checked(pairs)), jnp.asarray(edges), jnp.asarray(blur), names)


def radius_of_gyration(atoms: Sequence[int] | np.ndarray, masses: np.ndarray) -> RadiusOfGyration:
    """Root mean square radius of gyration of `atoms` [n], of `masses` [n] in dalton."""
    weight = np.asarray(masses, dtype=np.float64) / np.sum(masses)
    return RadiusOfGyration(jnp.asarray(np.asarray(atoms, dtype=np.int64)), jnp.asarray(weight), ("Rg (nm)",))


def _checked(pairs: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    for i, j in pairs.tolist():
        if i == j:
            raise BadInput(f"Atom {i + 1} has no distance from itself", advice="Give two atoms")
    return pairs


def _lengths(x: Array, pairs: Array) -> Array:
    """Distances [m] of pairs of a configuration [3 n]."""
    ends = x.reshape(-1, 3)[pairs.T]
    return jnp.sqrt(jnp.sum((ends[0] - ends[1]) ** 2, axis=1))

"""The synthetic loops of Dehmamy et al. (NeurIPS 2024), as their program has them.

A chain of n particles whose neighbours attract each other strongly and whose particles i and i + 10 attract each other
weakly. Two variants are published: both attractions softened Lennard-Jones ("lj"), or harmonic bonds and weak
Lennard-Jones loops ("bond-lj"). Random pairs that are not coupled repel each other a little. All lengths are in units
of the pair distance r0 and all energies in units of the coupling, which the rest of the package calls nm and kJ/mol.

The published Lennard-Jones potential 1 / (r^12 + 0.01) - 1 / (r^6 + 0.06) is flat at r = 0, where overlapping pairs are
trapped. With ``core`` it goes on below that distance as its tangent; what was found so is scored by the published form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from mdweights_core.energy.base import Energy, Term, values

Variant = Literal["lj", "bond-lj"]
LOOP = 10
"""Particles between the two that close a loop."""

STRENGTH = 0.1
"""Coupling of a loop relative to that of the chain."""

STEEP_CORE = 0.85
"""Distance below which the potential to optimise on is its tangent."""

SAMPLE_WIDTHS: dict[Variant, tuple[float, float]] = {"lj": (0.01, 0.2), "bond-lj": (3.0, 8.0)}
"""Widths of the first and the last of the published perturbed configurations, in sigma."""

_NODES = 512
_SOFTENING = 0.01
_REPULSION = 2.5e-3


def lennard_jones(r: jax.Array) -> jax.Array:
    """The softened potential of a pair at distances r: -0.236721 at its minimum, 83.3 with no slope at r = 0."""
    return 1 / (r**12 + _SOFTENING) - 1 / (r**6 + 6 * _SOFTENING)


def _slope(r: float) -> float:
    """The derivative of `lennard_jones`."""
    return -12 * r**11 / (r**12 + _SOFTENING) ** 2 + 6 * r**5 / (r**6 + 6 * _SOFTENING) ** 2


def _distances(x: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
    """Distances [m] of pairs, with the gradient 0 where two particles coincide."""
    square = jnp.sum((x[first] - x[second]) ** 2, axis=-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


@dataclass(frozen=True)
class _WeightedPairs(ABC):
    """A weighted sum over m pairs of a function of their distance.

    Attributes
    ----------
    first, second : int32 [m]
    weight : float64 [m]
        Couplings over the number of pairs, which makes the sum a mean.
    """

    first: jax.Array
    second: jax.Array
    weight: jax.Array

    def energy(self, x: jax.Array) -> jax.Array:
        """Weighted sum over pairs."""
        return jnp.sum(self.weight * self._potential(_distances(x, self.first, self.second)))

    @abstractmethod
    def _potential(self, r: jax.Array) -> jax.Array:
        """Energies of pairs at distances r [m]."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LennardJonesPairs(_WeightedPairs):
    """Softened Lennard-Jones pairs.

    Attributes
    ----------
    core : float
        Distance below which the potential is its tangent there; 0 for the published form.
    """

    core: float = field(default=0.0, metadata={"static": True})

    def _potential(self, r: jax.Array) -> jax.Array:
        if not self.core:
            return lennard_jones(r)
        return lennard_jones(jnp.maximum(r, self.core)) + _slope(self.core) * jnp.minimum(r - self.core, 0.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BondPairs(_WeightedPairs):
    """Harmonic pairs, (r - 1)^2."""

    def _potential(self, r: jax.Array) -> jax.Array:
        return _bond(r)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RepellingPairs(_WeightedPairs):
    """Pairs that repel each other as 1 / (r + 0.01)."""

    def _potential(self, r: jax.Array) -> jax.Array:
        return 1 / (r + _SOFTENING)


def _minimum() -> tuple[float, float]:
    """Distance and energy of the bottom of the softened well, where (q^2 + a)^2 = 2 q (q + 6 a)^2 with q = r^6."""
    a = _SOFTENING
    shifted = (
        np.polynomial.Polynomial([a, 0, 1]) ** 2
        - 2 * np.polynomial.Polynomial([0, 1]) * np.polynomial.Polynomial([6 * a, 1]) ** 2
    )
    roots = shifted.roots()
    q = max(float(root.real) for root in roots if abs(root.imag) < 1e-9)
    return q ** (1 / 6), float(1 / (q**2 + a) - 1 / (q + 6 * a))


BEST_DISTANCE, WELL = _minimum()
"""Where the softened well is deepest (1.1322), and its energy there (-0.236721)."""


@dataclass(frozen=True)
class Loops:
    """A chain of `n` particles of one of the published variants.

    Raises
    ------
    ValueError
        Fewer particles than one loop needs.
    """

    n: int
    variant: Variant = "lj"

    def __post_init__(self) -> None:
        if self.n <= LOOP:
            raise ValueError(f"a chain with loops has more than {LOOP} particles")

    @property
    def chain(self) -> np.ndarray:
        """Neighbours along the chain, int32 [n - 1, 2]."""
        return _at_distance(self.n, 1)

    @property
    def loops(self) -> np.ndarray:
        """The pairs that close loops, int32 [n - 10, 2]."""
        return _at_distance(self.n, LOOP)

    @property
    def coupled(self) -> np.ndarray:
        """All coupled pairs, int32 [2 n - 11, 2]."""
        return np.concatenate([self.chain, self.loops])

    @property
    def sigma(self) -> float:
        """Width of the published random configurations, n^(1/3) / 2."""
        return self.n ** (1 / 3) / 2

    @property
    def lower_bound(self) -> float:
        """The energy with every pair in its minimum and nothing repelled."""
        if self.variant == "bond-lj":
            return STRENGTH * WELL
        return float(self._weights().sum() * WELL)

    def _weights(self) -> np.ndarray:
        """Couplings of the single matrix of the "lj" variant over the number of pairs, float64 [2 n - 11]."""
        coupling = np.where(np.arange(2 * self.n - LOOP - 1) < self.n - 1, 1.0, STRENGTH)
        return coupling / len(coupling)

    def energy(self, *, core: float = 0.0, seed: int = 0) -> Energy:
        """The published energy; with `core`, that to optimise on (`STEEP_CORE`).

        Parameters
        ----------
        core : float
            Distance below which Lennard-Jones pairs go on as their tangent; 0 for the published form.
        seed : int
            Draws the n log n pairs that repel each other. The published program draws them anew every epoch.
        """
        terms: dict[str, Term] = {"repulsion": self._repulsion(seed)}
        if self.variant == "lj":
            attraction = LennardJonesPairs(*_columns(self.coupled, self._weights()), core=core)
        else:
            terms["bonds"] = BondPairs(*_columns(self.chain, np.full(self.n - 1, 1 / (self.n - 1))))
            weak = np.full(len(self.loops), STRENGTH / len(self.loops))
            attraction = LennardJonesPairs(*_columns(self.loops, weak), core=core)
        return Energy({**terms, "lennard_jones": attraction}, self.n)

    def _repulsion(self, seed: int) -> RepellingPairs:
        """Pairs that are uncoupled in a matrix of the variant: with two matrices these are all."""
        free = ~np.eye(self.n, dtype=bool)
        if self.variant == "lj":
            first, second = self.coupled.T
            free[first, second] = free[second, first] = False
        choice = np.random.default_rng(seed).permutation(np.flatnonzero(free))[: int(self.n * np.log(self.n))]
        pairs = np.stack(np.unravel_index(choice, free.shape), axis=1).astype(np.int32)
        return RepellingPairs(*_columns(pairs, np.full(len(pairs), _REPULSION / len(pairs))))

    def score(self, x: np.ndarray) -> np.ndarray:
        """Energies [S] of configurations [S, n, 3] by the published form, without the random repulsion."""
        energy = self.energy().without("repulsion")
        return np.asarray(values(energy, jnp.asarray(x)))

    def formed(self, x: np.ndarray) -> np.ndarray:
        """Share [S] of the loops of configurations [S, n, 3] whose pair has more than half the depth of the well."""
        first, second = self.loops.T
        r = np.linalg.norm(x[:, first] - x[:, second], axis=-1)
        return np.mean(np.asarray(lennard_jones(jnp.asarray(r))) < WELL / 2, axis=1)

    def gaussian_starts(self, count: int, seed: int = 0) -> np.ndarray:
        """The published start, sigma / 2 times normal deviates: neighbours lie far apart. float64 [count, n, 3]."""
        return self.sigma / 2 * np.random.default_rng(seed).normal(size=(count, self.n, 3))

    def chain_starts(self, count: int, seed: int = 0) -> np.ndarray:
        """Random walks with neighbours at their best distance, float64 [count, n, 3]."""
        steps = np.random.default_rng(seed).normal(size=(count, self.n, 3))
        length = BEST_DISTANCE if self.variant == "lj" else 1.0
        return np.cumsum(length * steps / np.linalg.norm(steps, axis=2, keepdims=True), axis=1)

    def samples(self, count: int | None = None, seed: int = 0) -> np.ndarray:
        """The perturbed configurations [count, n, 3] that the published program averages the Hessian over.

        Normal deviates whose width grows evenly: 10 of 3 to 8 sigma for "bond-lj", 40 of 0.01 to 0.2 sigma for "lj".
        """
        published = 40 if self.variant == "lj" else 10
        widths = self.sigma * np.linspace(*SAMPLE_WIDTHS[self.variant], count or published)
        return widths[:, None, None] * np.random.default_rng(seed).normal(size=(len(widths), self.n, 3))

    def expected_norms(self, *, power: int = 1) -> scipy.sparse.csr_array:
        """What the size of the Hessian's blocks averages to over infinitely many perturbed configurations.

        Of the widths published for "lj", in both variants: those for "bond-lj" are so wide that loops hardly count.

        Distances of a pair of normal deviates are Maxwell's, so that one integral for each kind of pair is all there is
        to average: less work than one gradient. A few samples leave couplings so uneven that slow modes are localised.

        Parameters
        ----------
        power : int
            1: norms, as in the published program; 2: squared norms, as in the paper.

        Returns
        -------
        csr_array [n, n]
            Without a diagonal.
        """
        low, high = SAMPLE_WIDTHS["lj"]
        widths = self.sigma * np.linspace(low, high, 40)
        kinds = [_mean_norm(potential, widths, power) for potential in (_bond, lennard_jones)]
        if self.variant == "lj":
            sizes = kinds[1] * self._weights() ** power
        else:
            strong = np.full(self.n - 1, kinds[0] / (self.n - 1) ** power)
            weak = np.full(self.n - LOOP, kinds[1] * (STRENGTH / (self.n - LOOP)) ** power)
            sizes = np.concatenate([strong, weak])
        first, second = self.coupled.T
        half = scipy.sparse.csr_array((sizes, (first, second)), shape=(self.n, self.n))
        return half + half.T


def _bond(r: jax.Array) -> jax.Array:
    return (r - 1) ** 2


def _mean_norm(potential: Callable[[jax.Array], jax.Array], widths: np.ndarray, power: int) -> float:
    """Mean size^power of the block of a pair whose atoms are normal deviates, over widths [k] of these.

    The block is -(V'' along the pair and V' / r across it, twice).
    """
    sigma = np.sqrt(2) * widths[:, None]
    nodes, steps = np.polynomial.legendre.leggauss(_NODES)
    reach = 8 * sigma.max()
    r, steps = reach * (nodes + 1) / 2, reach * steps / 2
    slope = jax.grad(potential)
    along = np.asarray(jax.vmap(jax.grad(slope))(jnp.asarray(r)))
    across = np.asarray(jax.vmap(slope)(jnp.asarray(r))) / r
    size = np.sqrt(along**2 + 2 * across**2) ** power
    density = np.sqrt(2 / np.pi) * r**2 / sigma**3 * np.exp(-((r / sigma) ** 2) / 2)
    return float(np.mean(density @ (steps * size)))


def _at_distance(n: int, apart: int) -> np.ndarray:
    first = np.arange(n - apart, dtype=np.int32)
    return np.stack([first, first + np.int32(apart)], axis=1)


def _columns(pairs: np.ndarray, weight: np.ndarray) -> tuple[jax.Array, jax.Array, jax.Array]:
    return jnp.asarray(pairs[:, 0]), jnp.asarray(pairs[:, 1]), jnp.asarray(weight)

"""Small systems whose answers are known, in reduced units: what estimators are tried on."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Parameter, Simulated, simulated
from mdweights_core.energy.internal import angle, distance


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Oscillator:
    """One variable on a spring: k x^2 / 2."""

    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    n = 1

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [1] with theta = (k,)."""
        return theta[0] * x[0] ** 2 / 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DoubleWell:
    """One variable in two wells: h (x^2 - 1)^2 - s x."""

    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    n = 1

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [1] with theta = (h, s)."""
        height, slope = theta
        return height * (x[0] ** 2 - 1) ** 2 - slope * x[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TetheredDimer:
    """Two Lennard-Jones particles in space, held near each other: 4 eps (s^12 - s^6) + k (r - r0)^2 / 2, s = sigma/r.

    Without the spring they would part, and averages would mean nothing.
    """

    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    n = 6

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [6] with theta = (epsilon, sigma, k, r0)."""
        return self.along(distance(x.reshape(2, 3)), theta)

    @staticmethod
    def along(r: Array, theta: Array) -> Array:
        """Energy by distance, of any shape."""
        epsilon, sigma, k, r0 = theta
        sixth = (sigma / r) ** 6
        return 4 * epsilon * (sixth * sixth - sixth) + k * (r - r0) ** 2 / 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DiatomicRing:
    """A one-dimensional crystal: atoms of two kinds on a ring, springs in turn k1 and k2, each atom tied to its place.

    With displacements u = x - sites it is k1/2 sum (u_2i+1 - u_2i)^2 + k2/2 sum (u_2i+2 - u_2i+1)^2 + k3/2 sum u_i^2.

    Attributes
    ----------
    sites : float64 [N]
        Where the atoms are at rest.
    """

    sites: Array
    n: int = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [N] with theta = (k1, k2, k3)."""
        u = x - self.sites
        stretch = jnp.roll(u, -1) - u
        within, between = jnp.sum(stretch[::2] ** 2), jnp.sum(stretch[1::2] ** 2)
        return (theta[0] * within + theta[1] * between + theta[2] * jnp.sum(u**2)) / 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Water:
    """Three atoms, the middle one first: kb/2 [(r_12 - b0)^2 + (r_13 - b0)^2] + ka/2 (angle - a0)^2."""

    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    n = 9

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [9] with theta = (kb, b0, ka, a0)."""
        kb, b0, ka, a0 = theta
        at = x.reshape(3, 3)
        bonds = distance(at[np.array([[0, 1], [0, 2]])])
        return kb * jnp.sum((bonds - b0) ** 2) / 2 + ka * (angle(at[np.array([1, 0, 2])]) - a0) ** 2 / 2


def oscillator() -> Simulated:
    """k = 1, kT = 1."""
    return simulated(Oscillator((Parameter("k", 1.0, low=0.0),)), 1.0, np.zeros(1), 1.0, dimension=1)


def double_well(h: float = 1.0, s: float = 0.0) -> Simulated:
    """A barrier of h kT and a slope s; it begins in the right well."""
    parameters = (Parameter("h", h, low=0.0), Parameter("s", s))
    return simulated(DoubleWell(parameters), 1.0, np.ones(1), 1.0, dimension=1)


def tethered_dimer() -> Simulated:
    """epsilon = sigma = 1, k = 10, r0 = 1.2, kT = 1."""
    parameters = (
        Parameter("epsilon", 1.0, low=0.0),
        Parameter("sigma", 1.0, low=0.0),
        Parameter("k", 10.0, low=0.0),
        Parameter("r0", 1.2, low=0.0),
    )
    start = np.array([0.0, 0.0, 0.0, 1.3, 0.0, 0.0])
    return simulated(TetheredDimer(parameters), 1.0, start, 1.0, is_free=True)


def diatomic_ring(atoms: int = 16) -> Simulated:
    """k = (2, 6, 1.5), masses 1 and 2 in turn, sites one apart, kT = 1."""
    parameters = tuple(Parameter(f"k{i + 1}", k, low=0.0) for i, k in enumerate((2.0, 6.0, 1.5)))
    sites = np.arange(float(atoms))
    masses = np.tile([1.0, 2.0], atoms // 2)
    return simulated(DiatomicRing(jnp.asarray(sites), atoms, parameters), masses, sites, 1.0, dimension=1)


def water(*, is_ensemble: bool = False) -> Simulated:
    """Zhao's test: masses 8, 1, 1; bonds (100, 0.8) and angle (75, 2.1) at T = 0, to become 0.52 and 1.81.

    Parameters
    ----------
    is_ensemble : bool
        His second test, at 100 K in kJ/mol, from bonds (60, 1.3) and angle (43, 2.1).
    """
    kb, b0, ka, a0, kt = (60.0, 1.3, 43.0, 2.1, 0.831446) if is_ensemble else (100.0, 0.8, 75.0, 2.1, 0.0)
    parameters = (
        Parameter("kb", kb, low=0.0),
        Parameter("b0", b0, low=0.0),
        Parameter("ka", ka, low=0.0),
        Parameter("a0", a0, low=0.0, high=float(np.pi)),
    )
    half = a0 / 2 + 0.1  # bent and stretched a little, so that nothing is at rest
    arms = 0.95 * b0 * np.array([[np.sin(half), np.cos(half), 0.0], [-1.1 * np.sin(half), 1.1 * np.cos(half), 0.0]])
    start = np.concatenate([np.zeros((1, 3)), arms])
    return simulated(Water(parameters), np.repeat([8.0, 1.0, 1.0], 3), start, kt, is_free=True)

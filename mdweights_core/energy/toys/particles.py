"""Particles that attract and repel one another: four in the plane, thirteen in a trap, a dimer in a fluid.

All are in units of kT: `reduced` is u = U/kT, in the precision of the configuration it is given. A configuration [n]
holds the particles one after the other: x1 y1 x2 y2 ... in the plane.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array

CLOSEST = 1e-4
"""Squared distances are held above this, in squared particle diameters: energies stay finite in float32."""


def _squared_distances(places: Array) -> Array:
    """Squared distances [m, m] of particles [m, dim]; a particle is at distance 1 from itself."""
    between = places[:, None] - places[None]
    return jnp.sum(between**2, axis=-1) + np.eye(len(places), dtype=places.dtype)


def _pairs(values: Array) -> Array:
    """Sum over pairs of values [m, m], each pair once."""
    return jnp.sum(values * np.triu(np.ones(values.shape, values.dtype), 1))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DoubleWellParticles:
    """DW4: four particles in the plane; each pair has b (d - d0)^2 + c (d - d0)^4 (Koehler, Klein, Noe, ICML 2020).

    The energy does not change when all move together: integrals are over the plane in which the mean is zero.

    Attributes
    ----------
    particles : int
    quadratic, quartic : float
        b and c in kT.
    rest : float
        d0, the distance of the barrier.
    """

    particles: int = field(default=4, metadata={"static": True})
    quadratic: float = field(default=-4.0, metadata={"static": True})
    quartic: float = field(default=0.9, metadata={"static": True})
    rest: float = field(default=4.0, metadata={"static": True})

    dim = 2

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.dim * self.particles

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        squared = jnp.maximum(_squared_distances(x.reshape(self.particles, self.dim)), CLOSEST)
        away = (jnp.sqrt(squared) - self.rest) ** 2
        return _pairs(away * (self.quadratic + self.quartic * away))

    @property
    def starts(self) -> np.ndarray:
        """All on a circle, evenly, float64 [1, n]."""
        angle = 2 * np.pi * np.arange(self.particles) / self.particles
        return (self.rest / 2**0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).reshape(1, self.n)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LennardJonesParticles:
    """LJ13: particles with depth [(r_min/r)^12 - 2 (r_min/r)^6] a pair, each pair once, in a harmonic trap.

    The trap is trap/2 sum |x_i - mean|^2: `trap` 1 is what bgflow calls `oscillator_scale` 1 and what equivariant
    augmented flows call a coefficient of 0.5. The energy does not change when all move together.

    Attributes
    ----------
    particles : int
    depth, minimum, trap : float
        Depth in kT, distance of least energy, strength of the trap in kT.
    """

    particles: int = field(default=13, metadata={"static": True})
    depth: float = field(default=1.0, metadata={"static": True})
    minimum: float = field(default=1.0, metadata={"static": True})
    trap: float = field(default=1.0, metadata={"static": True})

    dim = 3

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.dim * self.particles

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        places = x.reshape(self.particles, self.dim)
        sixth = (1 / jnp.maximum(_squared_distances(places) / self.minimum**2, CLOSEST)) ** 3
        spread = jnp.sum((places - jnp.mean(places, axis=0)) ** 2)
        return self.depth * _pairs(sixth * (sixth - 2)) + self.trap / 2 * spread

    @property
    def starts(self) -> np.ndarray:
        """Particles on a face-centred lattice, a shell at a time from one of them outwards, float64 [1, n]."""
        steps = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), axis=-1).reshape(-1, 3)
        lattice = steps[steps.sum(axis=1) % 2 == 0] * (self.minimum / 2**0.5)
        nearest = np.argsort(np.linalg.norm(lattice, axis=1), kind="stable")[: self.particles]
        return lattice[nearest].reshape(1, self.n)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DimerInFluid:
    """A dimer of two lengths among particles that repel one another, in a box of the plane: 38 particles.

    The energy by which the 2019 paper's program evaluates (Noe, Olsson, Koehler, Wu, Science 365, eaaw1147; its text
    and its training energy differ from it), with d the distance of particles 1 and 2 and s = 2 (d - 1.5):

        u = slope s - 25 s^2 + 10 s^4                          the dimer
          + 20 [(x1 + x2)^2 + y1^2 + y2^2]                     which lies along x, in the middle
          + sum over all other pairs (1.1/r)^12                repulsion
          + sum over coordinates 200 max(0, |x| - 3)^2         walls: twice the constant the text prints

    Attributes
    ----------
    slope : float
        Tilts the dimer: -0.5 is the program's default, +2 is that of the published profile (figure 3).
    fluid : int
        Number of other particles, a square number.
    """

    slope: float = field(default=2.0, metadata={"static": True})
    fluid: int = field(default=36, metadata={"static": True})

    dim = 2
    QUADRATIC, QUARTIC, MIDDLE = 25.0, 10.0, 1.5
    ALIGNMENT, DIAMETER, WALL, HALF_BOX = 20.0, 1.1, 200.0, 3.0

    @property
    def particles(self) -> int:
        """Number of particles; the first two are the dimer."""
        return self.fluid + 2

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.dim * self.particles

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        places = x.reshape(self.particles, self.dim)
        squared = _squared_distances(places)
        inverse = 1 / jnp.maximum(squared / self.DIAMETER**2, CLOSEST)
        outside = jnp.maximum(jnp.abs(x) - self.HALF_BOX, 0)
        repulsion = _pairs(inverse.at[0, 1].set(0.0) ** 6)
        return self._dimer(places, squared[0, 1]) + repulsion + self.WALL * jnp.sum(outside**2)

    def _dimer(self, places: Array, squared: Array) -> Array:
        middle = (places[0, 0] + places[1, 0]) ** 2 + places[0, 1] ** 2 + places[1, 1] ** 2
        return self.along_dimer(jnp.sqrt(jnp.maximum(squared, CLOSEST))) + self.ALIGNMENT * middle

    def along_dimer(self, distance: Array) -> Array:
        """Energy of the dimer alone in kT by its length, of any shape."""
        stretch = 2 * (distance - self.MIDDLE)
        square = stretch * stretch
        return self.slope * stretch + square * (self.QUARTIC * square - self.QUADRATIC)

    @property
    def starts(self) -> np.ndarray:
        """The fluid on a lattice that fills the box, the dimer closed and open, float64 [2, n]."""
        side = round(self.fluid**0.5)
        line = np.linspace(-self.HALF_BOX, self.HALF_BOX, side)
        lattice = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1)
        return np.stack([np.concatenate([[-d / 2, 0.0, d / 2, 0.0], lattice]) for d in (1.0, 2.0)])

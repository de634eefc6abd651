"""Potentials of one or two variables with several wells, and products of them, whose integrals are known.

All are in units of kT: `reduced` is u = U/kT, in the precision of the configuration it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.toys.inverse import draw_from_density

Array = jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DoubleWell:
    """u(x, y) = quartic x^4 - quadratic x^2 + linear x + stiffness y^2 / 2.

    The 2019 paper (Noe, Olsson, Koehler, Wu, Science 365, eaaw1147) has two: `code` is that of its program and
    figures, `printed` that of its text. Their free-energy differences are 3.38 and 4.78 kT.

    Attributes
    ----------
    quartic, quadratic, linear, stiffness : float
        Coefficients in kT.
    """

    quartic: float = field(default=1.0, metadata={"static": True})
    quadratic: float = field(default=6.0, metadata={"static": True})
    linear: float = field(default=1.0, metadata={"static": True})
    stiffness: float = field(default=1.0, metadata={"static": True})

    n = 2

    @classmethod
    def code(cls) -> DoubleWell:
        """x^4 - 6 x^2 + x + y^2/2, of the paper's program and figures."""
        return cls()

    @classmethod
    def printed(cls) -> DoubleWell:
        """x^4/4 - 3 x^2 + x + y^2/2, of the paper's text."""
        return cls(quartic=0.25, quadratic=3.0)

    @classmethod
    def fab(cls) -> DoubleWell:
        """x^4 - 6 x^2 - x/2 + y^2/2, of Midgley et al., ICLR 2023; Many Well is a product of these."""
        return cls(linear=-0.5)

    @classmethod
    def bgflow(cls) -> DoubleWell:
        """x^4 - 4 x^2 + y^2/2, the default of the library bgflow: both wells alike."""
        return cls(quadratic=4.0, linear=0.0)

    def along_x(self, x: Array) -> Array:
        """The part of the energy that depends on x, for x of any shape."""
        square = x * x
        return square * (self.quartic * square - self.quadratic) + self.linear * x

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [2] in kT."""
        return self.along_x(x[0]) + self.stiffness * x[1] ** 2 / 2

    @property
    def turning_points(self) -> np.ndarray:
        """Left minimum, barrier and right minimum in x, float64 [3]."""
        roots = np.roots([4 * self.quartic, 0.0, -2 * self.quadratic, self.linear])
        return np.sort(roots.real)

    @property
    def starts(self) -> np.ndarray:
        """The two minima, float64 [2, 2]."""
        return np.stack([self.turning_points[[0, 2]], np.zeros(2)], axis=1)

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent configurations, float64 [size, 2]: x by the inverse of its distribution function."""
        reach = np.abs(self.turning_points).max() + 3.0 / self.quartic**0.25
        x = draw_from_density(self.along_x, -reach, reach, rng, size)
        return np.stack([x, rng.normal(scale=self.stiffness**-0.5, size=size)], axis=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ManyWell:
    """Independent double wells (the FAB form) side by side: 2^pairs modes of known weights.

    Midgley et al., Flow annealed importance sampling bootstrap, ICLR 2023: 16 pairs, 32 variables.

    Attributes
    ----------
    pairs : int
        Variables 2 i and 2 i + 1 are x and y of well i.
    """

    pairs: int = field(default=16, metadata={"static": True})

    @property
    def n(self) -> int:
        """Number of variables."""
        return 2 * self.pairs

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [n] in kT."""
        return jnp.sum(jax.vmap(DoubleWell.fab().reduced)(x.reshape(self.pairs, 2)))

    @property
    def starts(self) -> np.ndarray:
        """All wells in the left minimum, and all in the right one, float64 [2, n]."""
        return np.tile(DoubleWell.fab().starts, (1, self.pairs))

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent configurations, float64 [size, n]."""
        return DoubleWell.fab().sample(rng, size * self.pairs).reshape(size, self.n)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MuellerBrown:
    """Three curved wells in two variables (Mueller and Brown, Theor. Chim. Acta 53, 75 (1979)), times `scale`.

    One term grows as the exponential of a square, which overflows a few units away. Beyond `STEEPEST` the
    exponential goes on as its tangent: continuous forces, and energies above 1e8 kT, where no sample lies.

    Attributes
    ----------
    scale : float
        kT per unit of the published energies; the 2019 paper takes 0.1, the library bgflow 0.15.
    """

    scale: float = field(default=0.1, metadata={"static": True})

    n = 2
    STEEPEST = 18.0

    def reduced(self, x: Array) -> Array:
        """Energy of a configuration [2] in kT."""
        dx, dy = x[0] - np.array([1.0, 0.0, -0.5, -1.0], x.dtype), x[1] - np.array([0.0, 0.5, 1.5, 1.0], x.dtype)
        amplitude = np.array([-200.0, -100.0, -170.0, 15.0], x.dtype)
        xx = np.array([-1.0, -1.0, -6.5, 0.7], x.dtype)
        xy = np.array([0.0, 0.0, 11.0, 0.6], x.dtype)
        yy = np.array([-10.0, -10.0, -6.5, 0.7], x.dtype)
        exponent = xx * dx**2 + xy * dx * dy + yy * dy**2
        within = jnp.minimum(exponent, self.STEEPEST)
        return self.scale * jnp.sum(amplitude * jnp.exp(within) * (1 + exponent - within))

    @property
    def starts(self) -> np.ndarray:
        """The three minima to four digits, float64 [3, 2]."""
        return np.array([[0.6235, 0.0280], [-0.0500, 0.4667], [-0.5582, 1.4417]])

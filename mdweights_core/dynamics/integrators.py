"""One step of Langevin dynamics: Zhao's and LFMiddle, for a configuration and, without noise, for its derivatives.

A step is affine in (x, v, gradient, noise). The derivative of a trajectory by a parameter therefore takes the same
step, with the derivative of the gradient and no noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

Array = jax.Array

_LFMIDDLE_FILTER = (15 / 16, -11 / 16, 5 / 16, -1 / 16)
"""1 / (1 + z) about z = 1 to third order, as coefficients of 1, z, z^2, z^3."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Integrator:
    """What both integrators need.

    Attributes
    ----------
    length : scalar
        Of a step, in units of time.
    kept : scalar
        a = exp(-friction length), the share of a velocity that friction leaves.
    push : float64 [N]
        b, velocity per unit of force.
    noise : float64 [N]
        c = sqrt(kT (1 - a^2) / m), velocity per unit of noise.
    """

    length: Array
    kept: Array
    push: Array
    noise: Array
    taps: tuple[float, ...] = field(default=(1.0,), metadata={"static": True})

    def step(self, x: Array, v: Array, gradient: Array, n: Array) -> tuple[Array, Array]:
        """Positions and velocities [..., N] after a step; the gradient is that at x, n is of unit variance."""
        raise NotImplementedError

    def pull(self) -> Array:
        """How much noise [N] does what a unit of force does: -n . (pull grad) is its likelihood ratio."""
        raise NotImplementedError

    def direction(self, noise: Array) -> Array:
        """What the derivative of the gradient is multiplied with for the likelihood ratio of a step, [N].

        Parameters
        ----------
        noise : float64 [len(taps), N]
            Of this step and of those after it.
        """
        return -self.pull() * (jnp.asarray(self.taps) @ noise)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Zhao(Integrator):
    """v' = a v - b grad E(x) + c n, x' = x + v' dt; b = (1 - a) / (friction m).

    Zhao, "Analytic derivatives of the trajectory with respect to forcefield parameters" (2018); the discretisation of
    OpenMM's LangevinIntegrator before version 8. For a spring k its <x^2> is (kT/k) f / (1 - B k) with
    f = (friction dt / 2) coth(friction dt / 2) and B = dt^2 / (4 m f): above kT/k.
    """

    def step(self, x: Array, v: Array, gradient: Array, n: Array) -> tuple[Array, Array]:
        """Positions and velocities after a step."""
        v = self.kept * v - self.push * gradient + self.noise * n
        return x + self.length * v, v

    def pull(self) -> Array:
        """b / c: noise and force enter the velocity together."""
        return self.push / self.noise


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LFMiddle(Integrator):
    """A kick, half a drift, friction and noise, half a drift; b = dt / m.

    Zhang et al., J. Phys. Chem. A 123, 6056 (2019). Its positions are those of BAOAB (Leimkuhler and Matthews 2013),
    whose velocities it sees half a kick later: <x^2> = kT/k for a spring at any stable step.

    The kick acts before the noise does, so that no noise of the same step undoes it: seen from the positions alone,
    the velocity before the noise depends on a parameter as s' = -s - b d grad E / dtheta, and the likelihood ratio of a
    step is (1 + a) n . s / c. The alternating sum over past steps is a filter 1 / (1 + z) on the noise of the steps to
    come; the derivative of the gradient hardly changes from step to step, and four taps leave an error of the fourth
    order in step times frequency.
    """

    taps: tuple[float, ...] = field(default=_LFMIDDLE_FILTER, metadata={"static": True})

    def step(self, x: Array, v: Array, gradient: Array, n: Array) -> tuple[Array, Array]:
        """Positions and velocities after a step."""
        v = v - self.push * gradient
        x = x + self.length / 2 * v
        v = self.kept * v + self.noise * n
        return x + self.length / 2 * v, v

    def pull(self) -> Array:
        """(1 + a) b / c."""
        return (1 + self.kept) * self.push / self.noise


def integrator(name: str, step: float, friction: float, kt: float, masses: Array) -> Integrator:
    """Return an integrator of `settings.INTEGRATORS` for masses [N] at a temperature kT."""
    masses = jnp.asarray(masses, dtype=jnp.float64)
    kept = jnp.exp(-jnp.asarray(friction * step))
    noise = jnp.sqrt(kt * -jnp.expm1(-2.0 * friction * step) / masses)
    if name == "lfmiddle":
        return LFMiddle(jnp.asarray(step), kept, step / masses, noise)
    push = -jnp.expm1(-friction * step) / friction if friction else jnp.asarray(step)
    return Zhao(jnp.asarray(step), kept, push / masses, noise)

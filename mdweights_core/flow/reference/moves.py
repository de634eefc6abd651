"""How walkers move: Langevin dynamics, with a Metropolis test or without, and random steps, many side by side.

All is at kT = 1. Inertia is mass divided by kT: with masses in dalton, nm and ps, that is dalton / (kJ/mol).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.reference.settings import ChainSettings

FIRST_DESCENT = 0.01
"""Length of the first step of a descent."""

Array = jax.Array
Field = Callable[[Array], tuple[Array, Array]]  # x [W, N] -> energies [W] and gradients [W, N]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Restraint:
    """A walker's window along a coordinate: stiffness (c - centre)^2 / 2, or stiffness (1 - cos(c - centre)).

    Attributes
    ----------
    centre, stiffness : scalars; [W] for all walkers
    coordinate : function
        From a configuration [N] to a scalar; hashable.
    is_angle : bool
    """

    centre: Array
    stiffness: Array
    coordinate: Callable[[Array], Array] = field(metadata={"static": True})
    is_angle: bool = field(default=False, metadata={"static": True})

    def of(self, value: Array) -> Array:
        """Bias in kT of a value of the coordinate."""
        away = value - self.centre.astype(value.dtype)
        return self.stiffness.astype(value.dtype) * (1 - jnp.cos(away) if self.is_angle else away**2 / 2)

    def reduced(self, x: Array) -> Array:
        """Bias in kT of a configuration [N]."""
        return self.of(self.coordinate(x))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Walkers:
    """Where W walkers are.

    Attributes
    ----------
    x, v : float [W, N]
        Configurations; velocities, where moves have any.
    energy : float [W]
        kT, with the bias of restraints.
    gradient : float [W, N]
        Not kept up to date by moves that need none.
    accepted : int64 scalar
        Moves that passed the Metropolis test.
    key : PRNG key
    """

    x: Array
    v: Array
    energy: Array
    gradient: Array
    accepted: Array
    key: Array


class Moves(Protocol):
    """A way to move: a pytree."""

    def step(self, field: Field, walkers: Walkers) -> Walkers:
        """All walkers one step on."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Langevin:
    """Half a kick, half a drift, friction and noise, half a drift, half a kick (BAOAB).

    Leimkuhler and Matthews, Appl. Math. Res. eXpress 2013, 34: of all such splittings its ensemble of positions is the
    closest to the exact one at a given step.

    Attributes
    ----------
    step_length, friction : scalars
    inertia : float [N]
    """

    step_length: Array
    friction: Array
    inertia: Array

    def velocities(self, key: Array, like: Array) -> Array:
        """Draw velocities for configurations [W, N]."""
        return jax.random.normal(key, like.shape, like.dtype) * self.inertia.astype(like.dtype) ** -0.5

    def _with_noise(self, key: Array, v: Array) -> Array:
        """Velocities after a step's friction and noise."""
        kept = jnp.exp(-self.friction * self.step_length).astype(v.dtype)
        return kept * v + jnp.sqrt(1 - kept**2) * self.velocities(key, v)

    def step(self, field: Field, walkers: Walkers) -> Walkers:
        """All walkers one step on."""
        dtype = walkers.x.dtype
        key, now = jax.random.split(walkers.key)
        half, inertia = self.step_length.astype(dtype) / 2, self.inertia.astype(dtype)
        v = walkers.v - half * walkers.gradient / inertia
        x = walkers.x + half * v
        v = self._with_noise(now, v)
        x = x + half * v
        energy, gradient = field(x)
        return replace(walkers, x=x, v=v - half * gradient / inertia, energy=energy, gradient=gradient, key=key)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HybridMonteCarlo(Langevin):
    """Friction and noise, then a step of velocity Verlet that has to pass a Metropolis test, or else turns round.

    Generalised hybrid Monte Carlo (Horowitz, Phys. Lett. B 268, 247 (1991)): Langevin dynamics whose ensemble is exact
    at any step.
    """

    def step(self, field: Field, walkers: Walkers) -> Walkers:
        """All walkers one step on."""
        dtype = walkers.x.dtype
        key, noise_key, test_key = jax.random.split(walkers.key, 3)
        length, inertia = self.step_length.astype(dtype), self.inertia.astype(dtype)
        begun = self._with_noise(noise_key, walkers.v)
        v = begun - length / 2 * walkers.gradient / inertia
        x = walkers.x + length * v
        energy, gradient = field(x)
        v = v - length / 2 * gradient / inertia
        likelier = walkers.energy - energy + jnp.sum(inertia * (begun**2 - v**2), axis=1) / 2
        moved = replace(walkers, x=x, v=v, energy=energy, gradient=gradient, key=key)
        return _tested(replace(walkers, v=-begun), test_key, likelier, moved)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Metropolis:
    """Gaussian steps of all variables, accepted by the energy (Metropolis et al. 1953).

    Attributes
    ----------
    step_length : scalar
        Standard deviation of each variable's step.
    """

    step_length: Array

    def step(self, field: Field, walkers: Walkers) -> Walkers:
        """All walkers one step on."""
        key, noise_key, test_key = jax.random.split(walkers.key, 3)
        noise = jax.random.normal(noise_key, walkers.x.shape, walkers.x.dtype)
        x = walkers.x + self.step_length.astype(walkers.x.dtype) * noise
        energy, _ = field(x)  # a compiled step leaves the gradient out: nobody asks for it
        return _tested(walkers, test_key, walkers.energy - energy, replace(walkers, x=x, energy=energy, key=key))


def _tested(before: Walkers, key: Array, likelier: Array, after: Walkers) -> Walkers:
    """Each walker after its move, or before it, by the Metropolis test on a logarithm of probabilities [W]."""
    passes = jnp.log(jax.random.uniform(key, likelier.shape, likelier.dtype)) < likelier  # False for NaN
    return replace(
        after,
        x=jnp.where(passes[:, None], after.x, before.x),
        v=jnp.where(passes[:, None], after.v, before.v),
        energy=jnp.where(passes, after.energy, before.energy),
        gradient=jnp.where(passes[:, None], after.gradient, before.gradient),
        accepted=before.accepted + jnp.sum(passes),
    )


def moves_of(settings: ChainSettings, inertia: np.ndarray | None, n: int) -> Moves:
    """Return the way to move that settings ask for, of n variables; without inertia, that is 1 for all."""
    length = jnp.asarray(settings.step)
    if settings.moves == "metropolis":
        return Metropolis(length)
    kind = Langevin if settings.moves == "langevin" else HybridMonteCarlo
    return kind(length, jnp.asarray(settings.friction), jnp.asarray(np.ones(n) if inertia is None else inertia))


def _field(target: Any, restraint: Restraint | None, x: Array) -> tuple[Array, Array]:
    def energy(restraint: Restraint | None, x: Array) -> Array:
        return target.reduced(x) + (0 if restraint is None else restraint.reduced(x))

    return jax.vmap(jax.value_and_grad(energy, argnums=1))(restraint, x)


@jax.jit
def begin(moves: Moves, target: Any, restraint: Restraint | None, x: Array, key: Array) -> Walkers:
    """Walkers at configurations [W, N]."""
    key, now = jax.random.split(key)
    energy, gradient = _field(target, restraint, x)
    v = moves.velocities(now, x) if isinstance(moves, Langevin) else jnp.zeros_like(x)
    return Walkers(x, v, energy, gradient, jnp.zeros((), jnp.int64), key)


@jax.jit
def rearrange(target: Any, restraint: Restraint | None, walkers: Walkers, order: Array) -> Walkers:
    """Walkers in another order [W], each with its velocities, under the restraints of its new place.

    The velocities must not be drawn anew: those that Langevin dynamics of finite steps keeps are a little colder than
    the temperature, and fresh ones would heat stiff bonds each time.
    """
    x = walkers.x[order]
    energy, gradient = _field(target, restraint, x)
    return replace(walkers, x=x, v=walkers.v[order], energy=energy, gradient=gradient)


@jax.jit
def descend(target: Any, restraint: Restraint | None, x: Array, steps: int) -> Array:
    """Configurations [W, N] some steps down the gradient: shorter after each that went up, longer after all others."""

    def step(_: Any, now: tuple[Array, ...]) -> tuple[Array, ...]:
        x, energy, gradient, length = now
        norm = jnp.linalg.norm(gradient, axis=1, keepdims=True)
        tried = x - length[:, None] * gradient / jnp.maximum(norm, 1e-12)
        tried_energy, tried_gradient = _field(target, restraint, tried)
        goes_down = tried_energy < energy  # False for NaN
        keep = goes_down[:, None]
        return (
            jnp.where(keep, tried, x),
            jnp.where(goes_down, tried_energy, energy),
            jnp.where(keep, tried_gradient, gradient),
            jnp.where(goes_down, 1.2 * length, 0.5 * length),
        )

    start = x, *_field(target, restraint, x), jnp.full(len(x), FIRST_DESCENT, x.dtype)
    return jax.lax.fori_loop(0, steps, step, start)[0]


@jax.jit
def advance(moves: Moves, target: Any, restraint: Restraint | None, walkers: Walkers, steps: int) -> Walkers:
    """All walkers some steps on."""
    field = partial(_field, target, restraint)
    return jax.lax.fori_loop(0, steps, lambda _, now: moves.step(field, now), walkers)

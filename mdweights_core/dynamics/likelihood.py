"""The likelihood-ratio estimator: how much likelier a change of a parameter makes the random forces that were seen.

A change of the gradient could as well have been a change of the noise: dq = -(b/c) n . d2E/dx dtheta for Zhao's step
(`Integrator.direction` for others), and d<f> = <df/dtheta> + Cov(f, q), q being the sum of dq (Malliavin weights:
Warren and Allen, Entropy 16, 221 (2014)). Nothing grows with the chaos of the dynamics, and all parameters cost one
reverse pass; but the noise of q grows with the square root of the time it is summed over. What lies longer back than
the observables remember has no covariance with them, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.decorrelation import autocorrelation, integrated

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.base import Model

Array = jax.Array

LONGEST = 256
"""Samples that a window may hold."""

_MEMORIES = 6.0  # decay times of the slowest observable: what lies further back is less than 1 %
_FRICTIONS = 8.0  # decay times of velocities, exp(-friction t): an oscillation loses its amplitude half as fast


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ratios:
    """Likelihood ratios of one replica.

    Attributes
    ----------
    q : float64 [P]
        Since the begin.
    past : float64 [LONGEST, P]
        q at the last samples, in a ring.
    samples : int64 scalar
        Taken so far.
    """

    q: Array
    past: Array
    samples: Array


def begin(replicas: int, n_parameters: int) -> Ratios:
    """Nothing seen yet by R replicas."""
    past = jnp.zeros((replicas, LONGEST, n_parameters))
    return Ratios(past[:, 0], past, jnp.zeros(replicas, jnp.int64))


def pulled(model: Model, x: Array, theta: Array, direction: Array) -> tuple[Array, Array]:
    """Gradient [N] at x, and direction . d2E/dx dtheta [P]: the work of two gradients, for any number of parameters."""

    def gradients(x: Array) -> tuple[Array, Array]:
        return jax.grad(model.energy, argnums=(0, 1))(x, theta)

    (gradient, _), (_, mixed) = jax.jvp(gradients, (x,), (direction,))
    return gradient, mixed


def seen(ratios: Ratios, dq: Array) -> Ratios:
    """Likelihood ratios one step on."""
    return replace(ratios, q=ratios.q + dq)


def observed(ratios: Ratios, window: Array) -> tuple[Ratios, Array]:
    """Likelihood ratios at a sample, and q [P] over the last `window` samples (at most `LONGEST`)."""
    before = ratios.past[(ratios.samples - window) % LONGEST]
    past = ratios.past.at[ratios.samples % LONGEST].set(ratios.q)
    return Ratios(ratios.q, past, ratios.samples + 1), ratios.q - before


def memory(trace: np.ndarray) -> float:
    """Samples in which the slowest of some features decays to 1/e, were its decay exponential.

    Parameters
    ----------
    trace : float64 [S, B, K]
        K features of B replicas, at S samples.
    """
    samples, replicas, features = trace.shape
    series = trace.transpose(2, 1, 0).reshape(features, -1)
    rho = autocorrelation(series - series.mean(axis=1, keepdims=True), np.repeat(np.arange(replicas), samples))
    seen = np.arange(samples // 2)
    # Many replicas share one mean, so that long lags need no damping: it would make memories too short.
    rho = rho[:, seen] * samples / (samples - seen)
    return float(integrated(rho).max(initial=1.0)) / 2


def chosen_window(trace: np.ndarray, stride: int, step: float, friction: float) -> int:
    """Samples over which random forces are remembered: as long as observables do, and as velocities do.

    It may be more than `LONGEST`: whoever asks has to say so.
    """
    by_memory = _MEMORIES * memory(trace)
    by_friction = _FRICTIONS / (friction * step * stride)
    return max(1, int(np.ceil(max(by_memory, by_friction))))

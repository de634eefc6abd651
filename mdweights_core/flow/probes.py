"""Minima of the energy from scattered configurations: places a flow should know of, whatever it was trained on.

A flow trained on its own draws alone never hears of a region it does not visit, and its effective sample size stays
high. Minima found from latents that are far too wide show such regions: there the importance weight is far above that
of the draws.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.losses import System
from mdweights_core.flow.model import Flow
from mdweights_core.jobs import Clock, Job, Progress

Array = jax.Array

STAGE = "looking for minima"
_WIDER = (1.0, 3.0, 10.0, 30.0)  # latents, in units of their own spread
_STEPS = 300
_ALIKE = 0.05  # variables (order one) of two minima that are the same
_STEEPEST = 1e-2  # gradient by variables of what counts as a minimum, kT


class Probes(NamedTuple):
    """Distinct minima.

    Attributes
    ----------
    x : float64 [P, N]
    log_weights : float64 [P]
        -u - log q there.
    log_masses : float64 [P]
        ln of exp(-u) integrated about the minimum, in the harmonic approximation.
    energies : int
        Asked for.
    """

    x: np.ndarray
    log_weights: np.ndarray
    log_masses: np.ndarray
    energies: int


def find_minima(flow: Flow, system: System, seed: int, starts: int = 32) -> Job[Probes]:
    """Bring scattered configurations to minima of u - ln |dx/dy|, and look at the flow's weights there.

    Parameters
    ----------
    flow, system
        In double precision.
    seed : int
    starts : int
        Configurations for each of four spreads.
    """
    from scipy.optimize import minimize

    clock = Clock()
    keys = jax.random.split(jax.random.key(seed), len(_WIDER))
    scattered = [_scattered(flow, key, starts, wide) for key, wide in zip(keys, _WIDER, strict=True)]
    found: list[np.ndarray] = []
    energies = 0
    total = starts * len(_WIDER)
    for i, y in enumerate(np.concatenate(scattered)):
        if clock.is_due():
            yield Progress(STAGE, i, total, f"start {i + 1} of {total}, {len(found)} minima")
        end = minimize(_value, y, args=(system,), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
        energies += end.nfev
        at = np.where(flow.circular, (end.x + np.pi) % (2 * np.pi) - np.pi, end.x)
        if np.isfinite(end.fun) and np.abs(end.jac).max() < _STEEPEST and _is_new(at, found, np.asarray(flow.circular)):
            found.append(at)
    if not found:
        return Probes(np.zeros((0, system.target.n)), np.zeros(0), np.zeros(0), energies)
    x, log_weights, log_masses = (np.asarray(part) for part in _told(flow, system, jnp.asarray(np.stack(found))))
    energies += len(found) * (1 + 2 * flow.n)
    kept = np.isfinite(log_weights)
    return Probes(x[kept], log_weights[kept], log_masses[kept], energies)


@eqx.filter_jit
def _scattered(flow: Flow, key: Array, count: int, wide: float) -> Array:
    return jax.vmap(lambda z: flow.generate(z)[0])(flow.latents(key, count, jnp.float64, wide**2))


def _value(y: np.ndarray, system: System) -> tuple[float, np.ndarray]:
    value, gradient = _value_and_gradient(system, jnp.asarray(y))
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return 1e30, np.zeros_like(y)  # no way on from here
    return float(value), np.asarray(gradient)


def _in_variables(system: System, y: Array) -> Array:
    x, log_det = system.coordinates.place(y)
    return system.target.reduced(x) - log_det


@jax.jit
def _value_and_gradient(system: Any, y: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda at: _in_variables(system, at))(y)


@eqx.filter_jit
def _told(flow: Flow, system: System, y: Array) -> tuple[Array, Array, Array]:
    def one(at: Array) -> tuple[Array, Array, Array]:
        x, of_coordinates = system.coordinates.place(at)
        u = system.target.reduced(x)
        hessian = jax.jacfwd(jax.grad(lambda y: _in_variables(system, y)))(at)
        stiff = jnp.maximum(jnp.linalg.eigvalsh(hessian), 1.0 / np.pi**2)  # no direction is wider than a circle
        log_mass = -u + of_coordinates + 0.5 * jnp.sum(jnp.log(2 * np.pi / stiff))
        return x, -u - flow.log_density(at) + of_coordinates, log_mass

    return jax.lax.map(one, y)


def _is_new(at: np.ndarray, found: list[np.ndarray], circular: np.ndarray) -> bool:
    for other in found:
        apart = at - other
        apart = np.where(circular, (apart + np.pi) % (2 * np.pi) - np.pi, apart)
        if np.abs(apart).max() < _ALIKE:
            return False
    return True

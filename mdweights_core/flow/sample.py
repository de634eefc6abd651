"""The job: configurations drawn from a trained flow in double precision, with exact weights and what they are worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import counted
from mdweights_core.flow.coordinates.relabel import OneOrder
from mdweights_core.flow.draw import Draws, batches, log_density
from mdweights_core.flow.losses import System
from mdweights_core.flow.model import Flow, cast
from mdweights_core.flow.probes import find_minima
from mdweights_core.flow.result import FlowSamples, looked_at
from mdweights_core.flow.train import Trained
from mdweights_core.jobs import Clock, Job, Progress, Stopped

Array = jax.Array

STAGE = "drawing configurations"
ROUND_TRIP = 1e-6
"""Largest error of latents after a round trip, and of the log-determinants, that is not told about."""

_CHECKED = 1024  # draws taken through the flow and back


def sample(
    trained: Trained,
    count: int,
    seed: int = 0,
    *,
    examples: np.ndarray | None = None,
    order: OneOrder | None = None,
    probe: bool = True,
) -> Job[FlowSamples]:
    """Draw configurations and weight them.

    Stopped, it returns those drawn by then.

    Parameters
    ----------
    trained : Trained
    count : int
        Configurations.
    seed : int
        Of the draws.
    examples : float [T, N], optional
        Configurations of the target, whose weights tell what the flow has missed.
    order : OneOrder, optional
        Of alike particles, in which the target is looked at: draws in another one get no weight.
    probe : bool
        Look for minima of the energy that the flow may have missed.
    """
    clock = Clock()
    flow: Flow = cast(trained.flow, jnp.float64)
    system = System(trained.target, trained.coordinates, symmetry=trained.symmetry)
    round_trip, log_det_error = _errors(flow, seed)
    parts: list[Draws] = []
    elsewhere = 0
    minima, probe_energies = None, 0
    try:
        yield Progress(STAGE, 0, count, "compiling the flow in double precision")
        for part in batches(flow, system, count, seed, jnp.float64):
            if order is not None:
                is_own = order.holds(part.x)
                elsewhere += int(np.sum(~is_own))
                part = part._replace(log_q=np.where(is_own, part.log_q, np.inf))
            parts.append(part._replace(x=part.x.astype(np.float32), y=np.zeros(0)))
            if clock.is_due():
                done = sum(len(part.u) for part in parts)
                yield _snapshot(parts, done, count)
        if probe:
            minima = yield from find_minima(flow, system, seed)
            probe_energies = minima.energies
    except Stopped:
        pass
    x, u, log_q = (
        np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)]) for name in ("x", "u", "log_q")
    )
    n = trained.target.n
    samples = FlowSamples(
        x=x.reshape(-1, n),
        u=u,
        log_weights=_log_weights(u, log_q),
        example_log_weights=np.zeros(0) if examples is None else log_weights_at(flow, system, examples),
        probes=np.zeros((0, n), np.float32) if minima is None else minima.x.astype(np.float32),
        probe_log_weights=np.zeros(0) if minima is None else minima.log_weights,
        probe_log_masses=np.zeros(0) if minima is None else minima.log_masses,
        history=trained.history,
        training_energies=trained.energies,
        energies=len(u) + probe_energies,
        seconds=trained.seconds + clock.elapsed,
        round_trip=round_trip,
        log_det_error=log_det_error,
        seed=seed,
        notes=trained.notes,
    )
    return replace(samples, notes=(*samples.notes, *_remarks(samples, elsewhere)))


def log_weights_at(flow: Flow, system: System, x: np.ndarray) -> np.ndarray:
    """Log-weights -u - log q of those configurations x [T, N] that are `looked_at`, float64."""
    return np.asarray(_log_weights_of(flow, system, jnp.asarray(x[looked_at(len(x))], jnp.float64)))


@eqx.filter_jit
def _log_weights_of(flow: Flow, system: System, x: Array) -> Array:
    def one(at: Array) -> Array:
        return -system.target.reduced(at) - log_density(flow, system, at)

    return jax.lax.map(one, x, batch_size=512)


def _log_weights(u: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    found = -u - log_q
    return np.where(np.isfinite(found), found, -np.inf)


def _errors(flow: Flow, seed: int) -> tuple[float, float]:
    """Largest differences after a round trip of latents, in double precision."""
    there, back = _both_ways(flow, jax.random.key(seed))
    return float(there), float(back)


@eqx.filter_jit
def _both_ways(flow: Flow, key: Array) -> tuple[Array, Array]:
    z = flow.latents(key, _CHECKED, jnp.float64)
    y, forth = jax.vmap(flow.generate)(z)
    again, back = jax.vmap(flow.read)(y)
    apart: Any = again - z
    apart = jnp.where(flow.circular, jnp.sin(apart / 2) * 2, apart)
    return jnp.max(jnp.abs(apart)), jnp.max(jnp.abs(forth + back))


def _snapshot(parts: list[Draws], done: int, count: int) -> Progress:
    log_weights = np.concatenate([_log_weights(part.u, part.log_q) for part in parts])
    best = log_weights.max()
    weights = np.exp(log_weights - best) if np.isfinite(best) else np.zeros(done)
    share = float(weights.sum() ** 2 / np.sum(weights**2) / done) if weights.any() else 0.0
    energies = np.concatenate([part.u for part in parts])
    text = f"{done} of {count} configurations, effective share {share:.1%}"
    return Progress(STAGE, done, count, text, {"ess": share}, {"u": energies, "log_weights": log_weights})


def _remarks(samples: FlowSamples, elsewhere: int) -> list[str]:
    said = []
    if elsewhere:
        said.append(
            f"{counted(elsewhere, 'configuration')} of {samples.n_samples} have their particles in another order than "
            "the examples and weigh nothing: the ensemble is that of one order."
        )
    lost = int(np.sum(np.isneginf(samples.log_weights))) - elsewhere
    if lost:
        said.append(f"{counted(lost, 'configuration')} of {samples.n_samples} have no finite energy and weigh nothing.")
    if max(samples.round_trip, samples.log_det_error) > ROUND_TRIP:
        said.append(
            f"The flow is not quite invertible: latents come back with an error of {samples.round_trip:.1g}, volumes "
            f"with {samples.log_det_error:.1g}. Train at a lower learning rate."
        )
    return said

"""The recursion of tangents: derivatives of a trajectory as automatic differentiation and differences give them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.windows import window_of, windowed

from mdweights_core.dynamics.integrators import integrator
from mdweights_core.dynamics.models.lennard_jones import lennard_jones_crystal
from mdweights_core.dynamics.models.toys import water
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.replicas import Asked, Replica, System, begin, step

STEPS = 2000
MOST = 1290  # steps until a^k is 1e-14
ALONE = Asked(pathwise=False, likelihood=False, covariance=False)
PATHWISE = Asked(pathwise=True, likelihood=False, covariance=False)


def system_of(simulated, name: str, length: float, friction: float, kt: float, stride: int = 1) -> System:
    return System(
        simulated.model,
        moments([0], power=2),
        integrator(name, length, friction, kt, simulated.masses),
        simulated.theta,
        simulated.masses,
        jnp.asarray(kt),
        stride,
        3 if simulated.is_free else 0,
    )


def first_replica(system: System, start: np.ndarray, asked: Asked) -> Replica:
    (group,) = begin(system, np.asarray(start)[None], 3, asked, 1)
    return jax.tree.map(lambda leaf: leaf[0], group.replicas)


@pytest.fixture(scope="module", params=["zhao", "lfmiddle"])
def hot_water(request) -> System:
    """Three atoms at 300 K with a friction of 10/ps and steps of 2.5 fs."""
    return system_of(water(is_ensemble=True), request.param, 0.0025, 10.0, 2.494)


def trajectory(system: System, replica: Replica, theta: jax.Array, steps: int) -> jax.Array:
    """Positions [T, N] along a trajectory without derivatives: what automatic differentiation is asked of."""
    moved = replace(system, theta=theta)

    def on(now, _):
        now = step(moved, ALONE, now)
        return now, now.x

    return jax.lax.scan(on, replica, length=steps)[1]


@partial(jax.jit, static_argnums=2)
def recursion(system: System, replica: Replica, steps: int) -> jax.Array:
    """Derivatives [T, P, N] along a trajectory."""

    def on(now, _):
        now = step(system, PATHWISE, now)
        return now, now.tangents.x[:-1]

    return jax.lax.scan(on, replica, length=steps)[1]


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest error in units of the largest derivative by the same parameter."""
    found, exact = np.asarray(found), np.asarray(exact)
    scale = np.abs(exact).max(axis=tuple(i for i in range(exact.ndim) if i != exact.ndim - 2), keepdims=True)
    return float(np.max(np.abs(found - exact) / scale))


def test_the_recursion_is_forward_and_reverse_mode(hot_water: System) -> None:
    start, theta = water(is_ensemble=True).start, hot_water.theta
    plain = first_replica(hot_water, start, ALONE)
    mine = recursion(hot_water, first_replica(hot_water, start, PATHWISE), STEPS)[-1]

    @jax.jit
    def derivatives(system, replica, theta):
        def at_end(theta):
            return trajectory(system, replica, theta, STEPS)[-1]

        h = 1e-6 * theta
        ahead, back = (jax.vmap(at_end)(theta + sign * jnp.diag(h)) for sign in (1, -1))
        return jax.jacfwd(at_end)(theta).T, jax.jacrev(at_end)(theta).T, (ahead - back) / (2 * h[:, None])

    forward, reverse, differences = derivatives(hot_water, plain, theta)
    assert relative(mine, forward) <= 1e-12
    assert relative(mine, reverse) <= 1e-12
    assert relative(mine, differences) <= 1e-6


@pytest.fixture(scope="module")
def warm() -> tuple[System, Replica, jax.Array, jax.Array]:
    """Water as above, its noise [T, N], and its derivatives by the recursion [T, P, N]."""
    system = system_of(water(is_ensemble=True), "zhao", 0.0025, 10.0, 2.494)
    start = water(is_ensemble=True).start
    replica = first_replica(system, start, PATHWISE)

    def on(now, _):
        return step(system, PATHWISE, now), now.noise[0]

    noise = jax.jit(lambda replica: jax.lax.scan(on, replica, length=STEPS)[1])(replica)
    return system, replica, noise, recursion(system, replica, STEPS)


@pytest.mark.parametrize("k", [50, 100, 200, 400, 800])
def test_a_window_errs_by_what_it_rounds(warm, k: int) -> None:
    system, replica, noise, mine = warm
    found = windowed(system.model, system.integrator, system.theta, replica.x, replica.v, noise, k, MOST)
    rounded = float(system.integrator.kept) ** k
    error = np.max(np.abs(found - mine)) / np.max(np.abs(mine))
    assert rounded / 5 <= error <= 5 * rounded


def test_the_window_of_the_paper_is_the_recursion(warm) -> None:
    system, replica, noise, mine = warm
    k = window_of(float(system.integrator.kept))
    assert k == MOST
    found = windowed(system.model, system.integrator, system.theta, replica.x, replica.v, noise, k, MOST)
    assert np.max(np.abs(found - mine)) / np.max(np.abs(mine)) <= 1e-13


def test_explicit_second_derivatives_give_the_same(monkeypatch) -> None:
    simulated = lennard_jones_crystal(32, kt=0.3)
    system = system_of(simulated, "lfmiddle", 0.005, 5.0, 0.3)
    replica = first_replica(system, simulated.start, PATHWISE)
    explicit = recursion(system, replica, 20)[-1]
    monkeypatch.delattr(type(simulated.model), "curvature")
    jax.clear_caches()
    generic = recursion(system, replica, 20)[-1]
    assert np.max(np.abs(explicit)) > 1e-6
    assert relative(explicit, generic) <= 1e-12


def test_the_centre_of_mass_stays() -> None:
    simulated = lennard_jones_crystal(32, kt=0.3)
    system = system_of(simulated, "lfmiddle", 0.005, 5.0, 0.3)
    replica = first_replica(system, simulated.start, PATHWISE)
    end = jax.jit(lambda replica: jax.lax.fori_loop(0, 200, lambda _, now: step(system, PATHWISE, now), replica))(
        replica
    )
    away = (end.x - simulated.start).reshape(-1, 3)
    assert np.abs(away).max() > 0.01
    assert np.abs(np.mean(away, axis=0)).max() < 1e-13
    assert np.abs(np.mean(end.tangents.x.reshape(3, -1, 3), axis=1)).max() < 1e-12

"""Zhao's water: three atoms whose distances after 500 steps at T = 0 are functions of bonds and angle.

Y. Zhao, tests of "Analytic derivatives of the trajectory with respect to forcefield parameters" (2018): bonds
(100, 0.8) and angle (75, 2.1) are to become 0.52 and 1.81, friction 10, steps of 0.005.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.integrators import integrator
from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.models.toys import water
from mdweights_core.dynamics.tuning.exact import Exact
from mdweights_core.dynamics.tuning.targets import Targets

WANTED = {"kb": 100.0, "b0": 0.52, "ka": 75.0, "a0": 1.81}
TOLERANCE = 0.05
"""Zhao's, of b0 and a0."""
STEPS = 500
NAMES = ("distance O-H1", "distance O-H2", "distance H1-H2")
Data = tuple[Simulated, Any]


def last_distances(data: Data, theta: jax.Array) -> jax.Array:
    """Distances after 500 steps of Zhao's integrator without noise."""
    system, move = data

    def step(state: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple[jax.Array, jax.Array], None]:
        x, v = state
        return move.step(x, v, jax.grad(system.model.energy)(x, theta), jnp.zeros_like(x)), None

    (x, _), _ = jax.lax.scan(step, (system.start, jnp.zeros_like(system.start)), None, length=STEPS)
    at = x.reshape(3, 3)
    return jnp.linalg.norm(at[np.array([1, 2, 2])] - at[np.array([0, 0, 1])], axis=1)


@cache
def zhao_water() -> tuple[Exact, Targets]:
    """The simulator at Zhao's start and the distances that are wanted."""
    system = water()
    data = (replace(system, remarks=()), integrator("zhao", 0.005, 10.0, 0.0, system.masses))
    simulator = Exact(NAMES, system.parameters, last_distances, data)
    wanted = np.asarray(jax.jit(last_distances)(data, jnp.array(list(WANTED.values()))))
    return simulator, Targets.of(NAMES, wanted, np.full(3, 0.01))

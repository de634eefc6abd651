"""Observables that are a function of the parameters: closed forms, minima, deterministic trajectories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.simulator import Response
from mdweights_core.jobs import Job, Progress


class Exact:
    """A function of parameters as a simulator without errors; its Jacobian is that of forward differentiation.

    Parameters
    ----------
    observables : sequence of str, [M]
    parameters : sequence of Parameter, [P]
    function : callable
        From (data, theta [P]) to the observables [M]; traceable by JAX.
    data : any pytree
        What the function needs besides, passed to it as an argument.
    """

    def __init__(
        self,
        observables: Sequence[str],
        parameters: Sequence[Parameter],
        function: Callable[[Any, jax.Array], jax.Array],
        data: Any = None,
    ) -> None:
        self.observables = tuple(observables)
        self.parameters = tuple(parameters)
        self._data = data

        def both(data: Any, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
            return function(data, theta), jax.jacfwd(function, argnums=1)(data, theta)

        self._both = jax.jit(both)

    def simulate(self, theta: np.ndarray, seed: int) -> Job[Response]:
        """Evaluate the function; the seed changes nothing."""
        yield Progress("closed form", 0, 1)
        values, jacobian = self._both(self._data, jnp.asarray(theta, dtype=jnp.float64))
        return Response.exact(np.asarray(values), np.asarray(jacobian))

    def reweighted(self, theta: np.ndarray, share: float) -> Response | None:
        """Nothing: computing anew costs no more."""
        return None

    def memory(self) -> Mapping[str, np.ndarray]:
        """Nothing."""
        return {}

    def remember(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Nothing."""

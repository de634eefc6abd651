"""Some of the parameters of a model, the others held where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Parameter, Simulated
from mdweights_core.errors import BadInput


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Chosen:
    """A model in which only some parameters vary.

    Attributes
    ----------
    whole : Model
    held : float64 [P]
        Values of all its parameters.
    rows : int [p]
        Which of them vary.
    parameters : tuple of Parameter
        These, at their values.
    """

    whole: Any
    held: Array
    rows: Array
    n: int = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [N] with theta [p]."""
        found: Array = self.whole.energy(x, self._all(theta))
        return found

    def _all(self, theta: Array) -> Array:
        return self.held.at[self.rows].set(theta)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ChosenCurved(Chosen):
    """The same of a model that knows its second derivatives in closed form."""

    def curvature(self, x: Array, theta: Array) -> tuple[Array, Array, Array]:
        """Gradient [N], Hessian [N, N] and d2E/dx dtheta [N, p]."""
        gradient, hessian, mixed = self.whole.curvature(x, self._all(theta))
        return gradient, hessian, mixed[:, self.rows]


def chosen(system: Simulated, names: Sequence[str]) -> Simulated:
    """The same system with those parameters only, in that order; all of them where no name is given.

    Raises
    ------
    BadInput
        For a name that no parameter has, or one given twice.
    """
    if not names:
        return system
    known = {parameter.name: i for i, parameter in enumerate(system.parameters)}
    for name in names:
        if name not in known:
            raise BadInput(f"There is no parameter '{name}'", advice=f"Known are {', '.join(known)}")
        if list(names).count(name) > 1:
            raise BadInput(f"The parameter {name} is named twice", advice="Name it once")
    rows = np.array([known[name] for name in names])
    some = tuple(system.parameters[row] for row in rows)
    kind = ChosenCurved if hasattr(system.model, "curvature") else Chosen
    return replace(system, model=kind(system.model, system.theta, jnp.asarray(rows), system.n, some))

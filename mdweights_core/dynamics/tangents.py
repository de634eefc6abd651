"""The pathwise estimator: derivatives of a trajectory carried along with it, in memory that does not grow.

With X = dx/dtheta and V = dv/dtheta the derivative of the gradient is zeta = H X + d2E/dx dtheta, and (X, V) take the
integrator's step with zeta and no noise. That is forward-mode differentiation of the integrator, and the same numbers
as the geometric series of Zhao's paper. Rows are parameters: X is [P, N]. One more row has no source: a disturbance,
whose growth tells whether the dynamics contracts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.integrators import Integrator

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.base import Model

Array = jax.Array

_STEPS = 10.0  # weigh velocities of a disturbance: between the fastest and the slowest motions
_AT_ONCE = 8  # directions that a linearised gradient is applied to


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tangents:
    """Derivatives of one replica.

    Attributes
    ----------
    x, v : float64 [P + 1, N]
        By the parameters; the last row is the disturbance, of unit length at each sample.
    grown : scalar
        ln of the disturbance's length, in units of that at the begin.
    gained : scalar
        Of this, since the last sample.
    lowest : scalar
        The lowest `grown` so far.
    logs : float64 [P]
        Sum over samples of ln |X|.
    peak : float64 [P]
        Largest |X|.
    samples : int64 scalar
        That `logs` is the sum of.
    """

    x: Array
    v: Array
    grown: Array
    gained: Array
    lowest: Array
    logs: Array
    peak: Array
    samples: Array

    @property
    def largest(self) -> Array:
        """ln of how much a disturbance has grown from its lowest."""
        return self.grown - self.lowest


def begin(rng: np.random.Generator, shape: tuple[int, ...], n_parameters: int, length: float) -> Tangents:
    """Derivatives of starts [R, N] that do not depend on the parameters, and random disturbances, as NumPy arrays."""
    replicas, n = shape
    x, v = np.zeros((2, replicas, n_parameters + 1, n))
    disturbances = rng.normal(size=(2, *shape))
    disturbances /= np.sqrt(np.sum(disturbances**2, axis=(0, 2)))[:, None]
    x[:, -1], v[:, -1] = disturbances[0], disturbances[1] / (_STEPS * length)
    none, nothing = np.zeros(replicas), np.zeros((replicas, n_parameters))
    begun: Any = Tangents(x, v, none, none, none, nothing, nothing, np.zeros(replicas, np.int64))  # type: ignore[arg-type]
    return begun


def pushed(model: Model, x: Array, theta: Array, rows: Array) -> tuple[Array, Array, Array | None]:
    """Gradient at x, and what parameters and displacements do to it.

    Returns
    -------
    gradient : float64 [N]
    zeta : float64 [P + 1, N]
        H X + d2E/dx dtheta for rows X; H X alone for the last one.
    mixed : float64 [N, P] or None
        d2E/dx dtheta, where the model knows it.
    """
    if hasattr(model, "curvature"):
        gradient, hessian, mixed = model.curvature(x, theta)
        return gradient, (rows @ hessian).at[:-1].add(mixed.T), mixed
    gradient, linear = jax.linearize(jax.grad(model.energy), x, theta)
    by_parameter = jnp.eye(len(rows), len(theta))
    zeta = jax.lax.map(lambda both: linear(*both), (rows, by_parameter), batch_size=_AT_ONCE)
    return gradient, zeta, None


def moved(integrator: Integrator, tangents: Tangents, zeta: Array) -> Tangents:
    """Derivatives one step on."""
    x, v = integrator.step(tangents.x, tangents.v, zeta, jnp.zeros(()))
    return replace(tangents, x=x, v=v)


def observed(tangents: Tangents, length: Array) -> Tangents:
    """Derivatives at a sample: lengths taken down, the disturbance put back to unit length."""
    norms = jnp.linalg.norm(tangents.x[:-1], axis=1)
    tangents, gained = _of_unit_length(tangents, length)
    grown = tangents.grown + gained
    return replace(
        tangents,
        grown=grown,
        gained=gained,
        lowest=jnp.minimum(tangents.lowest, grown),
        logs=tangents.logs + jnp.log(jnp.maximum(norms, jnp.finfo(norms.dtype).tiny)),
        peak=jnp.maximum(tangents.peak, norms),
        samples=tangents.samples + 1,
    )


def counted_from_here(tangents: Tangents) -> Tangents:
    """The same with no lengths taken down."""
    nothing = jnp.zeros_like(tangents.logs)
    return replace(tangents, logs=nothing, peak=nothing, samples=jnp.zeros_like(tangents.samples))


def derivatives(features: Callable[[Array], Array], x: Array, tangents: Tangents) -> Array:
    """Derivatives [K, P] of features of x through the trajectory."""
    return jax.vmap(lambda row: jax.jvp(features, (x,), (row,))[1], out_axes=1)(tangents.x[:-1])


def _of_unit_length(tangents: Tangents, length: Array) -> tuple[Tangents, Array]:
    """The same with a disturbance of unit length, and ln of what its length was.

    The length counts velocities as well as positions, so that an oscillation that passes its middle has not shrunk.
    """
    x, v = tangents.x[-1], tangents.v[-1]
    norm = jnp.sqrt(jnp.sum(x**2) + jnp.sum((_STEPS * length * v) ** 2))
    scaled = replace(tangents, x=tangents.x.at[-1].set(x / norm), v=tangents.v.at[-1].set(v / norm))
    return scaled, jnp.log(norm)

"""A path between two configurations: a straight line of the flow's latents, generated."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import wrapped
from mdweights_core.flow.losses import System, generate
from mdweights_core.flow.model import Flow, cast
from mdweights_core.flow.train import Trained

Array = jax.Array

_FINER = 20  # steps of the latents to one of the path


@dataclass(frozen=True, eq=False)
class LatentPath:
    """P configurations on the way from one to another.

    Attributes
    ----------
    x : float64 [P, N]
    u : float64 [P]
        Reduced energies, kT; infinite where they are no numbers.
    """

    x: np.ndarray
    u: np.ndarray


def latent_path(trained: Trained, first: np.ndarray, last: np.ndarray, count: int = 50) -> LatentPath:
    """Go from one configuration to another on a straight line of latents, the shorter way round circles [1].

    The configurations are chosen at equal distances on the way: latents change little where the density is high, and
    much where there is little of it, such as on a barrier.

    Where the flow has learned the ensemble, latents of configurations between the two are likely ones, and so are the
    configurations: the path goes round what is forbidden. It is no path of lowest energy.

    Parameters
    ----------
    trained : Trained
    first, last : float [N]
    count : int
        Configurations P, the ends among them.

    Raises
    ------
    BadInput
        For ends without latents, or fewer than two configurations.

    References
    ----------
    .. [1] Noé, Olsson, Köhler & Wu, Science 365 (2019) eaaw1147.
    """
    if count < 2:
        raise BadInput(f"A path of {count} has no ends", advice="Ask for two configurations at least")
    ends = np.stack([first, last]).astype(np.float64)
    if ends.shape[1] != trained.target.n:
        raise BadInput(f"The ends have {ends.shape[1]} variables, the system {trained.target.n}")
    flow, system = cast(trained.flow, jnp.float64), System(trained.target, trained.coordinates)
    z = np.asarray(_latents(flow, system, jnp.asarray(ends)))
    if not np.isfinite(z).all():
        raise BadInput("The flow does not reach an end of the path", advice="Take other configurations")
    found = _between(flow, system, jnp.asarray(z), jnp.linspace(0.0, 1.0, _FINER * (count - 1) + 1))
    x, u = (np.asarray(part) for part in found)
    chosen = _evenly(x, count)
    return LatentPath(x[chosen], np.where(np.isfinite(u), u, np.inf)[chosen])


def _evenly(x: np.ndarray, count: int) -> np.ndarray:
    """Places of so many configurations, about equally far from one to the next, int64 [count]."""
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(x, axis=0), axis=1)))
    places = np.arange(len(x))
    if not (np.isfinite(length).all() and length[-1] > 0):
        return places[::_FINER]
    return np.rint(np.interp(np.linspace(0.0, length[-1], count), length, places)).astype(np.int64)


@eqx.filter_jit
def _latents(flow: Flow, system: System, x: Array) -> Array:
    return jax.vmap(lambda at: flow.read(system.coordinates.read(at)[0])[0])(x)


@eqx.filter_jit
def _between(flow: Flow, system: System, ends: Array, at: Array) -> tuple[Array, Array]:
    apart = ends[1] - ends[0]
    apart = jnp.where(flow.circular, wrapped(apart), apart)
    z = ends[0] + at[:, None] * apart
    z = jnp.where(flow.circular, wrapped(z), z)
    x = jax.vmap(lambda one: generate(flow, system.coordinates, one)[0])(z)
    return x, jax.lax.map(system.target.reduced, x, batch_size=64)

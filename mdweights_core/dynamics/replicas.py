"""Replicas on their way: what one of them carries, one step of it, and many steps of some in a compiled call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics import covariance, likelihood, tangents
from mdweights_core.dynamics.accumulate import Sums, cleared
from mdweights_core.dynamics.integrators import Integrator
from mdweights_core.dynamics.likelihood import Ratios
from mdweights_core.dynamics.tangents import Tangents

Array = jax.Array

MOST_STRIDES = 256
"""In one call."""

WATCHED = 32
"""Features whose course is written down, at most."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class System:
    """What replicas are moved by and looked at with.

    Attributes
    ----------
    model : Model
    observable : Observable
    integrator : Integrator
    theta : float64 [P]
    masses : float64 [N]
    kt : scalar
    stride : int
        Steps between two samples.
    dimension : int
        Of the space in which the centre of mass is held; 0 to hold nothing.
    """

    model: Any
    observable: Any
    integrator: Integrator
    theta: Array
    masses: Array
    kt: Array
    stride: int = field(metadata={"static": True})
    dimension: int = field(metadata={"static": True})


class Asked(NamedTuple):
    """Which estimators are carried along."""

    pathwise: bool
    likelihood: bool
    covariance: bool


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Replica:
    """One trajectory and what is carried along it.

    Attributes
    ----------
    key : uint32 [2]
        Of its random numbers.
    step : int64 scalar
    x, v : float64 [N]
    noise : float64 [taps, N]
        Of the next steps.
    tangents : Tangents or None
    ratios : Ratios or None
    """

    key: Array
    step: Array
    x: Array
    v: Array
    noise: Array
    tangents: Tangents | None
    ratios: Ratios | None


class Group(NamedTuple):
    """The replicas of some blocks, [B * R], and their sums, [B]."""

    replicas: Replica
    sums: Sums


class Sample(NamedTuple):
    """What is seen of a replica at one time: the terms of `Sums`."""

    kinetic: Array
    f: Array
    f_theta: Array
    through: Array | None
    e: Array | None
    q: Array | None


def begin(
    system: System, starts: np.ndarray, seed: int, asked: Asked, blocks: int, groups: int = 1
) -> tuple[Group, ...]:
    """Replicas at starts [R, N] with velocities of their temperature, and sums over nothing.

    The trajectories do not depend on what is asked, nor on the number of groups. All random numbers of the begin are
    NumPy's: a compiled call for them would take longer than all of it.
    """
    rng = np.random.default_rng(seed)
    shape, integrator = starts.shape, system.integrator
    masses = np.asarray(system.masses)
    v = _held(masses, rng.normal(size=shape), system.dimension) * np.sqrt(float(system.kt) / masses)
    noise = _held(masses, rng.normal(size=(shape[0], len(integrator.taps), shape[1])), system.dimension)
    keys = rng.integers(0, 2**32, size=(shape[0], 2), dtype=np.uint32)
    carried, ratios = None, None
    if asked.pathwise:  # drawn last
        carried = tangents.begin(rng, shape, len(system.theta), float(integrator.length))
        at_rest = partial(_at_rest, masses, dimension=system.dimension)
        carried = replace(carried, x=at_rest(carried.x), v=at_rest(carried.v))
    if asked.likelihood:
        ratios = likelihood.begin(shape[0], len(system.theta))
    parts: Any = (keys, np.zeros(shape[0], np.int64), starts, v, noise, carried, ratios)
    replicas = Replica(*jax.tree.map(jnp.asarray, parts))
    one = jax.tree.map(lambda leaf: leaf[0], replicas)
    terms = jax.eval_shape(partial(_looked_at, system, asked, jnp.asarray(1)), one)[1]
    sums, size = _no_sums(terms, blocks // groups), shape[0] // groups
    cuts = [slice(i * size, (i + 1) * size) for i in range(groups)]
    return tuple(Group(jax.tree.map(lambda leaf, cut=cut: leaf[cut], replicas), sums) for cut in cuts)


def _held(masses: Any, n: Any, dimension: int) -> Any:
    """Normal numbers [..., N] without those that would move the centre of mass."""
    if not dimension:
        return n
    along = masses.reshape(-1, dimension) ** 0.5
    weights = along / (along**2).sum(axis=0) ** 0.5
    numbers = n.reshape(*n.shape[:-1], *along.shape)
    return (numbers - weights * (weights * numbers).sum(axis=-2, keepdims=True)).reshape(n.shape)


def _at_rest(masses: Any, rows: Any, dimension: int) -> Any:
    """Displacements [..., N] without that of the centre of mass."""
    if not dimension:
        return rows
    weights = masses.reshape(-1, dimension)
    apart = rows.reshape(*rows.shape[:-1], *weights.shape)
    return (apart - (weights / weights.sum(axis=0) * apart).sum(axis=-2, keepdims=True)).reshape(rows.shape)


def _noise(system: System, key: Array, step: Array) -> Array:
    """Random numbers [N] of a step: the same ones however steps are divided into calls."""
    return _held(system.masses, jax.random.normal(jax.random.fold_in(key, step), system.masses.shape), system.dimension)


def step(system: System, asked: Asked, replica: Replica) -> Replica:
    """A replica, its derivatives and its likelihood ratios one step on."""
    gradient, zeta, dq = _derivatives(system, asked, replica)
    x, v = system.integrator.step(replica.x, replica.v, gradient, replica.noise[0])
    now = replica.step + 1
    last = _noise(system, replica.key, now + len(replica.noise) - 1)
    replica = replace(replica, step=now, x=x, v=v, noise=jnp.concatenate([replica.noise[1:], last[None]]))
    if zeta is not None:
        replica = replace(replica, tangents=tangents.moved(system.integrator, _carried(replica), zeta))
    if dq is not None:
        replica = replace(replica, ratios=likelihood.seen(_seen(replica), dq))
    return replica


def _derivatives(system: System, asked: Asked, replica: Replica) -> tuple[Array, Array | None, Array | None]:
    """Gradient, what moves the derivatives, and the change of the likelihood ratios; None for what is not asked."""
    model, x, theta = system.model, replica.x, system.theta
    if not (asked.pathwise or asked.likelihood):
        return jax.grad(model.energy)(x, theta), None, None
    direction = system.integrator.direction(replica.noise)
    if not asked.pathwise:
        gradient, dq = likelihood.pulled(model, x, theta, direction)
        return gradient, None, dq
    gradient, zeta, mixed = tangents.pushed(model, x, theta, _carried(replica).x)
    if not asked.likelihood:
        return gradient, zeta, None
    return gradient, zeta, likelihood.pulled(model, x, theta, direction)[1] if mixed is None else direction @ mixed


def _carried(replica: Replica) -> Tangents:
    assert replica.tangents is not None
    return replica.tangents


def _seen(replica: Replica) -> Ratios:
    assert replica.ratios is not None
    return replica.ratios


def _looked_at(system: System, asked: Asked, window: Array, replica: Replica) -> tuple[Replica, Sample]:
    """What is seen of a replica, and the replica with that taken down."""
    x, theta = replica.x, system.theta
    free = len(x) - system.dimension
    kinetic = jnp.sum(system.masses * replica.v**2) / free
    f_theta = jax.jacfwd(system.observable.features, argnums=1)(x, theta)
    through, q = None, None
    if asked.pathwise:
        carried = tangents.observed(_carried(replica), system.integrator.length)
        carried = replace(carried, x=_at_rest(system.masses, carried.x, system.dimension))
        through = tangents.derivatives(lambda at: system.observable.features(at, theta), x, carried)
        replica = replace(replica, tangents=carried)
    if asked.likelihood:
        ratios, q = likelihood.observed(_seen(replica), window)
        replica = replace(replica, ratios=ratios)
    e = covariance.forces(system.model, x, theta) if asked.covariance else None
    return replica, Sample(kinetic, system.observable.features(x, theta), f_theta, through, e, q)


def _no_sums(terms: Sample, blocks: int) -> Sums:
    def nothing(*like: Any) -> Any:
        return None if None in like else jnp.zeros((blocks, *(size for it in like for size in it.shape)))

    return Sums(
        count=nothing(),
        kinetic=nothing(),
        f=nothing(terms.f),
        f_theta=nothing(terms.f_theta),
        through=nothing(terms.through),
        e=nothing(terms.e),
        fe=nothing(terms.f, terms.e),
        q=nothing(terms.q),
        fq=nothing(terms.f, terms.q),
    )


def _added(sums: Sums, seen: Sample) -> Sums:
    """Sums [B, ...] with what was seen of all replicas [B * R, ...]."""
    blocks = len(sums.count)
    shaped = jax.tree.map(lambda leaf: leaf.reshape(blocks, -1, *leaf.shape[1:]), seen)

    def product(g: Array | None) -> Array | None:
        return None if g is None else jnp.einsum("brk,brp->bkp", shaped.f, g)

    seen = jax.tree.map(lambda leaf: leaf.sum(axis=1), shaped)
    more = Sums(
        count=jnp.full(blocks, float(shaped.f.shape[1])),
        kinetic=seen.kinetic,
        f=seen.f,
        f_theta=seen.f_theta,
        through=seen.through,
        e=seen.e,
        fe=product(shaped.e),
        q=seen.q,
        fq=product(shaped.q),
    )
    return jax.tree.map(jnp.add, sums, more)


class Moved(NamedTuple):
    """Replicas some strides on.

    Attributes
    ----------
    group : Group
    strides : int64 scalar
        Taken: fewer than were asked for where tangents grew.
    grows : bool scalar
        Whether a disturbance will have grown beyond the limit at the next sample.
    trace : float64 [MOST_STRIDES, B, W]
        Watched features of the first replica of each block; the first `strides` rows are told.
    """

    group: Group
    strides: Array
    grows: Array
    trace: Array


@partial(jax.jit, static_argnames=("asked", "watched"))
def advance(
    system: System,
    group: Group,
    window: Array,
    strides: Array,
    limit: Array,
    asked: Asked,
    watched: tuple[int, ...],
) -> Moved:
    """Take some strides (at most `MOST_STRIDES`), each with a sample at its end.

    Parameters
    ----------
    system : System
    group : Group
    window : int64 scalar
        Samples over which likelihood ratios are summed.
    strides : int64 scalar
    limit : scalar
        ln of the growth of a disturbance before which it ends.
    asked : Asked
    watched : tuple of int
        Features whose course is told.
    """
    blocks = len(group.sums.count)

    def on(carry: tuple[Group, Array, Array, Array]) -> tuple[Group, Array, Array, Array]:
        (replicas, sums), i, _, trace = carry
        replicas, seen = jax.vmap(partial(_stride, system, asked, window))(replicas)
        first = seen.f.reshape(blocks, -1, seen.f.shape[1])[:, 0, jnp.asarray(watched, jnp.int64)]
        return Group(replicas, _added(sums, seen)), i + 1, _grows(replicas, limit), trace.at[i].set(first)

    def goes_on(carry: tuple[Group, Array, Array, Array]) -> Array:
        return (carry[1] < strides) & ~carry[2]

    trace = jnp.zeros((MOST_STRIDES, blocks, len(watched)))
    begun = (group, jnp.zeros((), jnp.int64), _grows(group.replicas, limit), trace)
    return Moved(*jax.lax.while_loop(goes_on, on, begun))


def _stride(system: System, asked: Asked, window: Array, replica: Replica) -> tuple[Replica, Sample]:
    """A replica at its next sample."""
    replica = jax.lax.fori_loop(0, system.stride, lambda _, now: step(system, asked, now), replica)
    return _looked_at(system, asked, window, replica)


def _grows(replicas: Replica, limit: Array) -> Array:
    """Whether the disturbance of any replica will be beyond the limit a stride later, if it goes on so."""
    if replicas.tangents is None:
        return jnp.zeros((), bool)
    carried = replicas.tangents
    soon = carried.grown - carried.lowest + jnp.maximum(carried.gained, 0.0)
    return ~jnp.all(soon < limit)  # true for what is no number


def without_tangents(group: Group) -> Group:
    """The same with no derivatives carried along."""
    return Group(replace(group.replicas, tangents=None), replace(group.sums, through=None))


@jax.jit
def counted_from_here(group: Group) -> Group:
    """The same with nothing summed so far."""
    replicas, sums = group
    if replicas.tangents is not None:
        replicas = replace(replicas, tangents=tangents.counted_from_here(replicas.tangents))
    return Group(replicas, cleared(sums))

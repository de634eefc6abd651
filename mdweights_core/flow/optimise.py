"""Steps of the optimiser: many in one compiled call, the same ones however they are divided into calls."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from mdweights_core.flow.losses import Dials, Losses, System, total
from mdweights_core.flow.model import Flow

Array = jax.Array

MOST_STEPS = 256
"""In one call."""

_LARGEST_GRADIENT = 10.0  # norm in the first steps; longer ones are shortened
_LONGEST = 2.0  # times the usual norm; longer ones are shortened
_USUAL = 0.98  # memory of the usual norm
_MEMORY = 0.99  # of the running average of the network's numbers
_WARM_UP = 20.0  # steps in which the rate rises


class Optimised(NamedTuple):
    """A network on its way.

    Attributes
    ----------
    flow : Flow
    average : Flow
        The running average of its numbers, which is what is used in the end.
    moments : optax state
    """

    flow: Flow
    average: Flow
    moments: Any


class Batch(NamedTuple):
    """What a step is made from: how many examples and draws; sizes that are compiled for."""

    examples: int
    draws: int


class Rates(NamedTuple):
    """Learning rate of a stage at its beginning and end, and the number of its steps."""

    first: Array
    last: Array
    steps: Array


class Usual(NamedTuple):
    """The running average of the gradient's norm, and the steps that it knows of."""

    norm: Array
    steps: Array


def shortened_to_usual() -> optax.GradientTransformation:
    """Gradients much longer than usual are shortened: few configurations with clashes would else throw a flow off."""

    def begin(numbers: Any) -> Usual:
        return Usual(jnp.zeros(()), jnp.zeros((), jnp.int32))

    def update(gradient: Any, usual: Usual, numbers: Any = None) -> tuple[Any, Usual]:
        norm = optax.tree.norm(gradient)
        limit = jnp.where(usual.steps < _WARM_UP, _LARGEST_GRADIENT, _LONGEST * usual.norm)
        kept = jnp.minimum(norm, limit)
        memory = jnp.minimum(_USUAL, usual.steps / (usual.steps + 1.0))  # a plain mean at first
        mean = memory * usual.norm + (1 - memory) * kept
        share = kept / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny)
        return jax.tree.map(lambda part: part * share.astype(part.dtype), gradient), Usual(
            mean.astype(usual.norm.dtype), usual.steps + 1
        )

    return optax.GradientTransformation(begin, update)


def _optimiser() -> optax.GradientTransformation:
    return optax.chain(shortened_to_usual(), optax.scale_by_adam())


def begin(flow: Flow) -> Optimised:
    """No step done yet."""
    return Optimised(flow, flow, _optimiser().init(eqx.filter(flow, eqx.is_inexact_array)))


def fresh_moments(state: Optimised) -> Optimised:
    """The same network with nothing remembered of gradients: another loss begins."""
    return state._replace(moments=_optimiser().init(eqx.filter(state.flow, eqx.is_inexact_array)))


@eqx.filter_jit
def steps(
    state: Optimised,
    system: System,
    examples: Array | None,
    dials: Dials,
    rates: Rates,
    batch: Batch,
    key: Array,
    first: Array,
    count: Array,
) -> tuple[Optimised, Losses, Array]:
    """Do `count` steps (at most `MOST_STEPS`) of a stage, from step `first` of it on.

    Each step draws from a key of its own, so that a run that was interrupted goes on to the same end.

    Returns
    -------
    state : Optimised
    losses : Losses of [MOST_STEPS] each
        Those of the first `count` are told.
    skipped : int
        Steps whose gradient was not finite, which changed nothing.
    """
    trained, fixed = eqx.partition(state.flow, eqx.is_inexact_array)
    averaged = eqx.filter(state.average, eqx.is_inexact_array)

    def loss(numbers: Any, at: Array) -> tuple[Array, Losses]:
        choice, draw = jax.random.split(jax.random.fold_in(key, at))
        y = _some(examples, batch.examples, choice)
        return total(eqx.combine(numbers, fixed), system, y, draw, batch.draws, dials)

    def one(i: Array, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        numbers, mean, moments, told, skipped = carry
        (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(numbers, first + i)
        is_fine = jnp.isfinite(optax.tree.norm(gradient))
        change, after = _optimiser().update(gradient, moments, numbers)
        rate = _rate(rates, first + i)
        moved = jax.tree.map(lambda value, by: value - rate * by, numbers, change)
        numbers, moments = _chosen(is_fine, (moved, after), (numbers, moments))
        mean = jax.tree.map(lambda old, new: _MEMORY * old + (1 - _MEMORY) * new, mean, numbers)
        told = jax.tree.map(lambda line, value: line.at[i].set(value.astype(jnp.float32)), told, parts)
        return numbers, mean, moments, told, skipped + ~is_fine

    told = Losses(*[jnp.zeros(MOST_STEPS, jnp.float32)] * len(Losses._fields))
    carry = (trained, averaged, state.moments, told, jnp.zeros((), jnp.int32))
    numbers, mean, moments, told, skipped = jax.lax.fori_loop(0, count, one, carry)
    return Optimised(eqx.combine(numbers, fixed), eqx.combine(mean, fixed), moments), told, skipped


def _some(examples: Array | None, count: int, key: Array) -> Array | None:
    if examples is None or not count:
        return None
    return examples[jax.random.randint(key, (count,), 0, len(examples))]


def _rate(rates: Rates, step: Array) -> Array:
    done = step.astype(jnp.float32) / rates.steps
    falling = rates.last + (rates.first - rates.last) * 0.5 * (1 + jnp.cos(jnp.pi * done))
    return falling * jnp.minimum(1.0, (step + 1.0) / _WARM_UP)


def _chosen(flag: Array, yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), yes, no)

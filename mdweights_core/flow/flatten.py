"""A bias along a coordinate, so that states of small weight are learned and drawn often.

The flow is trained on exp(-u - b), where b takes away a share of the free energy that the examples have along the
coordinate, as well-tempered metadynamics does (Barducci, Bussi and Parrinello, PRL 100, 020603, 2008). Weights of draws
are those of exp(-u): a bias that is wrong costs some of the effective sample size, never truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.reaction import Reaction
from mdweights_core.flow.systems import Prepared
from mdweights_core.flow.targets import Target

Array = jax.Array

_BINS = 60
_WIDTH = 2.0  # of the smoothing, in bins
_RAREST = 10.0  # kT: the highest free energy that is believed of examples


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Biased:
    """A target with a bias along a coordinate.

    Attributes
    ----------
    target : Target
    measure : function
        From configurations [..., N] to the coordinate [...].
    low, high : float
        Where the bias begins and ends; it is flat beyond.
    heights : float64 [k]
        The bias at evenly spaced places from `low` to `high`, both included, kT.
    """

    target: Target
    measure: Callable[[Any], Any] = field(metadata={"static": True})
    low: float
    high: float
    heights: Array

    @property
    def n(self) -> int:
        """Number of Cartesian variables."""
        return self.target.n

    def reduced(self, x: Array) -> Array:
        """Energy and bias of a configuration [N] in kT."""
        return self.target.reduced(x) + self.bias(x).astype(x.dtype)

    def bias(self, x: Array) -> Array:
        """The bias of configurations [..., N] in kT."""
        heights = jnp.asarray(self.heights)
        return jnp.interp(self.measure(x), jnp.linspace(self.low, self.high, len(heights)), heights)


def flattened(prepared: Prepared, share: float) -> Prepared:
    """The same system with a share of the free energy along its coordinate taken away.

    Parameters
    ----------
    prepared : Prepared
        With examples and a reaction coordinate.
    share : float
        0 for nothing; 1 for all, so that each place on the coordinate that examples have reached is drawn alike.

    Raises
    ------
    BadInput
        There are no examples that could tell the free energy, or no coordinate.
    """
    reaction = prepared.reaction
    if prepared.examples is None or reaction is None:
        raise BadInput(
            "A free energy is flattened along a coordinate on which examples lie", advice="Give frames and a coordinate"
        )
    values = np.asarray(reaction.measure(np.asarray(prepared.examples, dtype=np.float64)))
    weights = np.ones(len(values)) if prepared.weights is None else np.asarray(prepared.weights, dtype=np.float64)
    heights = -share * _free_energy(values, weights, reaction)
    biased = Biased(prepared.target, reaction.measure, reaction.low, reaction.high, jnp.asarray(heights))
    new = weights * np.exp(-np.asarray(biased.bias(jnp.asarray(prepared.examples, jnp.float64))))
    return replace(prepared, target=biased, weights=new * len(new) / new.sum())


def _free_energy(values: np.ndarray, weights: np.ndarray, reaction: Reaction) -> np.ndarray:
    """Free energy [k] above its lowest, kT, at both ends of all bins, from a smoothed histogram."""
    counts = np.histogram(values, _BINS, (reaction.low, reaction.high), weights=weights)[0]
    places = np.arange(_BINS)
    apart = np.abs(places[:, None] - (np.arange(_BINS + 1) - 0.5))
    if reaction.is_angle:
        apart = np.minimum(apart, _BINS - apart)
    heights = counts @ np.exp(-0.5 * (apart / _WIDTH) ** 2)
    floor = heights.max() * np.exp(-_RAREST)
    return -np.log(np.maximum(heights, floor) / heights.max())

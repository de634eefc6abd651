"""What an observable is: real features of one configuration, and a smooth function of their ensemble means.

A variance, a diffuse intensity |F|^2 - |<F>|^2 or a correlation with a map is no mean of anything, but it is a smooth
function of means. Means and their derivatives are what estimators deliver, block by block; `combine` and its
derivatives turn them into the observable and its Jacobian.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

Array = jax.Array


class Observable(Protocol):
    """M numbers of an ensemble: a frozen dataclass that is a pytree, with arrays as leaves and all else static."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each of the M numbers is called, with its unit."""
        ...

    @property
    def n_features(self) -> int:
        """K, how many means are taken."""
        ...

    def features(self, x: Array, theta: Array) -> Array:
        """Real numbers [K] of a configuration x [N] (nm, atom by atom), whose means over the ensemble are taken."""
        ...

    def combine(self, means: Array, theta: Array) -> Array:
        """The observable [M] from means [K]: smooth, so that derivatives and jackknife errors follow."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Joined:
    """Several observables seen as one: their features, and their numbers, one behind the other.

    Attributes
    ----------
    parts : tuple of Observable
    """

    parts: tuple[Observable, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parts."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def n_features(self) -> int:
        """Means of all parts."""
        return sum(part.n_features for part in self.parts)

    def features(self, x: Array, theta: Array) -> Array:
        """Features of all parts, float64 [K]."""
        return jnp.concatenate([part.features(x, theta) for part in self.parts])

    def combine(self, means: Array, theta: Array) -> Array:
        """Numbers of all parts, float64 [M]."""
        found, begin = [], 0
        for part in self.parts:
            found.append(part.combine(means[begin : begin + part.n_features], theta))
            begin += part.n_features
        return jnp.concatenate(found)


def joined(parts: Iterable[Observable]) -> Observable:
    """One observable for several; a single one is left as it is."""
    parts = tuple(parts)
    return parts[0] if len(parts) == 1 else Joined(parts)

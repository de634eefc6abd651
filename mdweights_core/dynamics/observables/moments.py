"""Moments of single variables: what closed forms of toy systems are told in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.observables.base import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments:
    """<x_i^p> of some variables.

    Attributes
    ----------
    rows : int [K]
        Which variables.
    power : int
    names : tuple of str
    """

    rows: Array
    power: int = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """One mean for each variable."""
        return len(self.names)

    def features(self, x: Array, theta: Array) -> Array:
        """Powers [K] of the variables of x [N]."""
        return x[self.rows] ** self.power

    def combine(self, means: Array, theta: Array) -> Array:
        """The means [K] themselves."""
        return means


def moments(rows: Sequence[int] | np.ndarray, power: int = 1, unit: str = "") -> Moments:
    """Moments of variables counted from 0; their names count from 1."""
    symbol = "x" if power == 1 else f"x^{power}"
    label = f" ({unit})" if unit else ""
    rows = np.asarray(rows, dtype=np.int64)
    return Moments(jnp.asarray(rows), power, tuple(f"<{symbol}> of variable {row + 1}{label}" for row in rows.tolist()))

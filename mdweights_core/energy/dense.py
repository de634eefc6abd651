"""Pairs of few atoms, all at once: what many small configurations side by side are quickest with.

Tiles (`blocks`) keep the memory of thousands of atoms low, at the price of loops and of derivative rules of their own.
For a small molecule the matrix of all distances is small, plain JAX differentiates it in any mode and precision, and
over a batch of configurations it is an order of magnitude faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.blocks import PairBlocks

Array = jax.Array
Tree = Any  # of arrays
PairFunction = Callable[[Array, Tree, Tree, Tree], Array]
AnyTree = TypeVar("AnyTree")

FEW = 128
"""Atoms up to which all pairs at once are worth it."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DensePairs:
    """All pairs of n atoms that count.

    Attributes
    ----------
    counts : bool [n, n]
        Symmetric.
    """

    counts: Array

    @classmethod
    def of(cls, blocks: PairBlocks) -> DensePairs:
        """Return the pairs of tiles that have neither a cut-off nor a periodic box."""
        size, n = blocks.size, blocks.n_blocks
        tiles = np.zeros((n, n, size, size), dtype=bool)
        for (first, second), mask in zip(np.asarray(blocks.near), np.asarray(blocks.mask), strict=True):
            tiles[first, second] |= mask
        first, second = np.asarray(blocks.far)[: blocks.n_far].T
        tiles[first, second] = True
        places = tiles.transpose(0, 2, 1, 3).reshape(n * size, n * size)
        place = np.asarray(blocks.place)
        counts = places[place][:, place]
        return cls(jnp.asarray(counts | counts.T))

    def energy(self, function: PairFunction, x: Array, features: Tree, shared: Tree) -> Array:
        """Sum of a pair function over all pairs: see `pairs.pair_energy`."""
        return jnp.sum(self._values(function, x, features, shared)) / 2

    def sums(self, function: PairFunction, x: Array, features: Tree, shared: Tree) -> Array:
        """For each atom the sum of a pair function over all others, [n]: see `pairs.pair_sums`."""
        return jnp.sum(self._values(function, x, features, shared), axis=1)

    def _values(self, function: PairFunction, x: Array, features: Tree, shared: Tree) -> Array:
        squared = jnp.sum((x[:, None] - x[None]) ** 2, axis=-1)
        r = jnp.sqrt(jnp.where(self.counts, squared, 1.0))
        first = jax.tree.map(lambda values: jnp.asarray(values)[:, None], features)
        second = jax.tree.map(lambda values: jnp.asarray(values)[None], features)
        return jnp.where(self.counts, function(r, first, second, shared), 0.0)


def with_dense_pairs(energy: AnyTree) -> AnyTree:
    """Return the same energy with all its pairs at once, where they have neither a cut-off nor a box."""

    def dense(part: Any) -> Any:
        is_open = isinstance(part, PairBlocks) and part.cutoff is None and part.box is None
        return DensePairs.of(part) if is_open else part

    return jax.tree.map(dense, energy, is_leaf=lambda part: isinstance(part, PairBlocks))


def in_precision(energy: AnyTree, dtype: Any) -> AnyTree:
    """Return the same energy with all its floating-point numbers in one precision."""

    def cast(leaf: Any) -> Any:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, energy)

"""Sums over pairs of atoms of functions of their distance, with gradients that need the memory of some tiles only.

A pair function f(r, a, b, shared) is elementwise: r are distances in nm, a and b the features of the two atoms (a tree
of arrays that broadcast against r), shared a tree of arrays of any shape (tables, global parameters).

The derivative rules are those of sums: the gradient is computed tile by tile along with the energy, never by going
back through a loop, which would have to keep all tiles. Forward over reverse mode gives Hessian products in the same
way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from mdweights_core.energy.blocks import PairBlocks, Tiles, over_tiles
from mdweights_core.energy.dense import DensePairs, PairFunction, Tree

Array = jax.Array


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Wanted:
    """By what is differentiated: positions, and which leaves of (features, shared)."""

    x: bool
    leaves: tuple[bool, ...]


def pair_energy(
    function: PairFunction, blocks: PairBlocks | DensePairs, x: Array, features: Tree, shared: Tree
) -> Array:
    """Sum of a pair function that does not change when atoms are exchanged, over all pairs: a scalar.

    Parameters
    ----------
    function : PairFunction
        Hashable: a function of a module, or a frozen dataclass.
    blocks : PairBlocks or DensePairs
        Dense ones are differentiated by JAX itself.
    x : float [n, 3]
        Positions in nm; all is computed in their precision, which is to be that of the other arrays.
    features : tree of arrays [n]
        What the function knows of each atom.
    shared : tree of arrays
        What it knows beside that.
    """
    if isinstance(blocks, DensePairs):
        return blocks.energy(function, x, features, shared)
    return _tiled_energy(function, blocks, x, features, shared)


def _energy(function: PairFunction, blocks: PairBlocks, x: Array, features: Tree, shared: Tree) -> Array:
    placed = jax.tree.map(blocks.blocks, features)

    def add(total: Array, tiles: Tiles) -> Array:
        energies = function(tiles.distance, *_both(placed, tiles), shared)
        return total + jnp.sum(jnp.where(tiles.counts, energies, 0.0))

    return over_tiles(blocks, x, jnp.zeros((), x.dtype), add)


def _energy_forward(function: PairFunction, blocks: Any, x: Any, features: Tree, shared: Tree) -> tuple[Array, Tree]:
    wanted, (blocks, x, features, shared) = _plain(blocks, x, features, shared)
    return _energy_and_gradient(function, blocks, x, features, shared, wanted)


def _energy_backward(function: PairFunction, gradient: Tree, cotangent: Any) -> tuple[None, Tree, Tree, Tree]:
    if isinstance(cotangent, jax.custom_derivatives.SymbolicZero):
        return None, None, None, None
    return None, *jax.tree.map(lambda g: cotangent * g, gradient)


_tiled_energy = jax.custom_vjp(_energy, nondiff_argnums=(0,))
_tiled_energy.defvjp(_energy_forward, _energy_backward, symbolic_zeros=True)


def pair_sums(function: PairFunction, blocks: PairBlocks | DensePairs, x: Array, features: Tree, shared: Tree) -> Array:
    """For each atom the sum over all others of a pair function f(r, its features, the other's): [n].

    The parameters are those of `pair_energy`, but the function need not be symmetric.
    """
    if isinstance(blocks, DensePairs):
        return blocks.sums(function, x, features, shared)
    return _tiled_sums(function, blocks, x, features, shared)


def _sums(function: PairFunction, blocks: PairBlocks, x: Array, features: Tree, shared: Tree) -> Array:
    placed = jax.tree.map(blocks.blocks, features)

    def add(sums: Array, tiles: Tiles) -> Array:
        a, b = _both(placed, tiles)
        of_first = jnp.where(tiles.counts, function(tiles.distance, a, b, shared), 0.0)
        of_second = jnp.where(tiles.counts, function(tiles.distance, b, a, shared), 0.0)
        return _onto(sums, tiles, of_first.sum(axis=2), of_second.sum(axis=1))

    return blocks.atoms(over_tiles(blocks, x, jnp.zeros((blocks.n_blocks, blocks.size), x.dtype), add))


def _sums_forward(function: PairFunction, blocks: Any, x: Any, features: Tree, shared: Tree) -> tuple[Array, Tree]:
    wanted, given = _plain(blocks, x, features, shared)
    return _sums(function, *given), (wanted, given)


def _sums_backward(function: PairFunction, kept: Tree, cotangent: Any) -> tuple[None, Tree, Tree, Tree]:
    if isinstance(cotangent, jax.custom_derivatives.SymbolicZero):
        return None, None, None, None
    wanted, (blocks, x, features, shared) = kept

    def weighted(r: Array, a: Tree, b: Tree, shared: Tree) -> Array:
        return a[0] * function(r, a[1], b[1], shared) + b[0] * function(r, b[1], a[1], shared)

    wanted = _Wanted(wanted.x, (False, *wanted.leaves))
    _, (by_x, by_features, by_shared) = _energy_and_gradient(weighted, blocks, x, (cotangent, features), shared, wanted)
    return None, by_x, by_features[1], by_shared


_tiled_sums = jax.custom_vjp(_sums, nondiff_argnums=(0,))
_tiled_sums.defvjp(_sums_forward, _sums_backward, symbolic_zeros=True)


def _plain(*given: Tree) -> tuple[_Wanted, tuple[Any, ...]]:
    """Values without the marks that tell by which of them is differentiated, and these marks."""
    _, x, features, shared = given
    wanted = _Wanted(x.perturbed, tuple(leaf.perturbed for leaf in jax.tree.leaves((features, shared))))
    return wanted, jax.tree.map(lambda leaf: leaf.value, given)


def _both(placed: Tree, tiles: Tiles) -> tuple[Tree, Tree]:
    """Features of the atoms of the first block, along axis 1 of a tile, and of the second, along axis 2."""
    return (
        jax.tree.map(lambda values: values[tiles.first][:, :, None], placed),
        jax.tree.map(lambda values: values[tiles.second][:, None], placed),
    )


class _Leaves:
    """The leaves of a tree, and the places of those by which is differentiated."""

    def __init__(self, tree: Tree, wanted: Sequence[bool]) -> None:
        self.values, self._shape = jax.tree.flatten(tree)
        self.places = [place for place, _ in enumerate(self.values) if wanted[place]]

    def chosen(self, values: Sequence[Array]) -> list[Array]:
        """Those of some values for all leaves."""
        return [values[place] for place in self.places]

    def tree(self, values: Sequence[Any], new: Iterable[Any]) -> Tree:
        """A tree of values for all leaves, with new ones where they are wanted."""
        found = list(values)
        for place, value in zip(self.places, new, strict=True):
            found[place] = value
        return jax.tree.unflatten(self._shape, found)

    def gradient(self, new: Iterable[Any]) -> Tree:
        """A tree of derivatives, None where none is wanted."""
        return self.tree([None] * len(self.values), new)


def _energy_and_gradient(
    function: PairFunction, blocks: PairBlocks, x: Array, features: Tree, shared: Tree, wanted: _Wanted
) -> tuple[Array, tuple[Array | None, Tree, Tree]]:
    """Sum over pairs and its derivatives by positions, features and shared values; None for those not wanted."""
    per_atom = _Leaves(jax.tree.map(blocks.blocks, features), wanted.leaves)
    common = _Leaves(shared, wanted.leaves[len(per_atom.values) :])

    def add(carry: Tree, tiles: Tiles) -> Tree:
        first, second = _both(per_atom.values, tiles)

        def energy(r: Array, a: list[Array], b: list[Array], c: list[Array]) -> Array:
            found = function(r, per_atom.tree(first, a), per_atom.tree(second, b), common.tree(common.values, c))
            return jnp.sum(jnp.where(tiles.counts, found, 0.0))

        differentiated: Callable[..., Any] = jax.value_and_grad(energy, argnums=(0, 1, 2, 3))
        at = (per_atom.chosen(first), per_atom.chosen(second), common.chosen(common.values))
        found, (by_r, by_a, by_b, by_c) = differentiated(tiles.distance, *at)
        total, by_x, by_atom, by_common = carry
        if wanted.x:
            pull = (by_r / tiles.distance)[..., None] * tiles.displacement
            by_x = _onto(by_x, tiles, pull.sum(axis=2), -pull.sum(axis=1))
        by_atom = [_onto(g, tiles, u[:, :, 0], v[:, 0]) for g, u, v in zip(by_atom, by_a, by_b, strict=True)]
        by_common = [g + u for g, u in zip(by_common, by_c, strict=True)]
        return total + found, by_x, by_atom, by_common

    per_block = (blocks.n_blocks, blocks.size)
    start: Tree = (
        jnp.zeros((), x.dtype),
        jnp.zeros((*per_block, 3), x.dtype) if wanted.x else None,
        [jnp.zeros(per_block, x.dtype)] * len(per_atom.places),
        [jnp.zeros_like(value) for value in common.chosen(common.values)],
    )
    total, by_x, by_atom, by_common = over_tiles(blocks, x, start, add)
    by_positions = blocks.atoms(by_x) if wanted.x else None
    return total, (by_positions, per_atom.gradient(map(blocks.atoms, by_atom)), common.gradient(by_common))


def _onto(sums: Array, tiles: Tiles, of_first: Array, of_second: Array) -> Array:
    return sums.at[tiles.first].add(of_first).at[tiles.second].add(of_second)

"""Sums over pairs in tiles against direct sums over all pairs, with their derivatives."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.blocks import PairBlocks, over_tiles, pair_blocks
from mdweights_core.energy.pairs import pair_energy, pair_sums

RNG = np.random.default_rng(5)
N = 150
X = RNG.uniform(size=(N, 3)) * 1.5
CHARGE = RNG.normal(size=N)
WIDTH = RNG.uniform(0.1, 0.3, size=N)
EXCLUDED = np.array([[0, 1], [149, 0], [17, 90], [5, 6], [6, 7]])
RECTANGULAR = np.diag([1.6, 1.5, 1.7])
TRICLINIC = np.array([[1.6, 0, 0], [0.5, 1.5, 0], [-0.6, 0.7, 1.7]])


def symmetric(r: jax.Array, a: Any, b: Any, shared: Any) -> jax.Array:
    return shared["scale"] * a["q"] * b["q"] * jnp.exp(-r / (a["w"] + b["w"]))


def one_sided(r: jax.Array, a: Any, b: Any, shared: Any) -> jax.Array:
    return shared["scale"] * b["q"] * jnp.exp(-r / (a["w"] + 2 * b["w"]))


FEATURES = {"q": CHARGE, "w": WIDTH}
SHARED = {"scale": np.float64(1.5)}


def direct_matrix(function: Any, x: Any, features: Any, shared: Any, cutoff: float | None, box: Any) -> jax.Array:
    """Values of a pair function for all ordered pairs, zero for those that do not count."""
    d = x[:, None] - x
    if box is not None:
        shifts = np.array(list(np.ndindex(5, 5, 5))) - 2
        d = d[:, :, None] + shifts @ box
        nearest = jnp.argmin(jnp.sum(d**2, axis=-1), axis=2)
        d = jnp.take_along_axis(d, nearest[:, :, None, None], axis=2)[:, :, 0]
    counts = ~np.eye(len(x), dtype=bool)
    counts[EXCLUDED[:, 0], EXCLUDED[:, 1]] = counts[EXCLUDED[:, 1], EXCLUDED[:, 0]] = False
    squared = jnp.sum(d**2, axis=-1)
    if cutoff is not None:
        counts = counts & (squared < cutoff**2)
    r = jnp.sqrt(jnp.where(counts, squared, 1.0))
    a = {name: values[:, None] for name, values in features.items()}
    return jnp.where(counts, function(r, a, features, shared), 0.0)


CASES = {
    "all pairs": (None, None),
    "rectangular box": (0.5, RECTANGULAR),
    "triclinic box": (0.5, TRICLINIC),
}


@pytest.mark.parametrize("case", CASES)
def test_energies_and_gradients_are_those_of_the_direct_sum(case: str) -> None:
    cutoff, box = CASES[case]
    blocks = pair_blocks(X, EXCLUDED, cutoff=cutoff, box=box)

    def direct(x: Any, features: Any, shared: Any) -> jax.Array:
        return jnp.sum(direct_matrix(symmetric, x, features, shared, cutoff, box)) / 2

    found = jax.jit(jax.value_and_grad(lambda *at: pair_energy(symmetric, blocks, *at), argnums=(0, 1, 2)))
    expected = jax.jit(jax.value_and_grad(direct, argnums=(0, 1, 2)))(X, FEATURES, SHARED)
    jax.tree.map(
        lambda f, e: np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-10), found(X, FEATURES, SHARED), expected
    )


def test_sums_over_the_others_and_their_gradients_are_direct_ones() -> None:
    cutoff, box = CASES["triclinic box"]
    blocks = pair_blocks(X, EXCLUDED, cutoff=cutoff, box=box)

    def total(sums: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.sum(jnp.sin(sums)), sums

    def of_tiles(*at: Any) -> tuple[jax.Array, jax.Array]:
        return total(pair_sums(one_sided, blocks, *at))

    def direct(x: Any, features: Any, shared: Any) -> tuple[jax.Array, jax.Array]:
        return total(jnp.sum(direct_matrix(one_sided, x, features, shared, cutoff, box), axis=1))

    found, expected = (
        jax.jit(jax.value_and_grad(f, argnums=(0, 1, 2), has_aux=True))(X, FEATURES, SHARED) for f in (of_tiles, direct)
    )
    jax.tree.map(lambda f, e: np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-10), found, expected)


def test_hessian_products_are_those_of_the_direct_sum() -> None:
    blocks, v = pair_blocks(X, EXCLUDED), RNG.normal(size=X.shape)

    def tiled(x: Any) -> jax.Array:
        sums = pair_sums(one_sided, blocks, x, FEATURES, SHARED)
        return pair_energy(symmetric, blocks, x, {"q": sums, "w": WIDTH}, SHARED)

    def direct(x: Any) -> jax.Array:
        sums = jnp.sum(direct_matrix(one_sided, x, FEATURES, SHARED, None, None), axis=1)
        return jnp.sum(direct_matrix(symmetric, x, {"q": sums, "w": WIDTH}, SHARED, None, None)) / 2

    found, expected = (jax.jit(lambda x, v, f=f: jax.jvp(jax.grad(f), (x,), (v,))[1])(X, v) for f in (tiled, direct))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_atoms_that_moved_far_away_are_not_forgotten() -> None:
    blocks = pair_blocks(X, EXCLUDED, cutoff=0.5)
    moved = RNG.permutation(X)
    expected = jnp.sum(direct_matrix(symmetric, moved, FEATURES, SHARED, 0.5, None)) / 2
    assert pair_energy(symmetric, blocks, moved, FEATURES, SHARED) == pytest.approx(float(expected))


def test_many_positions_at_once_are_the_same_one_by_one() -> None:
    blocks = pair_blocks(X, EXCLUDED, cutoff=0.5)
    many = X + RNG.normal(scale=0.1, size=(3, *X.shape))
    energy = jax.value_and_grad(lambda x: pair_energy(symmetric, blocks, x, FEATURES, SHARED))
    together, alone = jax.jit(jax.vmap(energy))(many), [jax.jit(energy)(x) for x in many]
    for i, one in enumerate(alone):
        np.testing.assert_allclose(together[0][i], one[0])
        np.testing.assert_allclose(together[1][i], one[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("n", "size"), [(1, 4), (2, 4), (4, 4), (5, 4), (33, 16), (1000, 16)])
@pytest.mark.parametrize("cutoff", [None, 100.0])
def test_each_pair_is_counted_once(n: int, size: int, cutoff: float | None) -> None:
    blocks = pair_blocks(RNG.uniform(size=(n, 3)), np.empty((0, 2), dtype=int), cutoff=cutoff, size=size)
    assert number_of_pairs(blocks, RNG.uniform(size=(n, 3))) == n * (n - 1) // 2


def number_of_pairs(blocks: PairBlocks, x: np.ndarray) -> int:
    return int(jax.jit(over_tiles, static_argnums=3)(blocks, x, 0, lambda total, tiles: total + tiles.counts.sum()))


def test_blocks_are_compact_and_hold_every_atom_once() -> None:
    x = RNG.uniform(size=(1600, 3))
    blocks = pair_blocks(x, np.empty((0, 2), dtype=int))
    assert sorted(np.asarray(blocks.atom)) == list(range(1600))
    side = np.ptp(np.asarray(blocks.blocks(jnp.asarray(x))), axis=1).mean()
    assert side < 0.26  # cubes of 16 atoms have sides of 0.215

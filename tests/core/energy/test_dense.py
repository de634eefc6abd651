"""All pairs at once against tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.blocks import pair_blocks
from mdweights_core.energy.dense import DensePairs, with_dense_pairs
from mdweights_core.energy.pairs import pair_energy, pair_sums

RNG = np.random.default_rng(3)
N = 40  # three blocks of 16 places, some of them empty
X = RNG.uniform(size=(N, 3)) * 1.2
FEATURES = {"q": RNG.normal(size=N), "w": RNG.uniform(0.1, 0.3, size=N)}
SHARED = {"scale": np.float64(1.5)}
EXCLUDED = np.array([[0, 1], [39, 0], [17, 30], [5, 6]])


def symmetric(r: jax.Array, a: Any, b: Any, shared: Any) -> jax.Array:
    return shared["scale"] * a["q"] * b["q"] * jnp.exp(-r / (a["w"] + b["w"]))


def one_sided(r: jax.Array, a: Any, b: Any, shared: Any) -> jax.Array:
    return shared["scale"] * b["q"] * jnp.exp(-r / (a["w"] + 2 * b["w"]))


def test_pairs_that_count_are_all_but_the_excluded_ones() -> None:
    expected = ~np.eye(N, dtype=bool)
    expected[EXCLUDED[:, 0], EXCLUDED[:, 1]] = expected[EXCLUDED[:, 1], EXCLUDED[:, 0]] = False
    np.testing.assert_array_equal(DensePairs.of(pair_blocks(X, EXCLUDED)).counts, expected)


@pytest.mark.parametrize("kind", [pair_energy, pair_sums])
def test_values_and_gradients_are_those_of_tiles(kind: Callable[..., jax.Array]) -> None:
    function = symmetric if kind is pair_energy else one_sided
    weights = RNG.normal(size=() if kind is pair_energy else N)
    blocks = pair_blocks(X, EXCLUDED)
    tiled, dense = (
        jax.jit(jax.value_and_grad(lambda *at, of=of: jnp.sum(weights * kind(function, of, *at)), argnums=(0, 1, 2)))
        for of in (blocks, DensePairs.of(blocks))
    )
    jax.tree.map(
        lambda f, e: np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-10),
        dense(X, FEATURES, SHARED),
        tiled(X, FEATURES, SHARED),
    )


def test_pairs_with_a_cut_off_stay_tiles() -> None:
    blocks = pair_blocks(X, EXCLUDED, cutoff=0.5)
    assert with_dense_pairs({"pairs": blocks})["pairs"] is blocks

"""Products of long matrices: on the host and by XLA the same sums, in double precision over parts."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.weights.frames import products as module
from mdweights_core.weights.frames.products import products


def long_ones(n: int, size: int) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, size)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 90, 100, 1000, 1031])
@pytest.mark.parametrize("n_others", [0, 3])
@pytest.mark.parametrize("form", ["products", "_on_card"])
def test_products_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, size: int, n_others: int, form: str) -> None:
    """Of parts that do and do not fill the length."""
    monkeypatch.setattr(module, "_COLUMNS", 100)
    v, others = long_ones(5, size), long_ones(n_others, size)
    for found, second in zip(getattr(module, form)(jnp.asarray(v), jnp.asarray(others)), (v, others), strict=True):
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, v.astype(np.float64) @ second.T.astype(np.float64), atol=1e-5 * size**0.5)


def test_sums_over_many_parts_do_not_lose_what_single_precision_would() -> None:
    """Forty million ones: counted one by one in single precision they would stop at 2^24."""
    v = np.full((1, 40_000_000), 1.0, dtype=np.float32)
    found, _ = products(jnp.asarray(v), jnp.asarray(v[:0]))
    assert np.asarray(found).item() == 40_000_000

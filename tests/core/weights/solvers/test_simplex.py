"""The exact small problems against SciPy's solvers, which take another way."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from mdweights_core.weights.solvers.simplex import nonnegative, on_simplex

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 20))
SEEDS = st.integers(0, 2**32 - 1)


def quadratic(seed: int, n: int, rank: int, decades: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factor A [m, n], target y [m] and the lengths of the columns, of a least-squares problem."""
    rng = np.random.default_rng(seed)
    lengths = 10.0 ** rng.uniform(-decades, decades, n)
    return rng.normal(size=(rank, n)) * lengths, rng.normal(size=rank), lengths


def assert_optimal(u: np.ndarray, slope: np.ndarray, tolerance: float) -> None:
    """Of a minimum over u >= 0: no slope where u > 0, none downwards elsewhere."""
    assert (u >= 0).all()
    assert slope.min() > -tolerance
    assert np.abs(slope[u > 0]).max(initial=0.0) < tolerance


@settings(max_examples=60)
@given(SIZES, SEEDS)
def test_nonnegative_agrees_with_nnls(size, seed):
    n, rank = size
    a, y, _ = quadratic(seed, n, rank)
    found = nonnegative(a.T @ a, a.T @ y)
    _, least = scipy.optimize.nnls(a, y)
    assert np.linalg.norm(a @ found - y) == pytest.approx(least, abs=1e-5)
    if rank > n:
        np.testing.assert_allclose(found, scipy.optimize.nnls(a, y)[0], atol=1e-4)


@settings(max_examples=60)
@given(SIZES, SEEDS, st.floats(0, 6))
def test_columns_of_very_different_lengths_do_not_drown_each_other(size, seed, decades):
    n, rank = size
    a, y, lengths = quadratic(seed, n, rank, decades)
    found = nonnegative(a.T @ a, a.T @ y)
    slope = (a.T @ (a @ found - y)) / (lengths * np.sqrt(rank))
    assert_optimal(found, slope, 1e-6 * max(1.0, np.abs(found * lengths).max()) * np.linalg.norm(y))


@given(SEEDS)
def test_any_first_guess_leads_to_the_same_solution(seed):
    a, y, _ = quadratic(seed, 10, 15)
    rng = np.random.default_rng(seed)
    one, other = (nonnegative(a.T @ a, a.T @ y, rng.random(10) < 0.5) for _ in range(2))
    np.testing.assert_allclose(one, other, atol=1e-10)


def test_twins_and_a_column_of_nothing():
    a, y, _ = quadratic(3, 6, 10)
    a[:, 1], a[:, 4] = a[:, 0], 0.0
    found = nonnegative(a.T @ a, a.T @ y)
    assert np.linalg.norm(a @ found - y) == pytest.approx(scipy.optimize.nnls(a, y)[1], abs=1e-6)
    assert found[0] == pytest.approx(found[1], abs=1e-6)  # the ridge shares it out


@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_nothing_to_gain_gives_nothing(sign):
    np.testing.assert_array_equal(nonnegative(np.eye(4), np.full(4, sign)), 0.0)


def on_simplex_by_slsqp(h: np.ndarray, c: np.ndarray) -> float:
    n = len(c)
    found = scipy.optimize.minimize(
        lambda v: v @ h @ v / 2 - c @ v,
        np.full(n, 1 / n),
        jac=lambda v: h @ v - c,
        bounds=[(0, 1)] * n,
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return float(found.fun)


@settings(max_examples=60)
@given(SIZES, SEEDS)
def test_on_simplex_agrees_with_slsqp(size, seed):
    n, rank = size
    a, y, _ = quadratic(seed, n, rank)
    h, c = a.T @ a, a.T @ y
    passive = np.random.default_rng(seed).random(n) < 0.5
    v = on_simplex(h, c, passive)
    assert v.sum() == pytest.approx(1)
    assert (v >= 0).all()
    assert v @ h @ v / 2 - c @ v <= on_simplex_by_slsqp(h, c) + 1e-6


@settings(max_examples=60)
@given(SIZES, SEEDS, st.floats(0, 4))
def test_on_simplex_bears_curvatures_of_very_different_size(size, seed, decades):
    n, rank = size
    a, y, _ = quadratic(seed, n, rank, decades)
    h, c = a.T @ a, a.T @ y / np.linalg.norm(a, axis=0)  # slopes alike
    v = on_simplex(h, c, np.ones(n, dtype=bool))
    slope = h @ v - c
    assert_optimal(v, slope - v @ slope, 1e-5 * max(1.0, np.abs(slope).min()))


def test_on_simplex_a_linear_function_is_least_in_a_corner():
    np.testing.assert_allclose(on_simplex(np.zeros((3, 3)), np.array([1.0, 3, 2]), np.ones(3, dtype=bool)), [0, 1, 0])


def test_on_simplex_without_a_slope_the_shortest_of_all_is_found():
    v = on_simplex(np.diag([1.0, 2.0, 4.0]), np.zeros(3), np.array([False, False, True]))
    np.testing.assert_allclose(v, np.array([4, 2, 1]) / 7, rtol=1e-6)

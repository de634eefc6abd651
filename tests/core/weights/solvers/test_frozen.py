"""The gain with frozen structure factors: slopes by finite differences, maxima against SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize

from mdweights_core.weights.solvers.frozen import FrozenGain, FrozenTerm, corrected, with_secant


def frozen_term(n: int, seed: int, power: int = 1, rank: int = 30) -> FrozenTerm:
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, rank)) + 0.5
    y = rng.dirichlet(np.full(n, 0.4)) @ columns + 0.2 * rng.normal(size=rank)
    return FrozenTerm(columns @ columns.T, columns @ y / np.linalg.norm(y), 0.7, power)


def frozen_gain(n: int = 8, theta: float = 0.02, n_terms: int = 1, power: int = 1, seed: int = 0) -> FrozenGain:
    prior = np.random.default_rng(seed).dirichlet(np.full(n, 5.0))
    return FrozenGain([frozen_term(n, seed + i, power) for i in range(n_terms)], theta, prior)


def highest(gain: FrozenGain, starts: int = 5) -> float:
    """By SLSQP from several places."""
    n = len(gain.prior)
    found = []
    for seed in range(starts):
        start = np.random.default_rng(seed).dirichlet(np.ones(n))
        result = scipy.optimize.minimize(
            lambda w: -float(gain(np.maximum(w, 0) / np.maximum(w, 0).sum())),
            start,
            bounds=[(1e-12, 1)] * n,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-13, "maxiter": 500},
        )
        found.append(-result.fun)
    return max(found)


@pytest.mark.parametrize("power", [1, 2])
def test_the_gradient_is_that_of_the_gain(power):
    term, w, step = frozen_term(6, 1, power), np.random.default_rng(2).dirichlet(np.ones(6)), 1e-6
    gradient, _ = term.expansion(w)
    shifts = step * np.eye(6)
    np.testing.assert_allclose(gradient, (term.gain(w + shifts) - term.gain(w - shifts)) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("power", [1, 2])
def test_the_curvature_takes_nothing_away_and_ignores_the_length(power):
    _, curvature = (term := frozen_term(6, 1, power)).expansion(w := np.full(6, 1 / 6))
    assert np.linalg.eigvalsh(curvature).min() > -1e-12
    np.testing.assert_allclose(curvature @ w, 0, atol=1e-12)
    assert term.gain(3 * w) == pytest.approx(term.gain(w))


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("theta", [0.0, 1e-5, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("n_terms", [1, 2])
def test_the_maximum_is_the_one_scipy_finds(theta, n_terms, power):
    gain = frozen_gain(theta=theta, n_terms=n_terms, power=power)
    w = gain.maximum(np.full(8, 1 / 8))
    assert w.sum() == pytest.approx(1)
    assert (w >= 0).all()
    assert float(gain(w)) >= highest(gain) - 1e-8


def test_strong_entropy_gives_the_prior():
    gain = frozen_gain(theta=1e4)
    np.testing.assert_allclose(gain.maximum(np.full(8, 1 / 8)), gain.prior, rtol=1e-3)


def test_a_frame_that_begins_with_nothing_gets_its_weight():
    """A fit that goes on from one without entropy: all its zeros."""
    gain = frozen_gain(theta=0.02)
    best = gain.maximum(np.full(8, 1 / 8))
    for t in range(8):
        start = best.copy()
        start[t] = 0.0
        np.testing.assert_allclose(gain.maximum(start / start.sum()), best, atol=1e-5)


@pytest.mark.parametrize("tiny", [1e-9, 1e-12, 1e-15, 1e-20, 1e-100])
@pytest.mark.parametrize("theta", [1e-6, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("n_terms", [1, 2])
def test_a_prior_with_next_to_nothing_on_most_frames_is_borne(tiny: float, theta: float, n_terms: int) -> None:
    """All weight on a frame that equals the mean: w.N.w is nothing, and what is divided by it is beyond numbers."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(8, 30)) ** 2
    columns[0] = 0.0
    terms = [
        FrozenTerm(columns @ columns.T, columns @ rng.normal(size=30) ** 2 / rank, 1.0, 1)
        for rank in range(30, 30 + n_terms)
    ]
    prior = np.full(8, tiny)
    prior[0] = 1 - prior[1:].sum()
    gain = FrozenGain(terms, theta, prior)
    for start in (prior, np.full(8, 1 / 8)):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            w = gain.maximum(start)
        assert w.sum() == pytest.approx(1)
        assert (w >= 0).all()
        assert float(gain(w)) >= float(gain(np.maximum(start, 1e-12) / np.maximum(start, 1e-12).sum()))


def test_from_the_maximum_it_is_not_left():
    for theta in (0.0, 0.02):
        gain = frozen_gain(theta=theta)
        best = gain.maximum(np.full(8, 1 / 8))
        np.testing.assert_allclose(gain.maximum(best), best, atol=1e-7)


def test_where_nothing_can_be_gained_the_weights_stay():
    term = replace(frozen_term(4, 0), overlap=-np.ones(4))
    w = np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(FrozenGain([term], 0.0, np.full(4, 0.25)).maximum(w), w)


def test_the_corrected_matrix_takes_the_weights_to_the_image():
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=(5, 9)), rng.dirichlet(np.ones(5))
    exact, gram = a @ a.T, a[:, ::2] @ a[:, ::2].T
    found = with_secant(gram, w, exact @ w)
    np.testing.assert_allclose(found @ w, exact @ w, rtol=1e-12)
    assert np.linalg.eigvalsh(found).min() > -1e-12
    np.testing.assert_allclose(with_secant(exact, w, exact @ w), exact, rtol=1e-10)
    np.testing.assert_array_equal(with_secant(gram, w, -w), gram)  # no positive matrix does that


def test_a_matrix_over_a_part_is_brought_to_the_scale_of_all() -> None:
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=(5, 300)), rng.dirichlet(np.ones(5))
    exact, part = a @ a.T, a[:, ::3] @ a[:, ::3].T
    found = corrected(part, w, exact @ w)
    np.testing.assert_allclose(found @ w, exact @ w, rtol=1e-12)
    assert np.linalg.norm(found - exact) < 0.3 * np.linalg.norm(exact)
    nothing = np.zeros(5)
    np.testing.assert_array_equal(corrected(part, w, nothing), part)
    np.testing.assert_array_equal(corrected(np.diag([0.0, 1, 1, 1, 1]), np.eye(5)[0], exact[0])[0], nothing)

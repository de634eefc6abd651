"""The jitted passes against plain NumPy in double precision, and their gradient against finite differences."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from support.synthetic import synthetic_problem

from mdweights_core.weights import model
from mdweights_core.weights.scores import pearson


@pytest.fixture(scope="module", params=["P 1", "P 41"])
def truth(request):
    return synthetic_problem(20, 1500, space_group=request.param, n_true=8)


def _numpy_intensity(truth, w):
    f = truth.f_p1.astype(np.complex64).astype(np.complex128)
    return truth.problem.groups.average(w @ np.abs(f) ** 2 - np.abs(w @ f) ** 2)


def _random_weights(n, seed=1):
    w = np.random.default_rng(seed).gamma(0.5, size=n)
    return w / w.sum()


@pytest.mark.parametrize("anisotropic", [True, False])
def test_intensity_is_the_weighted_variance(truth, anisotropic):
    arrays = model.model_arrays(truth.problem, anisotropic=anisotropic)
    w = _random_weights(20)
    found = np.asarray(model.intensity(jnp.asarray(w), arrays))
    np.testing.assert_allclose(found, _numpy_intensity(truth, w), rtol=2e-5, atol=1e-6)


def test_intensity_equals_the_sum_over_pairs_of_frames(truth):
    """sum_{s<t} w_s w_t |F_s - F_t|^2: no cancellation anywhere."""
    w, f = _random_weights(20), truth.f_p1
    pairs = sum(w[s] * w[t] * np.abs(f[s] - f[t]) ** 2 for s in range(20) for t in range(s))
    arrays = model.model_arrays(truth.problem, anisotropic=True)
    found = np.asarray(model.intensity(jnp.asarray(w), arrays))
    np.testing.assert_allclose(found, truth.problem.groups.average(pairs), rtol=2e-5)


def test_two_frames_have_one_pattern_whatever_their_weights():
    truth = synthetic_problem(2, 500, n_true=2)
    arrays = model.model_arrays(truth.problem, anisotropic=True)
    cc = [float(model.correlation(model.intensity(jnp.array([a, 1 - a]), arrays), arrays)) for a in (0.05, 0.3, 0.5)]
    assert np.ptp(cc) < 1e-6


def test_raw_intensity_shows_the_leak_of_unnormalised_weights(truth):
    """With sum s the prototype's formula is s [Var + (1 - s) |<F>|^2]."""
    arrays = model.model_arrays(truth.problem, anisotropic=False)
    p, s = _random_weights(20), 0.9
    mean2 = truth.problem.groups.average(np.abs(p @ truth.f_p1) ** 2)
    expected = s * (_numpy_intensity(truth, p) + (1 - s) * mean2)
    np.testing.assert_allclose(np.asarray(model.raw_intensity(jnp.asarray(s * p), arrays)), expected, rtol=5e-5)


def test_correlation_is_pearson_of_the_projected_work_set(truth):
    problem, w = truth.problem, _random_weights(20)
    arrays = model.model_arrays(problem, anisotropic=True)
    x, work = _numpy_intensity(truth, w), ~problem.free
    expected = pearson(problem.operator(x)[work], problem.operator(problem.observed)[work])
    assert float(model.correlation(model.intensity(jnp.asarray(w), arrays), arrays)) == pytest.approx(
        expected, abs=1e-6
    )


def test_a_single_frame_gives_zero_instead_of_nan(truth):
    arrays = model.model_arrays(truth.problem, anisotropic=True)
    w = np.zeros(20)
    w[3] = 1.0
    value, gradient = model.gain_and_gradient(jnp.asarray(w), arrays, 0.0, np.full(20, 0.05))
    assert np.isfinite(float(value))
    assert np.isfinite(np.asarray(gradient)).all()


def test_gradient_against_finite_differences_in_double_precision(truth):
    """Along random directions of the simplex; the reference is NumPy's double precision."""
    problem, theta, prior = truth.problem, 0.05, np.full(20, 0.05)
    arrays = model.model_arrays(problem, anisotropic=True)
    w = 0.5 * _random_weights(20) + 0.5 * prior
    work = ~problem.free

    def gain(w):
        x = _numpy_intensity(truth, w)
        cc = pearson(problem.operator(x)[work], problem.operator(problem.observed)[work])
        return cc - theta * np.sum(w * np.log(w / prior))

    _, gradient = model.gain_and_gradient(jnp.asarray(w), arrays, theta, prior)
    rng = np.random.default_rng(5)
    for _ in range(5):
        d = rng.normal(size=20)
        d -= d.mean()
        d *= 1e-4 / np.abs(d).max()
        numeric = (gain(w + d) - gain(w - d)) / 2
        assert float(np.asarray(gradient) @ d) == pytest.approx(numeric, rel=2e-4, abs=1e-9)


def test_the_frozen_model_has_the_right_value_and_slope(truth):
    """b.w / sqrt(w.N.w) equals the CC where m was frozen, and so does its gradient along the simplex."""
    arrays = model.model_arrays(truth.problem, anisotropic=True)
    w = jnp.asarray(_random_weights(20))
    frozen = model.quadratic_model(w, arrays)
    norm = np.sqrt(w @ frozen.gram @ w)
    value, gradient = model.gain_and_gradient(w, arrays, 0.0, np.full(20, 0.05))
    assert float(frozen.overlap @ w / norm) == pytest.approx(float(value), abs=1e-6)
    slope = np.asarray(frozen.overlap / norm - (frozen.overlap @ w) * (frozen.gram @ w) / norm**3)
    slope, gradient = slope - slope.mean(), np.asarray(gradient) - np.mean(np.asarray(gradient))
    np.testing.assert_allclose(slope, gradient, atol=2e-5 * np.abs(gradient).max())


def test_correlation_along_a_segment_is_exact(truth):
    arrays = model.model_arrays(truth.problem, anisotropic=True)
    one, other = _random_weights(20, 2), _random_weights(20, 3)
    line = model.segment(jnp.asarray(one), jnp.asarray(other), arrays)
    alphas = np.array([0.0, 0.3, 1.0])
    direct = [
        float(model.correlation(model.intensity(jnp.asarray(one + a * (other - one)), arrays), arrays)) for a in alphas
    ]
    np.testing.assert_allclose(model.correlation_along(line, alphas), direct, atol=2e-6)

"""Splines against flowjax's and against derivatives; circles; the worst logits there can be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flowjax.bijections import RationalQuadraticSpline

from mdweights_core.flow.layers import coupling
from mdweights_core.flow.layers import spline as splines
from mdweights_core.flow.layers.coupling import BOUND, n_raw
from mdweights_core.flow.layers.spline import Knots, n_parameters

forward, inverse, knots = map(jax.jit, (splines.forward, splines.inverse, splines.knots))
bend, unbend = map(jax.jit, (coupling.bend, coupling.unbend))
BINS = 6
LINE, CIRCLE = jnp.array([False]), jnp.array([True])


def raw_numbers(seed, n, spread=1.0, per=None):
    return spread * jax.random.normal(jax.random.key(seed), (n, per or n_parameters(BINS)))


def test_the_values_and_slopes_are_those_of_flowjax():
    spline = knots(raw_numbers(0, 1), jnp.array([4.0]), LINE)
    theirs = RationalQuadraticSpline(knots=BINS - 1, interval=4.0)
    for name, values in (("x_pos", spline.x), ("y_pos", spline.y), ("derivatives", spline.slopes)):
        object.__setattr__(theirs, name, values[0])
    for x in np.linspace(-4.5, 4.5, 40):
        ours, log_slope = forward(jnp.array([x]), spline)
        value, log_det = theirs.transform_and_log_det(jnp.asarray(x))
        np.testing.assert_allclose([ours[0], log_slope[0]], [value, log_det], atol=1e-12)


def test_zeros_are_the_identity():
    spline = knots(jnp.zeros((2, n_parameters(BINS))), jnp.array([5.0, np.pi]), jnp.array([False, True]))
    y, log_slope = forward(jnp.array([1.3, -2.0]), spline)
    np.testing.assert_allclose(y, [1.3, -2.0], atol=1e-12)
    np.testing.assert_allclose(log_slope, 0, atol=1e-12)


@pytest.mark.parametrize("spread", [1.0, 30.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float64, 1e-9), (jnp.float32, 2e-3)])
def test_the_inverse_undoes_it_whatever_the_logits(dtype, tolerance, spread):
    n = 200
    circular = jnp.arange(n) % 2 == 0
    raw = raw_numbers(1, n, spread).astype(dtype)
    spline = knots(raw, jnp.where(circular, jnp.pi, BOUND).astype(dtype), circular)
    x = jax.random.uniform(jax.random.key(2), (n,), dtype, -3.1, 3.1)
    y, forth = forward(x, spline)
    again, back = inverse(y, spline)
    assert y.dtype == dtype
    in_y = (again - x) * np.exp(np.minimum(forth, 0))  # where the spline is flat, rounding of y is a distance in x
    np.testing.assert_allclose(in_y, 0, atol=tolerance)
    assert np.median(np.abs(forth + back)) < tolerance
    gradient = jax.jit(jax.grad(lambda raw: jnp.sum(inverse(y, knots(raw, jnp.full(n, BOUND, dtype), circular))[0])))(
        raw
    )
    assert np.isfinite(gradient).all()


def test_outside_the_interval_it_goes_on_smoothly_as_the_identity():
    spline = knots(raw_numbers(3, 1), jnp.array([2.0]), LINE)
    for x, expected in ((2.5, 2.5), (-7.0, -7.0)):
        y, log_slope = forward(jnp.array([x]), spline)
        np.testing.assert_allclose([y[0], log_slope[0]], [expected, 0.0], atol=1e-12)
    near = forward(jnp.array([2.0 - 1e-7]), spline)[1]
    np.testing.assert_allclose(near, 0.0, atol=1e-4)


def test_on_a_circle_both_ends_have_one_slope_and_one_place():
    raw = raw_numbers(4, 1, per=n_raw(BINS))
    angles = jnp.array([[-np.pi + 1e-9], [np.pi - 1e-9]])
    y, log_slope = jax.vmap(lambda z: bend(z, raw, CIRCLE))(angles)
    apart = np.angle(np.exp(1j * float(y[0, 0] - y[1, 0])))
    assert abs(apart) < 1e-7
    np.testing.assert_allclose(log_slope[0], log_slope[1], atol=1e-6)


def test_bending_has_the_slope_it_says_and_is_undone():
    circular = jnp.arange(8) % 2 == 0
    raw = raw_numbers(5, 8, per=n_raw(BINS))
    z = jax.random.uniform(jax.random.key(6), (8,), minval=-3.0, maxval=3.0)
    y, log_slope = bend(z, raw, circular)
    slope = jnp.diag(jax.jit(jax.jacfwd(lambda at: coupling.bend(at, raw, circular)[0]))(z))
    np.testing.assert_allclose(jnp.log(slope), log_slope, atol=1e-10)
    again, back = unbend(y, raw, circular)
    np.testing.assert_allclose(again, z, atol=1e-9)
    np.testing.assert_allclose(log_slope + back, 0, atol=1e-9)


def test_knots_are_a_tuple_of_increasing_places():
    spline = knots(raw_numbers(7, 3, 10.0), jnp.array([1.0, 2.0, 3.0]), jnp.array([False, True, False]))
    assert isinstance(spline, Knots)
    assert (np.diff(spline.x, axis=1) > 0).all()
    assert (np.diff(spline.y, axis=1) > 0).all()
    assert (np.asarray(spline.slopes) > 0).all()

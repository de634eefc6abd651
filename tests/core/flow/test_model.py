"""The flow as a whole: it is what it begins as, it is invertible, and its volumes are those of its Jacobian."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from mdweights_core.flow.model import cast, make_flow
from mdweights_core.flow.settings import FlowSettings

CIRCULAR = np.array([False, True, False, True, False])


def shaken(flow, size=0.05):
    """The flow with all its numbers moved a little, so that no layer is the identity."""

    def move(leaf):
        return leaf + size * jax.random.normal(jax.random.key(leaf.size), leaf.shape, leaf.dtype)

    return jax.tree.map(lambda leaf: move(leaf) if eqx.is_inexact_array(leaf) else leaf, flow)


@eqx.filter_jit
def generate(flow, z):
    """Draws of latents [S, n], and logarithms of volumes."""
    return jax.vmap(flow.generate)(z)


@pytest.fixture(scope="module", params=[8, 0], ids=["splines", "shifts"])
def flow(request):
    return shaken(make_flow(CIRCULAR, FlowSettings(layers=4, width=16, bins=request.param), seed=0))


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 2e-4), (jnp.float64, 1e-11)])
def test_a_round_trip_ends_where_it_began_and_volumes_cancel(flow, dtype, tolerance):
    flow = cast(flow, dtype)

    @eqx.filter_jit
    def both_ways(flow, z):
        y, forth = jax.vmap(flow.generate)(z)
        again, back = jax.vmap(flow.read)(y)
        return y, again, forth + back

    z = flow.latents(jax.random.key(1), 500, dtype)
    y, again, left = both_ways(flow, z)
    assert y.dtype == dtype
    apart = np.where(CIRCULAR, np.angle(np.exp(1j * (again - z))), again - z)
    np.testing.assert_allclose(apart, 0, atol=tolerance)
    np.testing.assert_allclose(left, 0, atol=20 * tolerance)
    assert (np.abs(np.asarray(y)[:, CIRCULAR]) <= np.pi + 1e-6).all()


def test_volumes_are_those_of_the_jacobian(flow):
    flow = cast(flow, jnp.float64)

    @eqx.filter_jit
    def volumes(flow, z):
        jacobian = jax.vmap(jax.jacfwd(lambda at: flow.generate(at)[0]))(z)
        return jnp.linalg.slogdet(jacobian)[1], jax.vmap(flow.generate)(z)[1]

    measured, told = volumes(flow, flow.latents(jax.random.key(2), 20, jnp.float64))
    np.testing.assert_allclose(told, measured, atol=1e-10)


def test_without_examples_it_begins_as_the_identity():
    flow = make_flow(CIRCULAR, FlowSettings(layers=2, width=8), seed=0)
    z = flow.latents(jax.random.key(3), 50, jnp.float32)
    y, log_det = generate(flow, z)
    np.testing.assert_allclose(y, z, atol=1e-5)
    np.testing.assert_allclose(log_det, 0, atol=1e-4)


def test_it_begins_with_the_marginals_and_correlations_of_its_examples():
    rng = np.random.default_rng(4)
    first = np.where(rng.random(20_000) < 0.3, -1.0, 1.0) + 0.3 * rng.normal(size=20_000)
    second = 0.9 * norm.ppf((np.argsort(np.argsort(first)) + 0.5) / 20_000) + 0.4 * rng.normal(size=20_000)
    angle = rng.vonmises(1.0, 3.0, 20_000)
    examples = np.stack([first, second, angle], axis=1)
    flow = make_flow(np.array([False, False, True]), FlowSettings(layers=2, width=8), 0, examples)
    y, _ = generate(flow, flow.latents(jax.random.key(5), 20_000, jnp.float32))
    drawn = np.asarray(y)
    for i in range(3):
        grid = np.quantile(examples[:, i], np.linspace(0.02, 0.98, 25))
        expected = [(examples[:, i] < at).mean() for at in grid]
        np.testing.assert_allclose([(drawn[:, i] < at).mean() for at in grid], expected, atol=0.02)
    expected = np.corrcoef(examples[:, :2], rowvar=False)[0, 1]
    assert np.corrcoef(drawn[:, :2], rowvar=False)[0, 1] == pytest.approx(expected, abs=0.03)


def test_the_density_integrates_to_one():
    flow = cast(shaken(make_flow(np.array([False, True]), FlowSettings(layers=2, width=8), 0)), jnp.float64)
    line, circle = np.linspace(-9, 9, 400), np.linspace(-np.pi, np.pi, 200, endpoint=False)
    grid = jnp.asarray(np.stack(np.meshgrid(line, circle, indexing="ij"), -1).reshape(-1, 2))
    density = np.exp(np.asarray(eqx.filter_jit(lambda f, at: jax.vmap(f.log_density)(at))(flow, grid)))
    assert density.sum() * (line[1] - line[0]) * (circle[1] - circle[0]) == pytest.approx(1.0, abs=1e-3)


def test_hotter_latents_are_wider_and_their_density_says_so(flow):
    z = flow.latents(jax.random.key(6), 20_000, jnp.float64, 4.0)
    np.testing.assert_allclose(np.std(z, axis=0)[~CIRCULAR], 2.0, rtol=0.03)
    one = jnp.asarray([[1.0, 0.5, -2.0, 3.0, 0.0]])
    told = flow.latent_log_density(one[0], 4.0)
    expected = norm.logpdf([1.0, -2.0, 0.0], scale=2.0).sum() - 2 * np.log(2 * np.pi)
    assert told == pytest.approx(expected)

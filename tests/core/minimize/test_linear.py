"""Maps from amplitudes and networks to coordinates against finite differences, and what the paper does with them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.minimize.base import Reparametrisation
from mdweights_core.minimize.graph_network import GraphNetwork, Shape, output
from mdweights_core.minimize.linear import Clamped, LinearModes
from mdweights_core.modes.backbone import Backbone, backbone_modes

N = 12
BACKBONE = backbone_modes(np.eye(N, k=1) + np.eye(N, k=-1) + np.eye(N), 5)
RNG = np.random.default_rng(0)
WITH_DIRECTION = np.linalg.qr(RNG.normal(size=(3 * N, 4)))[0].reshape(N, 3, 4)
MAPS: dict[str, Reparametrisation] = {
    "literal": LinearModes(BACKBONE.vectors),
    "about an origin": LinearModes(BACKBONE.vectors, origin=RNG.normal(size=(N, 3)), scale=np.arange(1.0, 6)),
    "with direction": LinearModes(WITH_DIRECTION, origin=RNG.normal(size=(N, 3)), scale=np.array([2.0, 1, 1, 3])),
    "graph network": GraphNetwork(BACKBONE, (6, 4)),
    "two layers, residual": GraphNetwork(BACKBONE, (6, 5, 4), is_residual=True),
}


@pytest.mark.parametrize("name", MAPS)
def test_pull_back_is_the_transpose_of_finite_differences(name: str) -> None:
    mapped, rng = MAPS[name], np.random.default_rng(1)
    z, move = 0.5 * rng.normal(size=(2, 3, mapped.n_variables))
    gradient = rng.normal(size=(3, N, 3))
    moved = (mapped.coordinates(z + 1e-6 * move) - mapped.coordinates(z - 1e-6 * move)) / 2e-6
    expected = np.sum(gradient * moved, axis=(1, 2))
    np.testing.assert_allclose(np.sum(mapped.pull_back(z, gradient) * move, axis=1), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["literal", "about an origin", "with direction"])
def test_jacobian_of_a_linear_map_is_what_pulls_back(name: str) -> None:
    mapped, gradient = MAPS[name], np.random.default_rng(2).normal(size=(1, N, 3))
    jacobian = mapped.jacobian()
    assert jacobian is not None
    np.testing.assert_allclose(
        mapped.pull_back(np.zeros((1, mapped.n_variables)), gradient)[0], gradient.ravel() @ jacobian
    )


@pytest.mark.parametrize("name", ["literal", "about an origin", "with direction"])
def test_variables_are_the_nearest_ones(name: str) -> None:
    """By least squares; those of coordinates that the map can make are the ones they were made of."""
    mapped, x = MAPS[name], np.random.default_rng(3).normal(size=(2, N, 3))
    about = (x - mapped.coordinates(np.zeros((1, mapped.n_variables)))).reshape(2, -1)
    expected = np.linalg.lstsq(np.asarray(mapped.jacobian()), about.T, rcond=None)[0].T
    found = mapped.variables(x)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(mapped.variables(mapped.coordinates(found)), found, atol=1e-12)


def test_all_modes_are_all_coordinates() -> None:
    x = np.random.default_rng(4).normal(size=(1, N, 3))
    every = LinearModes(backbone_modes(np.eye(N, k=1) + np.eye(N, k=-1), N).vectors)
    np.testing.assert_allclose(every.coordinates(every.variables(x)), x, atol=1e-12)


def test_spread_is_kept_where_asked_for() -> None:
    x = 3 * np.random.default_rng(5).normal(size=(2, N, 3))
    plain, kept = (LinearModes(BACKBONE.vectors, keeps_spread=kept) for kept in (False, True))
    assert (plain.coordinates(plain.variables(x)).std(axis=(1, 2)) < 0.9 * x.std(axis=(1, 2))).all()
    np.testing.assert_allclose(kept.coordinates(kept.variables(x)).std(axis=(1, 2)), x.std(axis=(1, 2)))


def test_clamped_gradients_are_cut_off_and_nothing_else_changes() -> None:
    inner, x = MAPS["literal"], np.random.default_rng(6).normal(size=(2, N, 3))
    clamped = Clamped(inner, 0.1)
    z = clamped.variables(x)
    np.testing.assert_array_equal(clamped.coordinates(z), inner.coordinates(z))
    np.testing.assert_array_equal(clamped.pull_back(z, x), np.clip(inner.pull_back(z, x), -0.1, 0.1))
    assert clamped.jacobian() is None


def test_network_is_the_published_formula() -> None:
    """tanh(A h W + h S + b) with A = Psi diag(lambda) Psi^T written out, then one linear layer."""
    shape = Shape(N, (6, 4))
    z = np.random.default_rng(7).normal(size=sum(shape.sizes))
    h, weight, own, bias, last, offset = (
        part.reshape(size) for part, size in zip(np.split(z, np.cumsum(shape.sizes)[:-1]), shape.parts, strict=True)
    )
    graph = BACKBONE.vectors * BACKBONE.coupling @ BACKBONE.vectors.T
    expected = np.tanh(graph @ h @ weight + h @ own + bias) @ last + offset
    found = output(jnp.asarray(z), jnp.asarray(BACKBONE.vectors * np.sqrt(BACKBONE.coupling)), shape)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_residual_network_gives_the_last_layer_all_features() -> None:
    shape = Shape(N, (6, 5, 4), is_residual=True)
    assert shape.parts[-2:] == [(15, 3), (3,)]
    z = np.random.default_rng(8).normal(size=sum(shape.sizes))
    start = sum(shape.sizes[:-2])
    z[start : start + 18] = 0  # what the last layer makes of the first features
    modes = jnp.asarray(BACKBONE.vectors)
    plain = output(jnp.asarray(z), modes, shape)
    z[start : start + 18] = 1
    features = z[: 6 * N].reshape(N, 6)
    np.testing.assert_allclose(output(jnp.asarray(z), modes, shape) - plain, np.tile(features.sum(axis=1)[:, None], 3))


def test_initial_values_are_the_published_ones() -> None:
    """Features 1 / sqrt(h), Xavier along the graph, normal self-loops, no bias, the start's spread."""
    n, width = 300, 40
    modes = np.linalg.qr(np.random.default_rng(9).normal(size=(n, 10)))[0]
    network = GraphNetwork(Backbone(np.arange(10.0), modes, np.ones(10)), (width, 30), seed=3)
    x = 2.5 * np.random.default_rng(10).normal(size=(2, n, 3))
    z = network.variables(x)
    shape = Shape(n, (width, 30))
    features, weight, own, bias, _, _ = np.split(z[0], np.cumsum(shape.sizes)[:-1])
    assert features.std() == pytest.approx(width**-0.5, rel=0.03)
    assert weight.std() == pytest.approx((2 / 70) ** 0.5, rel=0.08)
    assert own.std() == pytest.approx(1.0, rel=0.08)
    np.testing.assert_array_equal(bias, 0)
    np.testing.assert_allclose(network.coordinates(z).std(axis=(1, 2)), 2.5, rtol=0.1)
    assert (z[0] != z[1]).any()
    np.testing.assert_array_equal(network.variables(x), z)


def test_a_network_can_be_fitted_to_a_start() -> None:
    x = np.random.default_rng(11).normal(size=(2, N, 3))
    far, near = (GraphNetwork(BACKBONE, (8, 4), fit_steps=steps) for steps in (0, 1000))
    before, after = (np.mean((it.coordinates(it.variables(x)) - x) ** 2, axis=(1, 2)) for it in (far, near))
    assert (after < 0.5 * before).all()

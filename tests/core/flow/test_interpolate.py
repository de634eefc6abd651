"""Latent paths: their ends, straight lines where the flow is the identity, and the shorter way round a circle."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flowjax.bijections import Affine, Chain, Identity, Tanh

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.plain import Standardised
from mdweights_core.flow.interpolate import _between, latent_path
from mdweights_core.flow.losses import System
from mdweights_core.flow.model import Flow


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bowl:
    """x^2 + 2 y^2."""

    n: int = field(default=2, metadata={"static": True})

    def reduced(self, x: Any) -> Any:
        return x[0] ** 2 + 2 * x[1] ** 2


def trained(bijection: Any = None, circular: tuple[bool, bool] = (False, False)) -> Any:
    flow = Flow(bijection or Identity((2,)), jnp.array(circular))
    coordinates = Standardised.from_frames(np.array([[-1.0, -1.0], [1.0, 1.0]]))
    return SimpleNamespace(flow=flow, target=Bowl(), coordinates=coordinates)


def test_a_flow_that_does_nothing_goes_straight() -> None:
    first, last = np.array([-1.0, 0.5]), np.array([2.0, 0.0])
    found = latent_path(trained(), first, last, 4)
    np.testing.assert_allclose(found.x, first + np.linspace(0, 1, 4)[:, None] * (last - first), atol=1e-12)
    np.testing.assert_allclose(found.u, found.x[:, 0] ** 2 + 2 * found.x[:, 1] ** 2, rtol=1e-12)


def test_ends_are_those_given_whatever_the_flow() -> None:
    first, last = np.array([-1.0, 0.5]), np.array([0.7, -0.3])
    bent = Chain([Affine(jnp.array([0.3, -1.0]), jnp.array([2.0, 0.5])), Tanh((2,)), Affine(scale=3.0 * jnp.ones(2))])
    found = latent_path(trained(bent), first, last, 3)
    np.testing.assert_allclose(found.x[[0, -1]], [first, last], atol=1e-9)
    assert np.abs(found.x[1] - (first + last) / 2).max() > 1e-3  # no straight line of configurations


def test_configurations_are_equally_far_from_one_to_the_next() -> None:
    steep = Chain([Affine(scale=4.0 * jnp.ones(2)), Tanh((2,)), Affine(scale=3.0 * jnp.ones(2))])
    found = latent_path(trained(steep), np.array([-2.9, 0.0]), np.array([2.9, 0.0]), 11)
    steps = np.linalg.norm(np.diff(found.x, axis=0), axis=1)
    np.testing.assert_allclose(steps, 0.58, rtol=0.2)


def test_paths_need_two_ends_of_the_system() -> None:
    with pytest.raises(BadInput, match="no ends"):
        latent_path(trained(), np.zeros(2), np.ones(2), 1)
    with pytest.raises(BadInput, match="3 variables"):
        latent_path(trained(), np.zeros(3), np.ones(3))
    with pytest.raises(BadInput, match="does not reach"):
        latent_path(trained(), np.array([np.nan, 0.0]), np.ones(2))


def test_circles_are_gone_round_the_shorter_way() -> None:
    made = trained(circular=(True, False))
    coordinates = Standardised.given(np.zeros(2), np.ones(2))
    z = jnp.array([[3.0, 0.0], [-3.0, 1.0]])
    x, _ = _between(made.flow, System(Bowl(), coordinates), z, jnp.linspace(0.0, 1.0, 3))
    assert np.abs(np.asarray(x)[1, 0]) == pytest.approx(np.pi, abs=1e-6)

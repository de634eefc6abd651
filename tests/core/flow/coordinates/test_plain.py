"""Linear coordinates and particles: round trips, volumes, scales, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import wrapped
from mdweights_core.flow.coordinates.particles import MeanFree, PolarMeanFree, helmert
from mdweights_core.flow.coordinates.plain import Standardised, Whitening

RNG = np.random.default_rng(5)
MIX = RNG.normal(size=(8, 8))
FRAMES = RNG.normal(size=(400, 8)) @ MIX + 3.0
WEIGHTS = RNG.uniform(0.1, 1, size=400)

MADE = {
    "standardised": lambda: Standardised.from_frames(FRAMES),
    "whitening": lambda: Whitening.from_frames(FRAMES),
    "mean-free": lambda: MeanFree.from_frames(FRAMES, 2),
    "mean-free, of one scale": lambda: MeanFree.of_scale(4, 2, 1.5),
    "polar": lambda: PolarMeanFree.from_frames(FRAMES),
    "polar, whitened": lambda: PolarMeanFree.from_frames(FRAMES, whiten=True),
}


@pytest.mark.parametrize("name", MADE)
def test_variables_come_back(name: str, round_trip: Callable[..., None]) -> None:
    coordinates: Any = MADE[name]()
    y = RNG.normal(size=(50, coordinates.n))
    round_trip(coordinates, y)
    round_trip(coordinates, y.astype(np.float32), tolerance=2e-4)


@pytest.mark.parametrize("name", MADE)
def test_log_det_is_that_of_the_jacobian(name: str, jacobian: Callable[..., float]) -> None:
    coordinates: Any = MADE[name]()
    for y in RNG.normal(size=(3, coordinates.n)):
        assert coordinates.place(jnp.asarray(y))[1] == pytest.approx(jacobian(coordinates, y, rigid=False), abs=1e-10)


@pytest.mark.parametrize("make", [Standardised.from_frames, Whitening.from_frames])
def test_weighted_frames_have_mean_0_and_variance_1(make: Callable[..., Any]) -> None:
    coordinates = make(FRAMES, WEIGHTS)
    y = np.stack([coordinates.read(jnp.asarray(frame))[0] for frame in FRAMES])
    share = WEIGHTS / WEIGHTS.sum()
    np.testing.assert_allclose(share @ y, 0, atol=1e-10)
    np.testing.assert_allclose(share @ y**2, 1, atol=1e-10)


def test_principal_components_are_uncorrelated() -> None:
    coordinates = Whitening.from_frames(FRAMES)
    y = np.stack([coordinates.read(jnp.asarray(frame))[0] for frame in FRAMES])
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(8), atol=1e-8)


def test_directions_without_variance_are_left_out_when_asked(round_trip: Callable[..., None]) -> None:
    flat = FRAMES[:, :6] @ RNG.normal(size=(6, 8))
    with pytest.raises(BadInput, match="vary in 6 of 8 directions"):
        Whitening.from_frames(flat)
    coordinates = Whitening.from_frames(flat, drop_null=True)
    assert (coordinates.n, coordinates.n_cartesian) == (6, 8)
    round_trip(coordinates, RNG.normal(size=(20, 6)))
    again = coordinates.place(coordinates.read(jnp.asarray(flat[0]))[0])[0]
    np.testing.assert_allclose(again, flat[0], atol=1e-10)


def test_a_variable_that_never_changes_is_refused() -> None:
    with pytest.raises(BadInput, match="same value in all frames"):
        Standardised.from_frames(np.ones((10, 2)))


def test_helmerts_columns_are_orthonormal_and_free_of_the_mean() -> None:
    basis = helmert(5)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-14)


def test_particles_anywhere_are_put_back_about_the_origin() -> None:
    coordinates = MeanFree.from_frames(FRAMES, 2)
    frame = FRAMES[0].reshape(4, 2)
    again = np.asarray(coordinates.place(coordinates.read(jnp.asarray(frame.ravel() + 7))[0])[0])
    np.testing.assert_allclose(again.reshape(4, 2), frame - frame.mean(axis=0), atol=1e-10)


def test_turning_all_particles_changes_only_the_rotation() -> None:
    coordinates = PolarMeanFree.from_frames(FRAMES)
    c, s = np.cos(0.7), np.sin(0.7)
    turned = (FRAMES[0].reshape(4, 2) @ np.array([[c, s], [-s, c]])).ravel()
    before, after = (np.asarray(coordinates.read(jnp.asarray(x))[0]) for x in (FRAMES[0], turned))
    np.testing.assert_allclose(after[:-1], before[:-1], atol=1e-10)
    assert wrapped(after[-1] - before[-1]) == pytest.approx(0.7)


def test_three_coordinates_are_no_particles_in_the_plane() -> None:
    with pytest.raises(BadInput, match="two or more particles in 2 dimensions"):
        MeanFree.from_frames(FRAMES[:, :3], 2)


def test_particles_on_each_other_show_no_direction() -> None:
    with pytest.raises(BadInput, match="no direction"):
        PolarMeanFree.from_frames(np.ones((10, 4)))

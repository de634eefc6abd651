"""Internal coordinates of alanine dipeptide: what comes back, volumes, scales, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.base import values
from mdweights_core.energy.setup import Molecule

RNG = np.random.default_rng(11)


def test_variables_come_back(
    of_alanine: Any, alanine_read: Any, round_trip: Callable[..., None], variables: Any
) -> None:
    coordinates, _ = of_alanine
    assert (coordinates.n, coordinates.n_cartesian) == (60, 66)
    round_trip(coordinates, variables(coordinates, len(alanine_read[0])))
    round_trip(coordinates, alanine_read[0])
    round_trip(coordinates, alanine_read[0].astype(np.float32), tolerance=5e-3)


def test_frames_come_back_up_to_labels_and_motions_of_the_whole(
    of_alanine: Any, alanine_read: Any, alanine: Molecule, alanine_frames: np.ndarray, placed: Any
) -> None:
    again = np.asarray(placed(of_alanine[0], alanine_read[0])[0]).reshape(alanine_frames.shape)
    np.testing.assert_allclose(values(alanine.energy, again), values(alanine.energy, alanine_frames), atol=1e-8)
    named = [
        i for i, atom in enumerate(alanine.topology.atoms()) if atom.name not in ("HB1", "HB2", "HB3", "H1", "H2", "H3")
    ]

    def apart(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, named, None] - x[:, None, named], axis=-1)

    np.testing.assert_allclose(apart(again), apart(alanine_frames), atol=1e-10)


def test_log_det_is_that_of_the_jacobian_with_rigid_motions(
    of_alanine: Any, jacobian: Callable[..., float], variables: Any
) -> None:
    coordinates, _ = of_alanine
    for y in variables(coordinates, 3):
        assert coordinates.place(jnp.asarray(y))[1] == pytest.approx(jacobian(coordinates, y, rigid=True), abs=1e-8)


def test_variables_of_frames_are_scaled(of_alanine: Any, alanine_read: Any) -> None:
    scaled = alanine_read[0][:, ~np.array(of_alanine[0].circular)]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-8)


def test_free_torsions_are_circular_and_all_others_are_held(of_alanine: Any) -> None:
    coordinates, _ = of_alanine
    circular = [name for name, is_one in zip(coordinates.names, coordinates.circular, strict=True) if is_one]
    assert [name for name in circular if "any of 3 H" not in name] == [
        "torsion C:2-CA-N:2-C:1",
        "torsion N:2-CA-C:2-N:3",
    ]
    assert len(circular) == 5  # and three methyl groups
    assert "bond CB-CA" in coordinates.names


def test_gradients_are_finite_in_single_precision(of_alanine: Any) -> None:
    coordinates, _ = of_alanine
    y = RNG.uniform(-20, 20, (200, coordinates.n)).astype(np.float32)

    def both(y: jax.Array) -> jax.Array:
        x, log_det = coordinates.place(y)
        return jnp.sum(x**2) + log_det

    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(both)))(y)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()

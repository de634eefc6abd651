"""What any coordinates must do, checked by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

TURNS = 2 * np.pi


def check_round_trip(coordinates: Any, y: np.ndarray, *, tolerance: float = 1e-10) -> None:
    """Variables [S, n] are read back from where they place, the two log-dets cancel, and dtypes stay."""
    y = jnp.asarray(y)
    x, placed = jax.jit(jax.vmap(coordinates.place))(y)
    back, read = jax.jit(jax.vmap(coordinates.read))(x)
    assert len(coordinates.names) == len(coordinates.circular) == coordinates.n == y.shape[1]
    assert x.shape == (len(y), coordinates.n_cartesian)
    assert {a.dtype for a in (x, placed, back, read)} == {y.dtype}
    apart = np.array(back - y)
    circular = np.array(coordinates.circular)
    apart[:, circular] -= TURNS * np.rint(apart[:, circular] / TURNS)
    assert (np.abs(np.asarray(back)[:, circular]) <= np.pi + 1e-6).all()
    np.testing.assert_allclose(apart, 0, atol=tolerance)
    np.testing.assert_allclose(placed + read, 0, atol=tolerance * y.shape[1])


def rigid_columns(x: np.ndarray) -> np.ndarray:
    """Derivatives [3 n_atoms, 6] of positions by a shift and by a turn about x, y and z."""
    atoms = x.reshape(-1, 3)
    shifts = [np.broadcast_to(axis, atoms.shape).ravel() for axis in np.eye(3)]
    turns = [np.cross(axis, atoms).ravel() for axis in np.eye(3)]
    return np.stack(shifts + turns, axis=1)


def volume_change(coordinates: Any, y: np.ndarray, *, rigid: bool) -> float:
    """ln |det dx/dy| of one configuration from its Jacobian; with rigid motions, or by the Gram determinant."""
    jacobian = np.asarray(jax.jacfwd(lambda at: coordinates.place(at)[0])(jnp.asarray(y)))
    if rigid:
        jacobian = np.concatenate([jacobian, rigid_columns(np.asarray(coordinates.place(jnp.asarray(y))[0]))], axis=1)
    return float(np.linalg.slogdet(jacobian.T @ jacobian)[1] / 2)


@pytest.fixture
def round_trip() -> Callable[..., None]:
    """Return the check of a round trip."""
    return check_round_trip


@pytest.fixture
def jacobian() -> Callable[..., float]:
    """Return the volume change told by automatic differentiation."""
    return volume_change

"""Particles put in order, against the order they were taken out of, and against all orders."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.relabel import OneOrder, nearest_order, nearest_turned_order, told

RNG = np.random.default_rng(8)


def test_a_fluid_is_put_in_the_order_of_the_template() -> None:
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    template = np.concatenate([[[2.2, 2.4], [2.8, 2.6]], grid])
    frames = template + RNG.normal(scale=0.1, size=(20, *template.shape))
    mixed = frames.copy()
    for frame in mixed[1:]:
        frame[2:] = frame[2 + RNG.permutation(36)]
    found = nearest_order(mixed.reshape(20, -1), template.ravel(), range(2, 38), dim=2)
    np.testing.assert_array_equal(found.frames, frames.reshape(20, -1))
    assert found.n_changed == 19
    assert told(found) == ["In 19 of 20 frames particles of one kind were put in another order."]


def test_an_order_is_held_by_its_own_configurations_alone() -> None:
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    order = OneOrder(grid.ravel(), tuple(range(2, 16)), 2)
    own = (grid + RNG.normal(scale=0.05, size=(6, 16, 2))).reshape(6, -1)
    other = own.copy().reshape(6, 16, 2)
    other[:3, [4, 9]] = other[:3, [9, 4]]
    other[3:, [0, 1]] = other[3:, [1, 0]]  # not alike: no other order
    np.testing.assert_array_equal(order.holds(own), np.ones(6, dtype=bool))
    np.testing.assert_array_equal(order.holds(other.reshape(6, -1)), [False] * 3 + [True] * 3)
    np.testing.assert_array_equal(order.given_to(other[:3].reshape(3, -1)).frames, own[:3])


def turned(x: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return x @ np.array([[c, s], [-s, c]])


@pytest.mark.parametrize("mirror", [False, True])
def test_few_particles_come_back_from_any_order_turn_and_mirror(mirror: bool) -> None:
    template = np.array([[0.0, 0.0], [4.0, 0.3], [1.0, 5.0], [6.0, 7.0]])
    for _ in range(20):
        x = template + RNG.normal(scale=0.2, size=template.shape)
        moved = turned(x * [1, -1] if mirror else x, RNG.uniform(0, 6)) + 3.0
        order = RNG.permutation(4)
        found = nearest_turned_order(moved[order].reshape(1, -1), template.ravel(), mirror=mirror)
        expected = moved * [1, -1] if mirror else moved
        np.testing.assert_allclose(found.frames.reshape(4, 2), expected, atol=1e-12)


def test_frames_in_order_are_left_alone() -> None:
    frames = RNG.normal(size=(1, 8)) + RNG.normal(scale=0.01, size=(10, 8))
    found = nearest_turned_order(frames, frames[0])
    np.testing.assert_array_equal(found.frames, frames)
    assert told(found) == []


def test_many_particles_are_not_tried_in_all_orders() -> None:
    with pytest.raises(BadInput, match="too many orders"):
        nearest_turned_order(np.zeros((1, 16)), np.zeros(16))

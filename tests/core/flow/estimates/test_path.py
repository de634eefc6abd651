"""Barriers along paths."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.path import path_energies


def test_a_path_over_the_double_well_has_its_barrier():
    x = np.linspace(-1.7723, 1.6888, 2001)[:, None]
    u = (x**4 - 6 * x**2 + x)[:, 0]
    found = path_energies(x, u)
    assert found.up == pytest.approx(10.7524 + 0.0417, abs=1e-3)
    assert found.back == pytest.approx(7.2893 + 0.0417, abs=1e-3)
    assert x[found.top, 0] == pytest.approx(0.0835, abs=1e-3)
    assert found.length == pytest.approx(1.7723 + 1.6888)
    assert found.largest_step == pytest.approx(found.length / 2000)
    np.testing.assert_allclose(found.along, np.linspace(0, 1, 2001))


def test_lengths_are_root_mean_squares_over_atoms():
    x = np.zeros((3, 4, 3))
    x[1, :, 0], x[2, :, 0] = 1.0, 4.0
    found = path_energies(x, np.array([0.0, 2.0, 1.0]))
    assert found.length == pytest.approx(4.0)
    np.testing.assert_allclose(found.along, [0.0, 0.25, 1.0])


def test_a_clash_on_the_way_is_an_infinite_barrier():
    assert path_energies(np.arange(3.0)[:, None], np.array([0.0, np.inf, 1.0])).up == np.inf


def test_a_path_that_does_not_move_is_one():
    np.testing.assert_allclose(path_energies(np.zeros((3, 2)), np.zeros(3)).along, [0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("x", "u", "message"),
    [
        (np.zeros((1, 3)), np.zeros(1), "1 configuration with 1 energy value make no path"),
        (np.zeros((3, 3)), np.zeros(2), "make no path"),
        (np.zeros((2, 3)), np.array([0.0, np.nan]), "not a number"),
        (np.zeros((2, 3)), np.array([np.inf, 0.0]), "not a number"),
    ],
)
def test_what_is_no_path_is_refused(x, u, message):
    with pytest.raises(BadInput, match=message):
        path_energies(x, u)

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.scattering.engine.gridding import angles, find_design, transform

HKL = np.stack(np.meshgrid(np.arange(-12, 13), np.arange(-9, 10), np.arange(0, 16), indexing="ij"), -1).reshape(-1, 3)


def modes_of(design, positions, strengths) -> np.ndarray:
    spreader = design.spreader(1)
    spreader.setpts(*angles(positions, design.dtype))
    grid = spreader.execute(strengths.astype(design.dtype))
    transform(grid, design.limit, 1)
    return grid.reshape(-1)[design.rows(HKL)] * design.division(HKL)


def points(n: int = 2000):
    rng = np.random.default_rng(4)
    positions, strengths = rng.uniform(-3, 3, (n, 3)), rng.normal(size=n) + 1j * rng.normal(size=n)
    h, k, l = (np.exp(2j * np.pi * np.outer(np.arange(-15, 16), x)) for x in positions.T)
    exact = np.array([(strengths * h[i + 15] * k[j + 15] * l[m + 15]).sum() for i, j, m in HKL])
    return positions, strengths, exact


@pytest.mark.parametrize("wanted", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-9, 1e-11])
def test_error_is_as_foreseen(wanted):
    positions, strengths, exact = points()
    design = find_design(HKL, len(positions), wanted)
    error = np.linalg.norm(modes_of(design, positions, strengths) - exact) / np.linalg.norm(exact)
    assert design.error <= wanted
    assert error < 2 * design.error


def test_dearer_where_more_is_wanted():
    designs = [find_design(HKL, 2000, wanted) for wanted in (1e-2, 1e-4, 1e-8)]
    costs = [design.cost for design in designs]
    assert costs == sorted(costs)
    assert [design.dtype for design in designs] == ["complex64", "complex64", "complex128"]


def test_the_impossible_is_done_as_well_as_can_be():
    assert find_design(HKL, 2000, 1e-20).error < 1e-13


@pytest.mark.parametrize("hkl", [[[0, 0, 0]], [[0, 0, 7]], [[3, 0, 0], [0, 0, -2]], [[150, 1, 1], [-149, 0, 2]]])
def test_flat_and_long_boxes(hkl):
    index = np.array(hkl)
    design = find_design(index, 2000, 1e-5)
    rng = np.random.default_rng(4)
    positions, strengths = rng.uniform(0, 1, (500, 3)), rng.normal(size=500)
    spreader = design.spreader(1)
    spreader.setpts(*angles(positions, design.dtype))
    grid = spreader.execute(strengths.astype(design.dtype))
    transform(grid, design.limit, 1)
    found = grid.reshape(-1)[design.rows(index)] * design.division(index)
    np.testing.assert_allclose(found, np.exp(2j * np.pi * (index @ positions.T)) @ strengths, atol=1e-4 * 500**0.5)


def test_only_the_lines_needed_are_transformed():
    rng = np.random.default_rng(0)
    grid = (rng.normal(size=(40, 45, 48)) + 1j * rng.normal(size=(40, 45, 48))).astype(np.complex64)
    whole = np.fft.ifftn(grid, norm="forward")
    transform(grid, (12, 9, 15), 1)
    places = tuple((HKL % grid.shape).T)
    np.testing.assert_allclose(grid[places], whole[places], atol=1e-3)
    assert not np.allclose(grid, whole, atol=1)

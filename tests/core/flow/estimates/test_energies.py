"""Histograms of energies of a harmonic well in six dimensions: u is gamma distributed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.energies import energy_histograms
from mdweights_core.flow.estimates.reference import reference_frames

RNG = np.random.default_rng(0)
X, FRAMES = 1.2 * RNG.normal(size=(100_000, 6)), RNG.normal(size=(50_000, 6))
U, FRAMES_U = (0.5 * (x**2).sum(axis=1) for x in (X, FRAMES))
LOG_W = -U + U / 1.44


def test_weighted_samples_have_the_energies_of_frames():
    found = energy_histograms(U, LOG_W, FRAMES_U, reference_frames(np.zeros(50_000)))
    for density, scale in ((found.raw, 1.44), (found.weighted, 1.0), (found.reference, 1.0)):
        exact = np.diff(gamma.cdf(found.edges, 3, scale=scale)) / np.diff(found.edges)
        np.testing.assert_allclose(density, exact, atol=0.015)
    assert found.edges[-1] > FRAMES_U.max()


def test_clashes_do_not_stretch_the_axis():
    u = np.append(U, [1e9, np.inf, np.inf])
    found = energy_histograms(u, np.append(LOG_W, [-1e9, -np.inf, -np.inf]))
    assert found.edges[-1] < 40
    assert found.above >= 3 / len(u)
    assert found.reference.size == 0
    assert (found.raw * np.diff(found.edges)).sum() == pytest.approx(1 - found.above)


def test_energies_that_are_all_alike_have_a_histogram():
    found = energy_histograms(np.full(10, 3.0), np.zeros(10))
    assert (found.weighted * np.diff(found.edges)).sum() == pytest.approx(1.0)


def test_samples_without_weight_have_none():
    with pytest.raises(BadInput, match="None of 10 samples has any weight"):
        energy_histograms(np.full(10, np.inf), np.full(10, -np.inf))

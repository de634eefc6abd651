"""Weights as energies, against what Boltzmann says."""

from __future__ import annotations

import numpy as np

from mdweights_core.meaning.pseudo_energy import GAS_CONSTANT, ZERO, pseudo_energy

KT = GAS_CONSTANT * 300.0


def test_energies_of_boltzmann_weights_come_back():
    energy = np.array([0.0, 1.5, 7.0, 20.0])
    prior = np.array([0.1, 0.2, 0.3, 0.4])
    weights = prior * np.exp(-energy / KT)
    found = pseudo_energy(weights, prior, None, 300.0)
    np.testing.assert_allclose(found.energy, energy, atol=1e-12)
    assert np.isnan(found.error).all()
    assert np.isnan(found.bound).all()


def test_errors_are_those_of_shifted_weights():
    weights, error = np.array([0.5, 0.3, 0.2]), np.array([1e-4, np.nan, 2e-5])
    prior = np.full(3, 1 / 3)
    found = pseudo_energy(weights, prior, error, 300.0)
    shifted = pseudo_energy(weights + np.nan_to_num(error), prior, None, 300.0)
    np.testing.assert_allclose(found.error[[0, 2]], (found.energy - shifted.energy)[[0, 2]], rtol=1e-3)
    assert np.isnan(found.error[1])


def test_no_weight_is_an_energy_above_a_bound():
    weights, prior = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.5, 0.25, 0.25, 0.0])
    found = pseudo_energy(weights, prior, np.array([0.1, 0.05, np.nan, 0.1]), 300.0)
    assert np.isinf(found.energy[1:3]).all()
    np.testing.assert_allclose(found.bound[1:3], [-KT * np.log(0.4), -KT * np.log(ZERO)])
    assert np.isnan(found.energy[3])
    assert np.isnan(found.bound[[0, 3]]).all()

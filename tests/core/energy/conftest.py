"""OpenMM's Reference platform, which energies are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openmm
import pytest

from mdweights_core.energy.base import value_and_gradient, values_by_term
from mdweights_core.energy.openmm_system import energy_of, term_names


def compare_with_reference(system: Any, x: np.ndarray, *, at: np.ndarray | None = None) -> None:
    """Compare energies by term, and forces, of a System set up at x and computed at x, or elsewhere."""
    names = term_names(system)
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), platform)
    x, at = np.asarray(x), np.asarray(x if at is None else at)
    context.setPositions(at)
    energy = energy_of(system, x)
    found = values_by_term(energy, at)
    for group, name in enumerate(names):
        if name is not None:
            expected = context.getState(getEnergy=True, groups=1 << group).getPotentialEnergy()._value
            assert found[name] == pytest.approx(expected, rel=1e-10, abs=1e-8), name
    total, gradient = value_and_gradient(energy, at)
    state = context.getState(getEnergy=True, getForces=True)
    forces = np.array(state.getForces(asNumpy=True)._value)
    assert total == pytest.approx(state.getPotentialEnergy()._value, rel=1e-10, abs=1e-8)
    np.testing.assert_allclose(-np.asarray(gradient), forces, rtol=0, atol=1e-9 * np.abs(forces).max())


@pytest.fixture
def reference() -> Callable[..., None]:
    """Return the comparison of a System with OpenMM's Reference platform."""
    return compare_with_reference

"""Energies and forces of OpenMM's Reference platform, at plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm


def forces(system: openmm.System, x: np.ndarray) -> np.ndarray:
    """Forces [3 n_atoms] of OpenMM's Reference platform."""
    return np.array(_state(system, x).getForces(asNumpy=True)._value).reshape(-1)


def potential(system: openmm.System, x: np.ndarray) -> float:
    """Energy in kJ/mol of the same."""
    return float(_state(system, x).getPotentialEnergy()._value)


def _state(system: openmm.System, x: np.ndarray) -> Any:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), platform)
    context.setPositions(np.asarray(x).reshape(-1, 3))
    return context.getState(getEnergy=True, getForces=True)

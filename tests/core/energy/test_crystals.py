"""Crystals from every kind of file, against OpenMM's energy of the same periodic system."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest

from mdweights_core.energy.base import value
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import set_up
from mdweights_core.errors import BadInput

CRYSTAL = EnergySettings(solvent="none", crystal=True, cutoff=0.9)


@pytest.fixture
def amber(shared_data: Path) -> Path:
    """Topology of a crystal of peptides and waters; its `mdXtal.inpcrd` has atoms in one place."""
    return shared_data / "peptide_crystal" / "x6dky.parm7"


def test_a_cell_of_an_amber_topology_has_openmms_energy(amber: Path, reference: Callable[..., None]) -> None:
    with warnings.catch_warnings(action="ignore"):
        frame = mdtraj.load(str(amber.with_name("mdXtal.nc")), top=str(amber), frame=0)
    found = set_up(amber, CRYSTAL, coordinates=amber.with_name("mdXtal.inpcrd"), is_start=False)
    assert found.system.usesPeriodicBoundaryConditions()
    reference(found.system, frame.xyz[0].astype(np.float64))


def test_an_amber_topology_needs_no_positions_where_frames_have_them(amber: Path) -> None:
    found = set_up(amber, CRYSTAL, is_start=False)
    assert found.n_atoms == 2328
    assert np.isnan(found.x).all()
    with pytest.raises(BadInput, match="holds no positions"):
        set_up(amber, CRYSTAL)


def test_an_amber_topology_makes_no_copies(amber: Path) -> None:
    settings = EnergySettings(solvent="none", crystal=True, cutoff=0.9, copies=(2, 1, 1))
    with pytest.raises(BadInput, match="makes no copies"):
        set_up(amber, settings, is_start=False)


def test_a_symmetric_crystal_by_charmm_has_openmms_energy(shared_data: Path) -> None:
    settings = EnergySettings("charmm36", solvent="none", crystal=True, cutoff=0.45, add_hydrogens=True)
    found = set_up(shared_data / "mtz" / "5e5z.pdb", settings, is_start=False)
    assert found.n_atoms == 2 * 94
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(found.system, openmm.VerletIntegrator(1.0), platform)
    context.setPositions(found.x)
    expected = context.getState(getEnergy=True).getPotentialEnergy()._value
    assert float(value(found.energy, found.x)) == pytest.approx(expected, rel=1e-9)

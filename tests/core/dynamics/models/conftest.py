"""N-methylacetamide with its force field, whose parameters are looked at."""

from __future__ import annotations

import io

import openmm
import pytest
from openmm import app
from support import amide

from mdweights_core.dynamics.models.atom_types import atom_types
from mdweights_core.dynamics.models.groups import Described
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import Molecule, set_up


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    """Return the molecule in vacuo with the types of its atoms."""
    path = amide.write_structure(tmp_path_factory.mktemp("amide"))
    settings = EnergySettings(solvent="none")
    molecule = set_up(path, settings)
    return Described(molecule, atom_types(molecule, path, settings))


@pytest.fixture(scope="session")
def molecule(described: Described) -> Molecule:
    """Return the molecule alone."""
    return described.molecule


@pytest.fixture
def system() -> openmm.System:
    """Return OpenMM's System of it, to be changed."""
    topology = app.PDBFile(io.StringIO(amide.PDB)).topology
    return app.ForceField("amber14-all.xml").createSystem(topology)

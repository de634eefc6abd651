"""Peptides in amber14 with OBC2, no cut-off and no constraints, and ten starts for each."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openmm import app, unit

from mdweights_core.energy.base import Energy
from mdweights_core.energy.openmm_system import energy_of

N_STARTS = 10
NOISE = 0.01
"""Standard deviation of what starts of a single structure differ by, nm."""

VILLIN = Path(app.__file__).parent / "data" / "test.pdb"
"""Villin in its box of water, which comes with OpenMM."""

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def structure(name: str) -> Path:
    """A file of the peptides; a test is skipped where these are not."""
    folder = Path(os.environ.get("MDWEIGHTS_SHARED_DATA") or _SHARED) / "peptides"
    if not folder.is_dir():
        pytest.skip(f"the real data is not here: {folder}")
    return folder / name


def without_solvent(path: Path) -> app.Modeller:
    """The protein of a structure in water with ions."""
    file = app.PDBFile(str(path))
    model = app.Modeller(file.topology, file.positions)
    model.delete([residue for residue in model.topology.residues() if residue.name in ("HOH", "Cl")])
    return model


@dataclass(frozen=True, eq=False)
class Peptide:
    """A molecule and conformations of it: x float64 [S, n_atoms, 3], nm."""

    topology: app.Topology
    system: Any
    energy: Energy
    x: np.ndarray


def _positions(frame: Any) -> np.ndarray:
    return np.array(frame.value_in_unit(unit.nanometer), dtype=np.float64)


def _peptide(topology: app.Topology, x: np.ndarray) -> Peptide:
    field = app.ForceField("amber14-all.xml", "implicit/obc2.xml")
    system = field.createSystem(topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False)
    return Peptide(topology, system, energy_of(system, x[0]), x)


def _models(name: str) -> Peptide:
    """Models of an NMR structure, evenly spread."""
    file = app.PDBFile(str(structure(name)))
    every = np.linspace(0, file.getNumFrames() - 1, N_STARTS).astype(int)
    return _peptide(file.topology, np.stack([_positions(file.getPositions(True, int(i))) for i in every]))


def _with_noise(x: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=NOISE, size=(N_STARTS, *x.shape))
    return x + noise


def _crystal_structure(name: str) -> Peptide:
    """A structure without hydrogens or with few, in ten versions."""
    file = app.PDBFile(str(structure(name)))
    model = app.Modeller(file.topology, file.positions)
    model.deleteWater()
    random.seed(0)  # where OpenMM puts hydrogens first
    model.addHydrogens(app.ForceField("amber14-all.xml", "implicit/obc2.xml"))
    return _peptide(model.topology, _with_noise(_positions(model.positions)))


def _villin() -> Peptide:
    """Villin without its water, in ten versions."""
    model = without_solvent(VILLIN)
    return _peptide(model.topology, _with_noise(_positions(model.positions)))


def _frame(name: str) -> Peptide:
    file = app.PDBFile(str(structure(name)))
    return _peptide(file.topology, _with_noise(_positions(file.getPositions(True))))


_CASES: dict[str, Callable[[], Peptide]] = {
    "1PLW": lambda: _models("1PLW.pdb"),
    "5AWL": lambda: _crystal_structure("5AWL.pdb"),
    "2JOF": lambda: _models("2JOF.pdb"),
    "2JOF unfolded": lambda: _frame("fold_2JOF-T1000-steps20000.pdb"),
    "2WXC": lambda: _models("2WXC.pdb"),
    "villin": _villin,
}
NAMES = tuple(_CASES)


@cache
def peptide(name: str) -> Peptide:
    """One of `NAMES`."""
    return _CASES[name]()

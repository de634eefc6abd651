"""A molecule in a cell, and its bulk solvent."""

from __future__ import annotations

import gemmi
import numpy as np

from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.solvent import BulkSolvent
from mdweights_core.scattering.engine.structure_factors import fractional

P1 = gemmi.SpaceGroup("P 1")
CELL = gemmi.UnitCell(22.0, 25.0, 28.0, 85.0, 100.0, 95.0)


def chain(n_atoms: int = 60, seed: int = 3) -> tuple[np.ndarray, Scatterers]:
    """A string of atoms through the middle of the cell, fractional."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 1.5, (n_atoms, 3)), axis=0)
    elements = rng.choice(["C", "N", "O", "S"], n_atoms)
    return fractional(walk - walk.mean(axis=0), CELL) + 0.5, Scatterers.alike(elements)


def solvent_of(scatterers, lattice, k_sol=1.0, b_sol=0.0, repeats=(1, 1, 1), **options) -> BulkSolvent:
    return BulkSolvent(scatterers, lattice, k_sol=k_sol, b_sol=b_sol, repeats=repeats, **options)

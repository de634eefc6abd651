"""Waters and single ions of a structure: which they are, what models them, and the structure without them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.io.frames.atoms import SOLVENT, WATER


def is_water(residue: Any) -> bool:
    """Tell whether a residue is a water, by its name."""
    return residue.name in WATER


def is_ion(residue: Any) -> bool:
    """Tell whether a residue is an ion of a single atom, by its name and that it has no other atom."""
    return residue.name in SOLVENT - WATER and len(list(residue.atoms())) == 1


def of_water(topology: Any) -> list[Any]:
    """Waters and single ions of a topology."""
    return [residue for residue in topology.residues() if is_water(residue) or is_ion(residue)]


def counted_water(residues: list[Any]) -> str:
    """How many waters and ions these are, in words."""
    n_waters = sum(map(is_water, residues))
    numbers = ((n_waters, "water"), (len(residues) - n_waters, "ion"))
    return " and ".join(counted(n, what) for n, what in numbers if n)


def without_water(topology: Any, x: np.ndarray) -> tuple[Any, np.ndarray, list[str]]:
    """Topology and positions [n, 3] in nm without waters and single ions, and a sentence on how many these were."""
    from openmm import app, unit

    gone = of_water(topology)
    if not gone:
        return topology, x, []
    modeller = app.Modeller(topology, x * unit.nanometer)
    modeller.delete(gone)
    kept = np.array(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64).reshape(-1, 3)
    return modeller.topology, kept, [f"{counted_water(gone)} {'was' if len(gone) == 1 else 'were'} left out."]

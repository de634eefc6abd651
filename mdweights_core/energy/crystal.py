"""A unit cell, or some, filled with the molecules that its space group makes from those of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.energy.structure_checks import box_of, close_pairs, residue_name
from mdweights_core.energy.water import counted_water, is_ion, is_water
from mdweights_core.errors import BadInput

_NO_TWO = 0.15  # nm: waters or ions closer than that are one, disordered about an axis


def fill_cell(
    path: Path, topology: Any, x: np.ndarray, copies: tuple[int, int, int] = (1, 1, 1)
) -> tuple[Any, np.ndarray, list[str]]:
    """Topology and positions in nm of all molecules of unit cells, the box of all of them, and what is unusual.

    Waters and ions on an axis of symmetry, which are their own symmetry mates, are there once.

    Parameters
    ----------
    path : path
        PDB or mmCIF file with unit cell and space group.
    topology : openmm.app.Topology
        Of the atoms of the asymmetric unit.
    x : float64 [n, 3]
        Their positions in nm.
    copies : (int, int, int)
        How many unit cells along each axis.

    Raises
    ------
    BadInput
        Where the file tells no unit cell or space group.
    """
    from openmm import app, unit
    from openmm.app.internal.unitcell import computePeriodicBoxVectors

    cell, operations = _symmetry(path)
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    for image in images(x * 10, cell, operations, copies):
        modeller.add(topology, image / 10 * unit.nanometer)
    edges = [length / 10 * n for length, n in zip((cell.a, cell.b, cell.c), copies, strict=True)]
    angles = np.radians([cell.alpha, cell.beta, cell.gamma])
    modeller.topology.setPeriodicBoxVectors(computePeriodicBoxVectors(*edges, *angles))
    said = _leave_once(modeller)
    return modeller.topology, _positions(modeller), said


def _leave_once(modeller: Any) -> list[str]:
    """Take waters and ions away that lie where a mate of theirs does, and say how many these were."""
    atoms = [atom for atom in modeller.topology.atoms() if atom.element is not None and atom.element.symbol != "H"]
    x = _positions(modeller)[[atom.index for atom in atoms]]
    pairs, _ = close_pairs(x, box_of(modeller.topology), _NO_TWO)
    both = [(atoms[i].residue, atoms[j].residue) for i, j in pairs]
    mates = {
        b: None for a, b in both if a is not b and (is_water(b) or is_ion(b)) and residue_name(a) == residue_name(b)
    }
    if not mates:
        return []
    modeller.delete(list(mates))
    verb = "was" if len(mates) == 1 else "were"
    return [f"{counted_water(list(mates))} {verb} left out, which are on an axis of symmetry where their mates are."]


def _positions(modeller: Any) -> np.ndarray:
    from openmm import unit

    return np.array(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64).reshape(-1, 3)


def images(
    x: np.ndarray, cell: gemmi.UnitCell, operations: gemmi.GroupOps, copies: tuple[int, int, int] = (1, 1, 1)
) -> list[np.ndarray]:
    """Positions [n, 3] in Å of each molecule of unit cells, as a whole, with its middle in its cell."""
    to_fractional, to_cartesian = (np.array(m.mat.tolist()) for m in (cell.frac, cell.orth))
    fractional = x @ to_fractional.T
    found = []
    for operation in operations:
        rotation = np.array(operation.rot) / gemmi.Op.DEN
        image = fractional @ rotation.T + np.array(operation.tran) / gemmi.Op.DEN
        image -= np.floor(image.mean(axis=0))
        found += [(image + shift) @ to_cartesian.T for shift in np.ndindex(copies)]
    return found


def _symmetry(path: Path) -> tuple[gemmi.UnitCell, gemmi.GroupOps]:
    structure = gemmi.read_structure(str(path))
    group = gemmi.find_spacegroup_by_name(structure.spacegroup_hm, structure.cell.alpha, structure.cell.gamma)
    if not structure.cell.is_crystal() or group is None:
        raise BadInput(
            "The file tells no unit cell and space group",
            where=path,
            advice="Give a file with a CRYST1 record, or compute the molecule alone",
        )
    return structure.cell, group.operations()

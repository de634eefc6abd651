"""What a force field calls the atoms of a structure: CT, HC, protein-CX..."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import Molecule

_WIDTH = 4  # letters of a name in an AMBER topology


def atom_types(molecule: Molecule, path: str | Path, settings: EnergySettings) -> np.ndarray:
    """Types of the atoms of a molecule that was set up from a file: str [n_atoms].

    Those of the AMBER topology, or of the templates of the force field (without the name of a library in front, as of
    protein-CX); atom names for an OpenMM System, which knows no types.
    """
    path = Path(path)
    names = [atom.name for atom in molecule.topology.atoms()]
    if path.suffix.lower() in (".prmtop", ".parm7"):
        found = _of_amber(path)
        return np.array(found if len(found) == len(names) else names)
    return np.array(names if path.suffix.lower() == ".xml" else _of_templates(molecule.topology, settings))


def _of_amber(path: Path) -> list[str]:
    """The section AMBER_ATOM_TYPE of a topology."""
    found: list[str] = []
    is_inside = False
    for line in path.read_text().splitlines():
        if line.startswith("%FLAG"):
            is_inside = line.split()[1:] == ["AMBER_ATOM_TYPE"]
        elif is_inside and not line.startswith("%"):
            found += [line[at : at + _WIDTH].strip() for at in range(0, len(line), _WIDTH)]
    return [name for name in found if name]


class _Listener:
    """A part of a force field that makes no force, and keeps what types atoms have been given."""

    def __init__(self) -> None:
        self.types: dict[Any, str] = {}

    def createForce(self, system: Any, data: Any, method: Any, cutoff: Any, args: Any) -> None:  # noqa: N802 - OpenMM's
        """Keep the types."""
        self.types = dict(data.atomType)


def _of_templates(topology: Any, settings: EnergySettings) -> list[str]:
    """What the templates of the force field say, residue by residue."""
    from openmm import app

    water = settings.water_model
    field, listener = app.ForceField(*settings.files, *(() if water is None else (water.file,))), _Listener()
    field.registerGenerator(listener)
    field.createSystem(topology, nonbondedMethod=app.NoCutoff)
    classes = getattr(field, "_atomTypes", {})
    types = [listener.types[atom] for atom in topology.atoms()]
    return [_short(getattr(classes.get(kind), "atomClass", kind)) for kind in types]


def _short(name: str) -> str:
    return name.rsplit("-", 1)[-1]

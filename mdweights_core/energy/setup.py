"""From a structure file and the names of a force field to a molecule with its energy, or a sentence that says why not.

Structures are PDB or mmCIF files; AMBER's prmtop with its coordinates, and an OpenMM System (XML) with a PDB file,
bring their parameters along.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.energy.base import Energy, value_and_gradient, values_by_term
from mdweights_core.energy.crystal import fill_cell
from mdweights_core.energy.openmm_system import RIGID, energy_of, fixed_atoms, rigid_bonds
from mdweights_core.energy.openmm_values import plain
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.structure_checks import refuse_impossible_positions, remarks_on
from mdweights_core.energy.templates import make_system, repaired, with_hydrogens
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.files import require_file

PARAMETERS = {".prmtop": "AMBER topology", ".parm7": "AMBER topology", ".xml": "OpenMM System"}
STRUCTURES = (".pdb", ".ent", ".cif", ".mmcif", ".pdbx")
_OF_READERS = (KeyError, IndexError, TypeError, AttributeError)  # what OpenMM's raise on files of another kind
COORDINATES = (".inpcrd", ".rst7", ".rst", ".crd", ".restrt")


@dataclass(frozen=True)
class Molecule:
    """A structure with its energy.

    Attributes
    ----------
    topology : openmm.app.Topology
    x : float64 [n_atoms, 3]
        Positions in nm.
    system : openmm.System
        What the energy was made from.
    energy : Energy
    fixed : int [m]
        Atoms that the system holds in place.
    remarks : tuple of str
        What is unusual, in sentences.
    """

    topology: Any
    x: np.ndarray
    system: Any
    energy: Energy
    fixed: np.ndarray
    remarks: tuple[str, ...] = ()

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.x)

    @property
    def masses(self) -> np.ndarray:
        """Masses [n_atoms] in dalton."""
        return np.array([plain(self.system.getParticleMass(i)) for i in range(self.n_atoms)])


def set_up(
    path: str | Path, settings: EnergySettings | None = None, *, coordinates: str | Path | None = None
) -> Molecule:
    """Read a structure and make its energy.

    Parameters
    ----------
    path : path
        A structure (PDB, mmCIF), or a file with parameters (prmtop, System XML), which needs `coordinates`.
    settings : EnergySettings
        Force field and solvent are not asked for where the file brings its parameters along.
    coordinates : path, optional
        inpcrd, rst7 or PDB for a prmtop; PDB or mmCIF for a System.

    Raises
    ------
    BadInput
        For what cannot be read or has no finite energy: missing hydrogens, residues that the force field does not
        know, atoms on top of one another...
    """
    settings = settings or EnergySettings()
    settings.check()
    path = require_file(path)
    with _told_of(path):
        topology, x, system, said = _parts(path, settings, coordinates)
        refuse_impossible_positions(topology, x)
        energy = energy_of(system, x)
        _refuse_infinite(energy, x)
    said += remarks_on(topology, x)
    rigid = rigid_bonds(system)
    if len(rigid.atoms):
        said.append(
            f"The system keeps {counted(len(rigid.atoms), 'distance')} fixed; "
            f"here springs of {RIGID:g} kJ/mol/nm² hold them near their lengths."
        )
    return Molecule(topology, x, system, energy, fixed_atoms(system), tuple(said))


def _parts(
    path: Path, settings: EnergySettings, coordinates: str | Path | None
) -> tuple[Any, np.ndarray, Any, list[str]]:
    """Topology, positions in nm, System and remarks."""
    suffix = path.suffix.lower()
    if suffix in STRUCTURES:
        return _from_structure(path, settings)
    if suffix not in PARAMETERS:
        raise BadInput(
            f"'{path.suffix}' is no kind of structure that can be read here",
            advice=f"Possible are {', '.join((*STRUCTURES, *PARAMETERS))}",
        )
    if coordinates is None:
        raise BadInput(f"The {PARAMETERS[suffix]} holds no positions", advice="Give a file with coordinates, too")
    other = require_file(coordinates)
    return _from_system(path, other, settings) if suffix == ".xml" else _from_amber(path, other, settings)


def _from_structure(path: Path, settings: EnergySettings) -> tuple[Any, np.ndarray, Any, list[str]]:
    topology, x = read_structure(path, settings.model)
    said: list[str] = []
    field = _force_field(settings)
    if settings.repair:
        topology, x, done = repaired(field, topology, x, settings.ph)
        said += done
    if settings.add_hydrogens:
        topology, x, n = with_hydrogens(field, topology, x, settings.ph)
        said += [f"{counted(n, 'hydrogen')} were added at pH {settings.ph:g}."] if n else []
    refuse_impossible_positions(topology, x)
    if settings.crystal:
        topology, x = fill_cell(path, topology, x, settings.copies)
    return topology, x, make_system(field, topology, may_add=not settings.add_hydrogens, **_method(settings)), said


def _from_amber(path: Path, other: Path, settings: EnergySettings) -> tuple[Any, np.ndarray, Any, list[str]]:
    from openmm import app

    with _told_of(path, *_OF_READERS):
        parameters = app.AmberPrmtopFile(str(path))
    if other.suffix.lower() in COORDINATES:
        with _told_of(other, *_OF_READERS):
            x = _in_nm(app.AmberInpcrdFile(str(other)).positions)
    else:
        _, x = read_structure(other, settings.model)
    solvents = {"none": None, "hct": app.HCT, "obc1": app.OBC1, "obc2": app.OBC2, "gbn": app.GBn, "gbn2": app.GBn2}
    _refuse_other_number(len(x), parameters.topology.getNumAtoms(), other)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        system = parameters.createSystem(
            constraints=None, rigidWater=False, implicitSolvent=solvents[settings.solvent], **_method(settings)
        )
    return parameters.topology, x, system, [f"OpenMM warns: {warning.message}." for warning in told]


def _from_system(path: Path, other: Path, settings: EnergySettings) -> tuple[Any, np.ndarray, Any, list[str]]:
    from openmm import System, XmlSerializer

    system = XmlSerializer.deserialize(path.read_text())
    if not isinstance(system, System):
        raise BadInput(
            "The file holds no OpenMM System", advice="Write one with openmm.XmlSerializer.serialize(system)"
        )
    topology, x = read_structure(other, settings.model)
    _refuse_other_number(len(x), system.getNumParticles(), other)
    return topology, x, system, []


def read_structure(path: str | Path, model: int = 1) -> tuple[Any, np.ndarray]:
    """Topology and positions [n, 3] in nm of one model (from 1 on) of a PDB or mmCIF file."""
    from openmm import app

    path = require_file(path)
    reader = app.PDBxFile if path.suffix.lower() in (".cif", ".mmcif", ".pdbx") else app.PDBFile
    with _told_of(path, *_OF_READERS):
        found = reader(str(path))
        if found.topology.getNumAtoms() == 0:
            raise BadInput("The file holds no atoms", advice="Give a PDB or mmCIF file of a structure")
        if model > found.getNumFrames():
            raise BadInput(f"There is no model {model}: the file holds {found.getNumFrames()}")
        return found.topology, _in_nm(found.getPositions(frame=model - 1))


def _force_field(settings: EnergySettings) -> Any:
    from openmm import app

    return app.ForceField(*settings.files)


def _method(settings: EnergySettings) -> dict[str, Any]:
    """Return how OpenMM is to treat pairs."""
    from openmm import app, unit

    if settings.cutoff is None:
        return {"nonbondedMethod": app.NoCutoff}
    method = app.CutoffPeriodic if settings.crystal else app.CutoffNonPeriodic
    return {"nonbondedMethod": method, "nonbondedCutoff": settings.cutoff * unit.nanometer}


def _in_nm(positions: Any) -> np.ndarray:
    from openmm import unit

    return np.array(positions.value_in_unit(unit.nanometer), dtype=np.float64).reshape(-1, 3)


def _refuse_other_number(n: int, expected: int, path: Path) -> None:
    if n != expected:
        raise BadInput(
            f"The file holds {counted(n, 'atom')}, the parameters are of {expected}",
            where=path,
            advice="Give the coordinates that the parameters were made for",
        )


def _refuse_infinite(energy: Energy, x: np.ndarray) -> None:
    total, gradient = value_and_gradient(energy, x)
    if np.isfinite(total) and np.isfinite(gradient).all():
        return
    terms = [name for name, found in values_by_term(energy, x).items() if not np.isfinite(found)]
    raise BadInput(
        f"The energy of the structure, or a force, is not finite ({', '.join(terms) or 'forces'})",
        advice="Look for atoms in one place, or move the structure near the origin",
    )


@contextmanager
def _told_of(path: Path, *also: type[Exception]) -> Iterator[None]:
    """Turn what OpenMM raises into a sentence about a file, and name the file in sentences that name none."""
    from openmm import OpenMMException

    try:
        yield
    except BadInput as error:
        if error.where is not None:
            raise
        raise BadInput(error.what, where=path, advice=error.advice) from error
    except (OpenMMException, ValueError, OSError, *also) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise BadInput(f"OpenMM cannot use the file: {reason}", where=path) from error

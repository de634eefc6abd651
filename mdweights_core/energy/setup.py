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
from mdweights_core.energy.templates import is_known, make_system, repaired, with_hydrogens
from mdweights_core.energy.water import counted_water, of_water, without_water
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
        Positions in nm; NaN where none were asked for.
    system : openmm.System
        What the energy was made from.
    energy : Energy
    fixed : int [m]
        Atoms that the system holds in place.
    remarks : tuple of str
        What is unusual, in sentences.
    changes : tuple of str
        What its energy has that the force field has not: names of terms, and values of parameters.
    """

    topology: Any
    x: np.ndarray
    system: Any
    energy: Energy
    fixed: np.ndarray
    remarks: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.x)

    @property
    def masses(self) -> np.ndarray:
        """Masses [n_atoms] in dalton."""
        return np.array([plain(self.system.getParticleMass(i)) for i in range(self.n_atoms)])


def set_up(
    path: str | Path,
    settings: EnergySettings | None = None,
    *,
    coordinates: str | Path | None = None,
    is_start: bool = True,
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
    is_start : bool
        False where positions come from elsewhere: those of the structure may be impossible, and a prmtop needs none.

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
        topology, x, system, said = _parts(path, settings, coordinates, is_start=is_start)
        if is_start:
            refuse_impossible_positions(topology, x, is_crystal=settings.crystal)
        energy = energy_of(system, x if np.isfinite(x).all() else None)
        if is_start:
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
    path: Path, settings: EnergySettings, coordinates: str | Path | None, *, is_start: bool
) -> tuple[Any, np.ndarray, Any, list[str]]:
    """Topology, positions in nm, System and remarks."""
    suffix = path.suffix.lower()
    if suffix in STRUCTURES:
        return _from_structure(path, settings, is_start=is_start)
    if suffix not in PARAMETERS:
        raise BadInput(
            f"'{path.suffix}' is no kind of structure that can be read here",
            advice=f"Possible are {', '.join((*STRUCTURES, *PARAMETERS))}",
        )
    if coordinates is None and (is_start or suffix == ".xml"):
        raise BadInput(f"The {PARAMETERS[suffix]} holds no positions", advice="Give a file with coordinates, too")
    other = None if coordinates is None else require_file(coordinates)
    if suffix != ".xml":
        return _from_amber(path, other, settings)
    assert other is not None
    return _from_system(path, other, settings)


def _from_structure(path: Path, settings: EnergySettings, *, is_start: bool) -> tuple[Any, np.ndarray, Any, list[str]]:
    topology, x = read_structure(path, settings.model)
    said: list[str] = []
    if settings.drop_water:
        topology, x, said = without_water(topology, x)
    field, modelled = _force_field(settings, topology)
    said += modelled
    if settings.repair:
        topology, x, done = repaired(field, topology, x, settings.ph)
        said += done
    if settings.add_hydrogens:
        topology, x, n = with_hydrogens(field, topology, x, settings.ph)
        said += [f"{counted(n, 'hydrogen')} were added at pH {settings.ph:g}."] if n else []
    if is_start or settings.crystal:
        refuse_impossible_positions(topology, x)
    if settings.crystal:
        topology, x, once = fill_cell(path, topology, x, settings.copies)
        said += once
    system = make_system(field, topology, may_add=not settings.add_hydrogens, **_method(settings))
    return topology, x, system, said


def _from_amber(path: Path, other: Path | None, settings: EnergySettings) -> tuple[Any, np.ndarray, Any, list[str]]:
    from openmm import app

    with _told_of(path, *_OF_READERS):
        parameters = app.AmberPrmtopFile(str(path))
    n_atoms = parameters.topology.getNumAtoms()
    x = np.full((n_atoms, 3), np.nan)
    if other is not None:
        x, box = _amber_coordinates(other, settings.model)
        _refuse_other_number(len(x), n_atoms, other)
        if box is not None:
            parameters = app.AmberPrmtopFile(str(path), periodicBoxVectors=box)
    _refuse_no_crystal(parameters.topology, settings)
    solvents = {"none": None, "hct": app.HCT, "obc1": app.OBC1, "obc2": app.OBC2, "gbn": app.GBn, "gbn2": app.GBn2}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        system = parameters.createSystem(
            constraints=None, rigidWater=False, implicitSolvent=solvents[settings.solvent], **_method(settings)
        )
    return parameters.topology, x, system, [f"OpenMM warns: {warning.message}." for warning in told]


def _amber_coordinates(path: Path, model: int) -> tuple[np.ndarray, Any]:
    """Positions [n, 3] in nm, and box vectors where an AMBER file tells them."""
    from openmm import app

    if path.suffix.lower() not in COORDINATES:
        return read_structure(path, model)[1], None
    with _told_of(path, *_OF_READERS):
        found = app.AmberInpcrdFile(str(path))
        return _in_nm(found.positions), found.boxVectors


def _refuse_no_crystal(topology: Any, settings: EnergySettings) -> None:
    """Refuse a crystal of parameters that are not those of a cell, or of more cells than they are of."""
    if not settings.crystal:
        return
    if topology.getPeriodicBoxVectors() is None:
        raise BadInput("The AMBER topology tells no unit cell", advice="Give coordinates with a box (inpcrd, rst7)")
    if settings.copies != (1, 1, 1):
        raise BadInput(
            "An AMBER topology is of the cell as it is, and makes no copies of it",
            advice="Choose 1 cell along each axis, or give a PDB or mmCIF file",
        )


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


def read_reference(path: str | Path, molecule: Molecule) -> np.ndarray:
    """Positions [n_atoms, 3] in nm of a structure that a molecule is compared with.

    Raises
    ------
    BadInput
        When it is of other atoms.
    """
    topology, x = read_structure(path)
    theirs, ours = ([atom.element for atom in it.atoms()] for it in (topology, molecule.topology))
    if len(theirs) != len(ours):
        raise BadInput(
            f"The reference has {counted(len(theirs), 'atom')}, the structure {len(ours)}",
            where=Path(path),
            advice="Give a structure of the same atoms, with its hydrogens",
        )
    if theirs != ours:
        first = next(i for i, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] is not pair[1])
        raise BadInput(
            f"Atom {first + 1} of the reference is another than that of the structure",
            where=Path(path),
            advice="Give a structure of the same atoms in the same order",
        )
    return x


def _force_field(settings: EnergySettings, topology: Any) -> tuple[Any, list[str]]:
    """The force field, with a model of water and ions where the structure has some that it does not know."""
    field, model = _loaded(settings.files, settings), settings.water_model
    unknown = [residue for residue in of_water(topology) if not is_known(field, residue)]
    if not unknown or model is None:
        return field, []
    said = [f"The water model {model.name} ({model.file}) is used for {counted_water(unknown)}."]
    if settings.solvent != "none":
        said.append(
            "An implicit solvent stands for the water round a molecule: leave the waters of the structure out, unless "
            "they are part of it."
        )
    return _loaded((*settings.files, model.file), settings), said


def _loaded(files: tuple[str, ...], settings: EnergySettings) -> Any:
    from openmm import app

    try:
        return app.ForceField(*files)
    except Exception as error:  # OpenMM raises just that for what it cannot parse
        reason = " ".join(str(error).split())[:300]
        raise BadInput(
            f"The force field cannot be read: {reason}",
            where=Path(settings.force_field),
            advice="Look at the files, and that no two of them tell of the same residues",
        ) from error


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
    except also as error:
        raise BadInput(
            f"The file cannot be read: it is damaged, or no {path.suffix} file despite its name",
            where=path,
            advice="Copy or make it again",
        ) from error
    except (OpenMMException, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise BadInput(f"OpenMM cannot use the file: {reason}", where=path) from error

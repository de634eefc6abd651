"""Residues and the templates of a force field: what is missing, in sentences, and repaired where that is wanted."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mdweights_core.energy.structure_checks import residue_name
from mdweights_core.energy.water import is_ion, is_water
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.quiet import quiet

_VARIANTS = {"HIS": ("HID", "HIE", "HIP", "HSD", "HSE", "HSP", "HIS")}  # residues whose protons force fields tell apart

_SEED = 1  # 0 has OpenMM choose one
_IN_ORDER = {"DeterministicForces": "true", "Threads": "1"}  # sums of forces come out the same


def make_system(field: Any, topology: Any, *, may_add: bool, **method: Any) -> Any:
    """System of a topology by a force field, without constraints.

    Parameters
    ----------
    field : openmm.app.ForceField
    topology : openmm.app.Topology
    may_add : bool
        Whether to add hydrogens is still to be tried.
    **method
        How pairs are treated, as OpenMM's createSystem takes it.

    Raises
    ------
    BadInput
        For residues that no template fits, by what they lack.
    """
    try:
        return field.createSystem(
            topology, constraints=None, rigidWater=False, residueTemplates=_named_ions(field, topology), **method
        )
    except ValueError as error:
        _refuse_unmatched(field, topology, str(error), may_add=may_add)
        raise


def _refuse_unmatched(field: Any, topology: Any, said: str, *, may_add: bool) -> None:
    """Refuse residues that no template fits: unknown ones, or the one that OpenMM names."""
    place = re.search(r"No template found for residue (\d+)", said)
    if place is None:
        return
    residues = list(topology.residues())
    unknown = [residue for residue in residues if not is_known(field, residue)]
    first, *rest = unknown or [residues[int(place[1])]]
    named = residue_name(first) + (f" and {counted(len(rest), 'other residue')}" if rest else "")
    if unknown:
        raise BadInput(
            f"The force field knows no residue {first.name}: {named}",
            advice="Let the structure be repaired, leave these residues out, or add a force-field file that knows them",
        )
    if may_add and _lacks_hydrogens(field, first):
        raise BadInput(f"Hydrogens are missing in {named}", advice="Let hydrogens be added")
    raise BadInput(
        f"Atoms are missing or have other names than in the force field in {named}",
        advice="Let the structure be repaired (PDBFixer adds missing atoms)",
    )


def _named_ions(field: Any, topology: Any) -> dict[Any, str]:
    """Templates of ions by their names: an element may have several, of different charges (FE and FE2)."""
    return {
        residue: residue.name for residue in topology.residues() if residue.name in field._templates and is_ion(residue)
    }


def is_known(field: Any, residue: Any) -> bool:
    """Tell whether a force field has a template that may be a residue's."""
    return bool(_template_names(field, residue))


def _template_names(field: Any, residue: Any) -> list[str]:
    """Names of templates that may fit a residue: inside a chain, and at its ends; of water and ions by elements."""
    if is_water(residue):
        return _made_of(field, ["H", "H", "O"])
    if is_ion(residue):
        return _made_of(field, [atom.element.symbol for atom in residue.atoms() if atom.element is not None])
    names = _VARIANTS.get(residue.name, (residue.name,))
    return [end + name for name in names for end in ("", "N", "C") if end + name in field._templates]


def _made_of(field: Any, elements: list[str]) -> list[str]:
    """Names of templates of just these elements, which are in alphabetical order."""
    return [
        name
        for name, template in field._templates.items()
        if len(template.atoms) == len(elements)
        and elements == sorted(atom.element.symbol for atom in template.atoms if atom.element is not None)
    ]


def _lacks_hydrogens(field: Any, residue: Any) -> bool:
    """Tell whether a residue has all heavy atoms of its template but too few hydrogens."""
    from openmm.app import element

    ours = [atom.element for atom in residue.atoms()]
    n_heavy = sum(kind is not element.hydrogen for kind in ours)
    for name in _template_names(field, residue):
        kinds = [atom.element for atom in field._templates[name].atoms]
        heavy = sum(kind is not element.hydrogen for kind in kinds)
        if n_heavy == heavy and len(ours) < len(kinds):
            return True
    return False


def with_hydrogens(field: Any, topology: Any, x: np.ndarray, ph: float) -> tuple[Any, np.ndarray, int]:
    """Topology and positions with the hydrogens that are missing at a pH, and how many these are.

    Raises
    ------
    BadInput
        Where a residue lacks other atoms, too, or is not known.
    """
    from openmm import Platform, app, unit

    modeller = app.Modeller(topology, x * unit.nanometer)
    ions, platform = _named_ions(field, topology), Platform.getPlatformByName("CPU")
    try:
        with _repeatable():
            modeller.addHydrogens(field, pH=ph, platform=platform, residueTemplates=ions)
    except ValueError as error:
        _refuse_unmatched(field, modeller.topology, str(error), may_add=False)
        raise BadInput(f"Hydrogens cannot be added: {' '.join(str(error).split())}") from error
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64)
    return modeller.topology, positions, len(positions) - len(x)


@contextmanager
def _repeatable() -> Iterator[None]:
    """Let atoms that are added lie in the same place every time, so that a run can be gone on with."""
    from openmm import Platform

    cpu, before = Platform.getPlatformByName("CPU"), random.getstate()
    usual = {name: cpu.getPropertyDefaultValue(name) for name in _IN_ORDER}
    random.seed(_SEED)  # what OpenMM draws first places from
    try:
        for name, value in _IN_ORDER.items():
            cpu.setPropertyDefaultValue(name, value)
        yield
    finally:
        random.setstate(before)
        for name, value in usual.items():
            cpu.setPropertyDefaultValue(name, value)


def repaired(field: Any, topology: Any, x: np.ndarray, ph: float) -> tuple[Any, np.ndarray, list[str]]:
    """Topology and positions without what a force field does not know, as PDBFixer repairs them; what was done."""
    from openmm import app, unit
    from pdbfixer import PDBFixer

    text = io.StringIO()
    app.PDBFile.writeFile(topology, x * unit.nanometer, text, keepIds=True)
    text.seek(0)
    with quiet(), _repeatable():
        fixer = PDBFixer(pdbfile=text)
        fixer.missingResidues = {}  # to invent whole loops is not repairing
        fixer.findNonstandardResidues()
        fixer.replaceNonstandardResidues()
        others = [residue for residue in fixer.topology.residues() if not is_known(field, residue)]
        n_removed = sum(1 for residue in others for _ in residue.atoms())
        modeller = app.Modeller(fixer.topology, fixer.positions)
        modeller.delete(others)
        fixer.topology, fixer.positions = modeller.topology, modeller.positions
        fixer.findMissingAtoms()
        n_missing = sum(map(len, (*fixer.missingAtoms.values(), *fixer.missingTerminals.values())))
        fixer.addMissingAtoms(seed=_SEED)
        n_heavy = fixer.topology.getNumAtoms()
        fixer.addMissingHydrogens(ph)
    n_hydrogens = fixer.topology.getNumAtoms() - n_heavy
    done = (
        (len(fixer.nonstandardResidues), "unusual residue", "", "replaced"),
        (n_removed, "atom", " of other molecules", "left out"),
        (n_missing, "missing atom", "", "added"),
        (n_hydrogens, "hydrogen", "", "added"),
    )
    said = [f"{counted(n, what)}{of} {'was' if n == 1 else 'were'} {how}." for n, what, of, how in done if n]
    return fixer.topology, np.array(fixer.positions.value_in_unit(unit.nanometer), dtype=np.float64), said

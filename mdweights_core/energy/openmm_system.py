"""Any OpenMM System as an energy of its own: forces are looked up by what they are, never by their place.

Forces that cannot be computed here are refused by name. OpenMM's parameters are taken over exactly; constants are those
of its Reference platform.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.base import Energy, Term
from mdweights_core.energy.bonded import HarmonicAngles, HarmonicBonds, PeriodicTorsions, RyckaertBellemansTorsions
from mdweights_core.energy.openmm_custom import born_model, external, generalised_born, internal, nonbonded_expression
from mdweights_core.energy.openmm_nonbonded import nonbonded
from mdweights_core.energy.openmm_values import Surroundings, box_of, plain, rows
from mdweights_core.energy.torsion_maps import TorsionMaps, bicubic
from mdweights_core.errors import BadInput, counted

RIGID = 5e5  # kJ/mol/nm^2: springs instead of constraints, about as strong as bonds to hydrogen

_IGNORED = {"CMMotionRemover", "MonteCarloBarostat", "MonteCarloAnisotropicBarostat", "AndersenThermostat"}


def energy_of(system: Any, x: np.ndarray | None = None) -> Energy:
    """Energy of an OpenMM System, term by term.

    Constraints become strong springs ("rigid bonds"), which add nothing where they are fulfilled.

    Parameters
    ----------
    system : openmm.System
    x : float64 [n_atoms, 3], optional
        Positions in nm about which atoms are sorted into blocks: with a cut-off, sums are fast near them. Without,
        neighbours in the list of atoms are taken for neighbours in space.

    Raises
    ------
    BadInput
        For virtual sites, and for a force (or an option of one) that cannot be computed here, by its name.
    """
    n = system.getNumParticles()
    _refuse_virtual_sites(system)
    if x is None:
        x = np.arange(float(n))[:, None] * [1.0, 0.0, 0.0]
    around = Surroundings(np.asarray(x, dtype=np.float64), box_of(system))
    terms: dict[str, Term] = {}
    for force in system.getForces():
        found = _term(force, around)
        if found is not None:
            terms[_free_name(_name(force), terms)] = found
    rigid = rigid_bonds(system)
    if len(rigid.atoms):
        terms["rigid bonds"] = HarmonicBonds(
            jnp.asarray(rigid.atoms), jnp.asarray(rigid.lengths), jnp.full(len(rigid.atoms), RIGID)
        )
    return Energy(terms, n)


@dataclass(frozen=True)
class RigidBonds:
    """Constraints of a System: pairs of atoms int [m, 2] and their distances float64 [m] in nm."""

    atoms: np.ndarray
    lengths: np.ndarray


def rigid_bonds(system: Any) -> RigidBonds:
    """Distances that an OpenMM System keeps fixed."""
    found = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
    atoms = np.array([pair[:2] for pair in found], dtype=int).reshape(-1, 2)
    return RigidBonds(atoms, np.array([plain(pair[2]) for pair in found], dtype=np.float64))


def fixed_atoms(system: Any) -> np.ndarray:
    """Atoms int [m] that an OpenMM System holds in place, by giving them no mass."""
    masses = [plain(system.getParticleMass(i)) for i in range(system.getNumParticles())]
    return np.flatnonzero(np.array(masses) == 0)


def term_names(system: Any) -> list[str | None]:
    """What `energy_of` calls the term of each force of a System; None for those that add no energy."""
    names: dict[str, Any] = {}
    found: list[str | None] = []
    for force in system.getForces():
        name = None if _kind(force) in _IGNORED else _free_name(_name(force), names)
        found.append(name)
        if name is not None:
            names[name] = force
    return found


def _refuse_virtual_sites(system: Any) -> None:
    sites = [i for i in range(system.getNumParticles()) if system.isVirtualSite(i)]
    if sites:
        raise BadInput(
            f"{counted(len(sites), 'atom')} of the system, the first of them atom {sites[0] + 1}, "
            "have no position of their own (virtual sites), which cannot be computed here",
            advice="Choose a water model with three sites, such as TIP3P, or leave the water out",
        )


def _kind(force: Any) -> str:
    return type(force).__name__


_NAMES = {
    "HarmonicBondForce": "bonds",
    "HarmonicAngleForce": "angles",
    "PeriodicTorsionForce": "torsions",
    "RBTorsionForce": "torsions (Ryckaert-Bellemans)",
    "CMAPTorsionForce": "torsion maps",
    "NonbondedForce": "nonbonded",
    "GBSAOBCForce": "implicit solvent",
    "CustomGBForce": "implicit solvent",
    "CustomBondForce": "bonds by an expression",
    "CustomAngleForce": "angles by an expression",
    "CustomTorsionForce": "torsions by an expression",
    "CustomNonbondedForce": "pairs by an expression",
    "CustomExternalForce": "positions by an expression",
}


def _name(force: Any) -> str:
    """What a user calls a force: the name it was given, or a word for its kind."""
    kind = _kind(force)
    return str(force.getName()) if force.getName() != kind else _NAMES.get(kind, kind)


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    number = 1
    while (found := name if number == 1 else f"{name} {number}") in taken:
        number += 1
    return found


def _term(force: Any, around: Surroundings) -> Term | None:
    kind = _kind(force)
    if kind in _IGNORED:
        return None
    if kind not in _TERMS:
        raise BadInput(
            f"The system has a {kind}, which cannot be computed here",
            advice=f"Possible are {', '.join(sorted(_TERMS))}",
        )
    return _TERMS[kind](force, around)


def _bonds(force: Any, around: Surroundings) -> HarmonicBonds:
    atoms, values = rows(force.getNumBonds(), force.getBondParameters, 2, 2)
    return HarmonicBonds(atoms, values[:, 0], values[:, 1], around.box_for(force))


def _angles(force: Any, around: Surroundings) -> HarmonicAngles:
    atoms, values = rows(force.getNumAngles(), force.getAngleParameters, 3, 2)
    return HarmonicAngles(atoms, values[:, 0], values[:, 1], around.box_for(force))


def _torsions(force: Any, around: Surroundings) -> PeriodicTorsions:
    atoms, values = rows(force.getNumTorsions(), force.getTorsionParameters, 4, 3)
    return PeriodicTorsions(atoms, values[:, 0], values[:, 1], values[:, 2], around.box_for(force))


def _ryckaert_bellemans(force: Any, around: Surroundings) -> RyckaertBellemansTorsions:
    return RyckaertBellemansTorsions(
        *rows(force.getNumTorsions(), force.getTorsionParameters, 4, 6), around.box_for(force)
    )


def _torsion_maps(force: Any, around: Surroundings) -> TorsionMaps:
    sizes, coefficients = [], [np.empty((0, 4, 4))]
    for i in range(force.getNumMaps()):
        size, values = force.getMapParameters(i)
        sizes.append(size)
        coefficients.append(bicubic(np.array(plain(values)).reshape(size, size).T))
    begins = np.cumsum([0, *(size**2 for size in sizes)])
    listed = np.array([force.getTorsionParameters(i) for i in range(force.getNumTorsions())], dtype=int).reshape(-1, 9)
    return TorsionMaps(
        first=jnp.asarray(listed[:, 1:5]),
        second=jnp.asarray(listed[:, 5:9]),
        cell=jnp.asarray(begins[listed[:, 0]]),
        size=jnp.asarray(np.array(sizes, dtype=int)[listed[:, 0]]),
        coefficients=jnp.asarray(np.concatenate(coefficients)),
        box=around.box_for(force),
    )


_TERMS: dict[str, Callable[[Any, Surroundings], Term]] = {
    "HarmonicBondForce": _bonds,
    "HarmonicAngleForce": _angles,
    "PeriodicTorsionForce": _torsions,
    "RBTorsionForce": _ryckaert_bellemans,
    "CMAPTorsionForce": _torsion_maps,
    "NonbondedForce": nonbonded,
    "GBSAOBCForce": born_model,
    "CustomGBForce": generalised_born,
    "CustomBondForce": internal,
    "CustomAngleForce": internal,
    "CustomTorsionForce": internal,
    "CustomNonbondedForce": nonbonded_expression,
    "CustomExternalForce": external,
}

"""OpenMM's NonbondedForce as a term."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.integrate import quad

from mdweights_core.energy.nonbonded import Nonbonded
from mdweights_core.energy.openmm_values import Surroundings, plain
from mdweights_core.errors import BadInput


def nonbonded(force: Any, around: Surroundings) -> Nonbonded:
    """Lennard-Jones and Coulomb energies; a reaction field beyond a cut-off.

    Raises
    ------
    BadInput
        For sums over all periodic images (Ewald, PME, LJPME).
    """
    _refuse_ewald(force)
    charge, sigma, epsilon = _atoms(force)
    special, values = _special(force)
    kept = np.any(values[:, [0, 2]] != 0, axis=1)
    is_periodic = force.getNonbondedMethod() == force.CutoffPeriodic
    return Nonbonded(
        blocks=around.pairs(force, special),
        atoms={
            "charge": jnp.asarray(charge),
            "radius": jnp.asarray(sigma / 2),
            "well": jnp.asarray(np.sqrt(epsilon)),
        },
        field=_field(force),
        special=jnp.asarray(special[kept]),
        special_charge=jnp.asarray(values[kept, 0]),
        special_sigma=jnp.asarray(values[kept, 1]),
        special_epsilon=jnp.asarray(values[kept, 2]),
        special_box=around.box_for(force) if force.getExceptionsUsePeriodicBoundaryConditions() else None,
        beyond=jnp.asarray(_beyond(force, sigma, epsilon, around.box) if is_periodic else 0.0),
    )


def _refuse_ewald(force: Any) -> None:
    names = {force.Ewald: "Ewald", force.PME: "PME", force.LJPME: "LJPME"}
    if force.getNonbondedMethod() in names:
        raise BadInput(
            f"The system sums charges over all periodic images ({names[force.getNonbondedMethod()]}), "
            "which cannot be computed here",
            advice="Make the system with a cut-off (CutoffPeriodic, a reaction field) or without one (NoCutoff)",
        )


def _atoms(force: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Charges, sigmas and epsilons [n_atoms], at the default values of global parameters."""
    n = force.getNumParticles()
    values = np.array([[plain(v) for v in force.getParticleParameters(i)] for i in range(n)], dtype=np.float64)
    values = values.reshape(n, 3)
    for i in range(force.getNumParticleParameterOffsets()):
        name, atom, *scales = force.getParticleParameterOffset(i)
        values[atom] += _default(force, name) * np.array(scales)
    return values[:, 0], values[:, 1], values[:, 2]


def _special(force: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [m, 2] with products of charges, sigmas and epsilons [m, 3] of their own."""
    found = [[plain(v) for v in force.getExceptionParameters(i)] for i in range(force.getNumExceptions())]
    values = np.array([row[2:] for row in found], dtype=np.float64).reshape(-1, 3)
    for i in range(force.getNumExceptionParameterOffsets()):
        name, row, *scales = force.getExceptionParameterOffset(i)
        values[row] += _default(force, name) * np.array(scales)
    return np.array([row[:2] for row in found], dtype=int).reshape(-1, 2), values


def _default(force: Any, name: str) -> float:
    places = {force.getGlobalParameterName(i): i for i in range(force.getNumGlobalParameters())}
    return float(force.getGlobalParameterDefaultValue(places[name]))


def _field(force: Any) -> dict[str, Any]:
    if force.getNonbondedMethod() == force.NoCutoff:
        return {}
    cutoff, dielectric = plain(force.getCutoffDistance()), force.getReactionFieldDielectric()
    switch = plain(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else cutoff
    values = {
        "k": (dielectric - 1) / (2 * dielectric + 1) / cutoff**3,
        "c": 3 * dielectric / (2 * dielectric + 1) / cutoff,
        "switch": switch,
        "cutoff": cutoff,
    }
    return {name: jnp.asarray(float(value)) for name, value in values.items()}


def _beyond(force: Any, sigma: np.ndarray, epsilon: np.ndarray, box: np.ndarray | None) -> float:
    """Mean Lennard-Jones energy of all pairs beyond the cut-off, taken as if every kind of atom were everywhere.

    Shirts et al., J. Phys. Chem. B 111, 13052 (2007), equation 7, over all pairs including each atom with its kind.
    """
    if not force.getUseDispersionCorrection() or box is None:
        return 0.0
    cutoff = plain(force.getCutoffDistance())
    begin = plain(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else cutoff
    kinds, numbers = np.unique(np.stack([sigma, epsilon], axis=1), axis=0, return_counts=True)
    pairs = np.triu(np.outer(numbers, numbers)) + 0.0
    np.fill_diagonal(pairs, numbers * (numbers + 1) / 2)
    s = (kinds[:, None, 0] + kinds[:, 0]) / 2
    e = np.sqrt(kinds[:, None, 1] * kinds[:, 1])
    twelfth, sixth = (_tail(power, begin, cutoff) for power in (12, 6))
    total = np.sum(pairs * e * (s**12 * twelfth - s**6 * sixth))
    n = len(sigma)
    return float(8 * n * n * np.pi * total / (n * (n + 1) / 2) / abs(np.linalg.det(box)))


def _tail(power: int, begin: float, cutoff: float) -> float:
    """Integral of r^2 / r^power times what the switching function takes away, from `begin` to infinity."""
    beyond = cutoff ** (3 - power) / (power - 3)
    if begin == cutoff:
        return beyond

    def taken(r: float) -> float:
        t = (r - begin) / (cutoff - begin)
        return t**3 * (10 - t * (15 - 6 * t)) * r ** (2 - power)

    return beyond + float(quad(taken, begin, cutoff, epsrel=1e-12)[0])

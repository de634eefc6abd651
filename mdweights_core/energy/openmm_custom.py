"""OpenMM's custom forces, and its generalised Born model, as terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.custom import (
    COORDINATES,
    CustomExternal,
    CustomInternal,
    CustomNonbonded,
    GeneralisedBorn,
    Step,
)
from mdweights_core.energy.expressions import Expression
from mdweights_core.energy.nonbonded import COULOMB
from mdweights_core.energy.openmm_values import Surroundings, plain
from mdweights_core.energy.tables import Discrete, Spline, spline
from mdweights_core.errors import BadInput

Array = jax.Array

_LISTS = {  # how a custom force names its list, its parameters, and how many atoms an entry has
    "CustomBondForce": ("Bond", "PerBond", 2),
    "CustomAngleForce": ("Angle", "PerAngle", 3),
    "CustomTorsionForce": ("Torsion", "PerTorsion", 4),
}
_DISCRETE = {"Discrete1DFunction", "Discrete2DFunction", "Discrete3DFunction"}
_CONTINUOUS = {"Continuous1DFunction"}


def internal(force: Any, around: Surroundings) -> CustomInternal:
    """Energies of distances, angles or torsion angles."""
    what, per, n_atoms = _LISTS[type(force).__name__]
    n, get = getattr(force, f"getNum{what}s")(), getattr(force, f"get{what}Parameters")
    found = [get(i) for i in range(n)]
    values = {**_globals(force), **_columns(force, per, [row[-1] for row in found])}
    return CustomInternal(
        expression=_expression(force.getEnergyFunction(), {}, [*values, COORDINATES[n_atoms][0]]),
        atoms=jnp.asarray(np.array([row[:n_atoms] for row in found], dtype=int).reshape(n, n_atoms)),
        values=values,
        box=around.box_for(force),
    )


def external(force: Any, around: Surroundings) -> CustomExternal:
    """Energies of positions."""
    found = [force.getParticleParameters(i) for i in range(force.getNumParticles())]
    values = {**_globals(force), **_columns(force, "PerParticle", [row[1] for row in found])}
    expression = Expression(force.getEnergyFunction(), (("periodicdistance", 6),))
    expression.require([*values, "x", "y", "z"])
    atoms = np.array([row[0] for row in found], dtype=int)
    return CustomExternal(expression, jnp.asarray(atoms), values, around.box_for(force))


def nonbonded_expression(force: Any, around: Surroundings) -> CustomNonbonded:
    """Energies of pairs of atoms.

    Raises
    ------
    BadInput
        For groups that interact, computed values, and an energy beyond the cut-off.
    """
    is_periodic = force.getNonbondedMethod() == force.CutoffPeriodic
    refused = {
        "groups of atoms that interact": force.getNumInteractionGroups() > 0,
        "computed values": force.getNumComputedValues() > 0,
        "a correction beyond the cut-off": force.getUseLongRangeCorrection() and is_periodic,
    }
    for option, is_used in refused.items():
        if is_used:
            raise BadInput(f"The CustomNonbondedForce '{force.getName()}' has {option}, which cannot be computed here")
    excluded = [force.getExclusionParticles(i) for i in range(force.getNumExclusions())]
    atoms, shared = _per_atom(force), _shared(force)
    known = [*_of_both(atoms), *shared["values"], "r"]
    expression = _expression(force.getEnergyFunction(), shared["tables"], known)
    if force.getUseSwitchingFunction() and force.getNonbondedMethod() != force.NoCutoff:
        shared["switch"] = [jnp.asarray(plain(d)) for d in (force.getSwitchingDistance(), force.getCutoffDistance())]
    blocks = around.pairs(force, np.array(excluded, dtype=int).reshape(-1, 2))
    return CustomNonbonded(expression, blocks, atoms, shared)


def generalised_born(force: Any, around: Surroundings) -> GeneralisedBorn:
    """Implicit solvent in any form that OpenMM can write."""
    atoms, shared = _per_atom(force), _shared(force)
    known = dict(atoms)
    values = []

    def step(text: str, kind: int, name: str = "") -> Step:
        is_pair = kind != force.SingleParticle
        ours = [*_of_both(known), "r"] if is_pair else [*known, "x", "y", "z"]
        expression = _expression(text, shared["tables"], [*ours, *shared["values"]])
        return Step(expression, is_pair, leaves_out=kind == force.ParticlePair, name=name)

    for i in range(force.getNumComputedValues()):
        name, text, kind = force.getComputedValueParameters(i)
        values.append(step(text, kind, name))
        known[name] = jnp.zeros(())
    energies = [step(*force.getEnergyTermParameters(i)) for i in range(force.getNumEnergyTerms())]
    excluded = np.array([force.getExclusionParticles(i) for i in range(force.getNumExclusions())], dtype=int)
    none = np.empty((0, 2), dtype=int)
    return GeneralisedBorn(
        values=tuple(values),
        energies=tuple(energies),
        every=around.pairs(force, none),
        kept=around.pairs(force, excluded) if len(excluded) else None,
        atoms=atoms,
        shared=shared,
    )


_BORN_VALUES = (
    Step(
        Expression(
            "select(step(r+s2-o1), 0.5*(1/L-1/U+0.25*(r-s2^2/r)*(1/U^2-1/L^2)+0.5*log(L/U)/r), 0);"
            "U=r+s2; L=max(o1, abs(r-s2))"
        ),
        is_pair=True,
        name="I",
    ),
    Step(Expression("1/(1/o-tanh(psi-0.8*psi^2+4.85*psi^3)/radius); psi=I*o"), is_pair=False, name="B"),
)
_BORN_ENERGIES = (
    Step(Expression("surface*(radius+0.14)^2*(radius/B)^6-0.5*k*q^2/B"), is_pair=False),
    Step(Expression("-k*q1*q2*(1/sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))-shift)"), is_pair=True),
)
_BORN_OFFSET = 0.009  # nm


def born_model(force: Any, around: Surroundings) -> GeneralisedBorn:
    """Generalised Born model of Onufriev, Bashford and Case, Proteins 55, 383 (2004), second set of values."""
    n = force.getNumParticles()
    listed = np.array([[plain(v) for v in force.getParticleParameters(i)] for i in range(n)], dtype=np.float64)
    charge, radius, scale = listed.reshape(n, 3).T
    has_cutoff = force.getNonbondedMethod() != force.NoCutoff
    inside = radius - _BORN_OFFSET
    atoms = {"q": charge, "radius": radius, "o": inside, "s": scale * inside}
    shared = {
        "k": COULOMB * (1 / force.getSoluteDielectric() - 1 / force.getSolventDielectric()),
        "surface": 4 * np.pi * plain(force.getSurfaceAreaEnergy()),
        "shift": 1 / plain(force.getCutoffDistance()) if has_cutoff else 0.0,
    }
    return GeneralisedBorn(
        values=_BORN_VALUES,
        energies=_BORN_ENERGIES,
        every=around.pairs(force, np.empty((0, 2), dtype=int)),
        kept=None,
        atoms={name: jnp.asarray(value) for name, value in atoms.items()},
        shared={"values": {name: jnp.asarray(value) for name, value in shared.items()}, "tables": {}},
    )


def _expression(text: str, tables: Mapping[str, Any], known: list[str]) -> Expression:
    expression = Expression(text, tuple((name, table.n_arguments) for name, table in tables.items()))
    expression.require(known)
    return expression


def _of_both(names: Mapping[str, Any]) -> list[str]:
    return [f"{name}{side}" for name in names for side in "12"]


def _globals(force: Any) -> dict[str, Array]:
    """Global parameters at their default values."""
    return {
        force.getGlobalParameterName(i): jnp.asarray(float(force.getGlobalParameterDefaultValue(i)))
        for i in range(force.getNumGlobalParameters())
    }


def _shared(force: Any) -> dict[str, Any]:
    return {"values": _globals(force), "tables": _tables(force)}


def _columns(force: Any, per: str, listed: list[Any]) -> dict[str, Array]:
    """What a force knows of each entry of its list, by name."""
    n = getattr(force, f"getNum{per}Parameters")()
    names = [getattr(force, f"get{per}ParameterName")(i) for i in range(n)]
    values = np.array(listed, dtype=np.float64).reshape(len(listed), n)
    return {name: jnp.asarray(column) for name, column in zip(names, values.T, strict=True)}


def _per_atom(force: Any) -> dict[str, Array]:
    return _columns(force, "PerParticle", [force.getParticleParameters(i) for i in range(force.getNumParticles())])


def _tables(force: Any) -> dict[str, Discrete | Spline]:
    n = force.getNumTabulatedFunctions()
    return {force.getTabulatedFunctionName(i): _table(force.getTabulatedFunction(i)) for i in range(n)}


def _table(function: Any) -> Discrete | Spline:
    """Return a table; OpenMM lists its values with the first argument running fastest."""
    kind = type(function).__name__
    if kind in _DISCRETE:
        given = function.getFunctionParameters()
        *shape, values = given if kind != "Discrete1DFunction" else (len(given), given)
        return Discrete(jnp.asarray(np.array(values, dtype=np.float64).reshape(shape[::-1]).T))
    if kind in _CONTINUOUS:
        values, lowest, highest = function.getFunctionParameters()
        return spline(np.array(values), lowest, highest, is_periodic=function.getPeriodic())
    raise BadInput(
        f"The system has a {kind}, which cannot be computed here",
        advice=f"Possible are {', '.join(sorted(_DISCRETE | _CONTINUOUS))}",
    )

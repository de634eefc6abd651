"""Forms typed as expressions against OpenMM's custom forces, with their derivatives by parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest

from mdweights_core.dynamics.models.expression import SWITCH, Form, form_of, told, without_replaced
from mdweights_core.dynamics.models.form_settings import FormSettings, typed_parameters
from mdweights_core.dynamics.models.groups import Described
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.energy.base import Energy
from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput

CUTOFF = 0.42


def settings(kind: str, expression: str, parameters: str, **more: Any) -> FormSettings:
    return FormSettings("mine", kind, expression, typed_parameters(parameters), **more)


def with_globals(force: Any, it: FormSettings) -> Any:
    for parameter in it.parameters:
        force.addGlobalParameter(parameter.name, parameter.value)
    return force


MORSE = settings("bond", "D*(1-exp(-a*(r-r0)))^2", "D=400, a=20, r0=0.11", between=("CT", "HC"))
BEND = settings("angle", "k*(cos(theta)-c)^2", "k=80, c=-0.4", between=("HC", "CT", "*"))
TURN = settings("torsion", "k*(1+cos(2*theta-p))", "k=7, p=3", between=("*", "C", "N", "*"))
PLACE = settings("atom", "k*((x-x0)^2+(z-z0)^4/w^2)+k*y", "k=30, w=0.01", between=("(element C)",))
BUCKINGHAM = settings(
    "pair",
    "A*exp(-b*r)-C*sqrt(epsilon1*epsilon2)/r^6",
    "A=9000, b=30, C=0.001",
    cutoff=CUTOFF,
    between=("HC", "(element O N C)"),
)
CHARGES = settings("pair", "k*charge1*charge2/r^2", "k=3", apart=2)


def of_chains(it: FormSettings, chains: np.ndarray) -> Any:
    kind = {2: "Bond", 3: "Angle", 4: "Torsion"}[chains.shape[1]]
    force = with_globals(getattr(openmm, f"Custom{kind}Force")(it.expression), it)
    for chain in chains.tolist():
        getattr(force, f"add{kind}")(*chain, [])
    return force


def of_types(described: Described, length: int, wanted: tuple[str, ...]) -> np.ndarray:
    """Chains of bonded atoms by hand: types in this order or the other."""

    def fits(row: list[int]) -> bool:
        return all(w in ("*", t) for w, t in zip(wanted, described.types[row], strict=True))

    every = described.chains(length).tolist()
    return np.array([row for row in every if fits(row) or fits(row[::-1])])


def morse(described: Described) -> Any:
    return of_chains(MORSE, of_types(described, 2, ("CT", "HC")))


def bend(described: Described) -> Any:
    return of_chains(BEND, of_types(described, 3, ("HC", "CT", "*")))


def turn(described: Described) -> Any:
    return of_chains(TURN, of_types(described, 4, ("*", "C", "N", "*")))


def place(described: Described) -> Any:
    force = with_globals(openmm.CustomExternalForce(PLACE.expression), PLACE)
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for i, symbol in enumerate(described.atoms.element):
        if symbol == "C":
            force.addParticle(i, described.molecule.x[i])
    return force


def buckingham(described: Described) -> Any:
    force = with_globals(openmm.CustomNonbondedForce(BUCKINGHAM.expression.replace("epsilon", "e")), BUCKINGHAM)
    force.setNonbondedMethod(force.CutoffNonPeriodic)
    force.setCutoffDistance(CUTOFF)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(SWITCH * CUTOFF)
    force.addPerParticleParameter("e")
    well = described.energy.terms["nonbonded"].atoms["well"]
    for value in np.asarray(well) ** 2:
        force.addParticle([value])
    force.addInteractionGroup(
        np.flatnonzero(described.types == "HC").tolist(), np.flatnonzero(described.atoms.element != "H").tolist()
    )
    force.createExclusionsFromBonds(described.bonds.tolist(), 3)
    return force


def charges(described: Described) -> Any:
    force = with_globals(openmm.CustomNonbondedForce(CHARGES.expression.replace("charge", "q")), CHARGES)
    force.addPerParticleParameter("q")
    for value in np.asarray(described.energy.terms["nonbonded"].atoms["charge"]):
        force.addParticle([value])
    force.createExclusionsFromBonds(described.bonds.tolist(), 2)
    return force


CASES = {
    "bond": (MORSE, morse),
    "angle": (BEND, bend),
    "torsion": (TURN, turn),
    "atom": (PLACE, place),
    "pair": (BUCKINGHAM, buckingham),
    "pair of all": (CHARGES, charges),
}


def derivative(context: openmm.Context, parameter: Parameter) -> float:
    """Of OpenMM's energy by a global parameter, by differences."""
    step, energies = 1e-3 * parameter.value, []
    for times in (1, -1, 2, -2):
        context.setParameter(parameter.name, parameter.value + times * step)
        energies.append(context.getState(getEnergy=True).getPotentialEnergy()._value)
    context.setParameter(parameter.name, parameter.value)
    return float((8 * (energies[0] - energies[1]) - (energies[2] - energies[3])) / (12 * step))


@jax.jit
def ours(form: Form, x: Any, theta: Any) -> Any:
    return jax.value_and_grad(lambda x, theta: form.term(theta).energy(x), argnums=(0, 1))(x, theta)


@pytest.mark.parametrize("case", CASES)
def test_energy_forces_and_derivatives_are_those_of_openmm(case: str, described: Described) -> None:
    it, make = CASES[case]
    x = described.molecule.x + 0.01 * np.random.default_rng(4).normal(size=described.molecule.x.shape)
    system = openmm.System()
    for _ in range(len(x)):
        system.addParticle(12.0)
    system.addForce(make(described))
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(x)
    state = context.getState(getEnergy=True, getForces=True)
    theta = jnp.asarray([parameter.value for parameter in it.parameters])
    energy, (gradient, by_theta) = ours(form_of(it, described), jnp.asarray(x), theta)
    assert float(energy) == pytest.approx(state.getPotentialEnergy()._value, rel=1e-9)
    expected = np.array(state.getForces(asNumpy=True)._value)
    np.testing.assert_allclose(-np.asarray(gradient), expected, rtol=0, atol=1e-8 * np.abs(expected).max())
    for parameter, found in zip(it.parameters, by_theta, strict=True):
        rounding = 1e-11 * abs(float(energy) / parameter.value)
        expected = derivative(context, parameter)
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=rounding), parameter.name


def test_each_bond_may_keep_its_own_length(described: Described) -> None:
    form = form_of(settings("bond", "s*constant*(r-rest)^2/2", "s=1"), described)
    bonds = described.energy.terms["bonds"]
    x = jnp.asarray(described.molecule.x)
    assert float(ours(form, x, jnp.array([1.0]))[0]) == pytest.approx(float(bonds.energy(x)))


def replaced(it: FormSettings, described: Described) -> Energy:
    return without_replaced(described.energy, it, form_of(it, described))


def test_only_bonds_of_the_same_atoms_are_replaced(described: Described) -> None:
    it = settings("bond", "k*(r-0.11)^2", "k=1", between=("CT", "HC"), replaces="bonds")
    before, after = (np.asarray(e.terms["bonds"].atoms) for e in (described.energy, replaced(it, described)))
    assert len(before) - len(after) == len(of_types(described, 2, ("CT", "HC"))) == 3
    kinds = {frozenset(described.types[row]) for row in after}
    assert frozenset(("CT", "HC")) not in kinds


def test_whole_terms_are_replaced(described: Described) -> None:
    of_all = settings("bond", "k*(r-rest)^2", "k=1", replaces="bonds")
    of_pairs = settings("pair", "k/r", "k=1", replaces="nonbonded")
    assert "bonds" not in replaced(of_all, described).terms
    assert "nonbonded" not in replaced(of_pairs, described).terms


@pytest.mark.parametrize(
    ("it", "why"),
    [
        (settings("bond", "k*(r-", "k=1"), "cannot be read"),
        (settings("bond", "k*(r-r0)^2", "k=1"), "uses r0, which nothing defines. Give values (r0 = 1)"),
        (settings("bond", "r^2", "k=1"), "does not use k"),
        (settings("bond", "r*k", "k=1, r=2"), "r is a coordinate, and no parameter"),
        (settings("bond", "k*r", "k=1", between=("HC", "HC")), "there is no bond between HC - HC"),
        (settings("pair", "k*r", "k=1", between=("O",)), "there are no pairs of O"),
        (settings("bond", "k*r", "k=1", replaces="springs"), "replaces 'springs'. Terms are bonds"),
        (settings("angle", "k*theta", "k=1", between=("HC", "CT", "HC"), replaces="torsions"), ""),
    ],
)
def test_forms_that_mean_nothing_are_told(it: FormSettings, why: str, described: Described) -> None:
    if not why:  # angles take the place of all torsions: whole terms may be replaced by anything
        assert "torsions" not in replaced(it, described).terms
        return
    with pytest.raises(BadInput) as refused:
        replaced(it, described)
    assert why in refused.value.sentence


def test_a_name_may_not_be_taken(described: Described) -> None:
    with pytest.raises(BadInput, match="There is a term 'bonds' already"):
        replaced(FormSettings("bonds", "bond", "k*r", (Parameter("k", 1.0),)), described)


def test_a_form_is_told(described: Described, molecule: Molecule) -> None:
    assert told(form_of(MORSE, described)) == "mine: 3 bonds; D = 400, a = 20, r0 = 0.11"
    assert told(form_of(CHARGES, described)) == "mine: pairs; k = 3"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (("", "bond", "r"), "has no name"),
        (("mine", "bonds", "r"), "is of 'bonds'. Choose one of atom, bond"),
        (("mine", "bond", "r", (), ("CT",)), "between 1 groups of atoms. Give 2"),
        (("mine", "bond", "r", (), (), 1.0), "cut-off of the term mine means nothing"),
        (("mine", "pair", "r", (), (), None, -1), "cannot be -1 bonds apart"),
    ],
)
def test_settings_that_mean_nothing_are_refused(fields: tuple[Any, ...], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        FormSettings(*fields)


def test_typed_parameters() -> None:
    assert typed_parameters("D=10, a = 2,r0=-0.3") == (Parameter("D", 10), Parameter("a", 2), Parameter("r0", -0.3))
    with pytest.raises(BadInput, match="'D' is no name and number"):
        typed_parameters("D, a=2")

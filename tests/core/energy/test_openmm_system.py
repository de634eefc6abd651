"""Systems of every kind of force against OpenMM's Reference platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import openmm
import pytest

from mdweights_core.energy.base import Energy, value_and_gradient
from mdweights_core.energy.dense import in_precision, with_dense_pairs
from mdweights_core.energy.openmm_system import energy_of, fixed_atoms, rigid_bonds
from mdweights_core.errors import BadInput

RNG = np.random.default_rng(11)
N = 24
GRID = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)[:N]
X = GRID * 0.35 + RNG.normal(scale=0.03, size=(N, 3))
BOX = ([1.5, 0, 0], [0.3, 1.4, 0], [-0.4, 0.5, 1.45])


def system_of(*forces: Any) -> openmm.System:
    system = openmm.System()
    for _ in range(N):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*BOX)
    for force in forces:
        system.addForce(force)
    return system


def bonded_forces() -> list[Any]:
    bond, angle = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    torsion, ryckaert, maps = openmm.PeriodicTorsionForce(), openmm.RBTorsionForce(), openmm.CMAPTorsionForce()
    for size in (6, 9):
        maps.addMap(size, RNG.normal(size=size * size))
    for i in range(N - 4):
        bond.addBond(i, i + 1, 0.1 + 0.01 * i, 100.0 + i)
        angle.addAngle(i, i + 1, i + 2, 1.0 + 0.05 * i, 10.0 + i)
        torsion.addTorsion(i, i + 1, i + 2, i + 3, 1 + i % 6, 0.1 * i, 1.0 + i)
        ryckaert.addTorsion(i, i + 1, i + 2, i + 3, *RNG.normal(size=6))
        maps.addTorsion(i % 2, i, i + 1, i + 2, i + 3, i + 1, i + 2, i + 3, i + 4)
    return [bond, angle, torsion, ryckaert, maps]


def custom_forces() -> list[Any]:
    bond = openmm.CustomBondForce("scale*k*(r-r0)^4 + h; h = step(r-0.3)")
    bond.addGlobalParameter("scale", 2.0)
    angle, torsion = openmm.CustomAngleForce("k*cos(theta)^2"), openmm.CustomTorsionForce("k*min(theta, 2)^2")
    place = openmm.CustomExternalForce("k*periodicdistance(x, y, z, x0, 0, 0)^2 + z")
    for force, name in ((bond, "Bond"), (angle, "Angle"), (torsion, "Torsion")):
        getattr(force, f"addPer{name}Parameter")("k")
    bond.addPerBondParameter("r0")
    place.addPerParticleParameter("k")
    place.addPerParticleParameter("x0")
    for i in range(N - 3):
        bond.addBond(i, i + 1, [10.0 + i, 0.2])
        angle.addAngle(i, i + 1, i + 2, [1.0 + i])
        torsion.addTorsion(i, i + 1, i + 2, i + 3, [2.0 + i])
        place.addParticle(i, [3.0 + i, 0.1 * i])
    again = openmm.CustomBondForce("7*r")
    again.addBond(0, 5, [])
    return [bond, angle, torsion, place, again]


def nonbonded_force(method: str, *, switch: bool = False) -> openmm.NonbondedForce:
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.65)
    force.setUseSwitchingFunction(switch)
    force.setSwitchingDistance(0.5)
    force.addGlobalParameter("lambda", 0.5)
    for i in range(N):
        force.addParticle(0.1 * (-1) ** i + 0.01 * i, 0.25 + 0.01 * (i % 3), 0.3 + 0.1 * (i % 4))
    force.addParticleParameterOffset("lambda", 3, 0.2, 0.01, 0.1)
    for i in range(0, N - 2, 2):
        force.addException(i, i + 1, 0, 1, 0)
        force.addException(i, i + 2, 0.05, 0.28, 0.4)
    return force


def nonbonded_expression(method: str) -> openmm.CustomNonbondedForce:
    force = openmm.CustomNonbondedForce("f(r)*q1*q2 + g(type1, type2)*h(r)*exp(-a*r)")
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.65)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.4)
    force.addGlobalParameter("a", 1.5)
    force.addPerParticleParameter("q")
    force.addPerParticleParameter("type")
    force.addTabulatedFunction("f", openmm.Continuous1DFunction(RNG.normal(size=12), 0.2, 0.9))
    closed = RNG.normal(size=8)
    force.addTabulatedFunction("h", openmm.Continuous1DFunction([*closed, closed[0]], 0.0, 0.5, True))
    table = RNG.normal(size=(3, 3))
    force.addTabulatedFunction("g", openmm.Discrete2DFunction(3, 3, (table + table.T).ravel()))
    for i in range(N):
        force.addParticle([0.1 * i - 1, i % 3])
    force.addExclusion(0, 1)
    return force


def born(method: str) -> openmm.GBSAOBCForce:
    force = openmm.GBSAOBCForce()
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.65)
    for i in range(N):
        force.addParticle(0.1 * (-1) ** i + 0.01 * i, 0.12 + 0.01 * (i % 5), 0.72 + 0.02 * (i % 4))
    return force


def custom_born() -> openmm.CustomGBForce:
    force = openmm.CustomGBForce()
    force.addPerParticleParameter("q")
    force.addGlobalParameter("k", 2.0)
    force.addComputedValue("I", "q2*exp(-r*(1 + q1))", force.ParticlePair)
    force.addComputedValue("B", "1/(2 + I + x^2)", force.SingleParticle)
    force.addComputedValue("C", "B*t(q)", force.SingleParticle)
    force.addEnergyTerm("k*q*C", force.SingleParticle)
    force.addEnergyTerm("q1*q2*B1*B2/r", force.ParticlePairNoExclusions)
    force.addEnergyTerm("C1*C2*r", force.ParticlePair)
    force.addTabulatedFunction("t", openmm.Discrete1DFunction([1.0, 2.0, 3.0]))
    for i in range(N):
        force.addParticle([0.1 * i])
    force.addExclusion(3, 4)
    return force


def periodic(forces: list[Any]) -> list[Any]:
    for force in forces:
        if not isinstance(force, openmm.CustomExternalForce):  # whose expression tells
            force.setUsesPeriodicBoundaryConditions(True)
    return forces


CASES: dict[str, Callable[[], list[Any]]] = {
    "bonded": bonded_forces,
    "bonded, periodic": lambda: periodic(bonded_forces()),
    "custom": lambda: periodic(custom_forces()),
    "no cut-off": lambda: [
        nonbonded_force("NoCutoff"),
        nonbonded_expression("NoCutoff"),
        born("NoCutoff"),
        custom_born(),
    ],
    "cut-off": lambda: [
        nonbonded_force("CutoffNonPeriodic", switch=True),
        nonbonded_expression("CutoffNonPeriodic"),
        born("CutoffNonPeriodic"),
    ],
    "periodic": lambda: [
        nonbonded_force("CutoffPeriodic"),
        nonbonded_force("CutoffPeriodic", switch=True),
        nonbonded_expression("CutoffPeriodic"),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_energies_and_forces_are_those_of_openmm(case: str, reference: Callable[..., None]) -> None:
    reference(system_of(*CASES[case]()), X)


@pytest.mark.parametrize("case", ["bonded", "custom", "no cut-off"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("change", [with_dense_pairs, lambda energy: energy], ids=["dense", "tiles"])
def test_energies_and_forces_follow_the_precision(case: str, dtype: Any, change: Callable[[Energy], Energy]) -> None:
    system = system_of(*CASES[case]())
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), platform)
    context.setPositions(X)
    state = context.getState(getEnergy=True, getForces=True)
    forces = np.array(state.getForces(asNumpy=True)._value)
    found, gradient = value_and_gradient(in_precision(change(energy_of(system, X)), dtype), jnp.asarray(X, dtype))
    assert (found.dtype, gradient.dtype) == (dtype, dtype)
    near = 1e-10 if dtype is np.float64 else 1e-5
    assert float(found) == pytest.approx(state.getPotentialEnergy()._value, rel=near)
    np.testing.assert_allclose(-np.asarray(gradient), forces, rtol=0, atol=10 * near * np.abs(forces).max())


@pytest.mark.parametrize("method", ["Ewald", "PME", "LJPME"])
def test_sums_over_all_images_are_refused(method: str) -> None:
    with pytest.raises(BadInput, match=rf"all periodic images \({method}\)"):
        energy_of(system_of(nonbonded_force(method)))


def test_a_force_that_cannot_be_computed_is_named() -> None:
    with pytest.raises(BadInput, match="a GayBerneForce, which cannot be computed here"):
        energy_of(system_of(openmm.GayBerneForce()))


def test_a_virtual_site_is_refused() -> None:
    system = system_of()
    system.setParticleMass(2, 0.0)
    system.setVirtualSite(2, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    with pytest.raises(BadInput, match="1 atom of the system, the first of them atom 3"):
        energy_of(system)


def test_options_that_cannot_be_computed_are_named() -> None:
    force = nonbonded_expression("NoCutoff")
    force.addInteractionGroup([0], [1])
    with pytest.raises(BadInput, match="groups of atoms that interact"):
        energy_of(system_of(force))


def test_an_unknown_variable_is_named() -> None:
    force = openmm.CustomBondForce("k*r")
    with pytest.raises(BadInput, match="uses k, which nothing defines"):
        energy_of(system_of(force))


def test_constraints_are_springs_that_add_nothing_at_their_lengths() -> None:
    system = system_of()
    system.addConstraint(0, 1, float(np.linalg.norm(X[1] - X[0])))
    system.addConstraint(1, 2, 0.2)
    rigid = rigid_bonds(system)
    np.testing.assert_array_equal(rigid.atoms, [[0, 1], [1, 2]])
    term = energy_of(system).terms["rigid bonds"]
    assert float(term.energy(X)) == pytest.approx(2.5e5 * (np.linalg.norm(X[2] - X[1]) - 0.2) ** 2)


def test_barostats_and_their_kind_add_no_energy() -> None:
    system = system_of(openmm.CMMotionRemover(), openmm.MonteCarloBarostat(1.0, 300.0))
    assert not energy_of(system).terms


def test_atoms_without_mass_are_fixed() -> None:
    system = system_of()
    system.setParticleMass(5, 0.0)
    np.testing.assert_array_equal(fixed_atoms(system), [5])

"""Parameters of a force field against OpenMM, whose System is changed by hand and differentiated by differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest
from support.reference_forces import forces

from mdweights_core.dynamics.models.base import mixed_product
from mdweights_core.dynamics.models.groups import Described, split_groups
from mdweights_core.dynamics.models.molecular import MolecularModel
from mdweights_core.dynamics.models.system import molecular_model, simulated_molecule
from mdweights_core.energy.custom import GeneralisedBorn
from mdweights_core.energy.openmm_system import energy_of
from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput

STEP = 1e-4  # relative, of differences


def of_kind(system: openmm.System, kind: str) -> Any:
    return next(force for force in system.getForces() if type(force).__name__ == kind)


def epsilon_of_ct(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    change_atoms(
        system, types == "CT", lambda q, s, e: (q, s, e * ratio), lambda q, s, e, n: (q, s, e * ratio ** (n / 2))
    )


def sigma_of_hc(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    force, member = of_kind(system, "NonbondedForce"), types == "HC"
    added = (ratio - 1) * force.getParticleParameters(int(np.flatnonzero(member)[0]))[1] / 2
    change_atoms(system, member, lambda q, s, e: (q, s * ratio, e), lambda q, s, e, n: (q, s + n * added, e))


def charge_of_o(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    change_atoms(system, types == "O", lambda q, s, e: (q * ratio, s, e), lambda q, s, e, n: (q * ratio**n, s, e))


def change_atoms(system: openmm.System, member: np.ndarray, of_atom: Callable, of_pair: Callable) -> None:
    """Change atoms of a group, and exceptions by how many of their ends are in it."""
    force = of_kind(system, "NonbondedForce")
    for i in np.flatnonzero(member).tolist():
        force.setParticleParameters(i, *of_atom(*force.getParticleParameters(i)))
    for k in range(force.getNumExceptions()):
        i, j, *values = force.getExceptionParameters(k)
        force.setExceptionParameters(k, i, j, *of_pair(*values, int(member[i]) + int(member[j])))


def length_ct_hc(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    force = of_kind(system, "HarmonicBondForce")
    for k in range(force.getNumBonds()):
        i, j, length, constant = force.getBondParameters(k)
        if {types[i], types[j]} == {"CT", "HC"}:
            force.setBondParameters(k, i, j, length * ratio, constant)


def constant_hc_ct_hc(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    force = of_kind(system, "HarmonicAngleForce")
    for k in range(force.getNumAngles()):
        i, j, m, angle, constant = force.getAngleParameters(k)
        if [types[a] for a in (i, j, m)] == ["HC", "CT", "HC"]:
            force.setAngleParameters(k, i, j, m, angle, constant * ratio)


def amplitude_about_the_peptide(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    """Of all proper torsion angles about C-N, those of periodicity 2."""
    force = of_kind(system, "PeriodicTorsionForce")
    bonds = of_kind(system, "HarmonicBondForce")
    pairs = {frozenset(bonds.getBondParameters(k)[:2]) for k in range(bonds.getNumBonds())}
    for k in range(force.getNumTorsions()):
        *atoms, fold, phase, constant = force.getTorsionParameters(k)
        is_proper = all(frozenset(pair) in pairs for pair in pairwise(atoms))
        if is_proper and fold == 2 and {types[atoms[1]], types[atoms[2]]} == {"C", "N"}:
            force.setTorsionParameters(k, *atoms, fold, phase, constant * ratio)


def scale_of_torsions(system: openmm.System, types: np.ndarray, ratio: float) -> None:
    force = of_kind(system, "PeriodicTorsionForce")
    for k in range(force.getNumTorsions()):
        *kept, constant = force.getTorsionParameters(k)
        force.setTorsionParameters(k, *kept, constant * ratio)


CASES = {
    "epsilon of CT": epsilon_of_ct,
    "sigma of HC": sigma_of_hc,
    "charge of O": charge_of_o,
    "length HC-CT": length_ct_hc,
    "force constant HC-CT-HC": constant_hc_ct_hc,
    "scale amplitude *-C-N-* 2": amplitude_about_the_peptide,
    "scale of torsions": scale_of_torsions,
}


@pytest.fixture(scope="module")
def model(described: Described) -> MolecularModel:
    return molecular_model(described.molecule, tuple(CASES), types=described.types)[0]


@pytest.fixture(scope="module")
def x(molecule: Molecule) -> np.ndarray:
    return molecule.x.reshape(-1) + 0.004 * np.random.default_rng(0).normal(size=molecule.x.size)


@pytest.fixture(scope="module")
def derivatives(model: MolecularModel, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient [N] and d2E/dx dtheta [N, P], compiled once."""

    @jax.jit
    def both(model: MolecularModel, x: Any, theta: Any) -> Any:
        slope = jax.grad(model.energy)
        along = jax.vmap(lambda w: jax.jvp(lambda at: slope(x, at), (theta,), (w,))[1], out_axes=1)
        return slope(x, theta), along(jnp.eye(len(theta)))

    theta = jnp.asarray([parameter.value for parameter in model.parameters])
    slope, mixed = both(model, jnp.asarray(x), theta)
    return np.asarray(slope), np.asarray(mixed)


def test_forces_are_those_of_openmm(
    derivatives: tuple[np.ndarray, np.ndarray], x: np.ndarray, system: openmm.System
) -> None:
    expected = forces(system, x)
    np.testing.assert_allclose(-derivatives[0], expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("name", CASES)
def test_derivatives_by_a_parameter_are_those_of_openmm(
    name: str,
    model: MolecularModel,
    derivatives: tuple[np.ndarray, np.ndarray],
    described: Described,
    x: np.ndarray,
    system: openmm.System,
) -> None:
    place = list(CASES).index(name)
    both = []
    for ratio in (1 + STEP, 1 - STEP):
        changed = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
        CASES[name](changed, described.types, ratio)
        both.append(forces(changed, x))
    expected = -(both[0] - both[1]) / (2 * STEP * model.parameters[place].value)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(derivatives[1][:, place], expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_parameters_begin_at_the_values_of_the_force_field(model: MolecularModel) -> None:
    told = {parameter.name: (parameter.value, parameter.unit) for parameter in model.parameters}
    assert told["epsilon of CT"] == (pytest.approx(0.457730, abs=1e-5), "kJ/mol")
    assert told["sigma of HC"] == (pytest.approx(0.264953, abs=1e-5), "nm")
    assert told["length HC-CT"] == (pytest.approx(0.109), "nm")
    assert told["scale of torsions"] == (1.0, "")


def test_charges_of_an_implicit_solvent_follow(molecule: Molecule, system: openmm.System) -> None:
    born = openmm.GBSAOBCForce()
    charges = of_kind(system, "NonbondedForce")
    for i in range(molecule.n_atoms):
        born.addParticle(charges.getParticleParameters(i)[0], 0.15, 0.8)
    system.addForce(born)
    solvated = replace(molecule, system=system, energy=energy_of(system, molecule.x))
    model, _ = molecular_model(solvated, ["scale charge of (name O)"])
    changed = model.as_energy(jnp.array([1.25])).terms
    ratios = np.asarray(changed["implicit solvent"].atoms["q"] / solvated.energy.terms["implicit solvent"].atoms["q"])
    assert isinstance(changed["implicit solvent"], GeneralisedBorn)
    np.testing.assert_allclose(ratios, np.where(np.arange(12) == 5, 1.25, 1.0))
    np.testing.assert_allclose(ratios, np.asarray(changed["nonbonded"].atoms["charge"]) / [
        charges.getParticleParameters(i)[0]._value for i in range(12)
    ])  # fmt: skip


def test_a_molecule_is_ready_to_be_simulated(described: Described) -> None:
    it = simulated_molecule(described.molecule, 300.0, ["epsilon of CT"], types=described.types)
    assert it.is_free
    assert float(it.kt) == pytest.approx(2.494339, abs=1e-6)
    assert float(it.masses.sum()) == pytest.approx(3 * 73.09, abs=0.1)


def test_one_pass_gives_mixed_derivatives_of_all(
    model: MolecularModel, derivatives: tuple[np.ndarray, np.ndarray], x: np.ndarray
) -> None:
    v = np.random.default_rng(1).normal(size=len(x))
    theta = jnp.asarray([parameter.value for parameter in model.parameters])
    found = jax.jit(mixed_product)(model, jnp.asarray(x), theta, jnp.asarray(v))
    np.testing.assert_allclose(found, v @ derivatives[1], rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("epsilon", "'epsilon' names no parameter of a force field"),
        ("epsilon of XX", "No atom is of the type 'XX'. Types are C, CT"),
        ("scale of chirality", "no term 'chirality'. Terms are bonds"),
        ("force constant CT", "names 1 group of atoms, and not 2 or 3"),
        ("length HC-HC", "Nothing in this energy is called 'length HC-HC'"),
        ("charge of (element H)", "are not all alike: they go from"),
        ("epsilon of CT and more", "No atom is of the type 'CT and more'"),
    ],
)
def test_names_that_mean_nothing_are_told(name: str, why: str, described: Described) -> None:
    with pytest.raises(BadInput) as refused:
        molecular_model(described.molecule, [name], types=described.types)
    assert why in refused.value.sentence


def test_constraints_and_held_atoms_are_refused(molecule: Molecule, system: openmm.System) -> None:
    system.addConstraint(0, 1, 0.109)
    with pytest.raises(BadInput, match=r"keeps 1 distance fixed \(constraints\)"):
        simulated_molecule(replace(molecule, system=system), 300.0)
    with pytest.raises(BadInput, match="holds 1 atom in place"):
        simulated_molecule(replace(molecule, fixed=np.array([2])), 300.0)


def test_pairs_with_values_of_their_own_are_told(molecule: Molecule, system: openmm.System) -> None:
    force = of_kind(system, "NonbondedForce")
    kept = [k for k in range(force.getNumExceptions()) if force.getExceptionParameters(k)[4]._value]
    i, j, charge, sigma, epsilon = force.getExceptionParameters(kept[0])
    force.setExceptionParameters(kept[0], i, j, charge, 1.2 * sigma, epsilon)
    changed = replace(molecule, system=system, energy=energy_of(system, molecule.x))
    remarks = molecular_model(changed, ["scale sigma of *"])[1]
    assert remarks[0].startswith("1 pair of the term 'nonbonded' have values of their own")


def test_any_type_is_written_in_two_ways(described: Described) -> None:
    for word in ("*", "X"):
        assert described.group(word).all()
    chains = described.chains(4)
    np.testing.assert_array_equal(
        described.matching(chains, ["X", "C", "N", "X"]), described.matching(chains, ["*", "N", "C", "*"])
    )


def test_words_of_groups_are_parted_by_hyphens() -> None:
    assert split_groups("CT-(name HB1 and resid 1-2)-*") == ["CT", "(name HB1 and resid 1-2)", "*"]

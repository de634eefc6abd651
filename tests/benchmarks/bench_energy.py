"""Energies against OpenMM: whether they are the same, and what an evaluation costs.

OpenMM's Reference platform computes in double precision and says what is right; its CPU platform says what is fast.

As a script:  python tests/benchmarks/bench_energy.py [CASE ...]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
import openmm
import psutil
import pytest
from openmm import app, unit
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent))

from comparisons import Line, missed, show
from peptides import VILLIN, structure, without_solvent

from mdweights_core.energy.base import hessian_product, value_and_gradient, values_by_term
from mdweights_core.energy.openmm_system import energy_of, term_names
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import Molecule, set_up

OBC2 = EnergySettings()
ENERGY_BAR, FORCE_BAR = 1e-3, 1e-6  # kJ/mol, and of the largest force
GIB = 2**30


def parity(name: str, system: Any, x: np.ndarray) -> Line:
    """Difference from the Reference platform: of the total, of the worst term, of the worst force."""
    names = term_names(system)
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), platform)
    context.setPositions(x)
    energy = energy_of(system, x)
    found, by_term = value_and_gradient(energy, x), values_by_term(energy, x)
    worst = ("", 0.0)
    for group, term in enumerate(names):
        if term is not None:
            expected = context.getState(getEnergy=True, groups=1 << group).getPotentialEnergy()._value
            worst = max(worst, (term, abs(float(by_term[term]) - expected)), key=lambda pair: pair[1])
    state = context.getState(getEnergy=True, getForces=True)
    expected = state.getPotentialEnergy()._value
    forces = np.array(state.getForces(asNumpy=True)._value)
    off = abs(float(found[0]) - expected)
    of_force = float(np.abs(np.asarray(found[1]) + forces).max() / np.abs(forces).max())
    return Line(
        f"{name}, {len(x)} atoms",
        f"{expected:.4f} kJ/mol",
        f"off by {off:.1e}; {worst[0]} by {worst[1]:.1e}; force by {of_force:.1e} of the largest",
        None,
        f"<= {ENERGY_BAR:g} kJ/mol, force <= {FORCE_BAR:g}",
        off <= ENERGY_BAR and worst[1] <= ENERGY_BAR and of_force <= FORCE_BAR,
    )


def same_as_openmm(name: str, folder: Path) -> list[Line]:
    """A structure with amber14 and OBC2."""
    path = protein_of_villin(folder) if name == "villin" else structure(f"{name}.pdb")
    repair = name == "5AWL"  # an X-ray structure, without hydrogens
    molecule = set_up(path, replace(OBC2, add_hydrogens=repair, repair=repair, drop_water=repair))
    return [parity(name, molecule.system, molecule.x)]


def same_with_a_cutoff(folder: Path) -> list[Line]:
    """Villin in its box of water, with a reaction field."""
    file = app.PDBFile(str(VILLIN))
    system = app.ForceField("amber14-all.xml", "amber14/tip3p.xml").createSystem(
        file.topology,
        nonbondedMethod=app.CutoffPeriodic,
        nonbondedCutoff=1.0 * unit.nanometer,
        constraints=None,
        rigidWater=False,
    )
    return [parity("villin in water, cut-off 1 nm", system, in_nm(file.positions))]


def same_for_a_force_field(field: str, solvent: str, folder: Path) -> list[Line]:
    """Met-enkephalin with a force field and a solvent model."""
    molecule = set_up(structure("1PLW.pdb"), EnergySettings(force_field=field, solvent=solvent))
    return [parity(f"1PLW, {field}, {solvent}", molecule.system, molecule.x)]


def faster_than_openmm(folder: Path) -> list[Line]:
    """Energy and forces of all pairs with OBC2, both on one thread, in turn; the quickest of each."""
    return [evaluations_in_turn(name, has_bar=name == "2JOF") for name in ("1PLW", "2JOF", "2WXC")]


def evaluations_in_turn(name: str, *, has_bar: bool) -> Line:
    """An evaluation of a structure by OpenMM and by us."""
    molecule = set_up(structure(f"{name}.pdb"), OBC2)
    theirs, ours = openmm_evaluation(molecule), partial(evaluate, molecule)
    jax.clear_caches()  # checks of the structure have compiled it already
    compiled = seconds_of(ours)
    rounds = [(seconds_of(theirs), seconds_of(ours)) for _ in range(30)]
    best_theirs, best_ours = (min(seconds) for seconds in zip(*rounds, strict=True))
    return Line(
        f"OpenMM {openmm.version.version} on its CPU platform, {name}, {molecule.n_atoms} atoms",
        f"{1e3 * best_theirs:.2f} ms",
        f"{1e3 * best_ours:.2f} ms; Hessian product {1e3 * product_seconds(molecule):.2f} ms; "
        f"compiled in {compiled:.1f} s",
        best_theirs / best_ours,
        "faster" if has_bar else "-",
        best_ours < best_theirs if has_bar else None,
    )


def evaluate(molecule: Molecule) -> None:
    """Energy and forces by us."""
    value_and_gradient(molecule.energy, molecule.x)[1].block_until_ready()


def openmm_evaluation(molecule: Molecule) -> Callable[[], object]:
    """Energy and forces by OpenMM on one thread."""
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(molecule.system, openmm.VerletIntegrator(1.0), platform, {"Threads": "1"})

    def work() -> object:
        context.setPositions(molecule.x)
        return context.getState(getEnergy=True, getForces=True).getForces(asNumpy=True)

    return work


def product_seconds(molecule: Molecule) -> float:
    """The quickest of ten products with the Hessian."""
    v = np.random.default_rng(0).normal(size=molecule.x.shape)

    def work() -> None:
        hessian_product(molecule.energy, molecule.x, v).block_until_ready()

    work()
    return min(seconds_of(work) for _ in range(10))


def linear_in_the_number_of_atoms(folder: Path) -> list[Line]:
    """Boxes of water with a cut-off of 1 nm: processor time, which other programs do not change, and memory."""
    process, found = psutil.Process(), []
    for n_atoms in (2_000, 8_000, 25_000):
        system, x = box_of_water(n_atoms)
        energy = energy_of(system, x)
        value_and_gradient(energy, x)[1].block_until_ready()
        seconds = median(processor_seconds(lambda e=energy, x=x: value_and_gradient(e, x)) for _ in range(5))
        found.append((len(x), seconds, process.memory_info().rss / GIB))
    first, last = found[0], found[-1]
    lines = [
        Line(f"water, {n} atoms", "-", f"{1e3 * seconds:.0f} ms, process holds {memory:.2f} GiB")
        for n, seconds, memory in found
    ]
    growth = (last[1] / last[0]) / (first[1] / first[0])
    per_atom = [f"{1e6 * seconds / n:.1f} µs per atom" for n, seconds, _ in (first, last)]
    lines.append(
        Line(f"{first[0]} to {last[0]} atoms", *per_atom, growth, "grows linearly: ratio <= 1.5", growth <= 1.5)
    )
    return lines


def box_of_water(n_atoms: int) -> tuple[Any, np.ndarray]:
    """A System of flexible TIP3P water at its density, and positions in nm."""
    field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    edge = (n_atoms / 3 / 33.3) ** (1 / 3)
    modeller.addSolvent(field, model="tip3p", boxSize=openmm.Vec3(edge, edge, edge) * unit.nanometer)
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.CutoffPeriodic,
        nonbondedCutoff=1.0 * unit.nanometer,
        constraints=None,
        rigidWater=False,
    )
    return system, in_nm(modeller.positions)


def protein_of_villin(folder: Path) -> Path:
    """Write villin without its water and ions."""
    model, out = without_solvent(VILLIN), folder / "villin.pdb"
    with out.open("w") as file:
        app.PDBFile.writeFile(model.topology, model.positions, file)
    return out


def in_nm(positions: Any) -> np.ndarray:
    return np.array(positions.value_in_unit(unit.nanometer))


def seconds_of(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def processor_seconds(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()[1].block_until_ready()
    return time.process_time() - begin


FIELDS = [
    *[("amber14", solvent) for solvent in ("none", "hct", "obc1", "gbn", "gbn2")],
    *[(field, "obc2") for field in ("amber96", "amber99sbildn", "charmm36")],
]
CASES: dict[str, Callable[[Path], list[Line]]] = {
    **{name: partial(same_as_openmm, name) for name in ("1PLW", "5AWL", "2JOF", "2WXC", "villin")},
    "water": same_with_a_cutoff,
    **{f"{field}-{solvent}": partial(same_for_a_force_field, field, solvent) for field, solvent in FIELDS},
    "speed": faster_than_openmm,
    "scaling": linear_in_the_number_of_atoms,
}


@pytest.mark.parametrize("name", CASES)
def test_energies(name: str, tmp_path: Path) -> None:
    lines = CASES[name](tmp_path)
    show({name: lines}, Console(width=200))
    assert not missed(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (default: all)")
    with tempfile.TemporaryDirectory() as folder:
        for name in parser.parse_args().cases or CASES:
            show({name: CASES[name](Path(folder))}, Console(width=200))


if __name__ == "__main__":
    main()

"""Molecular dynamics of the packed unit cell with OpenMM: three states, each sampled in its own run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import openmm
from openmm import app, unit
from scipy.spatial.transform import Rotation

from resources.make_example.packing import symmetrised
from resources.make_example.peptide import HELIX, SEQUENCE, HeavyAtom

FORCE_FIELD = ("amber14/protein.ff14SB.xml", "amber14/tip3p.xml")
TEMPERATURE = 300.0  # K
STEP = 0.004  # ps, with hydrogens of 3 u
CUTOFF = 0.8  # nm
HOLD = 40.0  # kJ/mol, restraint of a torsion while frames are taken
DRIVE = 400.0  # kJ/mol, while the crystal is brought from one state to another
TETHER = 40.0  # kJ/mol/nm^2 on each CA towards its symmetric place: stands for the rest of the crystal

PHENYLALANINES = tuple(number for number, name in enumerate(SEQUENCE, start=1) if name == "PHE")
WATER = np.array([[0.0, 0.0, 0.0], [0.9572, 0.0, 0.0], [-0.2400, 0.9266, 0.0]])  # O, H1, H2, angstrom
EXTENDED = (-75.0, 150.0)


@dataclass(frozen=True)
class State:
    """A state of the peptide: chi1 of its phenylalanines and the first residue of its unwound C-terminal part."""

    name: str
    chi1: float
    unwound_from: int | None = None

    def targets(self) -> dict[tuple[int, str], float]:
        """Restrained torsions in degrees, by residue number and torsion name."""
        found: dict[tuple[int, str], float] = {}
        for number in range(1, len(SEQUENCE) + 1):
            unwound = self.unwound_from is not None and number >= self.unwound_from
            found[number, "phi"], found[number, "psi"] = EXTENDED if unwound else HELIX
        for number in PHENYLALANINES:
            found[number, "chi1"] = self.chi1
        return found


STATES = (State("helix, Phe gauche-", -65.0), State("helix, Phe trans", 180.0), State("frayed C terminus", -65.0, 8))


@dataclass(frozen=True)
class Schedule:
    """How long each part takes, ps, and how many frames a state gives."""

    settle: float = 60.0
    drive: float = 25.0
    relax: float = 40.0
    spacing: float = 6.0
    frames: int = 36


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What the simulation gives.

    Attributes
    ----------
    topology : openmm.app.Topology
    edges : float64 [3]
        Cell edges, angstrom; all angles are 90 degrees.
    positions : float64 [n_frames, n_atoms, 3]
        Angstrom, molecules whole.
    state : int [n_frames]
        Index into `STATES`.
    """

    topology: app.Topology
    edges: np.ndarray
    positions: np.ndarray
    state: np.ndarray


def molecule_with_hydrogens(atoms: list[HeavyAtom], seed: int) -> app.Modeller:
    """One molecule with the hydrogens of the force field."""
    random.seed(seed)  # Modeller starts hydrogens at random
    topology = app.Topology()
    chain = topology.addChain()
    residues: dict[int, app.topology.Residue] = {}
    for atom in atoms:
        if atom.residue not in residues:
            residues[atom.residue] = topology.addResidue(atom.residue_name, chain, str(atom.residue))
        topology.addAtom(atom.name, app.Element.getBySymbol(atom.element), residues[atom.residue])
    topology.createStandardBonds()
    modeller = app.Modeller(topology, _quantity(np.array([a.position for a in atoms])))
    reference = openmm.Platform.getPlatformByName("Reference")  # the same hydrogens every time, see `_platform`
    modeller.addHydrogens(app.ForceField(*FORCE_FIELD), platform=reference)
    return modeller


def crystal_with_water(
    molecule: app.Modeller, copies: np.ndarray, oxygens: np.ndarray, edges: np.ndarray
) -> app.Modeller:
    """All `copies` [n_op, n_atoms, 3] of the molecule and water at `oxygens` [n_water, 3], angstrom, in one cell."""
    crystal = app.Modeller(molecule.topology, _quantity(copies[0]))
    for copy in copies[1:]:
        crystal.add(molecule.topology, _quantity(copy))
    rng = np.random.default_rng(len(oxygens))
    water, atoms = app.Topology(), []
    chain = water.addChain()
    for number, oxygen in enumerate(oxygens, start=1):
        residue = water.addResidue("HOH", chain, str(number))
        for name, offset in zip(("O", "H1", "H2"), WATER @ Rotation.random(rng=rng).as_matrix(), strict=True):
            water.addAtom(name, app.Element.getBySymbol(name[0]), residue)
            atoms.append(oxygen + offset)
    water.createStandardBonds()
    crystal.add(water, _quantity(np.array(atoms)))
    crystal.topology.setUnitCellDimensions(openmm.Vec3(*edges) * 0.1 * unit.nanometer)
    return crystal


class CrystalRun:
    """The crystal in an OpenMM context whose restraints can be moved from one state to another."""

    def __init__(self, crystal: app.Modeller, seed: int, *, pressure: bool = False) -> None:
        self.topology = crystal.topology
        self._system = app.ForceField(*FORCE_FIELD).createSystem(
            crystal.topology,
            nonbondedMethod=app.PME,
            nonbondedCutoff=CUTOFF * unit.nanometer,
            constraints=app.HBonds,
            hydrogenMass=3.0 * unit.dalton,
        )
        self._torsions = torsion_atoms(crystal.topology)
        self._hold = self._torsion_force()
        self._alphas = alpha_carbons(crystal.topology)
        self._tether = _tether_force(self._alphas)
        for force in (self._hold, self._tether):
            self._system.addForce(force)
        if pressure:
            bar = openmm.Vec3(1.0, 1.0, 1.0) * unit.bar
            barostat = openmm.MonteCarloAnisotropicBarostat(bar, TEMPERATURE * unit.kelvin)
            barostat.setRandomNumberSeed(seed)
            self._system.addForce(barostat)
        integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, STEP)
        integrator.setRandomNumberSeed(seed)
        self._context = openmm.Context(self._system, integrator, *_platform())
        self._context.setPeriodicBoxVectors(*crystal.topology.getPeriodicBoxVectors())
        self._context.setPositions(crystal.positions)

    def minimise(self) -> None:
        """Go down to the next minimum, then draw velocities."""
        openmm.LocalEnergyMinimizer.minimize(self._context, 5.0, 2000)
        self._context.setVelocitiesToTemperature(TEMPERATURE, self._context.getIntegrator().getRandomNumberSeed())

    def hold(self, state: State, strength: float) -> None:
        """Restrain the torsions to `state` with `strength`, kJ/mol."""
        targets = state.targets()
        for row, (key, atoms) in enumerate(self._torsions):
            self._hold.setTorsionParameters(row, *atoms, (np.radians(targets[key]),))
        self._hold.updateParametersInContext(self._context)
        self._context.setParameter("hold", strength)

    def tether(self, places: np.ndarray) -> None:
        """Tie the CA atoms weakly to `places` [n_alpha, 3], angstrom."""
        for row, (atom, place) in enumerate(zip(self._alphas, places, strict=True)):
            self._tether.setParticleParameters(row, int(atom), tuple(0.1 * place))
        self._tether.updateParametersInContext(self._context)
        self._context.setParameter("tether", TETHER)

    def advance(self, time: float) -> None:
        """Run for `time` ps."""
        self._context.getIntegrator().step(round(time / STEP))

    @property
    def positions(self) -> np.ndarray:
        """Unwrapped positions, angstrom, float64 [n_atoms, 3]."""
        state = self._context.getState(getPositions=True)
        return np.array(state.getPositions(asNumpy=True).value_in_unit(unit.angstrom))

    @property
    def edges(self) -> np.ndarray:
        """Cell edges, angstrom, float64 [3]."""
        vectors = self._context.getState().getPeriodicBoxVectors(asNumpy=True)
        return np.diag(vectors.value_in_unit(unit.angstrom)).copy()

    def _torsion_force(self) -> openmm.CustomTorsionForce:
        force = openmm.CustomTorsionForce("hold * (1 - cos(theta - theta0))")
        force.addGlobalParameter("hold", HOLD)
        force.addPerTorsionParameter("theta0")
        targets = STATES[0].targets()
        for key, atoms in self._torsions:
            force.addTorsion(*atoms, (np.radians(targets[key]),))
        return force


def simulate(crystal: app.Modeller, schedule: Schedule, seed: int, say: Callable[[str], None]) -> Trajectory:
    """Settle the crystal at 1 bar, fix its cell, then sample each state at constant volume."""
    settled, edges = _settle(crystal, schedule, seed, say)
    run = CrystalRun(settled, seed + 1)
    start = run.positions
    alphas = alpha_carbons(settled.topology)
    by_copy = start[alphas].reshape(4, len(SEQUENCE), 3)
    run.tether(symmetrised(by_copy, edges).reshape(-1, 3))
    frames: list[np.ndarray] = []
    for number, state in enumerate(STATES):
        say(f"state {number}: {state.name}")
        frames.extend(_sample(run, state, schedule))
    label = np.repeat(np.arange(len(STATES)), schedule.frames)
    return Trajectory(settled.topology, edges, np.array(frames), label)


def _settle(
    crystal: app.Modeller, schedule: Schedule, seed: int, say: Callable[[str], None]
) -> tuple[app.Modeller, np.ndarray]:
    """Minimise and equilibrate at 1 bar; the cell edges rounded to 0.01 angstrom."""
    run = CrystalRun(crystal, seed, pressure=True)
    run.minimise()
    run.advance(schedule.settle / 2)
    recorded = []
    for _ in range(20):
        run.advance(schedule.settle / 40)
        recorded.append(run.edges)
    edges = np.array(recorded).mean(axis=0).round(2)
    say(f"cell after {schedule.settle:.0f} ps at 1 bar: " + " ".join(f"{e:.2f}" for e in edges))
    positions = run.positions * edges / run.edges
    settled = app.Modeller(crystal.topology, _quantity(positions))
    settled.topology.setUnitCellDimensions(openmm.Vec3(*edges) * 0.1 * unit.nanometer)
    return settled, edges


def _sample(run: CrystalRun, state: State, schedule: Schedule) -> Iterator[np.ndarray]:
    """Drive the crystal into `state`, let it relax, and give frames."""
    if state is STATES[0]:
        run.minimise()
    run.hold(state, DRIVE)
    run.advance(schedule.drive)
    run.hold(state, HOLD)
    run.advance(schedule.relax)
    for _ in range(schedule.frames):
        run.advance(schedule.spacing)
        yield run.positions


def alpha_carbons(topology: app.Topology) -> np.ndarray:
    """Rows of the CA atoms, int [n_alpha]."""
    return np.array([a.index for a in topology.atoms() if a.name == "CA"])


def torsion_atoms(topology: app.Topology) -> list[tuple[tuple[int, str], tuple[int, int, int, int]]]:
    """Atoms of the restrained torsions: ((residue number, torsion name), four rows)."""
    found = []
    for chain in topology.chains():
        residues = list(chain.residues())
        if residues[0].name != "ACE":
            continue
        rows = [{a.name: a.index for a in residue.atoms()} for residue in residues]
        for number in range(1, len(SEQUENCE) + 1):
            here, before, after = rows[number], rows[number - 1], rows[number + 1]
            found.append(((number, "phi"), (before["C"], here["N"], here["CA"], here["C"])))
            found.append(((number, "psi"), (here["N"], here["CA"], here["C"], after["N"])))
            if number in PHENYLALANINES:
                found.append(((number, "chi1"), (here["N"], here["CA"], here["CB"], here["CG"])))
    return found


def _quantity(positions: np.ndarray) -> unit.Quantity:
    return [openmm.Vec3(*p) * 0.1 for p in positions] * unit.nanometer


def _tether_force(atoms: np.ndarray) -> openmm.CustomExternalForce:
    force = openmm.CustomExternalForce("0.5 * tether * ((x - x0)^2 + (y - y0)^2 + (z - z0)^2)")
    force.addGlobalParameter("tether", 0.0)
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for atom in atoms:
        force.addParticle(int(atom), (0.0, 0.0, 0.0))
    return force


def _platform() -> tuple[openmm.Platform, dict[str, str]]:
    """One thread: with more, sums are taken in any order, and the same seed gives other frames each time."""
    return openmm.Platform.getPlatformByName("CPU"), {"DeterministicForces": "true", "Threads": "1"}

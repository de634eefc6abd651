"""What any coordinates must do, checked by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest
from openmm import app, unit

from mdweights_core.energy.base import Energy
from mdweights_core.energy.bonded import HarmonicBonds
from mdweights_core.energy.openmm_system import energy_of
from mdweights_core.energy.setup import Molecule
from mdweights_core.flow.coordinates.build import internal_coordinates

TURNS = 2 * np.pi
RNG = np.random.default_rng(11)
ALA2 = {
    "ACE": "CH3 H1 H2 H3 C O",
    "ALA": "N H CA HA CB HB1 HB2 HB3 C O",
    "NME": "N H C H1 H2 H3",
}
ALA2_X = """2.021 2.143 0.233 1.980 1.173 0.725 1.728 2.034 -0.809 1.347 2.833 0.738 3.431 2.684 0.301 4.316 2.033 0.858
3.634 3.871 -0.265 2.832 4.324 -0.679 4.910 4.592 -0.307 5.519 4.290 0.546 5.647 4.195 -1.594 6.619 4.687 -1.632
5.062 4.493 -2.466 5.800 3.116 -1.616 4.719 6.122 -0.220 3.631 6.648 -0.486 5.787 6.844 0.142 6.637 6.329 0.331
5.814 8.301 0.275 6.807 8.630 0.585 5.570 8.769 -0.681 5.086 8.623 1.022"""  # angstrom


@jax.jit
def placed_all(coordinates: Any, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Positions [S, N] of variables [S, n], and log-dets [S]."""
    return jax.vmap(coordinates.place)(y)


@jax.jit
def read_all(coordinates: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Variables [S, n] of positions [S, N], and log-dets [S]."""
    return jax.vmap(coordinates.read)(x)


@jax.jit
def with_jacobian(coordinates: Any, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Positions [N] of variables [n], and their derivatives [N, n]."""

    def place(at: jax.Array) -> jax.Array:
        return coordinates.place(at)[0]

    return place(y), jax.jacfwd(place)(y)


def check_round_trip(coordinates: Any, y: np.ndarray, *, tolerance: float = 1e-10) -> None:
    """Variables [S, n] are read back from where they place, the two log-dets cancel, and dtypes stay."""
    y = jnp.asarray(y)
    x, placed = placed_all(coordinates, y)
    back, read = read_all(coordinates, x)
    assert len(coordinates.names) == len(coordinates.circular) == coordinates.n == y.shape[1]
    assert x.shape == (len(y), coordinates.n_cartesian)
    assert {a.dtype for a in (x, placed, back, read)} == {y.dtype}
    apart = np.array(back - y)
    circular = np.array(coordinates.circular)
    apart[:, circular] -= TURNS * np.rint(apart[:, circular] / TURNS)
    assert (np.abs(np.asarray(back)[:, circular]) <= np.pi + 1e-6).all()
    np.testing.assert_allclose(apart, 0, atol=tolerance)
    np.testing.assert_allclose(placed + read, 0, atol=tolerance * y.shape[1])


def rigid_columns(x: np.ndarray) -> np.ndarray:
    """Derivatives [3 n_atoms, 6] of positions by a shift and by a turn about x, y and z."""
    atoms = x.reshape(-1, 3)
    shifts = [np.broadcast_to(axis, atoms.shape).ravel() for axis in np.eye(3)]
    turns = [np.cross(axis, atoms).ravel() for axis in np.eye(3)]
    return np.stack(shifts + turns, axis=1)


def volume_change(coordinates: Any, y: np.ndarray, *, rigid: bool) -> float:
    """ln |det dx/dy| of one configuration from its Jacobian; with rigid motions, or by the Gram determinant."""
    x, jacobian = (np.asarray(found) for found in with_jacobian(coordinates, jnp.asarray(y)))
    if rigid:
        jacobian = np.concatenate([jacobian, rigid_columns(x)], axis=1)
    return float(np.linalg.slogdet(jacobian.T @ jacobian)[1] / 2)


@pytest.fixture(scope="session")
def round_trip() -> Callable[..., None]:
    """Return the check of a round trip."""
    return check_round_trip


@pytest.fixture(scope="session")
def placed() -> Callable[..., Any]:
    """Return what places variables [S, n], compiled once for each size."""
    return placed_all


@pytest.fixture(scope="session")
def read_back() -> Callable[..., Any]:
    """Return what reads positions [S, N], compiled once for each size."""
    return read_all


@pytest.fixture(scope="session")
def jacobian() -> Callable[..., float]:
    """Return the volume change told by automatic differentiation."""
    return volume_change


def random_variables(coordinates: Any, size: int, spread: float = 1.0) -> np.ndarray:
    """Random variables [size, n], uniform where they are circular."""
    y = RNG.normal(scale=spread, size=(size, coordinates.n))
    circular = np.array(coordinates.circular)
    y[:, circular] = RNG.uniform(-np.pi, np.pi, (size, circular.sum()))
    return y


def alanine_topology() -> Any:
    """ACE-ALA-NME."""
    topology = app.Topology()
    chain = topology.addChain("A")
    for number, (residue_name, names) in enumerate(ALA2.items(), start=1):
        residue = topology.addResidue(residue_name, chain, str(number))
        for name in names.split():
            topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
    topology.createStandardBonds()
    return topology


def simulated(molecule: Molecule, n_frames: int, temperature: float = 300.0) -> np.ndarray:
    """Frames [n_frames, n_atoms, 3] of Langevin dynamics, 25 steps apart."""
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5.0, 0.001)
    integrator.setRandomNumberSeed(7)
    context = openmm.Context(molecule.system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(molecule.x)
    context.applyConstraints(1e-8)
    context.setVelocitiesToTemperature(temperature, 3)
    integrator.step(200)
    frames = []
    for _ in range(n_frames):
        integrator.step(25)
        state = context.getState(getPositions=True)
        frames.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    return np.array(frames, dtype=np.float64)


def alanine_dipeptide(constraints: Any = None) -> Molecule:
    """Alanine dipeptide in vacuum, at a minimum unless there are constraints."""
    topology = alanine_topology()
    system = app.ForceField("amber96.xml").createSystem(topology, constraints=constraints)
    x = np.array(ALA2_X.split(), dtype=np.float64).reshape(-1, 3) / 10
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(x)
    openmm.LocalEnergyMinimizer.minimize(context, 0.01)
    x = np.array(context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    return Molecule(topology, x, system, energy_of(system, x), np.zeros(0, dtype=int))


def molecule_of_springs(bonds: Sequence[tuple[int, int]], x: np.ndarray, elements: str | None = None) -> Molecule:
    """Atoms X1, X2... of one residue, with springs of one constant for bonds."""
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain("A"))
    symbols = elements or "C" * len(x)
    atoms = [
        topology.addAtom(f"{symbol}{i + 1}", app.Element.getBySymbol(symbol), residue)
        for i, symbol in enumerate(symbols)
    ]
    system = openmm.System()
    for _ in atoms:
        system.addParticle(12.0)
    for a, b in bonds:
        topology.addBond(atoms[a], atoms[b])
    pairs = np.array(bonds, dtype=int).reshape(-1, 2)
    length = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    springs = HarmonicBonds(jnp.asarray(pairs), jnp.asarray(length), jnp.full(len(pairs), 2e5))
    return Molecule(topology, x, system, Energy({"bonds": springs}, len(x)), np.zeros(0, dtype=int))


@pytest.fixture(scope="session")
def springs() -> Callable[..., Molecule]:
    """Return what makes a molecule of springs."""
    return molecule_of_springs


@pytest.fixture(scope="session")
def alanine() -> Molecule:
    """Return alanine dipeptide without constraints."""
    return alanine_dipeptide()


@pytest.fixture(scope="session")
def alanine_frames(alanine: Molecule) -> np.ndarray:
    """Return 400 frames of it."""
    return simulated(alanine, 400)


@pytest.fixture(scope="session")
def stiff_alanine() -> tuple[Molecule, np.ndarray]:
    """Return alanine dipeptide with constraints of all bonds to hydrogens, and 200 frames."""
    molecule = alanine_dipeptide(app.HBonds)
    return molecule, simulated(molecule, 200)


@pytest.fixture(scope="session")
def of_alanine(alanine: Molecule, alanine_frames: np.ndarray) -> tuple[Any, tuple[str, ...]]:
    """Return the coordinates of alanine dipeptide, and what was said."""
    return internal_coordinates(alanine, alanine_frames)


@pytest.fixture(scope="session")
def alanine_read(of_alanine: Any, alanine_frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return variables of the frames, and the log-dets."""
    y, log_det = read_all(of_alanine[0], alanine_frames.reshape(len(alanine_frames), -1))
    return np.asarray(y), np.asarray(log_det)


@pytest.fixture(scope="session")
def variables() -> Callable[..., np.ndarray]:
    """Return what draws random variables."""
    return random_variables


@pytest.fixture(scope="session")
def methylene() -> tuple[Molecule, np.ndarray]:
    """C-CH2-C, and 80 frames with the labels of the hydrogens as in the first."""
    x = np.array([[0.125, -0.05, 0], [0, 0.035, 0], [-0.125, -0.05, 0], [0, 0.1, 0.09], [0, 0.1, -0.09]])
    frames = x + RNG.normal(scale=0.004, size=(80, 5, 3))
    return molecule_of_springs([(0, 1), (1, 2), (1, 3), (1, 4)], x, "CCCHH"), frames

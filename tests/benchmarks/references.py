"""Reference ensembles and free energies that flow sampling is measured against, by simulations of its own.

As a script:  python tests/benchmarks/references.py [PART ...] [--out FOLDER] [--frames T] [--sets M]
Parts:        dw4, dimer, dimer-default, alanine, alanine-frames

Each writes PART.npz (x [S, N], weights [S], energy [S] in kT, coordinate [S]) and a line of the table of
docs/benchmarks.md. The folder also gets alanine.pdb. They take minutes each; the fewer frames, the larger the errors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a script

from mdweights_core import jobs
from mdweights_core.energy.internal import torsion
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import Molecule, set_up
from mdweights_core.energy.toys.registry import toy
from mdweights_core.flow.reference.chains import run_chains, spread_over
from mdweights_core.flow.reference.settings import ChainSettings, Windows
from mdweights_core.flow.reference.umbrella import run_umbrella
from mdweights_core.flow.targets import MolecularTarget

KELVIN = 300.0
PHI, PSI = np.array([4, 6, 8, 14]), np.array([6, 8, 14, 16])
BASIN = np.radians(135.0)
"""The minor basin of alanine dipeptide is 0 < phi < 135 degrees."""


@dataclass(frozen=True)
class Reference:
    """What a simulation tells: configurations [S, N] with weights [S], and numbers with their errors."""

    x: np.ndarray
    weights: np.ndarray
    energy: np.ndarray
    coordinate: np.ndarray
    numbers: dict[str, tuple[float, float]]
    evaluations: int
    seconds: float


def dw4(frames: int, sets: int) -> Reference:
    """Chains of a hundred walkers a set, without the motion of the whole."""
    target = toy("dw4").make()
    walkers = 100 * sets
    starts = np.random.default_rng(2).normal(scale=3.0, size=(walkers, 8))
    settings = ChainSettings(frames, 100, 5000, 200, 0.1, "hybrid", seed=2)
    chains = jobs.run(run_chains(target, starts, settings))
    places = chains.x.reshape(frames, walkers, 4, 2)
    x = (places - places.mean(axis=2, keepdims=True)).reshape(frames, walkers, 8)
    i, j = np.triu_indices(4, 1)
    d = np.linalg.norm(places[..., i, :] - places[..., j, :], axis=-1)
    numbers = {
        "<u>, kT": _of_walkers(chains.energy),
        "mean pair distance": _of_walkers(d.mean(axis=-1)),
        "P(d < 4)": _of_walkers((d < 4).mean(axis=-1)),
    }
    flat = x.reshape(-1, 8)
    weights = np.full(len(flat), 1 / len(flat))
    coordinate = toy("dw4").coordinate(flat)
    return Reference(flat, weights, chains.energy.ravel(), coordinate, numbers, chains.evaluations, chains.seconds)


def _of_walkers(values: np.ndarray) -> tuple[float, float]:
    """Mean of values [T, W], and its error from walkers that never meet."""
    each = values.mean(axis=0)
    return float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5)


def dimer(name: str, frames: int, sets: int) -> Reference:
    """Thirty-five windows of the dimer's length from 0.7 to 2.4."""
    system = toy(name)
    target = system.make()
    lengths = np.arange(0.7, 2.41, 0.05)
    starts = np.repeat(target.starts[:1], len(lengths), axis=0)
    starts[:, 0], starts[:, 2] = -lengths / 2, lengths / 2
    settings = ChainSettings(frames, 100, 20_000, 500, 0.012, "hybrid", friction=0.5, seed=31)
    windows = Windows.even(0.7, 2.4, 35, 500.0)
    job = run_umbrella(target, system.coordinate, windows, starts.astype(np.float32), settings, sets=sets)
    run = jobs.run(job)
    numbers = {"F(open) - F(closed), kT": run.difference(system.is_above(run.x.astype(np.float64)))}
    weights, x = run.weights(), run.x.reshape(-1, target.n)
    flat = (weights.ravel(), run.energy.ravel(), run.coordinate.ravel())
    return Reference(x, *flat, numbers, run.evaluations, run.seconds)


@cache
def alanine_dipeptide() -> Molecule:
    """PDBFixer's alanine dipeptide with hydrogens, in amber96 and OBC1, without constraints."""
    import pdbfixer

    path = Path(pdbfixer.__file__).parent / "tests" / "data" / "alanine-dipeptide.pdb"
    return set_up(path, EnergySettings("amber96", "obc1", add_hydrogens=True))


def write_structure(folder: Path) -> None:
    """Write alanine.pdb."""
    from openmm import app

    molecule = alanine_dipeptide()
    with (folder / "alanine.pdb").open("w") as file:
        app.PDBFile.writeFile(molecule.topology, 10 * molecule.x, file)


def phi(x: jax.Array) -> jax.Array:
    """Torsion angle of a configuration [66]."""
    return torsion(x.reshape(-1, 3)[PHI])


def _turned(x: np.ndarray, axis: tuple[int, int], from_atom: int, angle: float) -> np.ndarray:
    """Atoms from one of them on, turned about a bond."""
    first, second = x[axis[0]], x[axis[1]]
    turn = Rotation.from_rotvec(angle * (second - first) / np.linalg.norm(second - first))
    return np.concatenate([x[:from_atom], turn.apply(x[from_atom:] - first) + first])


def _target_and_inertia() -> tuple[MolecularTarget, np.ndarray]:
    """The molecule at its temperature; hydrogens weigh 4 dalton, which changes the pace only."""
    molecule = alanine_dipeptide()
    target = MolecularTarget.at(molecule.energy, KELVIN)
    masses = np.where(molecule.masses < 1.5, 4.0, molecule.masses)
    return target, np.repeat(masses / target.kt, 3)


def alanine(frames: int, sets: int) -> Reference:
    """Twenty-four windows of phi round the circle, with starts all round psi."""
    target, inertia = _target_and_inertia()
    x = alanine_dipeptide().x
    turned = [
        _turned(_turned(x, (6, 8), 9, a), (8, 14), 15, b)
        for a in np.radians(np.arange(0, 360, 15))
        for b in np.radians(np.arange(0, 360, 60))
    ]
    starts = np.array(turned, dtype=np.float32).reshape(-1, target.n)
    begin = float(phi(jnp.asarray(x.ravel()))) % np.radians(15)  # so that each window has six starts
    windows = Windows.even(begin - np.pi, begin + np.pi, 24, 24.0, is_angle=True)
    settings = ChainSettings(frames, 100, 10_000, 300, 0.002, friction=2.0, seed=11)
    run = jobs.run(run_umbrella(target, phi, windows, starts, settings, sets=sets, inertia=inertia))
    is_minor = (run.coordinate > 0) & (run.coordinate < BASIN)
    numbers = {"F(0 < phi < 135°) - F(rest), kT": run.difference(is_minor)}
    weights = run.weights()
    flat = (weights.ravel(), run.energy.ravel(), run.coordinate.ravel())
    return Reference(_centred(run.x), *flat, numbers, run.evaluations, run.seconds)


def alanine_frames(frames: int, sets: int) -> Reference:
    """What a user's simulation holds: 32 walkers a set from one minimum of phi < 0, a frame every 0.4 ps."""
    target, inertia = _target_and_inertia()
    starts = spread_over(alanine_dipeptide().x.reshape(1, -1), 32 * sets)
    settings = ChainSettings(frames, 200, 10_000, 500, 0.002, friction=2.0, seed=1)
    chains = jobs.run(run_chains(target, starts, settings, inertia=inertia))
    angles = np.asarray(jax.vmap(phi)(jnp.asarray(chains.frames)), dtype=np.float64)
    is_minor = ((angles > 0) & (angles < BASIN)).reshape(frames, -1)
    numbers = {"share of 0 < phi < 135°": _of_walkers(is_minor), "<u>, kT": _of_walkers(chains.energy)}
    weights = np.full(len(angles), 1 / len(angles))
    x = _centred(chains.frames)
    return Reference(x, weights, chains.energy.ravel(), angles, numbers, chains.evaluations, chains.seconds)


def _centred(x: np.ndarray) -> np.ndarray:
    """Configurations [S, N] with their middle in the origin."""
    places = x.reshape(-1, x.shape[-1] // 3, 3)
    return (places - places.mean(axis=1, keepdims=True)).reshape(len(places), -1)


PARTS: dict[str, tuple[Callable[[int, int], Reference], int]] = {  # with the frames of each walker
    "dw4": (dw4, 2000),
    "dimer": (lambda frames, sets: dimer("dimer", frames, sets), 800),
    "dimer-default": (lambda frames, sets: dimer("dimer-default", frames, sets), 800),
    "alanine": (alanine, 1250),
    "alanine-frames": (alanine_frames, 500),
}


def main() -> None:
    """Make the references that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all")
    parser.add_argument("--out", type=Path, default=Path("references"))
    parser.add_argument("--frames", type=int, help="of each walker")
    parser.add_argument("--sets", type=int, default=4, help="independent sets of walkers, which tell the error")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    table = Table("reference", "number", "value", "error", "energies", "s")
    for name in chosen.parts or PARTS:
        make, frames = PARTS[name]
        found = make(chosen.frames or frames, chosen.sets)
        path = chosen.out / f"{name}.npz"
        np.savez(path, x=found.x, weights=found.weights, energy=found.energy, coordinate=found.coordinate)
        if name.startswith("alanine"):
            write_structure(chosen.out)
        for what, (value, error) in found.numbers.items():
            cost = (f"{found.evaluations:.2e}", f"{found.seconds:.0f}")
            table.add_row(name, what, f"{value:.4f}", f"{error:.4f}", *cost)
    Console().print(table)


if __name__ == "__main__":
    main()

"""Slow modes: the published loops by many ways to their minimum, and the lowest modes of a large elastic network.

As a script:  python tests/benchmarks/bench_modes.py [PART ...] [--starts S] [--sizes N ...]
Parts:        loops, chains, molecules, modes
As a test:    make bench

Energies are those of the published formula, without the small random repulsion; "with" it is told beside. A loop is
formed when its pair has more than half the depth of the well. Evaluations are gradients per start and hold all Hessian
work.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peptides import structure

from mdweights_core import jobs
from mdweights_core.energy.base import Energy, values
from mdweights_core.energy.curvature import stiffness_matrix
from mdweights_core.energy.elastic import elastic_network
from mdweights_core.energy.loops import STEEP_CORE, Loops, Variant
from mdweights_core.energy.setup import read_structure, set_up
from mdweights_core.minimize.base import Reparametrisation
from mdweights_core.minimize.cartesian import FreeAtoms
from mdweights_core.minimize.evaluation import evaluator
from mdweights_core.minimize.linear import LinearModes
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.minimize.slow_modes import slow_mode_stages
from mdweights_core.minimize.stages import Stage, minimize_in_stages
from mdweights_core.modes.backbone import backbone_modes, block_norms
from mdweights_core.modes.spectrum import Modes, elastic_modes

PARTS = ["loops", "chains", "molecules", "modes"]
CASES: tuple[tuple[Variant, int], ...] = (("lj", 400), ("lj", 1000), ("bond-lj", 400), ("bond-lj", 1000))
LIMIT = {400: 3000, 1000: 7500}
EXPECTED_COST = 2
"""Gradients that couplings in closed form are counted as: one curvature of each kind of pair at 512 distances."""

BARS = {("lj", 400): (-0.1305, 0.95), ("lj", 1000): (-0.1295, 0.90)}
BOND_BAR = -0.0236


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method made of all starts."""

    name: str
    energy: np.ndarray
    repelled: np.ndarray
    formed: np.ndarray
    evaluations: np.ndarray
    seconds: float


def carried_out(
    name: str, system: Loops, starts: np.ndarray, stages: Sequence[Stage], *, core: float = STEEP_CORE, cost: int = 0
) -> Outcome:
    """Bring all starts through the stages, and score them."""
    begun = time.perf_counter()
    end = jobs.run(minimize_in_stages(evaluator(system.energy(core=core), batched=True), starts, stages))
    seconds = time.perf_counter() - begun
    repelled = np.asarray(values(system.energy(), jnp.asarray(end.x)))
    evaluations = end.evaluations.sum(axis=0) + cost
    return Outcome(name, system.score(end.x), repelled, system.formed(end.x), evaluations, seconds / len(starts))


def with_modes(system: Loops, starts: np.ndarray, limit: int) -> Outcome:
    """Ours: growing numbers of slow modes, then all."""
    backbone = backbone_modes(system.expected_norms(), system.n, EXPECTED_COST)
    stages = slow_mode_stages(backbone, limit - EXPECTED_COST)
    return carried_out("slow modes, L-BFGS", system, starts, stages, cost=EXPECTED_COST)


def without_modes(system: Loops, starts: np.ndarray, limit: int) -> list[Outcome]:
    """All coordinates from the start, with the same energy and the same number of evaluations."""
    common = MinimizeSettings(tolerance=1e-8, max_evaluations=limit, max_step=0.3)
    ways = {
        "L-BFGS": replace(common, method="lbfgs"),
        "FIRE": replace(common, method="fire"),
        "Adam": replace(common, method="adam", learning_rate=0.02, patience=0),
    }
    free = FreeAtoms(np.zeros((system.n, 3)))
    return [carried_out(name, system, starts, [Stage(free, way)]) for name, way in ways.items()]


def show(title: str, outcomes: Sequence[Outcome], console: Console) -> None:
    """Print what came out."""
    table = Table(title=f"{title}; load {os.getloadavg()[0]:.1f}", title_justify="left", box=None, pad_edge=False)
    table.add_column("method")
    heads = ["median", "best", "worst", "with", "loops, median", "worst", "evaluations", "s / start"]
    for name in heads:
        table.add_column(name, justify="right")
    for it in outcomes:
        energies = [f"{f(it.energy):.5f}" for f in (np.median, np.min, np.max)]
        shares = [f"{100 * f(it.formed):.1f} %" for f in (np.median, np.min)]
        rest = [f"{it.evaluations.max()}", f"{it.seconds:.1f}"]
        table.add_row(it.name, *energies, f"{np.median(it.repelled):.5f}", *shares, *rest)
    console.print(table)


def title_of(system: Loops, starts: np.ndarray, kind: str) -> str:
    return f"{system.variant}, n = {system.n}, {len(starts)} {kind} starts, bound {system.lower_bound:.6f}"


def globule(n: int, seed: int = 0) -> np.ndarray:
    """Points as dense as the C-alpha atoms of a globular protein (7.4 per nm^3), in a ball."""
    reach = int((3 * n / 4 / np.pi) ** (1 / 3)) + 2
    lattice = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3), axis=-1).reshape(-1, 3)
    points = lattice + 0.25 * np.random.default_rng(seed).normal(size=lattice.shape)
    return 7.4 ** (-1 / 3) * points[np.argsort((points**2).sum(axis=1))[:n]]


def timed_modes(n: int, count: int = 20) -> tuple[Modes, float, float]:
    """The lowest modes of an elastic network with springs of 1.5 nm, its making included, and its two kinds of time."""
    x = globule(n)
    begun, worked = time.perf_counter(), time.process_time()
    found = jobs.run(elastic_modes(elastic_network(x), x, count))
    return found, time.perf_counter() - begun, time.process_time() - worked


def show_modes(sizes: Sequence[int], console: Console) -> dict[int, float]:
    """Print times and residuals; for networks small enough the error against a dense solver as well."""
    title = f"lowest 20 modes of elastic networks; load {os.getloadavg()[0]:.1f}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("atoms", "s", "s of processors", "largest residual / value", "against dense"):
        table.add_column(name, justify="right")
    seconds = {}
    for n in sizes:
        found, seconds[n], worked = timed_modes(n)
        worst = f"{np.max(found.residuals / found.values):.1e}"
        table.add_row(f"{n}", f"{seconds[n]:.1f}", f"{worked:.1f}", worst, against_dense(found) if n <= 1500 else "")
    console.print(table)
    return seconds


def against_dense(found: Modes) -> str:
    """Largest relative error of the values."""
    hessian = elastic_network(found.reference).hessian(found.reference).toarray()
    exact = np.linalg.eigvalsh(hessian)[6 : 6 + len(found.values)]
    return f"{np.max(np.abs(found.values / exact - 1)):.1e}"


def loops_table(variant: Variant, n: int, kind: str, n_starts: int, console: Console) -> Outcome:
    """All methods from starts of a kind; returns what slow modes came to."""
    system = Loops(n, variant)
    starts = system.gaussian_starts(n_starts, 7) if kind == "Gaussian" else system.chain_starts(n_starts, 7)
    ours = with_modes(system, starts, LIMIT.get(n, 10 * n))
    show(title_of(system, starts, kind), [ours, *without_modes(system, starts, LIMIT.get(n, 10 * n))], console)
    return ours


def molecules_table(n_starts: int, console: Console, limit: int = 600) -> None:
    """Scalar slow modes on NMR models of met-enkephalin, amber14 and OBC2: before all coordinates, or not at all.

    Couplings are those of bonds, angles and torsions at the start, and cost nothing.
    """
    path = structure("1PLW.pdb")
    energy = set_up(path).energy
    evaluate = evaluator(energy)
    table = Table(title=f"1PLW, {n_starts} models, {limit} evaluations", title_justify="left", box=None, pad_edge=False)
    for name in ("method", "median, kJ/mol", "best", "worst", "rms force, median"):
        table.add_column(name, justify="left" if name == "method" else "right")
    found: dict[str, list[tuple[float, float]]] = {}
    for model in range(1, n_starts + 1):
        x = read_structure(path, model)[1]
        for name, stages in molecule_stages(energy, x, limit).items():
            end = jobs.run(minimize_in_stages(evaluate, x[None], stages))
            force = np.sqrt(np.mean(evaluate(end.x)[1] ** 2))
            found.setdefault(name, []).append((end.energy[0], force))
    for name, ends in found.items():
        energies, forces = np.transpose(ends)
        numbers = [f"{f(energies):.2f}" for f in (np.median, np.min, np.max)]
        table.add_row(name, *numbers, f"{np.median(forces):.3g}")
    console.print(table)


def molecule_stages(energy: Energy, x: np.ndarray, limit: int) -> dict[str, list[Stage]]:
    """The ways to compare: all coordinates at once, x0 + Psi Z before these, and the literal X = Psi Z."""
    norms = block_norms(stiffness_matrix(energy, x))
    backbone = backbone_modes(norms, len(x))
    third = backbone.first(len(x) // 3).vectors

    def settings(share: float, max_step: float = 0.02) -> MinimizeSettings:
        evaluations = int(share * limit)
        return MinimizeSettings(method="lbfgs", tolerance=1e-3, max_evaluations=evaluations, max_step=max_step)

    free = FreeAtoms(x)
    ways: dict[str, Reparametrisation] = {
        "x0 + Psi Z, a third": LinearModes(third, origin=x),
        "X = Psi Z, a third": LinearModes(third),
    }
    staged = {name: [Stage(way, settings(0.3, 0.1)), Stage(free, settings(0.7))] for name, way in ways.items()}
    return {"all coordinates": [Stage(free, settings(1.0))], **staged}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("variant", "n"), CASES)
def test_slow_modes_bring_loops_to_their_bound(variant: Variant, n: int, capsys: pytest.CaptureFixture[str]) -> None:
    system = Loops(n, variant)
    ours = with_modes(system, system.gaussian_starts(10, 7), LIMIT[n])
    with capsys.disabled():
        show(f"{variant}, n = {n}", [ours], Console(width=150))
    assert ours.evaluations.max() <= LIMIT[n]
    if variant == "bond-lj":
        assert np.sum(ours.energy <= BOND_BAR) >= 9
    else:
        energy, formed = BARS[variant, n]
        assert np.median(ours.energy) <= energy
        assert np.median(ours.formed) >= formed


@pytest.mark.timeout(1800)
def test_twenty_modes_of_ten_thousand_atoms_take_a_minute_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        seconds = show_modes([1000, 10_000], Console(width=110))
    assert seconds[10_000] <= 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="*", default=[400, 1000])
    parser.add_argument("--variants", nargs="*", default=["lj", "bond-lj"])
    args = parser.parse_args()
    console = Console(width=150)
    cases = [(variant, n) for variant in args.variants for n in args.sizes]
    for variant, n in cases if "loops" in args.parts else []:
        loops_table(variant, n, "Gaussian", args.starts, console)
    for variant, n in cases if "chains" in args.parts else []:
        loops_table(variant, n, "chain", args.starts, console)
    if "molecules" in args.parts:
        molecules_table(args.starts, console)
    if "modes" in args.parts:
        show_modes([1000, 3000, 10_000], console)


if __name__ == "__main__":
    main()

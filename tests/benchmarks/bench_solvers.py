"""Solvers side by side on one problem of known weights: 500 frames, 60 000 reflections, 30 modes, 10 % noise.

All solvers get the same problem in one process, one after the other, in turns, so that what else the machine does falls
on all of them alike. Times hold compilation: every solver begins with empty caches, as in a run of the program.

As a script:  python tests/benchmarks/bench_solvers.py [--rounds N] [--frames T] [--reflections H] [SOLVER ...]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a script

from support.synthetic import Truth, synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.model import intensity, model_arrays
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.settings import FitSettings

SOLVERS = ("gauss-newton", "lbfgs", "adam", "adam-prototype")
YARDSTICK = "adam-prototype"


@dataclass(frozen=True)
class Result:
    """One fit: agreement on work and free reflections, correlation with the true weights, seconds and iterations."""

    cc: float
    cc_free: float
    weights_cc: float
    seconds: float
    iterations: int
    kkt: float
    raw_sum: float


def measure(truth: Truth, solver: str) -> Result:
    """Fit once, compilation included."""
    jax.clear_caches()
    fit = jobs.run(fit_weights(truth.problem, FitSettings(solver=solver)))
    return Result(
        cc=fit.scores.cc_aniso,
        cc_free=fit.scores.cc_aniso_free,
        weights_cc=float(np.corrcoef(fit.weights, truth.weights)[0, 1]),
        seconds=fit.seconds,
        iterations=fit.iterations,
        kkt=fit.kkt_residual,
        raw_sum=fit.raw_sum,
    )


def compare(truth: Truth, solvers: Sequence[str], rounds: int) -> dict[str, list[Result]]:
    """Every solver `rounds` times, in turns."""
    results: dict[str, list[Result]] = {solver: [] for solver in solvers}
    for _ in range(rounds):
        for solver in solvers:
            results[solver].append(measure(truth, solver))
    return results


def median(results: list[Result]) -> Result:
    """The fit whose time is the median one."""
    return sorted(results, key=lambda result: result.seconds)[len(results) // 2]


def show(truth: Truth, results: dict[str, list[Result]], console: Console) -> None:
    """Print the comparison."""
    problem = truth.problem
    rounds, load = len(next(iter(results.values()))), os.getloadavg()[0]
    title = f"{problem.n_frames} frames, {len(problem.observed)} reflections, median of {rounds}; load {load:.1f}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("solver")
    for name in ("aniso CC", "free", "weights CC", "seconds", "speed-up", "iterations", "KKT", "raw sum"):
        table.add_column(name, justify="right")
    exact = coefficients(problem, np.asarray(intensity(truth.weights, model_arrays(problem, anisotropic=True))))
    table.add_row("the true weights", f"{exact['cc_aniso']:.5f}", f"{exact['cc_aniso_free']:.5f}", "1")
    yardstick = median(results[YARDSTICK]).seconds if YARDSTICK in results else float("nan")
    for solver, runs in results.items():
        r = median(runs)
        agreement = (f"{r.cc:.5f}", f"{r.cc_free:.5f}", f"{r.weights_cc:.4f}")
        cost = (
            f"{r.seconds:.1f}",
            f"{yardstick / r.seconds:.1f}",
            str(r.iterations),
            f"{r.kkt:.0e}",
            f"{r.raw_sum:.3f}",
        )
        table.add_row(solver, *agreement, *cost)
    console.print(table)


@pytest.mark.timeout(1800)
def test_the_exact_solver_is_faster_and_better_than_the_prototype(capsys: pytest.CaptureFixture[str]) -> None:
    truth = synthetic_problem(500, 60_000, n_modes=30, n_true=120, noise=0.1)
    results = compare(truth, SOLVERS, rounds=1)
    with capsys.disabled():
        show(truth, results, Console(width=110))
    exact, prototype = median(results["gauss-newton"]), median(results[YARDSTICK])
    assert exact.cc > prototype.cc
    assert exact.weights_cc > max(0.99, prototype.weights_cc)
    assert exact.seconds < prototype.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("solvers", nargs="*", default=list(SOLVERS), metavar="SOLVER")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--reflections", type=int, default=60_000)
    args = parser.parse_args()
    size = (args.frames, args.reflections)
    truth = synthetic_problem(*size, n_modes=30, n_true=max(3, args.frames * 120 // 500), noise=0.1)
    show(truth, compare(truth, args.solvers, args.rounds), Console(width=110))


if __name__ == "__main__":
    main()

"""Fits of parameters: three springs in closed form and through dynamics, and Zhao's water.

As a script:  python tests/benchmarks/bench_tuning.py [PART ...]
Parts:        exact, simulated, water
As a test:    make bench
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.springs import START, TRUE, ring_observable, ring_simulator, ring_targets
from support.zhao_water import TOLERANCE, WANTED, zhao_water

from mdweights_core import jobs
from mdweights_core.dynamics.models.toys import diatomic_ring
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.ensemble import Ensemble
from mdweights_core.dynamics.tuning.job import tune
from mdweights_core.dynamics.tuning.result import Tuning
from mdweights_core.dynamics.tuning.settings import METHODS, TuneSettings
from mdweights_core.dynamics.tuning.simulator import Simulator
from mdweights_core.dynamics.tuning.targets import Targets

PARTS = ("exact", "simulated", "water")


def fitted(table: Table, label: str, simulator: Simulator, targets: Targets, settings: TuneSettings) -> Tuning:
    """A fit, and a line for it: iterations, simulations, chi-square, parameters, processor time."""
    begun = time.process_time()
    found = jobs.run(tune(simulator, targets, settings))
    simulated = int(np.sum(found.trace_effective == 1))
    numbers = ", ".join(f"{value:.4g}" for value in found.values)
    table.add_row(
        label,
        str(found.iterations),
        str(simulated),
        f"{found.trace_chi2[0]:.3g}",
        f"{found.chi2:.2g}",
        numbers,
        f"{time.process_time() - begun:.1f}",
    )
    return found


def titled(title: str) -> Table:
    made = Table(title=f"{title}; load {os.getloadavg()[0]:.1f}", title_justify="left", box=None, pad_edge=False)
    for name in ("fit", "iterations", "simulations", "chi2 before", "after", "parameters", "CPU s"):
        made.add_column(name, justify="left" if name == "fit" else "right")
    return made


def exact(console: Console) -> dict[str, Tuning]:
    """Three springs from two displacements and six diffuse intensities with errors of 2 %, by each method."""
    table = titled("Three springs (2, 6, 1.5) from (0.8, 2.5, 4), closed form")
    found = {
        name: fitted(table, name, ring_simulator(), ring_targets(), TuneSettings(method=name, iterations=100))
        for name in METHODS
    }
    console.print(table)
    return found


def simulated(console: Console) -> Tuning:
    """The same through dynamics, 128 replicas of 1500 steps each time, errors of 5 %."""
    table = titled("The same, simulated")
    dynamics = SensitivitySettings(
        step=0.2, friction=2.0, replicas=128, steps=1500, burn_in=100, stride=5, estimators=("pathwise", "covariance")
    )
    system = diatomic_ring().with_values(START)
    ensemble = Ensemble(system, ring_observable(), dynamics)
    found = fitted(table, "levenberg-marquardt", ensemble, ring_targets(0.05), TuneSettings())
    console.print(table)
    return found


def water(console: Console) -> dict[str, Tuning]:
    """Zhao's water at T = 0: kb, b0, ka, a0."""
    table = titled("Zhao's water from one structure")
    settings = {name: TuneSettings(method=name, iterations=30) for name in ("levenberg-marquardt", "rmsprop")}
    found = {name: fitted(table, name, *zhao_water(), chosen) for name, chosen in settings.items()}
    console.print(table)
    return found


def wide() -> Console:
    return Console(width=140)


def test_three_springs_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        found = exact(wide())["levenberg-marquardt"]
    assert found.iterations <= 8
    np.testing.assert_allclose(found.values, TRUE, rtol=0.05)


def test_three_springs_are_found_through_dynamics(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        found = simulated(wide())
    assert found.iterations <= 8
    np.testing.assert_allclose(found.values, TRUE, rtol=0.05)


def test_water_comes_within_tolerances(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        every = water(wide())
    for found in every.values():
        assert abs(found.values[1] - WANTED["b0"]) < TOLERANCE
        assert abs(found.values[3] - WANTED["a0"]) < TOLERANCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    for part in parser.parse_args().parts:
        {"exact": exact, "simulated": simulated, "water": water}[part](wide())


if __name__ == "__main__":
    main()

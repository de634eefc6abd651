"""Derivatives of ensembles by parameters: against closed forms, against each other, and what they cost.

As a script:  python tests/benchmarks/bench_sensitivity.py [PART ...] [--share S]
Parts:        springs, ring, crystal, guards, memory, cost
As a test:    make bench

Reduced units throughout. --share scales the number of steps of the simulations.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.rings import ring_in_closed_form, ring_observables

from mdweights_core import jobs
from mdweights_core.dynamics import replicas
from mdweights_core.dynamics.harmonic import Scheme
from mdweights_core.dynamics.integrators import integrator
from mdweights_core.dynamics.job import sensitivity
from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.models.lennard_jones import lennard_jones_crystal
from mdweights_core.dynamics.models.toys import diatomic_ring, double_well, oscillator
from mdweights_core.dynamics.observables.base import Observable, joined
from mdweights_core.dynamics.observables.displacements import mean_square_displacements
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.replicas import Asked, System
from mdweights_core.dynamics.result import Sensitivity
from mdweights_core.dynamics.settings import SensitivitySettings

PARTS = ("springs", "ring", "crystal", "guards", "memory", "cost")
SQUARE = moments([0], power=2)
SPRINGS = (
    ("zhao", 0.1, -1.000826918, 1.003339455),
    ("zhao", 0.5, -1.016404708, 1.087323495),
    ("lfmiddle", 0.1, -1.0, 1.0),
    ("lfmiddle", 0.5, -1.0, 1.0),
)
"""Integrator, step, d<x^2>/dk and <x^2> for k = friction = kT = m = 1."""


def titled(title: str, *columns: str) -> Table:
    table = Table(title=f"{title}; load {os.getloadavg()[0]:.1f}", title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def told(value: float, error: float) -> str:
    """A value and its error in units of the last digit: -1.0087(34)."""
    digits = max(0, 1 - int(np.floor(np.log10(error)))) if error > 0 else 4
    return f"{value:.{digits}f}({round(error * 10**digits)})"


def spring(name: str, step: float, share: float) -> Sensitivity:
    """<x^2> of a spring and its derivative."""
    steps = int(share * (60_000 if step < 0.3 else 24_000))
    settings = SensitivitySettings(
        name, step, friction=1.0, replicas=256, steps=steps, burn_in=int(30 / step), stride=int(0.5 / step)
    )
    return jobs.run(sensitivity(oscillator(), SQUARE, settings))


def springs(console: Console, share: float) -> list[tuple[float, float]]:
    """Pathwise errors against the closed form, in standard errors and as a share."""
    table = titled(
        "k = friction = 1", "integrator, step", "exact", "pathwise", "likelihood", "covariance", "<x^2>k", "s"
    )
    missed = []
    for name, step, exact, _ in SPRINGS:
        found = spring(name, step, share)
        cells = [told(it.jacobian[0, 0], it.error[0, 0]) for it in found.estimates.values()]
        value = told(found.values[0], found.value_errors[0])
        table.add_row(f"{name} {step:g}", f"{exact:.6f}", *cells, value, f"{found.seconds:.0f}")
        at = found.estimates["pathwise"]
        off = abs(at.jacobian[0, 0] - exact)
        missed.append((off / at.error[0, 0], off / abs(exact)))
    console.print(table)
    return missed


def ring(console: Console, share: float) -> tuple[float, float, float]:
    """48 gradients of a diatomic ring against the closed form: rms and largest z, median relative standard error."""
    simulated = diatomic_ring()
    settings = SensitivitySettings(
        "zhao",
        0.2,
        2.0,
        replicas=512,
        steps=int(8000 * share),
        burn_in=400,
        stride=5,
        estimators=("pathwise", "covariance"),
    )
    exact = ring_in_closed_form(simulated, Scheme("zhao", 0.2, 2.0))
    found = jobs.run(sensitivity(simulated, ring_observables(simulated), settings))
    table = titled("ring of 16 atoms, 48 gradients, Zhao's step of 0.2", "", "z rms", "z max", "median s.e.", "s")
    scores = {}
    for name, estimate in found.estimates.items():
        z = (estimate.jacobian - exact) / estimate.error
        relative = np.median(estimate.error / np.abs(exact))
        scores[name] = float(np.sqrt(np.mean(z**2))), float(np.max(np.abs(z))), float(relative)
        rms, largest, median = scores[name]
        table.add_row(name, f"{rms:.2f}", f"{largest:.2f}", f"{median:.2%}", f"{found.seconds:.0f}")
    console.print(table)
    return scores["pathwise"]


def mean_square_of(simulated: Simulated) -> Observable:
    """Mean square displacement of the first atoms of a crystal, nm^2 for one unit of length."""
    return mean_square_displacements(
        np.asarray(simulated.start).reshape(-1, 3), np.arange(4), [f"atom {i + 1}" for i in range(4)]
    )


def crystal(console: Console, share: float, cases: tuple[tuple[float, float], ...] = ((0.3, 5.0), (0.1, 5.0))) -> Any:
    """Pathwise beside covariance in Lennard-Jones crystals of 32 atoms: largest difference, ratio of errors."""
    table = titled(
        "LJ crystal, 32 atoms, d<u^2>/d epsilon of one atom",
        "T*, friction",
        "pathwise",
        "likelihood",
        "covariance",
        "largest difference, s.e.",
        "s.e. pathwise / covariance",
        "exponent",
        "growth",
        "s",
    )
    told_of = []
    for kt, friction in cases:
        simulated = lennard_jones_crystal(32, kt=kt)
        settings = SensitivitySettings(
            "lfmiddle", 0.005, friction, replicas=32, steps=int(6000 * share), burn_in=1000, stride=20
        )
        found = jobs.run(sensitivity(simulated, mean_square_of(simulated), settings))
        path, cov = (found.estimates[name] for name in ("pathwise", "covariance"))
        apart = np.max(np.abs(path.jacobian - cov.jacobian) / np.hypot(path.error, cov.error))
        ratio = float(np.median(path.error / cov.error))
        cells = [told(it.jacobian[0, 0], it.error[0, 0]) for it in found.estimates.values()]
        table.add_row(
            f"{kt:g}, {friction:g}",
            *cells,
            f"{apart:.1f}",
            f"{ratio:.2f}",
            f"{found.exponent:.2f}",
            f"{found.growth[2]:.0f}",
            f"{found.seconds:.0f}",
        )
        told_of.append((float(apart), ratio, found.verdict))
    console.print(table)
    return told_of


def melt(atoms: int = 108) -> Simulated:
    """A Lennard-Jones liquid at its triple point; it begins as a crystal, and melts in the burn-in."""
    return lennard_jones_crystal(atoms, density=0.8442, kt=0.728)


def guards(console: Console, share: float) -> dict[str, str]:
    """What is refused and what is not."""
    table = titled("guards", "system", "verdict", "", "s")
    both = joined([moments([0]), SQUARE])
    wells = SensitivitySettings(
        "lfmiddle", 0.05, 10.0, replicas=512, steps=int(10_000 * share), burn_in=1000, stride=20
    )
    verdicts = {}
    for height in (0.25, 3.0):
        found = jobs.run(sensitivity(double_well(height, 0.3), both, wells))
        verdicts[f"well {height:g}"] = found.verdict
        table.add_row(f"double well of {height:g} kT", found.verdict, found.notes[0], f"{found.seconds:.0f}")
    liquid = SensitivitySettings("lfmiddle", 0.004, 0.5, replicas=16, steps=400, burn_in=1200, stride=20, blocks=16)
    liquid = replace(liquid, estimators=("pathwise", "covariance"))
    found = jobs.run(sensitivity(melt(), mean_square_of(melt()), liquid))
    verdicts["liquid"] = found.verdict
    table.add_row("LJ liquid, friction 0.5", found.verdict, found.notes[0], f"{found.seconds:.0f}")
    console.print(table)
    return verdicts


def system_of(simulated: Simulated, observable: Observable, step: float, friction: float, stride: int = 1) -> System:
    made = integrator("lfmiddle", step, friction, float(simulated.kt), simulated.masses)
    return System(
        simulated.model, observable, made, simulated.theta, simulated.masses, simulated.kt, stride, simulated.dimension
    )


def memory(console: Console) -> tuple[list[int], list[int]]:
    """Temporary memory by XLA's own figure: the recursion, and reverse mode of the same steps, 108 atoms, P = 2."""
    simulated = lennard_jones_crystal(108, kt=0.3)
    system = system_of(simulated, moments([0], power=2), 0.005, 5.0)
    asked, alone = Asked(True, False, False), Asked(False, False, False)

    def end(asked: Asked, steps: int, theta: jax.Array, replica: replicas.Replica) -> replicas.Replica:
        moved = replace(system, theta=theta)
        return jax.lax.scan(lambda now, _: (replicas.step(moved, asked, now), None), replica, length=steps)[0]

    def begun(asked: Asked) -> replicas.Replica:
        (group,) = replicas.begin(system, np.asarray(simulated.start)[None], 0, asked, 1)
        return jax.tree.map(lambda leaf: leaf[0], group.replicas)

    def bytes_of(function: Callable[..., Any], replica: replicas.Replica) -> int:
        compiled = jax.jit(function).lower(simulated.theta, replica).compile()
        return int(compiled.memory_analysis().temp_size_in_bytes)

    table = titled("temporary memory, 108 atoms, P = 2", "steps", "recursion", "reverse mode")
    forward, reverse = [], []
    for steps in (100, 400, 1600, 6400):
        forward.append(bytes_of(partial(end, asked, steps), begun(asked)))
        loss = jax.grad(lambda theta, replica, steps=steps: jnp.sum(end(alone, steps, theta, replica).x ** 2))
        reverse.append(bytes_of(loss, begun(alone)))
        table.add_row(f"{steps}", f"{forward[-1] / 1e6:.2f} MB", f"{reverse[-1] / 1e6:.1f} MB")
    console.print(table)
    return forward, reverse


COSTS = {
    "plain step": Asked(False, False, False),
    "likelihood": Asked(False, True, False),
    "pathwise": Asked(True, False, False),
    "all three": Asked(True, True, True),
}


def cost(console: Console, repeats: int = 5, stride: int = 10) -> dict[str, float]:
    """A step of 256 Lennard-Jones atoms with derivatives by 32 parameters, over a plain one; the best of some."""
    simulated = lennard_jones_crystal(256, kt=0.3, species=16)
    assert len(simulated.theta) == 32
    system = system_of(simulated, mean_square_of(simulated), 0.005, 5.0, stride)
    best = dict.fromkeys(COSTS, np.inf)
    groups = {
        name: replicas.begin(system, np.asarray(simulated.start)[None], 0, asked, 1)[0] for name, asked in COSTS.items()
    }
    for repeat in range(repeats + 1):
        for name, asked in COSTS.items():
            begun = time.perf_counter()
            moved = replicas.advance(
                system, groups[name], jnp.asarray(8), jnp.asarray(2), jnp.asarray(9.0), asked, (0,)
            )
            jax.block_until_ready(moved.group)
            if repeat:  # the first one compiles
                best[name] = min(best[name], (time.perf_counter() - begun) / (2 * stride))
    table = titled("one step, 256 Lennard-Jones atoms, 32 parameters", "", "ms", "plain steps")
    for name, seconds in best.items():
        table.add_row(name, f"{1e3 * seconds:.2f}", f"{seconds / best['plain step']:.1f}")
    console.print(table)
    return {name: seconds / best["plain step"] for name, seconds in best.items()}


def wide() -> Console:
    return Console(width=170)


@pytest.mark.timeout(1800)
def test_springs_have_the_derivatives_of_the_closed_form(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        missed = springs(wide(), 1.0)
    assert max(z for z, _ in missed) <= 3
    assert max(share for _, share in missed) <= 0.01


@pytest.mark.timeout(1800)
def test_a_ring_has_the_48_gradients_of_the_closed_form(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        rms, largest, median = ring(wide(), 1.0)
    assert rms <= 1.2
    assert largest <= 4
    assert median <= 0.01


@pytest.mark.timeout(1800)
def test_crystals_have_half_the_error_pathwise(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        ((apart, ratio, verdict),) = crystal(wide(), 1.0, ((0.3, 5.0),))
    assert apart <= 3
    assert ratio <= 0.5
    assert verdict == "verified"


@pytest.mark.timeout(1800)
def test_what_is_chaotic_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        verdicts = guards(wide(), 1.0)
    assert verdicts == {"well 0.25": "verified", "well 3": "refused", "liquid": "refused"}


def test_memory_does_not_grow(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        forward, reverse = memory(wide())
    assert max(forward) <= 1.05 * min(forward)
    assert reverse[-1] > 10 * reverse[0]


def test_derivatives_cost_few_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        ratios = cost(wide())
    assert ratios["pathwise"] <= 20
    assert ratios["likelihood"] <= 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    parser.add_argument("--share", type=float, default=1.0)
    args = parser.parse_args()
    console = wide()
    simulations = {"springs": springs, "ring": ring, "crystal": crystal, "guards": guards}
    for part in args.parts:
        if part in simulations:
            simulations[part](console, args.share)
        else:
            {"memory": memory, "cost": cost}[part](console)


if __name__ == "__main__":
    main()

"""How often the verdict is right, and what a validation costs beside its fit.

The verdict is asked of fits whose true weights are known, from strong data to none.

Frames per reflection 0.02 to 1.5, error of the map 0.1 to 2 times its spread, a third or all of the frames with weight.
The truth is "overfit" where the fit's weights agree less with the exact map than equal ones, on 2000 reflections that
nothing has seen, and "supported" where they do not and correlate with the true weights by more than 0.9.

The cost is that of 5 folds, 10 starts, 10 thetas and 50 samples on 500 frames and 60 000 reflections, beside a second
fit of the same process: what is compiled is compiled. The theta scan is timed with one fit for each theta, and with
five more that are held out.

As a script:  python tests/benchmarks/bench_validation.py [verdict | cost] [--seeds N] [--size S]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a script

from support.known_truth import CLASSES, OVERFIT, SUPPORTED, Case, confusion, grid, right
from support.synthetic import synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.settings import ValidationSettings
from mdweights_core.weights.validation.validate import validate

SEEDS = range(50, 54)
BAR = 8.0
"""Times the fit that a validation may take, without the held-out fits of the theta scan."""


def show(cases: Sequence[Case], console: Console) -> None:
    """Print the confusion tables, of all cases and of those whose truth is clear."""
    clear = [case for case in cases if case.is_clear]
    for name, chosen in (("all cases", cases), ("where truth is clear", clear)):
        found = confusion(chosen)
        table = Table(title=f"{len(chosen)} fits: {name}", title_justify="left", box=None, pad_edge=False)
        table.add_column("truth")
        for said in CLASSES:
            table.add_column(f"says {said}", justify="right")
        for truth, row in zip(CLASSES, found, strict=True):
            table.add_row(truth, *map(str, row))
        console.print(table)
        console.print(
            f"overfit told where it is the case and only there: {100 * right(chosen, OVERFIT):.0f} %, supported: "
            f"{100 * right(chosen, SUPPORTED):.0f} %, all three classes: {100 * np.trace(found) / found.sum():.0f} %"
        )


def cost() -> dict[str, float]:
    """Seconds of a fit and of validations of it."""
    problem = synthetic_problem(500, 60_000, n_modes=30, n_true=120, noise=0.1).problem
    fit = jobs.run(fit_weights(problem))

    def of(*parts: int) -> float:
        return _seconds(lambda: jobs.run(validate(problem, fit, ValidationSettings(*parts))))

    found = {"one fit": min(_seconds(lambda: jobs.run(fit_weights(problem))) for _ in range(3))}
    of(2, 2, 1, 2)  # compiles
    found["validation"] = of(5, 10, 0, 50) + of(0, 0, 10, 0)
    found["validation, thetas held out in 5 folds as well"] = of(5, 10, 10, 50)
    return found


def _seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def show_cost(found: dict[str, float], console: Console) -> None:
    """Print the times, and the bar."""
    table = Table(title="500 frames, 60 000 reflections", title_justify="left", box=None, pad_edge=False)
    for name in ("", "s", "times the fit", "bar"):
        table.add_column(name, justify="left" if not name else "right")
    for name, seconds in found.items():
        bar = f"{BAR:g}" if name == "validation" else ""
        table.add_row(name, f"{seconds:.1f}", f"{seconds / found['one fit']:.1f}", bar)
    console.print(table)


@pytest.mark.timeout(600)
def test_a_validation_costs_no_more_than_some_fits(capsys: pytest.CaptureFixture[str]) -> None:
    found = cost()
    with capsys.disabled():
        show_cost(found, Console(width=110))
    assert found["validation"] <= BAR * found["one fit"]


@pytest.mark.timeout(1800)
def test_the_verdict_is_mostly_right(capsys: pytest.CaptureFixture[str]) -> None:
    cases = list(grid(SEEDS))
    with capsys.disabled():
        show(cases, Console(width=110))
    clear = [case for case in cases if case.is_clear]
    assert right(clear, OVERFIT) > 0.83
    assert right(clear, SUPPORTED) > 0.92
    assert confusion(cases)[0, 2] == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("verdict", "cost"), default="verdict")
    parser.add_argument("--seeds", type=int, default=4, help="fits of each kind")
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of frames and reflections")
    args = parser.parse_args()
    console = Console(width=110)
    if args.what == "cost":
        show_cost(cost(), console)
    else:
        show(list(grid(range(SEEDS.start, SEEDS.start + args.seeds), args.size)), console)


if __name__ == "__main__":
    main()

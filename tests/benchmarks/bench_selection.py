"""Binary selection of frames: 500 frames on 10 000 reflections, of which the map was made with 300.

As a script:  python tests/benchmarks/bench_selection.py [--frames T] [--reflections H] [METHOD ...]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a script

from support.synthetic import Truth, synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.selection.result import Selection
from mdweights_core.weights.selection.select import select_frames
from mdweights_core.weights.selection.settings import METHODS, SelectionSettings


def make_truth(n_frames: int, n_reflections: int) -> Truth:
    """An ensemble whose map was made with 60 % of the frames, of unequal weight, and 10 % noise."""
    return synthetic_problem(n_frames, n_reflections, n_modes=30, n_true=n_frames * 3 // 5, noise=0.1)


def show(truth: Truth, selections: list[Selection], console: Console) -> None:
    """Print the comparison."""
    n_reflections = len(truth.problem.observed)
    title = f"{len(truth.weights)} frames, {n_reflections} reflections; load {os.getloadavg()[0]:.1f}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("method")
    for name in ("kept", "right", "aniso CC", "free", "steps", "seconds", "s / step"):
        table.add_column(name, justify="right")
    first = selections[0]
    table.add_row("all frames", str(first.n_frames), "", *(f"{first.change(part)[0]:.4f}" for part in (False, True)))
    for it in selections:
        steps, right = len(it.path["step"]) - 1, np.mean(it.kept == (truth.weights > 0))
        scores = [f"{it.change(part)[1]:.4f}" for part in (False, True)]
        cost = (str(steps), f"{it.seconds:.1f}", f"{it.seconds / max(steps, 1):.3f}")
        table.add_row(it.settings.method, str(it.n_kept), f"{100 * right:.0f} %", *scores, *cost)
    console.print(table)


@pytest.mark.timeout(1800)
def test_greedy_deletion_of_500_frames_takes_two_minutes_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    truth = make_truth(500, 10_000)
    selections = [
        jobs.run(select_frames(truth.problem, "anisotropic-cc", SelectionSettings(method))) for method in METHODS
    ]
    with capsys.disabled():
        show(truth, selections, Console(width=110))
    greedy, genetic = selections
    assert greedy.seconds < 120
    assert greedy.change()[1] > genetic.change()[1] > genetic.change()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(METHODS), metavar="METHOD")
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--reflections", type=int, default=10_000)
    args = parser.parse_args()
    truth = make_truth(args.frames, args.reflections)
    show(
        truth,
        [
            jobs.run(select_frames(truth.problem, "anisotropic-cc", SelectionSettings(method)))
            for method in args.methods
        ],
        Console(width=110),
    )


if __name__ == "__main__":
    main()

"""How often the verdict is right: fits whose true weights are known, from strong data to none.

Frames per reflection 0.02 to 1.5, error of the map 0.1 to 2 times its spread, a third or all of the frames with weight.
The truth is "overfit" where the fit's weights agree less with the exact map than equal ones, on 2000 reflections that
nothing has seen, and "supported" where they do not and correlate with the true weights by more than 0.9.

As a script:  python tests/benchmarks/bench_validation.py [--seeds N] [--size S]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a script

from support.known_truth import CLASSES, OVERFIT, SUPPORTED, Case, confusion, grid, right


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


@pytest.mark.timeout(1800)
def test_the_verdict_is_mostly_right(capsys: pytest.CaptureFixture[str]) -> None:
    cases = list(grid(seeds=range(10, 14)))
    with capsys.disabled():
        show(cases, Console(width=110))
    clear = [case for case in cases if case.is_clear]
    assert right(clear, OVERFIT) > 0.8
    assert right(clear, SUPPORTED) > 0.92
    assert confusion(cases)[0, 2] == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4, help="fits of each kind")
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of frames and reflections")
    args = parser.parse_args()
    show(list(grid(range(10, 10 + args.seeds), args.size)), Console(width=110))


if __name__ == "__main__":
    main()

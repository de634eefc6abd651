"""Comparisons with their bars, as a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from mdweights_core.scattering.engine.structure_factors import available_threads

_WORDS = {True: "met", False: "MISSED", None: "-"}


@dataclass(frozen=True)
class Line:
    """One comparison: what with, both sides as text, their ratio, and the bar with whether it was met."""

    against: str
    theirs: str
    ours: str
    ratio: float | None = None
    bar: str = "-"
    is_met: bool | None = None


def show(results: Mapping[str, Sequence[Line]], console: Console) -> None:
    """Print the comparisons of some cases."""
    title = f"{available_threads()} threads, load {os.getloadavg()[0]:.1f}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("case", "against", "that", "this", "ratio", "bar", ""):
        table.add_column(name, justify="right" if name == "ratio" else "left")
    for case, lines in results.items():
        for line in lines:
            ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
            table.add_row(case, line.against, line.theirs, line.ours, ratio, line.bar, _WORDS[line.is_met])
    console.print(table)


def missed(lines: Sequence[Line]) -> list[Line]:
    """Those whose bar was not met."""
    return [line for line in lines if line.is_met is False]

"""`mdweights rerun`: run a project again from its input files and compare every number."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json, add_memory
from mdweights_core.cli.console import Terminal
from mdweights_core.project import Project


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("rerun", help="run a project again and compare every number with those saved")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    add_memory(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Run again; the project stays as it is. The exit code is 1 where numbers differ, for scripts."""
    from mdweights_core.revisit import rerun

    report = terminal.run(rerun(Project.open(args.project), args.memory))
    (terminal.say if report.same else terminal.warn)(report.sentence)
    terminal.exit_code = 0 if report.same else 1
    terminal.result({
        "project": str(args.project),
        "same": report.same,
        "largest_weight_difference": report.largest_weight_difference,
        "differences": {name: _number(value) for name, value in report.differences.items()},
    })  # fmt: skip


def _number(value: float) -> float | None:
    return value if value < float("inf") else None

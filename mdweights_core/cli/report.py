"""`mdweights report`: a project as one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json, check_place
from mdweights_core.cli.console import Terminal
from mdweights_core.project import Project


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("report", help="write a project as one self-contained page")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    parser.add_argument("--out", type=Path, required=True, metavar="F.html")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Write the page."""
    from mdweights_core.report import write_report

    check_place(args.out)
    write_report(Project.open(args.project), args.out)
    terminal.say(f"wrote {args.out}")
    terminal.result({"report": str(args.out)})

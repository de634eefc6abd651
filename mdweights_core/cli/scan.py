"""`mdweights scan`: fits over the strength of the entropy, and which one held-out data propose."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json, add_memory, check_place
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.verdict import print_scan, scan_result
from mdweights_core.project import Project
from mdweights_core.weights.settings import ValidationSettings


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("scan", help="fit over the strength of the entropy and propose one")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    parser.add_argument("--thetas", type=int, default=ValidationSettings.thetas, metavar="N", help="strengths (10)")
    parser.add_argument("--folds", type=int, default=ValidationSettings.folds, metavar="N", help="parts held out (5)")
    add_memory(parser)
    parser.add_argument("--csv", type=Path, metavar="F", help="write the table to a file")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Scan and print; the project stays as it is."""
    from mdweights_core.revisit import scan_project

    check_place(args.csv)
    settings = replace(ValidationSettings(folds=args.folds, thetas=args.thetas), starts=0, samples=0)
    project = Project.open(args.project)
    scan = terminal.run(scan_project(project, settings, args.memory))
    print_scan(scan, project.fit.theta, terminal)
    if args.csv is not None:
        from mdweights_core.exports import export_scan

        export_scan(scan, args.csv)
        terminal.say(f"wrote {args.csv}")
    terminal.result({"project": str(project.path), **scan_result(scan)})

"""`mdweights explain`: what the weights of a project go with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.verdict import meaning_result, print_meaning
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import Project


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("explain", help="what the weights of a project go with")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    default = MeaningSettings()
    parser.add_argument("--temperature", type=float, default=default.temperature, metavar="K", help="kelvin (298)")
    parser.add_argument("--atoms", default=default.selection, metavar="TEXT", help="atoms to look at (the molecules)")
    parser.add_argument("--energies", type=Path, metavar="FILE", help="a row of numbers per frame: CSV, XVG, columns")
    parser.add_argument(
        "--components", type=int, default=default.n_components, metavar="N", help="principal components (3)"
    )
    parser.add_argument("--clusters", type=int, default=default.max_clusters, metavar="N", help="at most (10)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Explain, save it with the project and print it."""
    from mdweights_core.revisit import explain_project

    energies = None if args.energies is None else str(args.energies.absolute())
    settings = MeaningSettings(args.temperature, args.atoms, args.components, args.clusters, energies)
    project = terminal.run(explain_project(Project.open(args.project), settings))
    assert project.meaning is not None
    print_meaning(project.meaning, terminal)
    terminal.say(f"Saved in {project.path}")
    terminal.result({"project": str(project.path), **meaning_result(project.meaning)})

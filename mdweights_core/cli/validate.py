"""`mdweights validate`: ask anew whether the weights of a project can be believed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json, add_memory
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.fit_options import add_validation_options, validation_settings
from mdweights_core.cli.verdict import print_validation, validation_result
from mdweights_core.project import Project


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("validate", help="ask anew whether the weights of a project can be believed")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    add_validation_options(parser)
    add_memory(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Validate, save the answer with the project and print it."""
    from mdweights_core.revisit import validate_project

    settings = validation_settings(args)
    project = terminal.run(validate_project(Project.open(args.project), settings, args.memory))
    if terminal.interrupted:
        terminal.warn("Stopped: what the project held before is kept.")
    if project.validation is not None:
        print_validation(project.validation, terminal)
        terminal.say(f"Saved in {project.path}")
        terminal.result({"project": str(project.path), **validation_result(project.validation)})

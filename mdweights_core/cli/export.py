"""`mdweights export`: weighted MTZ, weights, index of frames and molecules out of a project."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.errors import BadInput
from mdweights_core.project import Project


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("export", help="write weighted MTZ, CSV, GROMACS index or PDB from a project")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    parser.add_argument("--mtz", type=Path, metavar="F", help="weighted MTZ: FWT,PHIFWT, IMEAN, IDIFF, observed")
    parser.add_argument("--csv", type=Path, metavar="F", help="frame, source, time, weight, influence")
    parser.add_argument("--ndx", type=Path, metavar="F", help="GROMACS index of the frames kept")
    parser.add_argument("--pdb", type=Path, metavar="F", help="frames of largest weight as models")
    parser.add_argument("--top", type=positive, default=10, metavar="N", help="how many frames --pdb writes (10)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Write what was asked for."""
    from mdweights_core import exports

    wanted = {kind: getattr(args, kind) for kind in ("mtz", "csv", "ndx", "pdb") if getattr(args, kind)}
    if not wanted:
        raise BadInput("nothing to export was named", advice="Give --mtz, --csv, --ndx or --pdb with a file name")
    project = Project.open(args.project)
    for kind, path in wanted.items():
        if kind == "pdb":
            exports.export_pdb(project, path, args.top)
        else:
            getattr(exports, f"export_{kind}")(project, path)
        terminal.say(f"wrote {path}")
        for text in exports.mean_f_warnings(project.fit) if kind == "mtz" else ():
            terminal.warn(text)
    terminal.result({kind: str(path) for kind, path in wanted.items()})

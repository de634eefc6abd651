"""`mdweights export`: weighted MTZ, maps, weights, index of frames and molecules out of a project."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdweights_core.cli.arguments import add_json, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.errors import BadInput
from mdweights_core.project import Project

_KINDS = {
    "mtz": "weighted MTZ: FWT,PHIFWT, IMEAN, IDIFF, observed",
    "csv": "frame, source, time, weight, influence",
    "ndx": "GROMACS index of the frames kept",
    "pdb": "frames of largest weight as models",
    "ccp4": "a map on all of reciprocal space (--which)",
    "lat": "the same as a Lunus lattice",
    "hkl": "the same as lines of h k l I",
    "checkpoint": "weights for lunus.xtraj, in a checkpoint.nxs",
}
_MAPS = ("ccp4", "lat", "hkl")


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("export", help="write weighted MTZ, maps, CSV, GROMACS index or PDB from a project")
    parser.add_argument("project", type=Path, metavar="NAME.mdw")
    for kind, what in _KINDS.items():
        parser.add_argument(f"--{kind}", type=Path, metavar="F", help=what)
    parser.add_argument("--top", type=positive, default=10, metavar="N", help="how many frames --pdb writes (10)")
    parser.add_argument(
        "--which",
        choices=("calculated", "observed", "difference"),
        default="calculated",
        help="the map that --ccp4, --lat and --hkl write",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Write what was asked for."""
    from mdweights_core import exports

    wanted = {kind: getattr(args, kind) for kind in _KINDS if getattr(args, kind)}
    if not wanted:
        names = ", ".join(f"--{kind}" for kind in _KINDS)
        raise BadInput("nothing to export was named", advice=f"Give one of {names} with a file name")
    project = Project.open(args.project)
    for kind, path in wanted.items():
        option = {"pdb": (args.top,), **dict.fromkeys(_MAPS, (args.which,))}.get(kind, ())
        getattr(exports, f"export_{kind}")(project, path, *option)
        terminal.say(f"wrote {path}")
        for text in exports.mean_f_warnings(project.fit) if kind == "mtz" else ():
            terminal.warn(text)
    terminal.result({kind: str(path) for kind, path in wanted.items()})

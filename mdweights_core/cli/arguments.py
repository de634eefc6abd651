"""Arguments that several subcommands share, and values as people type them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mdweights_core.project import FitInputs
from mdweights_core.scattering.settings import PredictSettings


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")


def add_map(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The observed map and how to read it."""
    parser.add_argument("--map", type=Path, required=required, metavar="M.mtz", help="observed diffuse map")
    parser.add_argument("--column", metavar="C", help="its intensity column (guessed: J, or F named sqrtI*)")
    parser.add_argument("--sigma-column", metavar="C", help="its sigma column (guessed)")
    parser.add_argument("--free-column", metavar="C", help="its free-set column (guessed; drawn when there is none)")
    parser.add_argument("--space-group", metavar="SG", help="in place of the map's, for its Laue class")
    parser.add_argument("--reindex", metavar="OP", help="reindex the map, such as k,h,-l")
    parser.add_argument("--d-min", type=float, metavar="D", help="high-resolution limit, angstrom")
    parser.add_argument("--d-max", type=float, metavar="D", help="low-resolution limit, angstrom")


def add_frames(parser: argparse.ArgumentParser, what: str) -> None:
    """The frames and how to read them."""
    parser.add_argument("--frames", type=Path, nargs="+", required=True, metavar="F", help=what)
    parser.add_argument("--topology", type=Path, metavar="T", help="topology of the trajectory (pdb, gro, psf, parm7)")
    parser.add_argument("--cell", type=cell, metavar="a,b,c,al,be,ga", help="cell of the frames, angstrom and degrees")
    parser.add_argument("--keep-drift", action="store_true", help="do not take out the common translation of frames")
    parser.add_argument("--b-iso", type=float, default=0.0, metavar="B", help="B factor of all atoms, A^2 (default 0)")


def positive(text: str) -> int:
    """A whole number of at least one."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def cell(text: str) -> tuple[float, ...]:
    """Six numbers separated by commas."""
    try:
        numbers = tuple(float(part) for part in text.replace(" ", "").split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a cell: give a,b,c,alpha,beta,gamma")
    return numbers


def fit_inputs(args: argparse.Namespace) -> FitInputs:
    """The inputs of a fit from parsed arguments."""
    return FitInputs(
        map=args.map,
        frames=tuple(args.frames),
        topology=args.topology,
        column=args.column,
        sigma_column=args.sigma_column,
        free_column=args.free_column,
        cell=args.cell,
        space_group=args.space_group,
        reindex=args.reindex,
        d_min=args.d_min,
        d_max=args.d_max,
    )


def predict_settings(args: argparse.Namespace) -> PredictSettings:
    """The structure-factor settings from parsed arguments."""
    return PredictSettings(remove_drift=not args.keep_drift, b_iso=args.b_iso)

"""`mdweights sensitivity`: how ensemble observables change with the parameters of an energy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.cli.arguments import add_json, check_place
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.ensemble_options import add_ensemble_options, observed, simulation_settings, studied_system
from mdweights_core.dynamics.result import Sensitivity
from mdweights_core.errors import BadInput, counted

_ROWS = 40  # of a table that is printed
_FRAMES = 2048  # that are written, at most


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("sensitivity", help="derivatives of ensemble observables by parameters of an energy")
    parser.add_argument("--out", type=Path, metavar="J.csv", help="all derivatives with errors")
    parser.add_argument("--targets-out", type=Path, metavar="T.csv", help="the observables as targets of tune, to edit")
    parser.add_argument("--frames-out", type=Path, metavar="F", help="the ensemble as frames (.xtc, .pdb), for predict")
    parser.add_argument("--checkpoint", type=Path, metavar="C.npz", help="the same command goes on from there")
    add_json(parser)
    add_ensemble_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Simulate, print the table of derivatives with the verdict, and write what was asked for.

    Raises
    ------
    BadInput
        Options that do not go together; systems, parameters and observables that cannot be; see `dynamics.job`.
    """
    _check_places(args)
    from mdweights_core.dynamics.job import sensitivity
    from mdweights_core.workflow.sensitivity import summary

    studied = studied_system(args, terminal)
    observable = observed(args, studied)
    settings = simulation_settings(args, studied)
    if args.frames_out is not None:
        if studied.topology is None:
            raise BadInput(f"--frames-out is for molecules, and {args.system} is a small system")
        settings = replace(settings, frames=max(1, min(settings.samples, _FRAMES // settings.replicas)))
    terminal.say(
        f"{studied.told}: {counted(settings.replicas, 'replica')} of {counted(settings.steps, 'step')} of "
        f"{settings.step:g}, friction {settings.friction:g}, {settings.integrator}"
    )
    found = terminal.run(sensitivity(studied.simulated, observable, settings, checkpoint=args.checkpoint))
    print_sensitivity(found, terminal)
    files = _written(args, found, studied)
    if files:
        terminal.say(f"Written: {', '.join(map(str, files))}")
    told = {"system": studied.told, "settings": {"step": settings.step, "friction": settings.friction}}
    terminal.result({"files": list(map(str, files)), **told, **summary(found)})


def _check_places(args: argparse.Namespace) -> None:
    named = ((args.out, (".csv",)), (args.targets_out, (".csv",)), (args.frames_out, (".xtc", ".pdb")))
    for place, endings in (*named, (args.checkpoint, (".npz",))):
        if place is not None and place.suffix.lower() not in endings:
            raise BadInput(f"this name must end in {' or '.join(endings)}", where=place)
        check_place(place)


def _written(args: argparse.Namespace, found: Sensitivity, studied: Any) -> list[Path]:
    from mdweights_core.workflow.sensitivity import write_as_targets, write_jacobian
    from mdweights_core.workflow.sensitivity_frames import write_ensemble_frames

    files: list[Path] = []
    if args.out is not None:
        write_jacobian(found, args.out)
        files.append(args.out)
    if args.targets_out is not None:
        write_as_targets(found, args.targets_out)
        files.append(args.targets_out)
    if args.frames_out is not None:
        files += write_ensemble_frames(studied, found.frames, args.frames_out)
    return files


def print_sensitivity(found: Sensitivity, terminal: Terminal) -> None:
    """Values, derivatives by each estimator, and what to think of them."""
    from mdweights_core.workflow.sensitivity import rows_of

    values = [
        (name, told(value, error))
        for name, value, error in zip(found.observables, found.values, found.value_errors, strict=True)
    ]
    _table(terminal, "Observables", ("", "mean"), values)
    first = found.parameters[0]
    rows = [
        (observable if parameter == first else "", parameter, *(told(*pair) for pair in numbers), verdict)
        for observable, parameter, numbers, verdict in rows_of(found)
    ]
    _table(terminal, "Derivatives", ("of", "by", *found.estimates, "verdict"), rows)
    if np.isfinite(found.exponent) and np.isfinite(found.growth[-1]):
        terminal.say(
            f"Disturbances grew {found.growth[-1]:.2g}-fold at most over their mean; exponent {found.exponent:+.3g}"
        )
    terminal.say(f"{found.verdict.upper()}: {found.notes[0] if found.notes else ''} Use {found.recommended}.")
    for note in found.notes[1:]:
        terminal.say(f"  {note}")


def _table(terminal: Terminal, title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    terminal.table(title, heads, rows[:_ROWS])
    if len(rows) > _ROWS:
        terminal.say(f"  ... and {len(rows) - _ROWS} more; --out and --json hold all of them")


def told(value: float, error: float) -> str:
    """A number with its error: digits down to the second of the error."""
    if not (np.isfinite(error) and error > 0):
        return f"{value:.6g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}" if digits <= 6 else f"{value:.4g} ± {error:.2g}"

"""`mdweights tune`: parameters of an energy fitted to observed values of its ensemble."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.arguments import add_json, check_place, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.ensemble_options import add_ensemble_options, observed, simulation_settings, studied_system
from mdweights_core.cli.sensitivity import told
from mdweights_core.cli.tune_map import add_map_options, refuse_map_options, run_map
from mdweights_core.dynamics.result import VERIFIED
from mdweights_core.dynamics.tuning.settings import METHODS, TuneSettings
from mdweights_core.dynamics.tuning.targets import read_targets
from mdweights_core.errors import BadInput, counted
from mdweights_core.workflow.sensitivity_values import typed_priors, write_tuned

if TYPE_CHECKING:
    from mdweights_core.dynamics.tuning.result import Tuning
    from mdweights_core.workflow.sensitivity_systems import Studied
    from mdweights_core.workflow.tune import Tuned

_DEFAULT = TuneSettings()
_ROWS = 40  # of a table that is printed


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("tune", help="fit parameters of an energy to observed values of its ensemble")
    parser.add_argument("--targets", type=Path, metavar="T.csv", help="observable,value,sigma,held_out")
    parser.add_argument("--out", type=Path, metavar="P.toml", help="tuned parameters, which --values takes")
    parser.add_argument("--frames-out", type=Path, metavar="F", help="tuned ensemble as frames (.xtc, .pdb)")
    parser.add_argument("--checkpoint", type=Path, metavar="C.npz", help="the same command goes on from there")
    add_json(parser)
    _add_fit(parser.add_argument_group("fit"))
    add_map_options(parser.add_argument_group("springs of a crystal from its map (with --network)"))
    add_ensemble_options(parser)
    parser.set_defaults(run=run)


def _add_fit(group: argparse._ArgumentGroup) -> None:
    methods = "; ".join(f"{name}: {meaning}" for name, meaning in METHODS.items())
    group.add_argument("--method", choices=tuple(METHODS), default=_DEFAULT.method, help=f"{methods}")
    group.add_argument(
        "--iterations", type=positive, default=_DEFAULT.iterations, metavar="N", help=f"at most ({_DEFAULT.iterations})"
    )
    group.add_argument(
        "--priors", nargs="+", default=[], metavar="NAME=X:W", help="what was known before, and its width"
    )
    for name, meaning in (
        ("max_step", "most that a parameter changes in a step, as a share"),
        ("learning_rate", "of first-order methods"),
        ("reuse", "share of frames that must count for them to be reweighted; 1: simulate always"),
    ):
        value = getattr(_DEFAULT, name)
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, type=float, default=value, metavar="X", help=f"{meaning} ({value:g})")


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Fit, print parameters and what the data determine, and write what was asked for.

    Raises
    ------
    BadInput
        Targets that make no sense; options that do not go together; see `dynamics.tuning.job`.
    """
    _check_places(args)
    refuse_map_options(args)
    if args.map is not None:
        run_map(args, terminal)
    else:
        _run_targets(args, terminal)


def _run_targets(args: argparse.Namespace, terminal: Terminal) -> None:
    """Fit to a table of targets."""
    targets = read_targets(args.targets)
    settings = TuneSettings(
        method=args.method,
        iterations=args.iterations,
        max_step=args.max_step,
        learning_rate=args.learning_rate,
        reuse=args.reuse,
        priors=typed_priors(args.priors),
        seed=args.seed,
    )
    from mdweights_core.dynamics.tuning.result import summary
    from mdweights_core.workflow.sensitivity_observables import targets_of
    from mdweights_core.workflow.tune import tune_system

    studied = studied_system(args, terminal)
    if args.frames_out is not None and studied.topology is None:
        raise BadInput(f"--frames-out is for molecules, and {args.system} is a small system")
    observable = observed(args, studied, also=targets.names)
    simulation = simulation_settings(args, studied)
    terminal.say(
        f"{studied.told}: {counted(len(studied.simulated.parameters), 'parameter')}, "
        f"{counted(targets.n_fitted, 'target')} to fit, {len(targets.names) - targets.n_fitted} held out"
    )
    job = tune_system(
        studied,
        observable,
        targets_of(targets, observable),
        settings,
        simulation,
        checkpoint=args.checkpoint,
        with_frames=args.frames_out is not None,
    )
    found = terminal.run(job)
    print_tuning(found.tuning, terminal)
    if found.last is not None and found.last.verdict == VERIFIED:
        terminal.say(f"Derivatives are verified: {found.last.notes[0]}")
    files = _written(args, found, studied)
    if files:
        terminal.say(f"Written: {', '.join(map(str, files))}")
    verdict = None if found.last is None else found.last.verdict
    terminal.result({
        "files": list(map(str, files)),
        "system": studied.told,
        "derivatives": verdict,
        **summary(found.tuning),
    })  # fmt: skip


def _check_places(args: argparse.Namespace) -> None:
    for place, endings in (
        (args.out, (".toml",)),
        (args.frames_out, (".xtc", ".pdb")),
        (args.checkpoint, (".npz",)),
    ):
        if place is not None and place.suffix.lower() not in endings:
            raise BadInput(f"this name must end in {' or '.join(endings)}", where=place)
        check_place(place)


def _written(args: argparse.Namespace, found: Tuned, studied: Studied) -> list[Path]:
    from mdweights_core.workflow.sensitivity_frames import write_ensemble_frames

    files: list[Path] = []
    if args.out is not None:
        write_tuned(args.out, found.tuning, studied.told, studied.held, studied.forms)
        files.append(args.out)
    if args.frames_out is not None and len(found.frames):
        files += write_ensemble_frames(studied, found.frames, args.frames_out)
    return files


def print_tuning(found: Tuning, terminal: Terminal) -> None:
    """Parameters before and after, targets, the way there, and what the data determine."""
    parameters = zip(found.parameters, found.units, found.start, found.values, found.errors, strict=True)
    rows = [
        (f"{name} {unit}".rstrip(), f"{start:.4g}", told(value, error))
        for name, unit, start, value, error in parameters
    ]
    terminal.table("Parameters", ("", "start", "tuned"), rows)
    _print_targets(found, terminal)
    heads = ("iteration", "chi-square per datum", "held out", "frames that count", "")
    terminal.table("The way there", heads, [_visit(found, i) for i in range(len(found.trace_chi2))])
    for sentence in (*found.sentences, found.verdict):
        terminal.say(sentence)
    for note in found.notes:
        terminal.say(f"  {note}")


def _print_targets(found: Tuning, terminal: Terminal) -> None:
    targets = found.targets
    rows = [
        (
            f"{targets.names[i]}{' (held out)' if targets.held_out[i] else ''}",
            told(float(targets.values[i]), float(targets.sigmas[i])),
            f"{found.before[i]:.5g}",
            told(float(found.after[i]), float(found.after_errors[i])),
        )
        for i in range(len(targets.names))
    ]
    terminal.table("Targets", ("", "observed", "before", "after"), rows[:_ROWS])
    if len(rows) > _ROWS:
        terminal.say(f"  ... and {len(rows) - _ROWS} more; --json holds all of them")


def _visit(found: Tuning, i: int) -> tuple[str, ...]:
    chi2, held, effective = (column[i] for column in (found.trace_chi2, found.trace_held, found.trace_effective))
    numbers = (f"{value:.4g}" if np.isfinite(value) else "-" for value in (chi2, held))
    kind = "simulated" if effective == 1 else f"{effective:.0%}"
    return str(i), *numbers, kind, "" if found.trace_accepted[i] else "taken back"

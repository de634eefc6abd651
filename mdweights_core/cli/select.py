"""`mdweights select`: frames to keep, as tools without weights choose them."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.arguments import (
    add_frames,
    add_json,
    add_map,
    add_memory,
    check_place,
    execution,
    fit_inputs,
    positive,
    predict_settings,
)
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.fit_options import add_problem_options, problem_settings
from mdweights_core.cli.predict import print_check
from mdweights_core.errors import BadInput
from mdweights_core.project import Project
from mdweights_core.weights.selection.settings import METHODS, SelectionSettings

if TYPE_CHECKING:
    from mdweights_core.weights.selection.result import Selection


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("select", help="keep or leave out whole frames, to compare with weights")
    add_map(parser, required=True)
    add_frames(parser, "a store made by predict, trajectory files, or per-frame MTZ files or a folder of them")
    add_problem_options(parser)
    group = parser.add_argument_group("selection")
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in METHODS.items())
    group.add_argument("--method", choices=tuple(METHODS), default="greedy", help=f"{meanings} (greedy)")
    default = SelectionSettings()
    group.add_argument(
        "--min-frames",
        type=positive,
        default=default.min_frames,
        metavar="N",
        help=f"frames kept in any case ({default.min_frames})",
    )
    group.add_argument("--max-frames", type=positive, metavar="N", help="frames kept at most (all)")
    group.add_argument(
        "--generations",
        type=positive,
        metavar="N",
        help=f"of the genetic algorithm, at most ({default.generations})",
    )
    group.add_argument("--compare", type=Path, metavar="NAME.mdw", help="a fit of the same frames, map and free set")
    add_memory(group)
    group.add_argument("--out", type=Path, required=True, metavar="F.csv", help="frame, kept, order of deletion")
    group.add_argument("--ndx", type=Path, metavar="F.ndx", help="GROMACS index of the frames kept")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Select, write the frames and print what came out; structure factors are kept in OUT.mdw, where a fit finds them.

    Raises
    ------
    BadInput
        A name that does not end in .csv, numbers out of their range, or a fit of something else to compare with.
    DiskProblem
        A table or an index that cannot be written where it is wanted.
    """
    settings, how = problem_settings(args), _selection_settings(args)
    if args.out.suffix != ".csv":
        raise BadInput("the table's name must end in .csv", where=args.out, advice=f"Try {args.out.name}.csv")
    check_place(args.out)
    check_place(args.ndx)
    fitted = None if args.compare is None else Project.open(args.compare).fit
    from mdweights_core.weights.selection.files import write_csv, write_ndx
    from mdweights_core.weights.selection.result import comparison, selection_summary
    from mdweights_core.weights.selection.select import select_frames
    from mdweights_core.workflow import check_destination, weight_problem

    place = args.out.with_suffix(".mdw")
    check_destination(place)
    job = weight_problem(
        fit_inputs(args),
        predict_settings(args),
        settings,
        place,
        execution=execution(args),
        memory=args.memory,
        bragg=args.fit_solvent,
        on_check=partial(print_check, terminal=terminal),
        on_note=terminal.say,
    )
    problem, _ = terminal.run(job)
    if fitted is not None and not (len(fitted.weights) == problem.n_frames and _same(fitted.free, problem.free)):
        raise BadInput(
            "this fit is of other frames, other reflections or another free set",
            where=args.compare,
            advice="Fit with the same options as are given here",
        )
    selection = terminal.run(select_frames(problem, settings.objective, how))
    write_csv(selection, args.out)
    if args.ndx is not None:
        write_ndx(selection, args.ndx)
    beside = None if fitted is None else comparison(selection, fitted)
    print_selection(selection, beside, terminal)
    for text in problem.notes:
        terminal.warn(text)
    terminal.say(f"Frames in {args.out}{f' and {args.ndx}' if args.ndx else ''}")
    terminal.result({"frames_file": str(args.out), **selection_summary(selection), "comparison": beside})


def _selection_settings(args: argparse.Namespace) -> SelectionSettings:
    if args.generations is not None and args.method != "genetic":
        raise BadInput("--generations is for the genetic algorithm", advice="Give --method genetic, or leave it out")
    given = {} if args.generations is None else {"generations": args.generations}
    return SelectionSettings(args.method, args.min_frames, args.max_frames, seed=args.seed, **given)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other)


def print_selection(selection: Selection, beside: str | None, terminal: Terminal) -> None:
    """Scores of all frames and of those kept, on work and held-out reflections, and what to think of them."""
    from mdweights_core.weights.selection.result import is_overfit, verdict

    titles = (("anisotropic CC", "cc_aniso"), ("total CC", "cc"))
    rows = [
        (title, *(_score(selection.path[name + part][i]) for part in ("", "_free") for i in (-1, 0)))
        for title, name in titles
    ]
    terminal.table("", ("", "work", "all frames", "free", "all frames"), rows)
    terminal.say(f"{selection.outcome} {selection.seconds:.1f} s")
    if is_overfit(selection):
        terminal.warn(verdict(selection))
    else:
        terminal.say(verdict(selection))
    if beside is not None:
        terminal.say(beside)


def _score(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "-"

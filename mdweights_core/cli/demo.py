"""`mdweights demo`: the whole job on the built-in example."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.arguments import add_json
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.fit import print_fit
from mdweights_core.errors import MdweightsError
from mdweights_core.io.files import disk_problem
from mdweights_core.project import Project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import FitSettings

if TYPE_CHECKING:
    from mdweights_core.cli.main import Window


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("demo", help="run the whole job on the built-in (simulated) example")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), metavar="DIR", help="default: demo-output")
    parser.add_argument("--no-window", action="store_true", help="write files only, even when there is a display")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: Window | None) -> None:
    """Fit the example, compare with the hidden weights, write everything, then show the window or its picture."""
    from mdweights_core.example import example_inputs
    from mdweights_core.workflow import fit_project

    terminal.say("The built-in example: a simulated peptide crystal whose true frame weights are known.")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_problem(error, args.out) from error
    project = terminal.run(fit_project(example_inputs(), PredictSettings(), FitSettings(), args.out / "example.mdw"))
    print_fit(project, terminal)
    recovery = compare_with_hidden(project, terminal)
    written = _export(project, args.out)
    shown = _has_display() and window is not None and not args.no_window and not args.json
    if window is not None and not shown:
        written |= _pictures(project, args.out, window, terminal)
    terminal.say("\nWritten:")
    for what, path in written.items():
        terminal.say(f"  {what:<14} {path}")
    terminal.result({"files": {k: str(v) for k, v in written.items()}, **recovery})
    if shown and window is not None:
        window.open([project.path])


def compare_with_hidden(project: Project, terminal: Terminal) -> dict[str, Any]:
    """Say how well the hidden weights of the example came back."""
    from mdweights_core.example import STATE_NAMES, hidden_weights

    true, state = hidden_weights()
    fitted = project.fit.weights
    correlation = float(np.corrcoef(true, fitted)[0, 1])
    sums = {
        name: (float(true[state == s].sum()), float(fitted[state == s].sum())) for s, name in enumerate(STATE_NAMES)
    }
    terminal.say(f"\nHidden weights: correlation of fitted with true weights {correlation:.3f}")
    rows = [(name, f"{a:.3f}", f"{b:.3f}") for name, (a, b) in sums.items()]
    terminal.table("", ("summed weight of a state", "hidden", "fitted"), rows)
    return {"hidden_correlation": correlation, "states": sums}


def _export(project: Project, folder: Path) -> dict[str, Path]:
    from mdweights_core import exports
    from mdweights_core.report import write_report

    files = {
        "project": project.path,
        "weighted MTZ": folder / "weighted.mtz",
        "weights": folder / "weights.csv",
        "frames kept": folder / "frames.ndx",
        "best frames": folder / "best_frames.pdb",
        "report": folder / "report.html",
    }
    exports.export_mtz(project, files["weighted MTZ"])
    exports.export_csv(project, files["weights"])
    exports.export_ndx(project, files["frames kept"])
    exports.export_pdb(project, files["best frames"])
    write_report(project, files["report"])
    return files


def _pictures(project: Project, folder: Path, window: Window, terminal: Terminal) -> dict[str, Path]:
    picture = folder / "window.png"
    try:
        window.picture(project.path, picture)
    except MdweightsError as error:
        terminal.warn(error.sentence)
        return {}
    return {"window": picture}


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))

"""`mdweights fit`: weights of frames from an observed diffuse map."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.cli.arguments import add_frames, add_json, add_map, execution, fit_inputs, predict_settings
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.predict import print_check
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.project import Project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import DEFAULT_STEPS, OBJECTIVES, FitSettings


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("fit", help="fit one weight per frame to an observed diffuse map")
    add_map(parser, required=True)
    add_frames(parser, "a store made by predict, trajectory files, or per-frame MTZ files or a folder of them")
    parser.add_argument("--objective", choices=tuple(OBJECTIVES), default="anisotropic-cc")
    parser.add_argument("--solver", choices=tuple(DEFAULT_STEPS), default="gauss-newton")
    parser.add_argument("--theta", type=float, default=0.0, help="strength of the relative entropy to equal weights")
    parser.add_argument("--free-fraction", type=float, default=0.1, help="held out when the map has no free set (0.1)")
    parser.add_argument("--max-steps", type=int, help="iterations at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="NAME.mdw")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Fit, save the project and its weights as CSV, and print what came out."""
    settings = FitSettings(
        args.objective, args.solver, args.theta, args.free_fraction, args.seed, max_steps=args.max_steps
    )
    from mdweights_core.workflow import fit_project

    scattering = predict_settings(args)
    if frame_kind(tuple(args.frames)) == "store" and scattering != PredictSettings():
        terminal.warn("How frames are read and scatter changes nothing: these structure factors were made before.")
    job = fit_project(
        fit_inputs(args),
        scattering,
        settings,
        args.out,
        execution=execution(args),
        bragg=args.fit_solvent,
        on_check=partial(print_check, terminal=terminal),
        on_note=terminal.say,
    )
    project = terminal.run(job)
    conclude(project, terminal)


def conclude(project: Project, terminal: Terminal) -> None:
    """Write the weights beside the project's arrays and tell the result."""
    from mdweights_core.exports import export_csv
    from mdweights_core.weights.result import fit_summary

    weights_file = project.path / "weights.csv"
    export_csv(project, weights_file)
    print_fit(project, terminal)
    terminal.say(f"Saved in {project.path}; weights in {weights_file}")
    terminal.result({"project": str(project.path), "weights_file": str(weights_file), **fit_summary(project.fit)})


def print_fit(project: Project, terminal: Terminal) -> None:
    """The result as people read it."""
    from mdweights_core.weights.result import describe_fit, verdict

    fit = project.fit
    terminal.say(describe_fit(fit))
    rows = [
        (title, *(_score(getattr(s, name + part)) for part in ("", "_free") for s in (fit.scores, fit.uniform)))
        for title, name in (("anisotropic CC", "cc_aniso"), ("total CC", "cc"))
    ]
    terminal.table("", ("", "work", "equal weights", "free", "equal weights"), rows)
    terminal.say(f"{fit.outcome} {fit.seconds:.1f} s, KKT residual {fit.kkt_residual:.1e}")
    terminal.say(f"Effective frames {fit.n_eff:.1f} (Kish), {fit.n_active} of {len(fit.weights)} with a weight.")
    terminal.say(verdict(fit))
    for text in fit.warnings:
        terminal.warn(text)


def _score(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "-"

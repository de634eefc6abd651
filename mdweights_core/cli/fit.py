"""`mdweights fit`: weights of frames from an observed diffuse map."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.cli.arguments import (
    add_frames,
    add_json,
    add_map,
    add_memory,
    execution,
    fit_inputs,
    predict_settings,
)
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.fit_options import add_fit_options, add_validation_options, fit_settings, validation_settings
from mdweights_core.cli.predict import print_check
from mdweights_core.cli.verdict import print_validation, validation_result
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import Project
from mdweights_core.scattering.settings import PredictSettings


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("fit", help="fit one weight per frame to an observed diffuse map")
    add_map(parser, required=True)
    add_frames(parser, "a store made by predict, trajectory files, or per-frame MTZ files or a folder of them")
    add_fit_options(parser)
    add_validation_options(parser)
    add_memory(parser)
    parser.add_argument("--energies", type=Path, metavar="FILE", help="a row of numbers per frame, to explain weights")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME.mdw")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Fit, save the project and its weights as CSV, and print what came out."""
    settings, validation = fit_settings(args), validation_settings(args)
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
        validation_settings=validation,
        meaning_settings=MeaningSettings(energies=None if args.energies is None else str(args.energies.absolute())),
        memory=args.memory,
    )
    project = terminal.run(job)
    conclude(project, terminal)


def conclude(project: Project, terminal: Terminal) -> None:
    """Tell the result."""
    from mdweights_core.weights.result import fit_summary
    from mdweights_core.workflow import WEIGHTS_NAME

    weights_file = project.path / WEIGHTS_NAME
    print_fit(project, terminal)
    terminal.say(f"Saved in {project.path}; weights in {weights_file}")
    summary = fit_summary(project.fit)
    if project.validation is not None:
        summary |= validation_result(project.validation)
    terminal.result({"project": str(project.path), "weights_file": str(weights_file), **summary})


def print_fit(project: Project, terminal: Terminal) -> None:
    """The result as people read it."""
    from mdweights_core.weights.result import describe_fit, name_of_prior, verdict

    fit, before = project.fit, name_of_prior(project.fit)
    terminal.say(describe_fit(fit))
    rows = [
        (title, *(_score(getattr(s, name + part)) for part in ("", "_free") for s in (fit.scores, fit.uniform)))
        for title, name in (("anisotropic CC", "cc_aniso"), ("total CC", "cc"))
    ]
    if fit.bragg is not None:
        bragg = fit.bragg
        values = (bragg.cc, bragg.cc_uniform, bragg.cc_free, bragg.cc_free_uniform)
        rows.append(("Bragg CC", *map(_score, values)))
    terminal.table("", ("", "work", before, "free", before), rows)
    terminal.say(f"{fit.outcome} {fit.seconds:.1f} s, KKT residual {fit.kkt_residual:.1e}")
    terminal.say(f"Effective frames {fit.n_eff:.1f} (Kish), {fit.n_active} of {len(fit.weights)} with a weight.")
    if project.validation is None:
        terminal.say(verdict(fit))
    else:
        print_validation(project.validation, terminal)
    if project.meaning is not None:
        for sentence in project.meaning.sentences:
            terminal.say(sentence)
    for text in fit.warnings:
        terminal.warn(text)


def _score(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "-"

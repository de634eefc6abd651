"""`mdweights sample --iterate N`: fit, train, draw, predict and fit again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.cli.console import Terminal
from mdweights_core.cli.energy_options import energy_settings, with_added_terms
from mdweights_core.errors import BadInput
from mdweights_core.flow.settings import SampleSettings
from mdweights_core.project import Project

if TYPE_CHECKING:
    from mdweights_core.workflow.iterate import Round

_IDLE = ("frames", "topology", "only", "frame_weights", "reference", "examples", "frames_out", "weights_out")


def refuse_what_does_nothing(args: argparse.Namespace) -> None:
    """Refuse options that rounds have no use for."""
    if not args.project:
        raise BadInput("--iterate begins at a fit", advice="Give --project X.mdw too")
    named = [name for name in (*_IDLE, "checkpoint", "spread_along") if getattr(args, name)]
    if named:
        raise BadInput(f"--{named[0].replace('_', '-')} does not go with --iterate", advice="Leave one of them out")
    if args.out.suffix or args.out.is_file():
        raise BadInput("with --iterate, --out is a folder", where=args.out, advice="Give a name without an ending")


def run_rounds(args: argparse.Namespace, terminal: Terminal, settings: SampleSettings) -> None:
    """Go through the rounds, and print what held-out reflections say of them."""
    from mdweights_core.energy.setup import set_up
    from mdweights_core.workflow.iterate import TABLE, IterateSettings, iterate, round_values

    energy = energy_settings(args)
    rounds = IterateSettings(args.iterate, args.resample or 0, settings, args.coordinates_kind, args.select)
    project = Project.open(args.project)
    molecule = set_up(Path(args.system), energy, coordinates=args.coordinates)
    molecule = with_added_terms(args, Path(args.system), molecule)
    found = terminal.run(iterate(project, molecule, energy, rounds, args.out))
    for remark in found.remarks:
        terminal.warn(remark)
    heads = ("round", "frames", "CC", "held out", "CC before", "held out", "effective frames", "draws worth")
    terminal.table("Anisotropic correlation with the map", heads, [_row(one) for one in found.rounds])
    terminal.say(found.sentence)
    terminal.say(f"Table in {args.out / TABLE}; the last fit is {found.rounds[-1].project}")
    terminal.result({
        "rounds": [round_values(one) for one in found.rounds],
        "sentence": found.sentence,
        "stopped": found.stopped,
        "remarks": list(found.remarks),
    })  # fmt: skip


def _row(one: Round) -> tuple[str, ...]:
    scores = (one.cc, one.cc_free, one.before, one.before_free)
    told = (f"{value:.4f}" if np.isfinite(value) else "-" for value in scores)
    worth = f"{one.ess:.1%}" if np.isfinite(one.ess) else "-"
    return str(one.number), str(one.frames), *told, f"{one.n_eff:.1f}", worth

"""`mdweights free-energy`: differences of two states and profiles, from the samples that `sample` drew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdweights_core.cli.arguments import add_json, check_place, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from mdweights_core.flow.estimates.free_energy import Difference
    from mdweights_core.workflow.along import States
    from mdweights_core.workflow.judged import FreeEnergy
    from mdweights_core.workflow.sampled import Sampled

_BINS = 50


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("free-energy", help="free energies of states and along a coordinate, from samples")
    parser.add_argument("samples", type=Path, metavar="S.npz", help="what sample wrote")
    add_json(parser)
    states = parser.add_argument_group("two states: F(B) - F(A)")
    states.add_argument("--state-a", metavar="TEXT", help="a coordinate and two limits: 'phi 0 135'")
    states.add_argument("--state-b", metavar="TEXT", help="the same, or 'else' for all the rest (else)")
    states.add_argument("--states", metavar="TEXT", help="both sides of a boundary: 'x < 0.08'; A is the side told")
    states.add_argument("--no-frames", action="store_true", help="leave reference frames out of it")
    states.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap")
    profile = parser.add_argument_group("profile")
    profile.add_argument("--along", metavar="TEXT", help="'torsion 4 6 8 14', 'distance 3 7', 'phi 2', 'variable 0'")
    profile.add_argument("--bins", type=positive, default=_BINS, metavar="N", help=f"({_BINS})")
    profile.add_argument("--profile", type=Path, metavar="P.csv", help="the profile as a table")
    profile.add_argument("--plot", type=Path, metavar="P.png", help="and as a picture")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Print what was asked for, and write the profile."""
    from mdweights_core.workflow.judged import difference_values, free_energy
    from mdweights_core.workflow.sampled import load_sampled

    _refuse_what_does_nothing(args)
    sampled = load_sampled(args.samples)
    if args.no_frames:
        sampled = _without_frames(sampled)
    states = _states(args, sampled)
    told: dict[str, Any] = {"samples": sampled.samples.n_samples}
    if states is not None:
        found = free_energy(sampled, states, args.seed)
        _print(found, sampled, terminal)
        kt = sampled.origin.kt
        told |= {
            "states": list(found.names),
            "by_weights": difference_values(found.by_weights, kt),
            "by_bar": difference_values(found.by_bar, kt),
            "light": vars(found.light),
        }
    if args.along is not None:
        told |= _profile(args, sampled, terminal)
    terminal.result(told)


def _refuse_what_does_nothing(args: argparse.Namespace) -> None:
    if args.state_a and args.states:
        raise BadInput("--state-a and --states both name states", advice="Leave one of them out")
    if args.state_b and not args.state_a:
        raise BadInput("--state-b is the second of two states", advice="Give --state-a too")
    for name in ("profile", "plot"):
        if getattr(args, name) is not None and args.along is None:
            raise BadInput(f"--{name} needs a coordinate", advice="Give --along too")
    for place, ending in ((args.profile, ".csv"), (args.plot, ".png")):
        if place is not None and place.suffix.lower() != ending:
            raise BadInput(f"this name must end in {ending}", where=place)
        check_place(place)


def _without_frames(sampled: Sampled) -> Sampled:
    from dataclasses import replace

    import numpy as np

    return replace(sampled, origin=replace(sampled.origin, frame_log_weights=np.zeros(0)))


def _states(args: argparse.Namespace, sampled: Sampled) -> States | None:
    """The states that were asked for, those of the toy system, or none for a profile alone."""
    from mdweights_core.workflow.along import ELSE, own_states, parted, two_states

    origin, n = sampled.origin, sampled.samples.x.shape[1]
    if args.state_a:
        return two_states(args.state_a, args.state_b or ELSE, origin, n)
    if args.states:
        return parted(args.states, args.along or "", origin, n)
    if args.along is not None:
        return None
    if origin.toy:
        return own_states(origin, n)
    raise BadInput("There are no two states", advice="Give --state-a 'phi 0 135', or --along 'phi' for a profile")


def _print(found: FreeEnergy, sampled: Sampled, terminal: Terminal) -> None:
    kt = sampled.origin.kt
    rows = [("weights of the samples", *_row(found.by_weights, kt))]
    rows += [] if found.by_bar is None else [("samples and reference frames", *_row(found.by_bar, kt))]
    heads = ("by", "kT", "±", *(() if kt is None else ("kJ/mol",)), "share of A", "share of B")
    terminal.table(f"F(B) - F(A); A: {found.names[0]}; B: {found.names[1]}", heads, rows)
    (terminal.say if found.light.state in ("good", "weak") else terminal.warn)(found.light.sentence)


def _row(found: Difference, kt: float | None) -> tuple[str, ...]:
    held = found.occupation
    energy = () if kt is None else (f"{kt * found.value:.3f}",)
    return f"{found.value:.4f}", f"{found.error:.2g}", *energy, f"{held.first:.3g}", f"{held.second:.3g}"


def _profile(args: argparse.Namespace, sampled: Sampled, terminal: Terminal) -> dict[str, Any]:
    """Say, write and return the profile."""
    from mdweights_core.flow.estimates.profile import profile
    from mdweights_core.flow.estimates.sentences import profile_sentence
    from mdweights_core.workflow.along import along
    from mdweights_core.workflow.profile_files import draw_profile, profile_values, write_profile

    samples = sampled.samples
    measured = along(args.along, sampled.origin, samples.x.shape[1])
    found = profile(samples.log_weights, measured.values(samples.x), args.bins, period=measured.period, seed=args.seed)
    terminal.say(f"Along {measured.title}: {profile_sentence(found, measured.unit)}")
    if args.profile is not None:
        write_profile(found, measured.title, args.profile)
    if args.plot is not None:
        draw_profile(found, measured.title, args.plot)
    files = [str(path) for path in (args.profile, args.plot) if path is not None]
    if files:
        terminal.say(f"Written: {', '.join(files)}")
    return {"along": measured.title, "profile": profile_values(found), "files": files}

"""`mdweights sample`: the Boltzmann ensemble of a molecule, or of a toy system, drawn from a trained flow."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdweights_core.cli.arguments import add_json, check_place, frames_only, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.energy_options import add_energy_options, add_term_option, energy_settings, with_added_terms
from mdweights_core.cli.sample_rounds import refuse_what_does_nothing, run_rounds
from mdweights_core.energy.toys.registry import TOYS
from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.coordinates.settings import KINDS
from mdweights_core.flow.recipes import RECIPES
from mdweights_core.flow.settings import FlowSettings, SampleSettings

if TYPE_CHECKING:
    from mdweights_core.workflow.draws import Task
    from mdweights_core.workflow.examples import Examples
    from mdweights_core.workflow.judged import Judged
    from mdweights_core.workflow.sampled import Sampled

_MARKS = {"good": "good", "weak": "weak", "bad": "BAD", "none": "-"}
_DEFAULT, _FLOW = SampleSettings(), FlowSettings()


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("sample", help="draw the Boltzmann ensemble of a molecule from a trained flow")
    parser.add_argument("system", metavar="SYSTEM", help=f"structure as of minimize, or a toy: {', '.join(TOYS)}")
    parser.add_argument("--out", type=Path, required=True, metavar="S.npz", help="samples, for free-energy")
    parser.add_argument("--frames-out", type=Path, metavar="F", help="samples as frames (.xtc, .pdb), for predict")
    parser.add_argument("--weights-out", type=Path, metavar="W.csv", help="their weights, for fit --prior")
    parser.add_argument("--resample", type=positive, metavar="N", help="write N frames of equal weight instead")
    parser.add_argument("--iterate", type=positive, metavar="N", help="rounds of fit, flow and draws; --out: a folder")
    parser.add_argument("--checkpoint", type=Path, metavar="C.npz", help="the same command goes on from there")
    add_json(parser)
    _add_examples(parser.add_argument_group("example frames"))
    _add_training(parser.add_argument_group("training and drawing"))
    energy = parser.add_argument_group("energy")
    add_energy_options(energy)
    add_term_option(energy)
    parser.set_defaults(run=run)


def _add_examples(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--frames", type=Path, nargs="+", metavar="F", help="trajectory of the same atoms")
    group.add_argument("--topology", type=Path, metavar="T", help="of the trajectory (SYSTEM)")
    group.add_argument("--select", default="", metavar="TEXT", help="its atoms that the structure has (all)")
    group.add_argument("--only", type=frames_only, metavar="0-9,20|KEPT.csv", help="frames, counted from 0 (all)")
    group.add_argument("--frame-weights", type=Path, metavar="W.csv", help="weights of the frames (all alike)")
    group.add_argument("--project", type=Path, metavar="X.mdw", help="frames of a fit, with its weights")
    group.add_argument("--reference", type=Path, nargs="+", metavar="R", help="unbiased frames to compare with")
    group.add_argument("--examples", type=positive, metavar="N", help="of a toy: N frames by short chains")


def _add_training(group: argparse._ArgumentGroup) -> None:
    schedules = "; ".join(f"{name}: {recipe.sentence}" for name, recipe in RECIPES.items())
    kinds = "; ".join(f"{name}: {meaning}" for name, meaning in KINDS.items())
    group.add_argument(
        "--temperature", type=float, default=_DEFAULT.temperature, metavar="K", help="of molecules (300)"
    )
    group.add_argument("--schedule", choices=tuple(RECIPES), help=f"{schedules} (mixed with frames, else annealed)")
    group.add_argument("--effort", type=float, default=1.0, metavar="X", help="steps, as a multiple of the usual (1)")
    group.add_argument("--batch", type=positive, default=_DEFAULT.batch, metavar="N", help=f"({_DEFAULT.batch})")
    for name, meaning in (
        ("layers", "couplings"),
        ("width", "of their networks"),
        ("bins", "of their splines; 0: shift and stretch only"),
    ):
        default = getattr(_FLOW, name)
        group.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{meaning} ({default})")
    group.add_argument(
        "--samples", type=positive, default=_DEFAULT.samples, metavar="N", help=f"to draw ({_DEFAULT.samples})"
    )
    group.add_argument("--seed", type=int, default=0, metavar="N")
    group.add_argument("--no-probe", action="store_true", help="do not look for minima that were missed")
    group.add_argument("--coordinates-kind", choices=tuple(KINDS), default="internal", help=f"{kinds} (internal)")
    group.add_argument("--spread-along", default="", metavar="C", help="'phi 2', 'torsion 4 6 8 14', 'distance 3 7'")


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Train, draw, write samples and frames, and print what they are worth."""
    if args.iterate:
        _refuse_other_kind(args)
        refuse_what_does_nothing(args)
        run_rounds(args, terminal, sample_settings(args))
        return
    _refuse_what_does_nothing(args)
    for place in (args.out, args.frames_out, args.weights_out, args.checkpoint):
        check_place(place)
    settings = sample_settings(args)
    from mdweights_core.workflow.draws import train_and_draw
    from mdweights_core.workflow.judged import judged, summary
    from mdweights_core.workflow.sampled import save_sampled

    task, reference = _toy(args, terminal) if is_toy(args.system) else _molecule(args)
    for remark in task.remarks:
        terminal.warn(remark)
    _, sampled = terminal.run(train_and_draw(task, settings, reference=reference, checkpoint=args.checkpoint))
    for note in sampled.samples.notes:
        terminal.warn(note)
    if not sampled.samples.n_samples:
        _say_stopped(args, terminal, len(sampled.samples.history))
        return
    save_sampled(sampled, args.out)
    found = judged(sampled)
    print_judged(sampled, found, terminal)
    files = [args.out, *_written(args, sampled, terminal)]
    terminal.say(f"Written: {', '.join(map(str, files))}")
    terminal.result({"files": list(map(str, files)), "remarks": list(task.remarks), **summary(sampled, found)})


def is_toy(system: str) -> bool:
    """Whether a system is named and not a file: a file of that name is a file."""
    return system in TOYS and not Path(system).exists()


def sample_settings(args: argparse.Namespace) -> SampleSettings:
    """Training and draws from parsed arguments."""
    return SampleSettings(
        temperature=args.temperature,
        schedule=args.schedule or "",
        effort=args.effort,
        batch=args.batch,
        flow=FlowSettings(layers=args.layers, width=args.width, bins=args.bins),
        samples=args.samples,
        probe=not args.no_probe,
        seed=args.seed,
    )


def _refuse_what_does_nothing(args: argparse.Namespace) -> None:
    if args.frames and args.project:
        raise BadInput("--frames and --project both name example frames", advice="Leave one of them out")
    for name in ("topology", "select", "only", "frame_weights"):
        if getattr(args, name) and not (args.frames or (args.project and name in ("only", "select"))):
            raise BadInput(f"--{name.replace('_', '-')} is for frames", advice="Give --frames too")
    if args.resample and not args.frames_out:
        raise BadInput("--resample is for frames", advice="Give --frames-out too")
    if args.resample and args.weights_out:
        raise BadInput("frames that are resampled have equal weights", advice="Leave out --resample or --weights-out")
    for place, endings in ((args.out, (".npz",)), (args.frames_out, (".xtc", ".pdb")), (args.weights_out, (".csv",))):
        if place is not None and place.suffix.lower() not in endings:
            raise BadInput(f"this name must end in {' or '.join(endings)}", where=place)
    _refuse_other_kind(args)


def _refuse_other_kind(args: argparse.Namespace) -> None:
    """Refuse what is for molecules with a toy system, and the other way round."""
    if is_toy(args.system):
        named = [
            name
            for name in ("frames", "project", "frames_out", "reference", "coordinates", "add_term")
            if getattr(args, name)
        ]
        if named:
            raise BadInput(f"--{named[0].replace('_', '-')} is for molecules, and {args.system} is a toy system")
        if args.spread_along not in ("", "own"):
            raise BadInput("A toy system is spread along its own coordinate", advice="Give --spread-along own")
    elif args.examples:
        raise BadInput("--examples is for toy systems", advice="Give --frames for a molecule")
    elif not Path(args.system).exists():
        raise BadInput(
            "there is no such file, and no toy system of that name",
            where=args.system,
            advice=f"Toy systems are {', '.join(TOYS)}",
        )


def _toy(args: argparse.Namespace, terminal: Terminal) -> tuple[Task, None]:
    from mdweights_core.energy.toys.registry import toy
    from mdweights_core.workflow.draws import toy_task
    from mdweights_core.workflow.examples import toy_examples

    examples = None
    if args.examples:
        examples = terminal.run(toy_examples(toy(args.system), args.examples, args.seed))
    return toy_task(args.system, examples, spread=bool(args.spread_along)), None


def _molecule(args: argparse.Namespace) -> tuple[Task, Examples | None]:
    """The molecule with its example frames, and reference frames where these are given."""
    from mdweights_core.energy.setup import set_up
    from mdweights_core.io.frames.selection import select_atoms
    from mdweights_core.workflow.draws import molecule_task
    from mdweights_core.workflow.examples import frames_of_source, source_and_weights

    settings = energy_settings(args)
    has_frames = bool(args.frames or args.project)
    molecule = set_up(Path(args.system), settings, coordinates=args.coordinates)
    molecule = with_added_terms(args, Path(args.system), molecule)
    examples = reference = None
    if has_frames:
        topology = args.topology if args.project else _topology(args, args.frames[0])
        source, weights = source_and_weights(args.frames or (), topology, args.project, args.frame_weights)
        if args.select:
            source = source.select(select_atoms(source.atoms, args.select))
        examples = frames_of_source(molecule, source, args.only, weights)
    if args.reference:
        source, _ = source_and_weights(args.reference, _topology(args, args.reference[0]), None, None)
        reference = frames_of_source(molecule, source, None, None)
    task = molecule_task(
        molecule, settings, args.temperature, examples, kind=args.coordinates_kind, spread_along=args.spread_along
    )
    return task, reference


def _topology(args: argparse.Namespace, frames: Path) -> Path | None:
    """The structure stands for the topology of frames that have none."""
    from mdweights_core.io.frames.trajectory_files import has_topology

    return args.topology or (None if has_topology(frames) else Path(args.system))


def _say_stopped(args: argparse.Namespace, terminal: Terminal, steps: int) -> None:
    done = f"Stopped after {counted(steps, 'step')} of the training; nothing was drawn."
    if args.checkpoint is None:
        terminal.say(f"{done} With --checkpoint a run that is stopped can be gone on with.")
    else:
        terminal.say(f"{done} The same command goes on from {args.checkpoint}.")


def _written(args: argparse.Namespace, sampled: Sampled, terminal: Terminal) -> list[Path]:
    """Frames and weights that were asked for."""
    from mdweights_core.workflow.ensemble_files import resampled_draws, weighted_draws, write_ensemble

    if args.frames_out is None and args.weights_out is None:
        return []
    log_weights = sampled.samples.log_weights
    chosen = resampled_draws(log_weights, args.resample, args.seed) if args.resample else weighted_draws(log_weights)
    if chosen.note:
        terminal.say(chosen.note)
    return write_ensemble(sampled, chosen, args.frames_out, args.weights_out)


def print_judged(sampled: Sampled, found: Judged, terminal: Terminal) -> None:
    """Numbers, lights and the verdict."""
    samples, numbers, hole = sampled.samples, found.evidence.weights, found.evidence.hole
    pareto = f"{numbers.tail.k:.2f}" if numbers.tail.how == "fitted" else numbers.tail.how
    rows = [
        ("effective sample size", f"{numbers.ess:.1%}", f"{numbers.n_effective:.0f} of {numbers.n}"),
        ("the same, largest weights clipped", f"{numbers.ess_clipped:.1%}", ""),
        ("largest weight", f"{numbers.largest_share:.2%}", "of all"),
        ("Pareto k", pareto, f"below {numbers.tail.threshold:.2f} is good"),
    ]
    rows += [] if hole is None else [("effective sample size, forward", f"{hole.forward_ess:.1%}", "seen from frames")]
    rows += [
        ("ln Z", f"{numbers.log_z:.4f}", f"± {numbers.log_z_error:.2g}"),
        ("energies", str(samples.training_energies + samples.energies), f"{samples.training_energies} in training"),
        ("seconds", f"{samples.seconds:.1f}", ""),
    ]
    terminal.table(
        f"{counted(numbers.n, 'sample')} of {sampled.origin.toy or sampled.origin.energy}", ("", "", ""), rows
    )
    lights = [(light.name, _MARKS[light.state], light.value) for light in found.judgement.lights]
    terminal.table("Why to believe them", ("light", "state", ""), lights)
    for light in found.judgement.lights:
        if light.state in ("weak", "bad") or light.name == "coverage":
            terminal.say(f"  {light.name}: {light.sentence}")
    terminal.say(f"{found.judgement.conclusion.upper()}: {found.judgement.verdict}")

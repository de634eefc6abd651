"""`mdweights minimize`: a structure or frames brought to minima of a force field; minimisers compared."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.arguments import add_json, check_place, numbers, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.energy_options import (
    add_energy_options,
    add_term_option,
    energy_settings,
    topology_of_frames,
    with_added_terms,
)
from mdweights_core.errors import BadInput, counted
from mdweights_core.minimize.settings import METHODS, SPRING, YARDSTICKS, MinimizeSettings
from mdweights_core.project import Project

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.minimize.result import Minimisation

_PER_NM = 10.0  # angstrom


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("minimize", help="bring a structure or frames to minima of a force field")
    parser.add_argument("structure", type=Path, metavar="STRUCTURE", help="pdb, cif, prmtop, or an OpenMM System (xml)")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help="frames (.pdb, .xtc); --compare: .csv")
    parser.add_argument("--result", type=Path, metavar="F.npz", help="energies, forces and traces as well")
    parser.add_argument("--checkpoint", type=Path, metavar="F.npz", help="the same command goes on from there")
    parser.add_argument("--reference", type=Path, metavar="S", help="structure of the same atoms to tell RMSDs to")
    add_json(parser)
    energy = parser.add_argument_group("energy")
    add_energy_options(energy)
    add_term_option(energy)
    _add_starts(parser.add_argument_group("starts: the structure itself, or"))
    _add_held(parser.add_argument_group("atoms that are held"))
    _add_method(parser.add_argument_group("minimiser"))
    parser.set_defaults(run=run)


def _add_starts(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--frames", type=Path, nargs="+", metavar="F", help="trajectory, or PDB with models")
    group.add_argument("--topology", type=Path, metavar="T", help="of the trajectory (STRUCTURE)")
    group.add_argument("--select", default="", metavar="TEXT", help="its atoms that the structure has (all)")
    group.add_argument("--only", type=numbers, metavar="0-9,20", help="frames, counted from 0 (all)")
    group.add_argument("--project", type=Path, metavar="X.mdw", help="frames of a fit")
    group.add_argument("--lowest", type=positive, metavar="N", help="those N of least weight")
    group.add_argument("--highest", type=positive, metavar="N", help="those N of most weight")


def _add_held(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--fix", default="", metavar="TEXT", help="atoms that do not move, such as 'name CA'")
    group.add_argument("--restrain", default="", metavar="TEXT", help="atoms held by springs where they start")
    group.add_argument("--spring", type=float, default=SPRING, metavar="K", help="of these, kJ/mol/nm^2 (1000)")


def _add_method(group: argparse._ArgumentGroup) -> None:
    default = MinimizeSettings()
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in METHODS.items())
    others = ", ".join(YARDSTICKS)
    group.add_argument(
        "--method", choices=tuple(METHODS), default=default.method, help=f"{meanings} ({default.method})"
    )
    group.add_argument("--compare", type=methods, metavar="A,B", help=f"several of these, or {others}, side by side")
    group.add_argument("--tolerance", type=float, default=default.tolerance, metavar="F", help="rms force (0.1)")
    group.add_argument("--max-evaluations", type=positive, default=default.max_evaluations, metavar="N")
    group.add_argument("--max-step", type=float, default=default.max_step, metavar="NM", help="of a coordinate (0.02)")
    group.add_argument("--learning-rate", type=float, default=default.learning_rate, metavar="NM", help="Adam (0.001)")


def methods(text: str) -> tuple[str, ...]:
    """Names of minimisers, separated by commas."""
    names = tuple(dict.fromkeys(text.replace(" ", "").split(",")))
    for name in names:
        if name not in METHODS | YARDSTICKS:
            known = ", ".join(METHODS | YARDSTICKS)
            raise argparse.ArgumentTypeError(f"there is no minimiser {name!r}: choose from {known}")
    return names


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Minimise, write frames and traces, and print where each start came to."""
    _refuse_what_does_nothing(args)
    for place in (args.out, args.result, args.checkpoint):
        check_place(place)
    settings = MinimizeSettings(
        method=args.method,
        tolerance=args.tolerance,
        max_evaluations=args.max_evaluations,
        max_step=args.max_step,
        learning_rate=args.learning_rate,
    )
    from mdweights_core.energy.setup import read_reference, set_up
    from mdweights_core.energy.structure_checks import remarks_on_starts

    is_start = not (args.frames or args.project)
    molecule = set_up(args.structure, energy_settings(args), coordinates=args.coordinates, is_start=is_start)
    molecule = with_added_terms(args, args.structure, molecule)
    starts, frames = _starts(args, molecule)
    for remark in (*molecule.remarks, *remarks_on_starts(starts, frames)):
        terminal.warn(remark)
    reference = None if args.reference is None else read_reference(args.reference, molecule)
    if args.compare:
        _compare(args, terminal, molecule, starts, settings, reference)
    else:
        _minimize(args, terminal, molecule, starts, frames, settings, reference)


def _refuse_what_does_nothing(args: argparse.Namespace) -> None:
    if args.frames and args.project:
        raise BadInput("--frames and --project both name starts", advice="Leave one of them out")
    if (args.lowest or args.highest) and not args.project:
        raise BadInput("--lowest and --highest are for the weights of a project", advice="Give --project X.mdw too")
    if sum(map(bool, (args.lowest, args.highest, args.only))) > 1:
        raise BadInput("--lowest, --highest and --only all choose frames", advice="Give one of them")
    for name in ("only", "topology", "select"):
        if getattr(args, name) and not (args.frames or (args.project and name != "topology")):
            raise BadInput(f"--{name} is for frames", advice="Give --frames too")
    wanted = (".csv",) if args.compare else (".pdb", ".xtc")
    if args.out.suffix.lower() not in wanted:
        raise BadInput(f"the name after --out must end in {' or '.join(wanted)}", where=args.out)
    idle = [name for name in ("result", "checkpoint", "fix", "restrain") if args.compare and getattr(args, name)]
    if args.add_term and "openmm" in (args.compare or ()):
        raise BadInput("OpenMM's own minimiser does not know the terms of --add-term", advice="Compare others")
    if idle:
        raise BadInput(f"--{idle[0]} does not go with --compare", advice="Leave one of them out")


def _starts(args: argparse.Namespace, molecule: Molecule) -> tuple[np.ndarray, list[int]]:
    """Positions of the starts in nm, and which frames they are; none for the structure itself."""
    if not (args.frames or args.project):
        return molecule.x[None], []
    from mdweights_core.minimize.starts import frame_starts

    source, order = _source(args)
    if args.select:
        from mdweights_core.io.frames.selection import select_atoms

        source = source.select(select_atoms(source.atoms, args.select))
    frames = list(range(source.n_frames)) if order is None else order
    return frame_starts(molecule.topology, source, frames), frames


def _source(args: argparse.Namespace) -> tuple[FrameSource, list[int] | None]:
    """The frames, and which of them; None for all."""
    from mdweights_core.io.frames.trajectories import open_frames

    chosen = None if args.only is None else list(args.only)
    if args.frames:
        return open_frames(args.frames, topology_of_frames(args)), chosen
    project = Project.open(args.project)
    source = project.frame_source()
    if source is None:
        raise BadInput(
            "the frames of this project are structure factors without atoms",
            where=args.project,
            advice="Give the trajectory with --frames",
        )
    by_weight = np.argsort(project.fit.weights, kind="stable").tolist()
    if args.lowest:
        chosen = by_weight[: args.lowest]
    if args.highest:
        chosen = by_weight[::-1][: args.highest]
    return source, chosen


def _minimize(
    args: argparse.Namespace,
    terminal: Terminal,
    molecule: Molecule,
    starts: np.ndarray,
    frames: list[int],
    settings: MinimizeSettings,
    reference: np.ndarray | None,
) -> None:
    from mdweights_core.minimize.frames import write_frames
    from mdweights_core.minimize.job import minimize
    from mdweights_core.minimize.result import save, summary
    from mdweights_core.minimize.starts import held_atoms

    fixed, restrained = held_atoms(molecule, args.fix, args.restrain, args.spring)
    job = minimize(
        molecule.energy,
        starts,
        settings,
        fixed=fixed,
        restrained=restrained,
        spring=args.spring,
        reference=reference,
        checkpoint=args.checkpoint,
    )
    found = terminal.run(job)
    write_frames(molecule.topology, found.x, args.out)
    if args.result is not None:
        save(found, args.result)
    _print(found, frames, terminal)
    for note in found.notes:
        terminal.warn(note)
    terminal.say(f"{counted(found.n_starts, 'frame')} in {args.out}")
    plain = summary(found)
    for i, line in enumerate(plain["starts"]):
        line["frame"] = frames[i] if frames else None
    terminal.result({"frames_file": str(args.out), **plain})


def _print(found: Minimisation, frames: list[int], terminal: Terminal) -> None:
    heads = ["start", "energy before", "after", "rms force", "evaluations", "s", "RMSD Å"]
    with_reference = len(found.rmsd_to_reference) > 0
    rows = []
    for i in range(found.n_starts):
        row = [
            f"frame {frames[i]}" if frames else "structure",
            f"{found.start_energy[i]:.2f}",
            f"{found.energy[i]:.2f}",
            f"{found.rms_force[i]:.2g}",
            str(found.evaluations[i]),
            f"{found.seconds[i]:.1f}",
            f"{_PER_NM * found.rmsd_to_start[i]:.3f}",
        ]
        row += [f"{_PER_NM * found.rmsd_to_reference[i]:.3f}"] if with_reference else []
        rows.append((*row, found.ends[i]))
    heads += ["to reference"] if with_reference else []
    terminal.table("energies in kJ/mol, forces in kJ/mol/nm", (*heads, "end"), rows)


def _compare(
    args: argparse.Namespace,
    terminal: Terminal,
    molecule: Molecule,
    starts: np.ndarray,
    settings: MinimizeSettings,
    reference: np.ndarray | None,
) -> None:
    from mdweights_core.minimize.compare import compare, write_all
    from mdweights_core.minimize.result import summary

    job = compare(molecule.energy, starts, args.compare, settings, system=molecule.system, reference=reference)
    found = terminal.run(job)
    files = write_all(found, args.out)
    rows = [
        (
            method,
            f"{np.nanmedian(it.energy):.2f}",
            f"{np.nanmedian(it.rms_force):.2g}",
            f"{np.median(it.evaluations):.0f}",
            f"{np.median(it.seconds):.1f}",
            str(sum(end == "converged" for end in it.ends)),
        )
        for method, it in found.items()
    ]
    heads = ("medians", "energy", "rms force", "evaluations", "seconds", "converged")
    terminal.table(f"{counted(len(starts), 'start')}, energies in kJ/mol, forces in kJ/mol/nm", heads, rows)
    for note in dict.fromkeys(note for it in found.values() for note in it.notes):
        terminal.warn(note)
    terminal.say(f"Tables and plots in {', '.join(map(str, files))}")
    methods_found = {name: summary(replace(it, notes=())) for name, it in found.items()}
    terminal.result({"files": list(map(str, files)), "methods": methods_found})

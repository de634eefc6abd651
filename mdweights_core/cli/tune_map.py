"""`mdweights tune CRYSTAL --network --map MAP`: springs of a crystal fitted to its diffuse map, in closed form."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.cli.console import Terminal
from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from mdweights_core.dynamics.crystal_network.result import NetworkFit
    from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings

_OF_MAPS = ("column", "space_group", "d_min", "d_max", "d_fit", "held_out", "b_weight", "transverse")
_OF_SIMULATIONS = ("targets", "parameters", "set", "values", "bounds", "priors", "observables", "add_term")
_FRAMES = 200
_PER_NM = 10.0  # angstrom


def add_map_options(group: argparse._ArgumentGroup) -> None:
    """The map, and how a network is fitted to it."""
    group.add_argument("--map", type=Path, metavar="M.mtz", help="observed diffuse map, at whole indices")
    group.add_argument("--column", metavar="C", help="its intensity column (guessed)")
    group.add_argument("--space-group", metavar="SG", help="in place of the map's")
    group.add_argument("--d-min", type=float, metavar="D", help="of the reflections that are compared, angstrom (1.6)")
    group.add_argument("--d-max", type=float, metavar="D", help="low-resolution limit, angstrom")
    group.add_argument("--d-fit", type=float, metavar="D", help="resolution to which springs are fitted (2.5)")
    group.add_argument("--held-out", type=float, metavar="X", help="share of reflections that no fit sees (0.1)")
    group.add_argument("--b-weight", type=float, metavar="X", help="weight of the structure's B factors (0)")
    group.add_argument("--transverse", type=float, metavar="X", help="how much springs resist sideways, 0 to 1 (1)")


def refuse_map_options(args: argparse.Namespace) -> None:
    """Refuse what does nothing without a map, or with one."""
    if args.map is None:
        if given := [name for name in _OF_MAPS if getattr(args, name) is not None]:
            raise BadInput(f"--{given[0].replace('_', '-')} is for a map", advice="Give --map and --network too")
        if args.targets is None:
            raise BadInput("Nothing is given to tune to", advice="Give --targets T.csv, or --network with --map M.mtz")
        return
    if not args.network:
        raise BadInput("Springs are tuned to a map", advice="Give --network too, or a target such as 'CC map.mtz 4'")
    if given := [name for name in _OF_SIMULATIONS if getattr(args, name)]:
        raise BadInput(f"--{given[0].replace('_', '-')} does not go with --map", advice="Leave one of them out")
    if args.frames_out is not None and args.frames_out.suffix.lower() != ".xtc":
        raise BadInput("frames of a crystal are written as .xtc", where=args.frames_out)


def run_map(args: argparse.Namespace, terminal: Terminal) -> None:
    """Fit springs, print them beside liquid-like motions, and write what was asked for.

    Raises
    ------
    BadInput
        See `dynamics.crystal_network.fit.fit_network`.
    """
    from mdweights_core.dynamics.crystal_network.fit import fit_network
    from mdweights_core.io.maps.observed import read_map
    from mdweights_core.workflow.tune_crystal import SCATTERERS, summary, write_crystal_frames, write_springs

    settings = network_settings(args)
    structure, select = Path(args.system), args.select or ""
    if not structure.exists():
        raise BadInput("there is no such file", where=structure, advice="Give a PDB or mmCIF file of the crystal")
    observed = read_map(args.map, column=args.column, space_group=args.space_group)
    fit = fit_network(structure, observed, settings, selection=select or SCATTERERS, checkpoint=args.checkpoint)
    found = terminal.run(fit)
    print_network(found, terminal)
    files: list[Path] = []
    if args.out is not None:
        write_springs(args.out, found, structure)
        files.append(args.out)
    if args.frames_out is not None and not found.is_stopped:
        files += write_crystal_frames(structure, observed, settings, select, found, args.frames_out)
    if files:
        terminal.say(f"Written: {', '.join(map(str, files))}")
    terminal.result({"files": list(map(str, files)), **summary(found)})


def network_settings(args: argparse.Namespace) -> CrystalNetworkSettings:
    """How the network is made and fitted, from parsed arguments."""
    from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings

    default = CrystalNetworkSettings()
    given = {name: getattr(args, name) for name in ("d_min", "d_max", "d_fit", "held_out", "b_weight", "transverse")}
    if args.temperature is not None:
        given["temperature"] = args.temperature
    return CrystalNetworkSettings(
        bins=_bins(args, default.bins),
        iterations=args.iterations,
        frames=_FRAMES if args.frames_out is not None else 0,
        seed=args.seed,
        **{name: value for name, value in given.items() if value is not None},
    )


def _bins(args: argparse.Namespace, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Lengths at which classes of springs end, angstrom, from those on the command line in nm."""
    from mdweights_core.cli.ensemble_options import lengths

    longest = usual[-1] if args.springs is None else _PER_NM * args.springs
    if args.classes is not None:
        return (*(_PER_NM * length for length in lengths(args.classes)), longest)
    return (*(edge for edge in usual[:-1] if edge < longest), longest)


def print_network(found: NetworkFit, terminal: Terminal) -> None:
    """Springs, correlations and the verdict."""
    springs = zip(found.springs, found.counts, found.constants, found.errors, strict=True)
    rows = [(name, str(count), f"{constant:.4g}", f"{error:.1%}") for name, count, constant, error in springs]
    terminal.table("Springs, kJ/mol/nm²", ("class", "springs", "constant", "error"), rows)
    terminal.say(found.determined)
    models = [("network", found.network)] + ([] if found.liquid is None else [("liquid-like motions", found.liquid)])
    scores = [(name, *map(_cc, (it.fitted, it.held_out, it.total))) for name, it in models]
    heads = ("correlation with the map", "anisotropic", "held out", "total, held out")
    terminal.table(f"{found.n_work} reflections and {found.n_held_out} held out", heads, scores)
    if np.isfinite(found.b_correlation):
        terminal.say(f"B factors of the network and of the structure correlate by {found.b_correlation:.2f}")
    terminal.say("Stopped before its end; nothing was compared." if found.is_stopped else found.verdict)


def _cc(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "-"

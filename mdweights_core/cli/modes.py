"""`mdweights modes`: the softest motions of a structure, one of them as a film, and frames along them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.arguments import add_json, check_place, positive
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.energy_options import add_energy_options, energy_settings, topology_of_frames
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.csv_files import write_csv
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.modes.choice import ATOM_CUTOFF, STILL, TRACE_CUTOFF, as_many, frequencies, suggested_network

if TYPE_CHECKING:
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.modes.frames_along import Along
    from mdweights_core.modes.spectrum import Modes

KINDS = {
    "network": "springs between near atoms",
    "blocks": "the same, residues moving as a whole",
    "hessian": "the force field's, at the minimum",
}
HESSIAN, BLOCKS = "hessian", "blocks"
_PER_NM = 10.0  # angstrom
_PICTURES = 24


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "modes", help="slow modes of a structure, as numbers, as a film, and frames along them"
    )
    parser.add_argument("structure", type=Path, metavar="STRUCTURE", help="pdb, cif or gro; --of hessian: as minimize")
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in KINDS.items())
    parser.add_argument("--of", choices=tuple(KINDS), default="network", help=f"{meanings} (network)")
    parser.add_argument("--count", type=positive, default=20, metavar="N", help="modes, the slowest first (20)")
    parser.add_argument("--out", type=Path, metavar="F.csv", help="table of the modes")
    add_json(parser)
    network = parser.add_argument_group("network")
    network.add_argument("--select", metavar="TEXT", help="its atoms ('name CA'; of small molecules all)")
    network.add_argument("--springs", type=float, metavar="NM", help="length of the longest (1.5; of all atoms 0.8)")
    film = parser.add_argument_group("film")
    film.add_argument("--film", type=Path, metavar="F", help="one swing along a mode (.pdb, .xtc), to play in a loop")
    film.add_argument("--mode", type=positive, metavar="N", help="which one, counted from 1 (1)")
    film.add_argument("--amplitude", type=float, metavar="A", help="rms displacement at the turning points, Å (1)")
    frames = parser.add_argument_group("frames along the modes")
    frames.add_argument("--frames", type=Path, nargs="+", metavar="F", help="trajectory of the same atoms")
    frames.add_argument("--topology", type=Path, metavar="T", help="of the trajectory (STRUCTURE)")
    frames.add_argument("--projection", type=Path, metavar="F.csv", help="where each frame lies along each mode")
    add_energy_options(parser.add_argument_group("energy, of --of hessian"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Find modes, print them, and write what was asked for.

    Raises
    ------
    BadInput
        Options that do not go together, atoms that are not there, frames of others.
    DiskProblem
        A file that cannot be written where it is wanted.
    """
    _refuse_what_does_nothing(args)
    _check_places(args)
    atoms, modes, rows = _hessian(args, terminal) if args.of == HESSIAN else _network(args, terminal)
    if not modes.has_converged:
        terminal.warn("The search ended before all modes were found to 0.01 % of the highest. Ask for fewer modes.")
    along = None if args.frames is None else terminal.run(_along(args, atoms, modes, rows))
    table = _table(args, modes, along)
    files = _write(args, table, atoms, modes, along)
    _print(args, table, atoms, terminal)
    if files:
        terminal.say(f"Written: {', '.join(map(str, files))}")
    terminal.result({"of": args.of, "n_atoms": len(atoms), "unit": _unit(args), "modes": table, "files": files})


def _refuse_what_does_nothing(args: argparse.Namespace) -> None:
    for name, needs in (("mode", "film"), ("amplitude", "film"), ("projection", "frames"), ("topology", "frames")):
        if getattr(args, name) is not None and getattr(args, needs) is None:
            raise BadInput(f"--{name} does nothing without --{needs}", advice=f"Give --{needs} too")
    if args.of == HESSIAN:
        for name in ("select", "springs"):
            if getattr(args, name) is not None:
                raise BadInput(f"--{name} is for networks", advice="A Hessian is that of all atoms: leave it out")
    elif energy_settings(args) != EnergySettings(model=args.model) or args.coordinates is not None:
        raise BadInput("A network knows no force field", advice="Leave options of the energy out, or give --of hessian")
    if args.springs is not None and not 0 < args.springs < float("inf"):
        raise BadInput(f"springs of {args.springs:g} nm join nothing", advice="Give a length above 0")
    if args.amplitude is not None and not 0 < args.amplitude < float("inf"):
        raise BadInput(f"an amplitude of {args.amplitude:g} Å shows nothing", advice="Give one above 0")
    if args.mode is not None and args.mode > args.count:
        raise BadInput(f"mode {args.mode} is not among {counted(args.count, 'mode')}", advice="Raise --count")


def _check_places(args: argparse.Namespace) -> None:
    for place, endings in ((args.out, (".csv",)), (args.projection, (".csv",)), (args.film, (".pdb", ".xtc"))):
        if place is not None and place.suffix.lower() not in endings:
            raise BadInput(f"this name must end in {' or '.join(endings)}", where=place)
        check_place(place)


def _network(args: argparse.Namespace, terminal: Terminal) -> tuple[Atoms, Modes, np.ndarray]:
    """Atoms of the network, its modes, and which of the structure's atoms these are."""
    from mdweights_core.energy.elastic import elastic_network
    from mdweights_core.io.frames.selection import residue_index, select_atoms
    from mdweights_core.io.frames.trajectories import open_frames
    from mdweights_core.io.frames.trajectory_files import has_topology
    from mdweights_core.modes.rigid import block_motions, rigid_motions
    from mdweights_core.modes.spectrum import block_modes, elastic_modes

    if not has_topology(args.structure):
        raise BadInput(
            f"'{args.structure.suffix}' is no structure with its atoms",
            where=args.structure,
            advice="Give a PDB, mmCIF or GRO file; a trajectory goes after --frames",
        )
    source = open_frames([args.structure])
    if args.model > source.n_frames:
        raise BadInput(f"There is no model {args.model}: the file holds {source.n_frames}", where=args.structure)
    suggested, _ = suggested_network(source.atoms)
    select = args.select if args.select is not None else "" if args.of == BLOCKS else suggested
    rows = select_atoms(source.atoms, select) if select else np.arange(len(source.atoms))
    atoms = source.atoms.select(rows)
    springs = args.springs or (TRACE_CUTOFF if bool((atoms.name == "CA").all()) else ATOM_CUTOFF)
    x = source.positions(args.model - 1)[rows].astype(np.float64) / _PER_NM
    network, count = elastic_network(x, cutoff=springs), as_many(args.count, len(x))
    terminal.say(
        f"Network of {counted(len(x), 'atom')}{f' ({select})' if select else ''}, springs up to {springs:g} nm"
    )
    if args.of == BLOCKS:
        residues = residue_index(atoms)
        count = min(count, block_motions(x, residues).shape[1] - rigid_motions(x).shape[1])
        return atoms, block_modes(network.hessian(x), x, residues, count), rows
    return atoms, terminal.run(elastic_modes(network, x, count)), rows


def _hessian(args: argparse.Namespace, terminal: Terminal) -> tuple[Atoms, Modes, np.ndarray]:
    """The same of a structure that is brought to its minimum first."""
    from mdweights_core.energy.setup import set_up
    from mdweights_core.minimize.job import minimize
    from mdweights_core.minimize.starts import atoms_of
    from mdweights_core.modes.spectrum import hessian_modes

    molecule = set_up(args.structure, energy_settings(args), coordinates=args.coordinates)
    for remark in molecule.remarks:
        terminal.warn(remark)
    found = terminal.run(minimize(molecule.energy, molecule.x[None], MinimizeSettings(tolerance=STILL)))
    if not found.rms_force[0] <= STILL:
        raise BadInput(
            f"The minimum was not reached: the rms force is {found.rms_force[0]:.2g} kJ/mol/nm ({found.ends[0]})",
            where=args.structure,
            advice=f"Frequencies need {STILL:g} or less; look at the structure, or take --of network",
        )
    terminal.say(
        f"Minimised first, to an rms force of {found.rms_force[0]:.1g} kJ/mol/nm, "
        f"{_PER_NM * found.rmsd_to_start[0]:.2f} Å from the structure"
    )
    count = as_many(args.count, molecule.n_atoms)
    job = hessian_modes(molecule.energy, found.x[0], count, masses=molecule.masses, is_crystal=args.crystal)
    return atoms_of(molecule.topology), terminal.run(job), np.arange(molecule.n_atoms)


def _along(args: argparse.Namespace, atoms: Atoms, modes: Modes, rows: np.ndarray) -> Any:
    """The job that sees the frames along the modes."""
    from mdweights_core.modes.frames_along import frames_along

    return frames_along(_same_atoms(args, atoms, rows), modes)


def _same_atoms(args: argparse.Namespace, atoms: Atoms, rows: np.ndarray) -> FrameSource:
    from mdweights_core.io.frames.selection import select_atoms
    from mdweights_core.io.frames.trajectories import open_frames

    source = open_frames(args.frames, topology_of_frames(args))
    chosen = select_atoms(source.atoms, args.select) if args.select else rows
    if chosen.max(initial=-1) < len(source.atoms):
        source = source.select(chosen)
        if len(source.atoms) == len(atoms) and bool(np.all(source.atoms.element == atoms.element)):
            return source
    raise BadInput(
        f"The frames have other atoms than the {len(atoms)} that the modes are of",
        where=args.frames[0],
        advice="Give the structure the trajectory is of, or --select atoms that both have",
    )


def _unit(args: argparse.Namespace) -> str:
    return "1/cm" if args.of == HESSIAN else "lowest = 1"


def _table(args: argparse.Namespace, modes: Modes, along: Along | None) -> list[dict[str, float | int]]:
    """One line for each mode."""
    numbers = frequencies(modes, is_hessian=args.of == HESSIAN)
    table: list[dict[str, float | int]] = [
        {
            "mode": i + 1,
            "frequency": float(numbers[i]),
            "eigenvalue": float(modes.values[i]),
            "collectivity": float(modes.collectivity[i]),
            "residual": float(modes.residuals[i]),
        }
        for i in range(len(numbers))
    ]
    for line, share in zip(table, () if along is None else along.shares, strict=False):
        line["share"] = float(share)
    return table


def _print(args: argparse.Namespace, table: list[dict[str, float | int]], atoms: Atoms, terminal: Terminal) -> None:
    heads = ["mode", f"frequency ({_unit(args)})", "atoms that take part"]
    heads += ["of the frames' motion"] if "share" in table[0] else []
    rows = []
    for line in table:
        row = [str(line["mode"]), f"{line['frequency']:.4g}", f"{line['collectivity']:.0%}"]
        rows.append((*row, f"{line['share']:.1%}") if "share" in line else tuple(row))
    terminal.table(f"Slow modes of {counted(len(atoms), 'atom')}", tuple(heads), rows)


def _write(
    args: argparse.Namespace, table: list[dict[str, float | int]], atoms: Atoms, modes: Modes, along: Along | None
) -> list[str]:
    """Write what was asked for; the files."""
    files: list[Path] = []
    if args.out is not None:
        write_csv(args.out, list(table[0]), [list(line.values()) for line in table])
        files.append(args.out)
    if args.projection is not None and along is not None:
        heads = ["frame", *(f"mode_{i + 1}" for i in range(len(table)))]
        write_csv(args.projection, heads, [[i, *row] for i, row in enumerate((_PER_NM * along.amplitudes).tolist())])
        files.append(args.projection)
    if args.film is not None:
        files += _write_film(args, atoms, modes)
    return list(map(str, files))


def _write_film(args: argparse.Namespace, atoms: Atoms, modes: Modes) -> list[Path]:
    """Write the swing, and for an XTC file its topology beside it."""
    from mdweights_core.minimize.frames import topology_of, write_with_topology
    from mdweights_core.modes.trajectories import animated

    amplitude, mode = 1.0 if args.amplitude is None else args.amplitude, args.mode or 1
    if mode > len(modes.values):
        raise BadInput(f"There is no mode {mode}: this molecule has {len(modes.values)}")
    x = animated(modes, mode - 1, n_frames=_PICTURES, rms=amplitude / _PER_NM)
    return [path for path in write_with_topology(topology_of(atoms), x, args.film) if path is not None]

"""Options of the energy of a structure, which `minimize` and `modes` share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mdweights_core.cli.arguments import positive, three
from mdweights_core.energy.settings import FORCE_FIELDS, SOLVENTS, EnergySettings

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule


def add_energy_options(group: argparse._ArgumentGroup) -> None:
    """Force field, solvent, crystal, and what may be added to the structure or left out."""
    fields = ", ".join(FORCE_FIELDS)
    group.add_argument("--coordinates", type=Path, metavar="F", help="of a prmtop or a System")
    group.add_argument(
        "--forcefield", default="amber14", metavar="NAME", help=f"{fields}, or files .xml, by commas (amber14)"
    )
    group.add_argument("--solvent", choices=tuple(SOLVENTS), default="obc2", help="implicit solvent (obc2)")
    group.add_argument("--cutoff", type=float, metavar="NM", help="of non-bonded pairs (none)")
    group.add_argument("--crystal", action="store_true", help="the whole cell, periodic")
    group.add_argument("--copies", type=three, default=(1, 1, 1), metavar="na,nb,nc", help="cells of it (1,1,1)")
    group.add_argument("--add-hydrogens", action="store_true", help="add those that are missing")
    group.add_argument("--repair", action="store_true", help="let PDBFixer add missing atoms and leave out ligands")
    group.add_argument("--no-water", action="store_true", help="leave waters and ions of the structure out")
    group.add_argument("--ph", type=float, default=7.0, help="for hydrogens that are added (7)")
    group.add_argument("--model", type=positive, default=1, metavar="N", help="of the structure file (1)")


def add_term_option(group: argparse._ArgumentGroup) -> None:
    """Terms that are added to the force field."""
    group.add_argument("--add-term", type=Path, metavar="F.toml", help="terms typed as expressions, values of others")


def with_added_terms(args: argparse.Namespace, path: Path, molecule: Molecule) -> Molecule:
    """The molecule that was set up from a file, with the terms and values of `--add-term`."""
    if args.add_term is None:
        return molecule
    from mdweights_core.dynamics.models.atom_types import atom_types
    from mdweights_core.dynamics.models.term_file import read_terms, with_terms

    return with_terms(molecule, read_terms(args.add_term), atom_types(molecule, path, energy_settings(args)))


def topology_of_frames(args: argparse.Namespace) -> Path | None:
    """The topology of `--frames`: what is given, or where they have none of their own STRUCTURE (its coordinates)."""
    from mdweights_core.io.frames.trajectory_files import has_topology

    if args.topology is not None or has_topology(args.frames[0]):
        return args.topology
    return args.coordinates if args.structure.suffix.lower() == ".xml" else args.structure


def energy_settings(args: argparse.Namespace) -> EnergySettings:
    """The same as the energy takes them."""
    return EnergySettings(
        force_field=args.forcefield,
        solvent=args.solvent,
        cutoff=args.cutoff,
        crystal=args.crystal,
        copies=args.copies,
        add_hydrogens=args.add_hydrogens,
        repair=args.repair,
        drop_water=args.no_water,
        ph=args.ph,
        model=args.model,
    )

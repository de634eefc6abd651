"""What the window runs to minimise: the jobs of `mdweights minimize`, without Qt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.models.minima_readings import PER_NM, FrameChoice, MinimaReading, MinimiseRequest
from mdweights_core.errors import BadInput, counted
from mdweights_core.jobs import Job, Progress, retold

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.io.frames.trajectories import FrameSource

SETTING_UP = "setting up"


def minimise(request: MinimiseRequest, checkpoint: Path) -> Job[MinimaReading]:
    """Bring a structure or frames to minima; stopped, what there is is kept, and the same request goes on from there.

    Snapshots of the minimisation tell the RMSD to the start (``rmsd``, angstrom) besides energy and force, and that to
    the reference (``to_reference``) where there is one. Compared minimisers go from the same starts one after another,
    and keep no checkpoint.
    """
    yield Progress(SETTING_UP, message=f"Setting up the energy of {request.structure.name}")
    from mdweights_core.energy.setup import read_reference, set_up
    from mdweights_core.energy.structure_checks import remarks_on_starts
    from mdweights_core.minimize.compare import compare
    from mdweights_core.minimize.job import minimize
    from mdweights_core.minimize.result import joined
    from mdweights_core.minimize.starts import atoms_of, held_atoms

    is_own = request.frames is None
    molecule = set_up(request.structure, request.energy, coordinates=request.coordinates, is_start=is_own)
    starts = molecule.x[None] if request.frames is None else _frame_starts(molecule, request.frames, request.select)
    frames = () if request.frames is None else request.frames.numbers
    molecule = replace(molecule, remarks=(*molecule.remarks, *remarks_on_starts(starts, frames)))
    reference = None if request.reference is None else read_reference(request.reference, molecule)
    watch = partial(_with_rmsd, starts=starts, reference=reference)
    atoms = atoms_of(molecule.topology)
    if request.compare:
        energy, settings, system = molecule.energy, request.settings, molecule.system
        job = compare(energy, starts, request.compare, settings, system=system, reference=reference)
        found = yield from retold(job, watch)
        every = joined(list(found.values()))
        return MinimaReading(
            request, molecule, atoms, np.tile(starts, (len(found), 1, 1)), frames * len(found), every, found
        )
    fixed, restrained = held_atoms(molecule, request.fix, request.restrain, request.spring)
    result = yield from retold(
        minimize(
            molecule.energy,
            starts,
            request.settings,
            fixed=fixed,
            restrained=restrained,
            spring=request.spring,
            reference=reference,
            checkpoint=checkpoint,
        ),
        watch,
    )
    return MinimaReading(request, molecule, atoms, starts, frames, result)


def open_choice(choice: FrameChoice, select: str = "") -> FrameSource:
    """The chosen trajectory, or some of its atoms."""
    from mdweights_core.io.frames.selection import select_atoms
    from mdweights_core.io.frames.trajectories import open_frames

    source = open_frames(choice.paths, choice.topology, altloc=choice.altloc)
    return source.select(select_atoms(source.atoms, select)) if select else source


def _frame_starts(molecule: Molecule, choice: FrameChoice, select: str) -> np.ndarray:
    from mdweights_core.minimize.starts import frame_starts

    return frame_starts(molecule.topology, open_choice(choice, select), choice.numbers)


def _with_rmsd(seen: Progress, starts: np.ndarray, reference: np.ndarray | None) -> Progress:
    if "x" not in seen.arrays:
        return seen
    from mdweights_core.minimize.superpose import rmsd

    x, told = seen.arrays["x"][None], dict(seen.values)
    told["rmsd"] = PER_NM * float(rmsd(x, starts[int(seen.values["start"])])[0])
    if reference is not None:
        told["to_reference"] = PER_NM * float(rmsd(x, reference)[0])
    return replace(seen, values=told)


def save_comparison(reading: MinimaReading, target: Path) -> Job[list[Path]]:
    """Write the table of compared minimisers, their traces and plots, as `mdweights minimize --compare` does."""
    from mdweights_core.minimize.compare import write_all

    yield Progress("exporting", message=f"Writing {target.name}")
    return write_all(reading.comparison, target)


def write(reading: MinimaReading, target: Path) -> Job[tuple[Path, Path | None]]:
    """Write the conformations that were reached; the file, and its topology where it has none of its own.

    Raises
    ------
    BadInput
        When no start has an energy.
    """
    from mdweights_core.minimize.frames import write_with_topology

    yield Progress("exporting", message=f"Writing {target.name}")
    rows = reading.reached
    if not len(rows):
        raise BadInput("No conformation was reached", advice="Minimise again")
    return write_with_topology(reading.molecule.topology, reading.result.x[rows], target)


def written(reading: MinimaReading, files: tuple[Path, Path | None]) -> str:
    """What was written, as a sentence without its full stop."""
    target, beside = files
    topology = "" if beside is None else f", their topology to {beside.name}"
    return f"Wrote {counted(len(reading.reached), 'conformation')} to {target.name}{topology}"

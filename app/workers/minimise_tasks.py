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

    Snapshots of the minimisation tell the RMSD to the start (``rmsd``, angstrom) besides energy and force.
    """
    yield Progress(SETTING_UP, message=f"Setting up the energy of {request.structure.name}")
    from mdweights_core.energy.setup import set_up
    from mdweights_core.minimize.job import minimize
    from mdweights_core.minimize.starts import atoms_of, held_atoms

    molecule = set_up(request.structure, request.energy, coordinates=request.coordinates)
    starts = molecule.x[None] if request.frames is None else _frame_starts(molecule, request.frames, request.select)
    fixed, restrained = held_atoms(molecule, request.fix, request.restrain, request.spring)
    job = minimize(
        molecule.energy,
        starts,
        request.settings,
        fixed=fixed,
        restrained=restrained,
        spring=request.spring,
        checkpoint=checkpoint,
    )
    result = yield from retold(job, partial(_with_rmsd, starts=starts))
    frames = () if request.frames is None else request.frames.numbers
    return MinimaReading(request, molecule, atoms_of(molecule.topology), starts, frames, result)


def open_choice(choice: FrameChoice, select: str = "") -> FrameSource:
    """The chosen trajectory, or some of its atoms."""
    from mdweights_core.io.frames.selection import select_atoms
    from mdweights_core.io.frames.trajectories import open_frames

    source = open_frames(choice.paths, choice.topology, altloc=choice.altloc)
    return source.select(select_atoms(source.atoms, select)) if select else source


def _frame_starts(molecule: Molecule, choice: FrameChoice, select: str) -> np.ndarray:
    from mdweights_core.minimize.starts import frame_starts

    return frame_starts(molecule.topology, open_choice(choice, select), choice.numbers)


def _with_rmsd(seen: Progress, starts: np.ndarray) -> Progress:
    if "x" not in seen.arrays:
        return seen
    from mdweights_core.minimize.superpose import rmsd

    start = starts[int(seen.values["start"])]
    return replace(seen, values={**seen.values, "rmsd": PER_NM * float(rmsd(seen.arrays["x"][None], start)[0])})


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

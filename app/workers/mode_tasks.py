"""What the window runs to find slow modes and to see a trajectory along them, without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.models.minima_readings import PER_NM
from app.models.mode_readings import FRAME, HESSIAN, ModesReading, ModesRequest
from app.workers.minimise_tasks import open_choice
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job, Progress
from mdweights_core.modes.choice import as_many

if TYPE_CHECKING:
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.modes.spectrum import Modes

STAGE = "slow modes"


def slow_modes(request: ModesRequest) -> Job[ModesReading]:
    """The lowest modes of an elastic network or a Hessian, and the frames projected on them."""
    from mdweights_core.modes.frames_along import frames_along

    yield Progress(STAGE, message="Setting up the modes")
    source = None if request.frames is None else open_choice(request.frames)
    atoms, x, rows = _place(request, source)
    modes = yield from _hessian(request) if request.of == HESSIAN else _network(request, x[rows])
    chosen = atoms.select(rows)
    frames = _same(source, request, chosen)
    if frames is None:
        return ModesReading(request, modes, chosen, None, None)
    seen = yield from frames_along(frames, modes)
    return ModesReading(request, modes, chosen, seen.amplitudes, seen.shares)


def _place(request: ModesRequest, source: FrameSource | None) -> tuple[Atoms, np.ndarray, np.ndarray]:
    """All atoms, their positions in nm, and the rows that move."""
    from mdweights_core.io.frames.selection import select_atoms

    if request.of == FRAME:
        if source is None:
            raise BadInput("There are no frames to take modes of", advice="Open a trajectory first")
        atoms, x = source.atoms, source.positions(request.frame).astype(np.float64) / PER_NM
    else:
        assert request.minima is not None
        atoms, x = request.minima.atoms, request.minima.result.x[request.start]
    every = request.of == HESSIAN or not request.select
    return atoms, x, np.arange(len(atoms)) if every else select_atoms(atoms, request.select)


def _network(request: ModesRequest, x: np.ndarray) -> Job[Modes]:
    from mdweights_core.energy.elastic import elastic_network
    from mdweights_core.modes.spectrum import elastic_modes

    count = as_many(request.count, len(x))
    return (yield from elastic_modes(elastic_network(x, cutoff=request.cutoff), x, count))


def _hessian(request: ModesRequest) -> Job[Modes]:
    from mdweights_core.modes.spectrum import hessian_modes

    reading = request.minima
    assert reading is not None
    molecule, is_crystal = reading.molecule, reading.request.energy.crystal
    x, count = reading.result.x[request.start], as_many(request.count, molecule.n_atoms)
    job = hessian_modes(molecule.energy, x, count, masses=molecule.masses, is_crystal=is_crystal)
    return (yield from job)


def _same(source: FrameSource | None, request: ModesRequest, atoms: Atoms) -> FrameSource | None:
    """The frames of the atoms that move; None where they have others."""
    from mdweights_core.io.frames.selection import select_atoms

    if source is None:
        return None
    if request.of != FRAME and request.minima is not None and request.minima.request.select:
        source = source.select(select_atoms(source.atoms, request.minima.request.select))
    if request.of != HESSIAN and request.select:
        source = source.select(select_atoms(source.atoms, request.select))
    is_same = len(source.atoms) == len(atoms) and bool(np.all(source.atoms.element == atoms.element))
    return source if is_same else None

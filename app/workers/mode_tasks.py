"""What the window runs to find slow modes and to see a trajectory along them, without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.models.minima_readings import PER_NM
from app.models.mode_readings import FRAME, HESSIAN, ModesReading, ModesRequest
from app.workers.minimise_tasks import open_choice
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Clock, Job, Progress

if TYPE_CHECKING:
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.modes.spectrum import Modes

STAGE, PROJECTING = "slow modes", "projecting frames"
_RIGID = 6  # motions of a molecule that bend nothing


def slow_modes(request: ModesRequest) -> Job[ModesReading]:
    """The lowest modes of an elastic network or a Hessian, and the frames projected on them."""
    yield Progress(STAGE, message="Setting up the modes")
    source = None if request.frames is None else open_choice(request.frames)
    atoms, x, rows = _place(request, source)
    modes = yield from _hessian(request) if request.of == HESSIAN else _network(request, x[rows])
    chosen = atoms.select(rows)
    frames = _same(source, request, chosen)
    if frames is None:
        return ModesReading(request, modes, chosen, None, None)
    amplitudes, total = yield from _projected(frames, modes)
    about = amplitudes - amplitudes.mean(axis=0)
    shares = (about**2).sum(axis=0) / max(total, np.finfo(float).tiny)
    return ModesReading(request, modes, chosen, amplitudes, shares)


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

    count = _count(request, len(x))
    return (yield from elastic_modes(elastic_network(x, cutoff=request.cutoff), x, count))


def _hessian(request: ModesRequest) -> Job[Modes]:
    from mdweights_core.modes.spectrum import hessian_modes

    reading = request.minima
    assert reading is not None
    molecule, is_crystal = reading.molecule, reading.request.energy.crystal
    x, count = reading.result.x[request.start], _count(request, molecule.n_atoms)
    job = hessian_modes(molecule.energy, x, count, masses=molecule.masses, is_crystal=is_crystal)
    return (yield from job)


def _count(request: ModesRequest, n_atoms: int) -> int:
    there = 3 * n_atoms - _RIGID
    if there < 1:
        raise BadInput("Fewer than three atoms have no modes", advice="Choose more atoms")
    return min(request.count, there)


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


def _projected(source: FrameSource, modes: Modes) -> Job[tuple[np.ndarray, float]]:
    """Amplitudes of all frames, nm Da^1/2, and the sum of their mass-weighted squared displacements."""
    from mdweights_core.crystal.superposition import fit
    from mdweights_core.modes.trajectories import project

    clock, parts = Clock(), []
    total, square = np.zeros(modes.reference.shape), 0.0
    for chunk in source.chunks():
        x = chunk.positions.astype(np.float64) / PER_NM
        parts.append(project(x, modes))
        moved = fit(x, modes.reference).moved(x) - (modes.reference - modes.reference.mean(axis=0))
        total += moved.sum(axis=0)
        square += float(np.sum(modes.masses[:, None] * moved**2))
        if clock.is_due():
            yield Progress(PROJECTING, chunk.start + len(x), source.n_frames)
    mean = total / source.n_frames
    about_mean = square - source.n_frames * float(np.sum(modes.masses[:, None] * mean**2))
    return np.concatenate(parts), about_mean

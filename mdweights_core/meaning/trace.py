"""One pass through the trajectory: of every frame only what is asked of it later, so that any length fits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.crystal.superposition import fit
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.meaning.solute import Solute
from mdweights_core.meaning.superposition import angle, superpose
from mdweights_core.scattering.storage.store import FrameTable

STAGE = "meaning"
_IN_MEMORY = 256 * 2**20  # bytes of positions; more lie in a file without a name
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Trace:
    """What was found in the frames.

    Attributes
    ----------
    anchors : float32 [n_frames, n_anchors, 3]
        Each molecule superposed on its mean, angstrom.
    gyration : float64 [n_frames]
        Radius of gyration, mean over molecules, angstrom.
    rmsd_first, rmsd_mean : float64 [n_frames]
        Rms distance of superposed anchors to the first frame and to the mean, over all molecules, angstrom.
    shift : float64 [n_frames]
        Rms distance of the molecules' centres from their mean places, their common drift apart, angstrom.
    rotation : float64 [n_frames]
        Rms angle of the molecules against their mean orientation, degrees.
    states : int8 [n_frames, n_dihedrals]
    """

    anchors: np.ndarray
    gyration: np.ndarray
    rmsd_first: np.ndarray
    rmsd_mean: np.ndarray
    shift: np.ndarray
    rotation: np.ndarray
    states: np.ndarray


def rows_of(source: FrameSource, frames: FrameTable) -> np.ndarray | None:
    """The number in `source` of each frame of the table, int64 [n_frames]; None when they cannot be matched."""
    known = {_told(*source.origin(frame)): frame for frame in range(source.n_frames)}
    rows = [known.get(_told(*origin)) for origin in zip(frames.source, frames.index.tolist(), strict=True)]
    if None not in rows:
        return np.array(rows, dtype=np.int64)
    return np.arange(source.n_frames) if source.n_frames == len(frames) else None


def read_trace(solute: Solute, rows: np.ndarray) -> Job[Trace]:
    """Read the frames `rows` [n_frames] of a solute.

    Raises
    ------
    BadInput
        When a frame cannot be read.
    """
    anchors = _room((len(rows), len(solute.anchors), 3))
    gyration = np.empty(len(rows))
    states = np.empty((len(rows), len(solute.dihedrals)), dtype=np.int8)
    clock, masses, picked = Clock(), _masses(solute), solute.anchors
    for begin, positions in _placed(solute, rows):
        here = slice(begin, begin + len(positions))
        anchors[here] = positions[:, picked]
        gyration[here] = _gyration(solute, positions, masses)
        states[here] = solute.dihedrals.states(positions)
        if clock.is_due():
            yield Progress(STAGE, begin + len(positions), len(rows), "reading frames")
    return (yield from _superposed(solute, anchors, gyration, states))


def _superposed(solute: Solute, anchors: np.ndarray, gyration: np.ndarray, states: np.ndarray) -> Job[Trace]:
    """Lay the molecules on their means, one after the other, and keep what that took."""
    n_frames, n_molecules = len(anchors), len(solute.molecules)
    to_first, to_mean, turned = np.zeros((3, n_frames))
    centres = np.empty((n_frames, n_molecules, 3))
    clock = Clock()
    for number, part in enumerate(solute.parts):
        own, share = anchors[:, part], (part.stop - part.start) / anchors.shape[1]
        first, rotations = np.array(own[0], dtype=np.float64), np.empty((n_frames, 3, 3))
        for begin, how in superpose(own):
            if how is not None:
                here = slice(begin, begin + len(how.rmsd))
                to_mean[here] += share * how.rmsd**2
                to_first[here] += share * fit(own[here], first).rmsd ** 2
                centres[here, number], rotations[here] = how.centre, how.rotation
            if clock.is_due():
                yield Progress(STAGE, number, n_molecules, "superposing molecules")
        turned += angle(rotations) ** 2 / n_molecules
    centres -= centres.mean(axis=1, keepdims=True)
    shift = np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=2).mean(axis=1))
    return Trace(anchors, gyration, np.sqrt(to_first), np.sqrt(to_mean), shift, np.sqrt(turned), states)


def _placed(solute: Solute, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Positions of frames `rows` with whole molecules, float64 [n, n_atoms, 3], and where among the rows they begin."""
    source = solute.source
    size = max(1, min(128, _CHUNK_BYTES // (24 * len(source.atoms))))
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    begin = 0
    for run in np.split(rows, breaks):  # neighbours in the file are read together
        for chunk in source.chunks(size, int(run[0]), int(run[-1]) + 1):
            boxes = [None] * len(chunk.positions) if chunk.cells is None else list(chunk.cells)
            yield begin, np.array([solute.placed(*frame) for frame in zip(chunk.positions, boxes, strict=True)])
            begin += len(chunk.positions)


def _masses(solute: Solute) -> np.ndarray:
    symbols, kind = np.unique(solute.source.atoms.element, return_inverse=True)
    return np.array([gemmi.Element(str(symbol)).weight for symbol in symbols])[kind]


def _gyration(solute: Solute, positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Mass-weighted radius of gyration of frames, mean over molecules, float64 [n]."""
    total = np.zeros(len(positions))
    for molecule in solute.molecules:
        mass = masses[molecule.atoms] / masses[molecule.atoms].sum()
        own = positions[:, molecule.atoms]
        about = own - np.einsum("a,nai->ni", mass, own)[:, None]
        total += np.sqrt(np.einsum("a,nai,nai->n", mass, about, about))
    return total / len(solute.molecules)


def _room(shape: tuple[int, ...]) -> np.ndarray:
    """An array float32, in memory or, when it is large, in a file that goes away with it."""
    if 4 * int(np.prod(shape)) <= _IN_MEMORY:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:  # the map keeps what is in the file
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def _told(path: str, index: int) -> tuple[str, int]:
    return os.path.abspath(path), index

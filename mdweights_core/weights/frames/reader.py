"""Structure factors of a store read into blocks, for as many lists of reflections as a problem has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.files import disk_problem
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.frames.blocks import BlockBuilder, FrameBlocks
from mdweights_core.weights.frames.room import usual_room
from mdweights_core.weights.prior import tie, tied_groups

_READ_BYTES = 64 * 2**20
_CENTRE_BLOCKS = 8
_SMALLEST_F, _LARGEST_F = 1e-12, 1e15  # any unit in between gives the same fit; beyond 1e19 intensities overflow


def _largest(values: np.ndarray) -> float:
    """The largest real or imaginary part of `values`, without its sign; NaN where one is no number."""
    parts = (values.real, values.imag)
    return float(np.abs([limit for part in parts for limit in (part.min(), part.max())]).max())


def _unusable(largest: float, path: Path) -> BadInput:
    """What is wrong with structure factors of this size."""
    if np.isnan(largest):
        return BadInput("the frames' structure factors hold values that are not numbers", where=path)
    return BadInput(
        f"the largest of the frames' structure factors is {largest:.1e}, and intensities of that size cannot be "
        "computed with in single precision",
        where=path,
        advice=f"Give structure factors in electrons, or in any unit between {_SMALLEST_F:g} and {_LARGEST_F:g}",
    )


def _existing(only: Sequence[int], store: StructureFactorStore) -> np.ndarray:
    """Numbers of frames, which must be there: int64 [n]."""
    frames = np.asarray(only, dtype=np.int64)
    if frames[-1] >= store.n_frames:
        raise BadInput(
            f"there is no frame {frames[-1]}: frames are numbered from 0 to {store.n_frames - 1}",
            where=store.path,
            advice="Choose among the frames that there are",
        )
    return frames


class Reader:
    """Reads structure factors of a store into blocks, units instead of frames where some are tied.

    Parameters
    ----------
    store : StructureFactorStore
    prior : float64 [n_frames] or None
        Weights before any fit; None for equal ones.
    tied : int
        Neighbouring frames in a unit.
    only : sequence of int or None
        Frames to read, counted from 0, rising; all by default. Others are of no unit (-1).
    memory : float or None
        Bytes that all blocks may take; more, and they lie in a file. By default half of what there is.
    scratch : Path
        Folder for that file.

    Raises
    ------
    BadInput
        When there is one unit only, a frame that is not there, or structure factors are of a size that cannot be
        computed with.
    DiskProblem
        When neither memory nor disk have room.
    """

    def __init__(
        self,
        store: StructureFactorStore,
        prior: np.ndarray | None,
        tied: int,
        only: Sequence[int] | None,
        memory: float | None,
        scratch: Path,
    ) -> None:
        self.store, self.scratch, self.tied = store, scratch, tied
        self.frames = np.arange(store.n_frames) if only is None else _existing(only, store)
        self.n_frames = len(self.frames)
        self.prior = np.zeros(store.n_frames)
        self.prior[self.frames] = 1.0 / self.n_frames if prior is None else prior[self.frames]
        if only is not None:
            self.prior /= self.prior.sum()
        self.unit: np.ndarray | None = None
        if tied > 1 or only is not None:
            self.unit = np.full(store.n_frames, -1)
            self.unit[self.frames] = tied_groups(self.n_frames, tied)
        self.unit_prior = self.prior if self.unit is None else tie(self.prior, self.unit)
        if len(self.unit_prior) < 2:
            raise BadInput(
                f"{self.n_frames} frames tied by {tied} are one unit only", advice="Tie fewer frames together"
            )
        self.memory = usual_room() if memory is None else memory

    def read(self, rows: np.ndarray) -> Job[FrameBlocks]:
        """E of all units on the store's `rows` [n_copies, n_group] (-1: none)."""
        present = rows >= 0
        share = (present / np.maximum(present.sum(axis=0), 1)).astype(np.float32)
        centre = self._centre(rows)
        builder = BlockBuilder(len(self.unit_prior), share, centre, scratch=self._place(rows.shape))
        clock, done, largest = Clock(), 0, _largest(centre)
        for frames in self._parts():
            values = self._values(frames, rows) - centre
            largest = max(_largest(values), largest)  # in this order: what is no number stays
            if not largest <= _LARGEST_F:
                raise _unusable(largest, self.store.path)
            units, mixture = self._units(frames)
            builder.put(units, values, mixture)
            done += len(values)
            if clock.is_due():
                yield Progress("reading", done, self.n_frames, "Reading structure factors")
        if 0 < largest < _SMALLEST_F:
            raise _unusable(largest, self.store.path)
        return builder.finish()

    def _parts(self) -> Iterator[slice]:
        """Blocks of the frames read: of all, files are read as a whole, each only once; units are not cut."""
        in_file = self.store.frames_per_chunk
        length = in_file * max(1, _READ_BYTES // (8 * in_file * self.store.n_hkl))
        length = max(length // self.tied, 1) * self.tied
        return (slice(i, min(i + length, self.n_frames)) for i in range(0, self.n_frames, length))

    def _values(self, frames: slice, rows: np.ndarray) -> np.ndarray:
        part = self.store.read(frames if self.n_frames == self.store.n_frames else self.frames[frames])
        return np.where(rows >= 0, part[:, np.maximum(rows, 0)], np.complex64(0))

    def _centre(self, rows: np.ndarray) -> np.ndarray:
        """The mean over some blocks of frames from beginning to end: any centre near the mean will do."""
        parts = list(self._parts())
        chosen = np.unique(np.linspace(0, len(parts) - 1, _CENTRE_BLOCKS).astype(int))
        total, count = np.zeros(rows.shape, dtype=np.complex128), 0
        for i in chosen:
            values = self._values(parts[i], rows)
            total, count = total + values.sum(axis=0, dtype=np.complex128), count + len(values)
        return (total / count).astype(np.complex64)

    def _units(self, frames: slice) -> tuple[slice, np.ndarray | None]:
        """Which units some frames are, and how they are mixed from them [n_units, n_frames]."""
        if self.unit is None or self.tied == 1:
            return frames, None
        unit, prior = self.unit[self.frames[frames]], self.prior[self.frames[frames]]
        first, last = int(unit[0]), int(unit[-1]) + 1
        mixture = np.zeros((last - first, len(unit)))
        mixture[unit - first, np.arange(len(unit))] = prior / self.unit_prior[unit]
        return slice(first, last), mixture

    def _place(self, shape: tuple[int, ...]) -> Path | None:
        """None for the memory; else the folder where there is room on disk."""
        need = 4.0 * len(self.unit_prior) * (2 * shape[0] + 1) * shape[1]
        if need <= self.memory:
            self.memory -= need  # Bragg amplitudes come beside the diffuse map
            return None
        try:
            free = shutil.disk_usage(self.scratch).free
        except OSError as error:
            raise disk_problem(error, self.scratch) from error
        if need > 0.95 * free:
            raise DiskProblem(
                f"{self.n_frames} frames on {shape[1]} reflections need {need / 2**30:.0f} GiB, which are "
                f"neither in memory nor on this disk ({free / 2**30:.0f} GiB free)",
                where=self.scratch,
                advice="Free some space, raise --d-min, or take fewer frames",
            )
        return self.scratch

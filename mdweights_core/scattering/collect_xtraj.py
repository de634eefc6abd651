"""Structure factors that xtraj computed: a checkpoint with all frames."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, format_cell, same_cell
from mdweights_core.crystal.laue import find_rows
from mdweights_core.errors import BadInput
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.maps.xtraj import Checkpoint, open_checkpoint
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.collect import Blank, gaps_warning, refuse_gaps
from mdweights_core.scattering.storage.filling import METHOD, SNAPSHOT_SECONDS, Finding, Pace, Writer, lattice_hash
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore

_BLOCK_BYTES = 64 * 2**20


class CheckpointFrames:
    """All frames of a checkpoint, ``checkpoint.nxs``, which is opened when it is first read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, opened; BadInput when it cannot be read."""
        return open_checkpoint(self.path)

    def key(self, lattice: MillerLattice) -> dict[str, Any]:
        """Name, fingerprint and reflections."""
        return {
            "kind": "checkpoint",
            "method": METHOD,
            "files": [self.path.name],
            "input": file_fingerprint(self.path),
            "lattice": lattice_hash(lattice),
        }

    def prepared(self, lattice: MillerLattice) -> Job[Blank]:
        """The reflections that it has in every frame; BadInput for frames that were never computed."""
        present = yield from _present_everywhere(self.checkpoint, lattice)
        n = self.checkpoint.n_frames
        table = FrameTable.blank([str(self.path)] * n, np.arange(n, dtype=np.int32))
        told = [*gaps_warning(present, "in the checkpoint"), *_warnings(self.checkpoint)]
        return Blank(lattice.select(present), table, told)

    def fill(self, store: StructureFactorStore) -> Generator[Progress, None, None]:
        """Read frames from the first that is not finished on, some at a time."""
        pick = _pick(self.checkpoint.lattice, store.lattice)
        start = int(np.argmin(store.finished))
        pace = Pace(start, self.checkpoint.n_frames)
        with Writer(store, start) as writer:
            for _, block in _blocks(self.checkpoint, start):
                for factors in pick(block):
                    writer.add(factors, Finding(np.nan, np.full(3, np.nan), None))
                    pace.done += 1
                if pace.is_due():
                    yield pace.progress()
        yield pace.progress()


def _warnings(checkpoint: Checkpoint) -> list[str]:
    group = checkpoint.lattice.space_group
    if len(group.operations()) == 1:
        return []
    return [
        f"Every frame of the checkpoint was given the symmetry {group.xhm()}, which averages away most of the "
        "diffuse scattering; computed in P 1 of the unit cell the frames keep it"
    ]


def _present_everywhere(checkpoint: Checkpoint, lattice: MillerLattice) -> Generator[Progress, None, np.ndarray]:
    """Mask of the reflections that the checkpoint has a number for in every frame, bool [n_hkl]."""
    _require_same_lattice(checkpoint, lattice)
    pick = _pick(checkpoint.lattice, lattice)
    present = pick.rows >= 0
    refuse_gaps(present, "In the checkpoint", checkpoint.path, "a checkpoint that goes")
    clock = Clock(SNAPSHOT_SECONDS)
    for first, block in _blocks(checkpoint, 0):
        blank = ~block.any(axis=1)
        if blank.any():
            raise BadInput(
                f"Frame {first + int(np.argmax(blank)) + 1} of the checkpoint was never computed: it holds only zeros",
                where=checkpoint.path,
                advice="Run xtraj again over frames that are all there",
            )
        present &= np.isfinite(block[:, pick.rows]).all(axis=0)
        refuse_gaps(present, "In the checkpoint", checkpoint.path, "a checkpoint that goes")
        if clock.is_due():
            done = first + len(block)
            yield Progress("reading", done, checkpoint.n_frames, f"Looking through frame {done}")
    return present


def _require_same_lattice(checkpoint: Checkpoint, lattice: MillerLattice) -> None:
    own = checkpoint.lattice
    if not same_cell(own.cell, lattice.cell):
        raise BadInput(
            f"The checkpoint's cell ({format_cell(own.cell)}) is not that of the map ({format_cell(lattice.cell)})",
            where=checkpoint.path,
        )
    if tuple(own.ndiv) != tuple(lattice.ndiv):
        raise BadInput("The checkpoint's indices are not divided like those of the map", where=checkpoint.path)


def _blocks(checkpoint: Checkpoint, start: int) -> Iterator[tuple[int, np.ndarray]]:
    """Frames from `start` on, some MB at a time: (number of the first, complex64 [n, n_hkl])."""
    size = max(1, _BLOCK_BYTES // (8 * len(checkpoint.lattice)))
    for first in range(start, checkpoint.n_frames, size):
        yield first, checkpoint.read(first, min(first + size, checkpoint.n_frames))


@dataclass(frozen=True, eq=False)
class _Pick:
    """F on one lattice from F on another: a row (-1: none), a phase factor, and whether it is the conjugate's."""

    rows: np.ndarray
    phases: np.ndarray
    is_conjugate: np.ndarray

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Complex64 [n, n_own] -> [n, n_hkl]."""
        found = block[:, self.rows]
        return (np.where(self.is_conjugate, found.conj(), found) * self.phases).astype(np.complex64)


def _pick(own: MillerLattice, wanted: MillerLattice) -> _Pick:
    """Where each wanted reflection is in a list of one asymmetric unit: F(h) = F(h R) exp(2 pi i h.t)."""
    rows = np.full(len(wanted), -1, dtype=np.int64)
    phases = np.ones(len(wanted), dtype=np.complex64)
    is_conjugate = np.zeros(len(wanted), dtype=bool)
    for operation in own.space_group.operations().sym_ops:
        rotation, shift = np.array(operation.rot) // operation.DEN, np.array(operation.tran) / operation.DEN
        image = (wanted.hkl.astype(np.int64) @ rotation).astype(np.int32)
        phase = np.exp(2j * np.pi * (wanted.index @ shift))
        for sign in (1, -1):
            found = find_rows(sign * image, own.hkl)
            fresh = (rows < 0) & (found >= 0)
            rows[fresh], phases[fresh], is_conjugate[fresh] = found[fresh], phase[fresh], sign < 0
    return _Pick(rows, phases, is_conjugate)

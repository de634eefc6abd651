"""Structure factors that were computed elsewhere: one MTZ file per frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, format_cell, repeats_of, same_cell, supercell
from mdweights_core.crystal.laue import find_rows, friedel_half
from mdweights_core.errors import BadInput
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.maps.mtz import read_frame
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.collect import Blank, gaps_warning, refuse_gaps
from mdweights_core.scattering.storage.filling import METHOD, SNAPSHOT_SECONDS, Finding, Pace, Writer, lattice_hash
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore


class MtzFrames:
    """Frames of one MTZ file each, in their order; BadInput when there is none."""

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        if not paths:
            raise BadInput("There are no frames", advice="Choose one MTZ file per frame")
        self.files = [Path(path) for path in paths]

    def key(self, lattice: MillerLattice) -> dict[str, Any]:
        """Names, fingerprints and reflections."""
        fingerprints = hashlib.sha256("\n".join(file_fingerprint(file) for file in self.files).encode())
        return {
            "kind": "mtz",
            "method": METHOD,
            "files": [file.name for file in self.files],
            "input": fingerprints.hexdigest(),
            "lattice": lattice_hash(lattice),
        }

    def prepared(self, lattice: MillerLattice) -> Job[Blank]:
        """The reflections that every file has."""
        present = yield from _present_everywhere(self.files, lattice)
        table = FrameTable.blank([str(file) for file in self.files], np.zeros(len(self.files), dtype=np.int32))
        return Blank(lattice.select(present), table, gaps_warning(present, "in some frame"))

    def fill(self, store: StructureFactorStore) -> Generator[Progress, None, None]:
        """Read the files of frames that are not finished."""
        missing = np.flatnonzero(~store.finished)
        pace = Pace(len(self.files) - len(missing), len(self.files))
        with Writer(store) as writer:
            for frame in missing.tolist():
                factors = _values_on(store.lattice, self.files[frame])
                writer.add(factors, Finding(np.nan, np.full(3, np.nan), None), frame)
                pace.done += 1
                if pace.is_due():
                    yield pace.progress()
        yield pace.progress()


def _present_everywhere(files: list[Path], lattice: MillerLattice) -> Generator[Progress, None, np.ndarray]:
    """Mask of the reflections that every file has, bool [n_hkl]."""
    clock = Clock(SNAPSHOT_SECONDS)
    present = np.ones(len(lattice), dtype=bool)
    for done, file in enumerate(files, start=1):
        present &= np.isfinite(_values_on(lattice, file))
        refuse_gaps(present, "With this frame", file, "frames that go")
        if clock.is_due():
            yield Progress("reading", done, len(files), f"Looking through file {done} of {len(files)}")
    return present


def _values_on(lattice: MillerLattice, file: Path) -> np.ndarray:
    """Structure factors of one file on the reflections of `lattice`, NaN where it has none; complex64 [n_hkl]."""
    own, values = read_frame(file)
    half = friedel_half(lattice.hkl)
    rows = find_rows(half * _steps(own.cell, lattice, file), own.hkl)
    found = np.where(rows >= 0, values[rows], np.complex64(complex(np.nan, np.nan)))
    turned = (half != lattice.hkl).any(axis=1)
    return np.where(turned, found.conj(), found).astype(np.complex64)


def _steps(own: gemmi.UnitCell, lattice: MillerLattice, file: Path) -> np.ndarray:
    """Points of a file's lattice from one point of the map's to the next, int [3]: a supercell's file has more.

    MTZ files know whole indices only, so that frames for a divided lattice come with the cell of the supercell.
    """
    repeats = np.array(repeats_of(own, lattice.cell), dtype=np.int32)
    if (repeats % lattice.ndiv).any() or not same_cell(own, supercell(lattice.cell, repeats.tolist())):
        wanted = format_cell(supercell(lattice.cell, lattice.ndiv))
        raise BadInput(f"This frame's cell ({format_cell(own)}) is not that of the map ({wanted})", where=file)
    return repeats // np.array(lattice.ndiv, dtype=np.int32)

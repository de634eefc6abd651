"""Structure factors that were computed elsewhere: one MTZ file per frame, collected into a store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
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
from mdweights_core.scattering.storage.filling import (
    METHOD,
    SNAPSHOT_SECONDS,
    Blank,
    Finding,
    Pace,
    Writer,
    collected,
    gaps_warning,
    lattice_hash,
    refuse_gaps,
)
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore


def collect_mtz_frames(
    paths: Sequence[str | os.PathLike[str]],
    lattice: MillerLattice,
    out: Path,
    *,
    may_replace: bool = True,
    key: dict[str, Any] | None = None,
) -> Job[StructureFactorStore]:
    """Collect the structure factors of frames from one MTZ file each into the store `out`.

    Parameters
    ----------
    paths : sequence of path
        One file per frame, in order.
    lattice : MillerLattice
        P1, one of each Friedel pair: the reflections wanted. Those that some file lacks are left out, and said.
    out : Path
        Folder of the store; an older store there is replaced.
    may_replace : bool
        False keeps a complete store of something else that is there.
    key : dict, optional
        `mtz_key` of the same arguments, where it is known already.

    Returns
    -------
    StructureFactorStore

    Raises
    ------
    BadInput
        No file, a file with another cell or lattice, files that lack more than half of the reflections, or a store that
        may not be replaced.
    DiskProblem
        When the disk is full.
    """
    files, out = [Path(path) for path in paths], Path(out)
    wanted = replace(lattice, space_group=gemmi.SpaceGroup("P 1"))
    key = key or mtz_key(files, wanted)
    prepare, fill = partial(_prepared, files, wanted), partial(_fill, files)
    return (yield from collected(out, key, prepare, fill, may_replace=may_replace))


def mtz_key(files: Sequence[Path], lattice: MillerLattice) -> dict[str, Any]:
    """Everything the structure factors collected from `files` depend on; BadInput when there is none of them."""
    if not files:
        raise BadInput("There are no frames", advice="Choose one MTZ file per frame")
    fingerprints = hashlib.sha256("\n".join(file_fingerprint(file) for file in files).encode())
    return {
        "kind": "mtz",
        "method": METHOD,
        "files": [file.name for file in files],
        "input": fingerprints.hexdigest(),
        "lattice": lattice_hash(lattice),
    }


def _prepared(files: list[Path], lattice: MillerLattice) -> Job[Blank]:
    present = yield from _present_everywhere(files, lattice)
    table = FrameTable.blank([str(file) for file in files], np.zeros(len(files), dtype=np.int32))
    return Blank(lattice.select(present), table, gaps_warning(present, "in some frame"))


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


def _fill(files: list[Path], store: StructureFactorStore) -> Generator[Progress, None, None]:
    missing = np.flatnonzero(~store.finished)
    pace = Pace(len(files) - len(missing), len(files))
    with Writer(store) as writer:
        for frame in missing.tolist():
            factors = _values_on(store.lattice, files[frame])
            writer.add(factors, Finding(np.nan, np.full(3, np.nan), None), frame)
            pace.done += 1
            if pace.is_due():
                yield pace.progress()
    yield pace.progress()

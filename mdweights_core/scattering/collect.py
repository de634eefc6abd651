"""The job that collects structure factors computed elsewhere into a store, whatever files they are in."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job, Progress
from mdweights_core.scattering.storage.filling import looked_through, refuse_to_replace, require_space, same_store
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore, sole_writer, store_bytes


class Blank(NamedTuple):
    """What a new store is to hold: reflections, frames, and what there is to say of them."""

    lattice: MillerLattice
    frames: FrameTable
    warnings: list[str]


class Collectable(Protocol):
    """Structure factors of frames in files of some format."""

    def key(self, lattice: MillerLattice) -> dict[str, Any]:
        """Everything that what is collected on `lattice` depends on."""

    def prepared(self, lattice: MillerLattice) -> Job[Blank]:
        """Look through all that will be collected on `lattice`, so that what is wrong shows before a store goes."""

    def fill(self, store: StructureFactorStore) -> Generator[Progress, None, None]:
        """Write the frames that are not finished."""


def collect(
    given: Collectable,
    lattice: MillerLattice,
    out: Path,
    *,
    may_replace: bool = True,
    key: dict[str, Any] | None = None,
) -> Job[StructureFactorStore]:
    """Collect structure factors into the store `out`; one of the same is gone on with, and returned when complete.

    Parameters
    ----------
    given : Collectable
    lattice : MillerLattice
        One of each Friedel pair: the reflections wanted. Those that some frame lacks are left out, and said.
    out : Path
        Folder of the store; an older store there is replaced.
    may_replace : bool
        False keeps a complete store of something else that is there.
    key : dict, optional
        ``given.key(lattice)`` where it is known already.

    Returns
    -------
    StructureFactorStore
        Complete.

    Raises
    ------
    BadInput
        Files that cannot be read, are of another cell or lattice, or lack more than half of the reflections, or a store
        that may not be replaced.
    DiskProblem
        When the disk is full, or another run holds the store.
    """
    wanted = replace(lattice, space_group=gemmi.SpaceGroup("P 1"))
    key = key or given.key(wanted)
    store = same_store(out, key)
    if store is None and not may_replace:
        refuse_to_replace(out)
    if store is None or not store.is_complete:
        blank = yield from given.prepared(wanted)
        with sole_writer(out):
            store = same_store(out, key)
            if store is None:
                store = _created(out, key, blank)
            else:
                yield from looked_through(store)
            if not store.is_complete:
                yield from given.fill(store)
    return store


def _created(out: Path, key: dict[str, Any], blank: Blank) -> StructureFactorStore:
    require_space(out, store_bytes(len(blank.frames.index), len(blank.lattice)))
    store = StructureFactorStore.create(out, blank.lattice, blank.frames, key)
    store.warn(blank.warnings)
    return store


def refuse_gaps(present: np.ndarray, where_from: str, file: Path, other: str) -> None:
    """Raise BadInput when more than half of the reflections, bool [n_hkl], are missing in a file."""
    missing = len(present) - int(present.sum())
    if 2 * missing > len(present):
        raise BadInput(
            f"{where_from} {missing} of {len(present)} reflections of the map are missing",
            where=file,
            advice=f"Choose a larger d_min, or {other} as far as the map",
        )


def gaps_warning(present: np.ndarray, where: str) -> list[str]:
    """The sentence on reflections, bool [n_hkl], that are missing somewhere, when there are any."""
    missing = int((~present).sum())
    return [f"{missing} of {len(present)} reflections are missing {where} and were left out"] if missing else []

"""A run over frames: what structure factors are computed or collected of, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemmi

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.io.frames.frame_files import frame_kind, frame_mtzs
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.jobs import Job, Progress
from mdweights_core.scattering.collect import Collectable, collect
from mdweights_core.scattering.collect_mtz import MtzFrames
from mdweights_core.scattering.collect_xtraj import CheckpointFrames
from mdweights_core.scattering.predict import predict, predict_key
from mdweights_core.scattering.settings import Execution, PredictSettings
from mdweights_core.scattering.storage.filling import same_store
from mdweights_core.scattering.storage.names import store_place
from mdweights_core.scattering.storage.store import StructureFactorStore, is_store

if TYPE_CHECKING:
    from mdweights_core.scattering.frames.checks import FrameCheck


@dataclass(frozen=True, eq=False)
class FrameRun:
    """What structure factors are to be computed, or collected, of.

    The frames are opened, and their files hashed, when that is first asked for, and then no more.

    Attributes
    ----------
    frames : tuple of Path
        Trajectory files, per-frame MTZ files or a folder of them, or a checkpoint.
    topology : Path or None
    lattice : MillerLattice
        One of each Friedel pair, as of P1; its space group is the crystal's.
    settings : PredictSettings
    out : Path
        Folder of the store.
    cell : gemmi.UnitCell or None
        The crystal's cell where it was typed.
    note : str
        What was found on the way and belongs to the result, as a fitted bulk solvent.
    """

    frames: tuple[Path, ...]
    topology: Path | None
    lattice: MillerLattice
    settings: PredictSettings
    out: Path
    cell: gemmi.UnitCell | None = None
    note: str = ""

    @property
    def kind(self) -> str:
        """``"trajectory"``, ``"mtz"`` or ``"checkpoint"``."""
        return frame_kind(self.frames)

    @property
    def has_atoms(self) -> bool:
        """True for trajectories, False for structure factors that only have to be collected."""
        return self.kind == "trajectory"

    @cached_property
    def source(self) -> FrameSource:
        """The trajectory, opened."""
        return open_frames(self.frames, self.topology, altloc=self.settings.altloc)

    @cached_property
    def collectable(self) -> Collectable:
        """Structure factors that only have to be collected."""
        return MtzFrames(frame_mtzs(self.frames)) if self.kind == "mtz" else CheckpointFrames(self.frames[0])

    @cached_property
    def key(self) -> dict[str, Any]:
        """The key of its store."""
        if self.has_atoms:
            return predict_key(self.source, self.lattice, self.settings, self.cell)
        return self.collectable.key(self.lattice)


def _knowing(run: FrameRun, found: Mapping[str, Any], **changes: Any) -> FrameRun:
    """The run with some fields changed, and what was found out of its frames already and stays true."""
    other = replace(run, **changes)
    vars(other).update(found)
    return other


def with_source(run: FrameRun, source: FrameSource) -> FrameRun:
    """The run over a trajectory that is open already."""
    return _knowing(run, {"source": source})


def in_project(run: FrameRun, folder: Path) -> FrameRun:
    """The run with its store in a project's folder, under the name of its key."""
    place = store_place(folder, run.key)
    known: dict[str, Any] = {name: vars(run)[name] for name in ("source", "collectable", "key") if name in vars(run)}
    return _knowing(run, known, out=place)


def check(run: FrameRun) -> Job[FrameCheck | None]:
    """Look at the frames before anything is computed; None when there are no atoms to look at."""
    if not run.has_atoms:
        return None
    from mdweights_core.scattering.frames.checks import check_frames

    return (yield from check_frames(run.source, run.lattice, run.settings, cell=run.cell, out=run.out))


def is_done(run: FrameRun) -> bool:
    """True when the store of a run is there and complete, so that there is nothing to compute."""
    if not run.has_atoms or not is_store(run.out):
        return False
    store = same_store(run.out, run.key)
    return store is not None and store.is_complete


def settings_behind(store: StructureFactorStore) -> PredictSettings | None:
    """What a store was computed with; None when it was collected from files of structure factors."""
    given = store.key.get("settings")
    if not isinstance(given, dict):
        return None
    known = {field.name: given[field.name] for field in fields(PredictSettings) if field.name in given}
    return PredictSettings(**known)


def with_fitted_solvent(run: FrameRun, bragg: Path | None) -> Job[FrameRun]:
    """The run with density and B factor of the bulk solvent fitted to Bragg amplitudes, when there are any."""
    if bragg is None or not run.has_atoms:
        return run
    from mdweights_core.scattering.solvent_fit import fit_solvent_of_frames

    fitted = yield from fit_solvent_of_frames(run.source, run.lattice, run.settings, bragg)
    yield Progress("bulk solvent", message=fitted.sentence)
    settings = replace(run.settings, solvent="mask", k_sol=round(fitted.k_sol, 4), b_sol=round(fitted.b_sol, 2))
    return _knowing(run, {"source": run.source}, settings=settings, note=fitted.sentence)


def compute(
    run: FrameRun, execution: Execution = Execution(), *, may_replace: bool = True
) -> Job[StructureFactorStore]:
    """Fill the store of a run; one that is complete is returned at once, one of another run replaced if it may be."""
    if not run.has_atoms:
        return (yield from collect(run.collectable, run.lattice, run.out, may_replace=may_replace, key=run.key))
    yield Progress("reading", message=f"Opening {Path(run.frames[0]).name}")
    return (
        yield from predict(
            run.source,
            run.lattice,
            run.settings,
            run.out,
            cell=run.cell,
            execution=execution,
            may_replace=may_replace,
            key=run.key,
        )
    )

"""What the reading jobs hand to the window: plain frozen data, made on a worker thread and never changed after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.jobs import Progress

if TYPE_CHECKING:
    import gemmi

    from mdweights_core.crystal.lattice import DiffuseMap
    from mdweights_core.crystal.volume import ReciprocalVolume, Slice
    from mdweights_core.errors import MdweightsError
    from mdweights_core.io.frames.trajectories import Atoms, FrameSource
    from mdweights_core.io.maps.contents import MapSummary
    from mdweights_core.project import Project
    from mdweights_core.scattering.settings import PredictSettings

MOLECULES = "molecules"
UNUSABLE = "The map cannot be used yet: see what is said of it under Data."
TOTAL, ANISOTROPIC = "total", "anisotropic"
IMAGES = ("observed", "calculated", "difference", "sigma")


@dataclass(frozen=True, eq=False)
class Volumes:
    """Reciprocal volumes to cut slices from: for each component, some of `IMAGES`."""

    components: Mapping[str, Mapping[str, ReciprocalVolume]]

    def slices(self, component: str, zone: str, level: int) -> tuple[Slice | None, ...]:
        """Observed, calculated, difference and sigma in one plane; None for what there is not."""
        volumes = self.components[component]
        return tuple(volumes[name].slice(zone, level) if name in volumes else None for name in IMAGES)


@dataclass(frozen=True, eq=False)
class MapReading:
    """A map file: what it holds and, where it could be read as a map, what is used of it and its volumes.

    Otherwise `problem` tells why not, and `is_cell_wrong` that the cell typed is to blame.
    """

    summary: MapSummary
    used: DiffuseMap | None = None
    d_range: tuple[float, float] = (float("nan"), float("nan"))
    volumes: Volumes | None = None
    problem: MdweightsError | None = None
    is_cell_wrong: bool = False


@dataclass(frozen=True, eq=False)
class FramesReading:
    """The frames of a simulation: what they are, without reading them all.

    `settings` are those that structure factors were computed with, where that is known.
    """

    kind: str
    source: tuple[str, ...]
    n_atoms: int = 0
    cell: gemmi.UnitCell | None = None
    warnings: tuple[str, ...] = ()
    molecules: FrameSource | None = None
    time: np.ndarray | None = None
    settings: PredictSettings | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.source)

    @property
    def is_trajectory(self) -> bool:
        """True when structure factors have yet to be computed from molecules."""
        return self.kind == MOLECULES

    @property
    def atoms(self) -> Atoms | None:
        """The atoms, when the frames are molecules."""
        return None if self.molecules is None else self.molecules.atoms


@dataclass(frozen=True, eq=False)
class FitSnapshot(Progress):
    """A snapshot of a fit whose weights are there already: `reading` is what there is while the job goes on."""

    reading: ProjectReading | None = None


@dataclass(frozen=True, eq=False)
class ProjectReading:
    """A finished (or stopped) fit and the volumes of its maps.

    `hidden` are the true weights where they are known, `changed` the input files that are no longer what they were,
    `measured_error` is that of the structure factors against direct summation, relative; None when it was not measured.
    """

    project: Project
    volumes: Volumes
    hidden: np.ndarray | None = None
    changed: tuple[str, ...] = ()
    measured_error: float | None = None

"""What flow sampling is asked with and what it hands back: plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.models.minima_readings import FrameChoice
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.flow.settings import SampleSettings

if TYPE_CHECKING:
    from mdweights_core.flow.estimates.energies import EnergyHistograms
    from mdweights_core.flow.estimates.marginals import Distance, Marginal
    from mdweights_core.flow.estimates.path import PathEnergies
    from mdweights_core.flow.estimates.profile import Profile
    from mdweights_core.flow.train import Trained
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.workflow.along import Along
    from mdweights_core.workflow.judged import FreeEnergy, Judged
    from mdweights_core.workflow.sampled import Sampled


@dataclass(frozen=True)
class SampleRequest:
    """What is sampled, and how: a toy system by name, or a structure, with frames to learn from or without.

    Attributes
    ----------
    toy : str
        Name of a toy system; empty for a structure.
    examples : int
        Configurations of a toy system to make by short chains and to learn from.
    structure, coordinates : Path, optional
        As of a minimisation.
    frames : FrameChoice, optional
        Frames to learn from.
    select : str
        Atoms of the frames that the structure has; all where empty.
    weights : tuple of float, optional
        Of all frames of the trajectory; all alike where there are none.
    kind : str
        Of the coordinates that the flow sees.
    spread_along : str
        Coordinate that the training spreads along; "own" for that of a toy system.
    """

    toy: str = ""
    examples: int = 0
    structure: Path | None = None
    coordinates: Path | None = None
    energy: EnergySettings = field(default_factory=EnergySettings)
    frames: FrameChoice | None = None
    select: str = ""
    weights: tuple[float, ...] | None = None
    kind: str = "internal"
    spread_along: str = ""
    settings: SampleSettings = field(default_factory=SampleSettings)

    @property
    def name(self) -> str:
        """What is sampled, in a word."""
        return self.toy or (self.structure.name if self.structure is not None else "")

    @property
    def training(self) -> SampleRequest:
        """The same with the usual draws: two requests of one training differ in nothing else."""
        usual = SampleSettings()
        return replace(self, settings=replace(self.settings, samples=usual.samples, probe=usual.probe))


@dataclass(frozen=True, eq=False)
class Column:
    """A coordinate of all samples, float64 [S], and of the frames they are compared with, float64 [T]."""

    along: Along
    samples: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True, eq=False)
class Weighing:
    """How the log-weights of samples are spread, about that of the mean weight, and their energies.

    Attributes
    ----------
    edges, counts : float64 [n + 1], int64 [n]
        Of ln w - ln mean(w).
    energies : EnergyHistograms
    """

    edges: np.ndarray
    counts: np.ndarray
    energies: EnergyHistograms


@dataclass(frozen=True, eq=False)
class SampleReading:
    """A trained flow and its draws.

    Attributes
    ----------
    trained : Trained
    sampled : Sampled
        Without draws when it was stopped while it trained.
    remarks : tuple of str
        What was said before the work.
    judged, weighing : Judged, Weighing, or None
        None without draws of any weight.
    frames : float32 [T, N]
        What samples are compared with; none without examples.
    frame_weights : float64 [T]
        Of sum 1.
    frame_numbers : int64 [T]
        What the frames are called.
    columns : mapping of str to Column
        Coordinates by what they are called.
    boundary : float
        Where a toy system parts its two states, NaN for others.
    atoms, start : Atoms, float64 [n_atoms, 3] nm, or None
        Of a molecule.
    """

    request: SampleRequest
    trained: Trained
    sampled: Sampled
    remarks: tuple[str, ...]
    judged: Judged | None
    weighing: Weighing | None
    frames: np.ndarray
    frame_weights: np.ndarray
    frame_numbers: np.ndarray
    columns: Mapping[str, Column]
    boundary: float = float("nan")
    atoms: Atoms | None = None
    start: np.ndarray | None = None

    @property
    def is_molecule(self) -> bool:
        """True when its draws can be frames."""
        return self.atoms is not None

    @property
    def order(self) -> np.ndarray:
        """Draws by their weight, the heaviest first, int64 [S]."""
        return np.argsort(-self.sampled.samples.log_weights, kind="stable")


@dataclass(frozen=True, eq=False)
class ProfileReading:
    """The free energy along one coordinate."""

    name: str
    column: Column
    profile: Profile
    sentence: str

    @property
    def span(self) -> tuple[float, float]:
        """Where the free energy is known; all of a circle."""
        edges, known = self.profile.edges, np.flatnonzero(np.isfinite(self.profile.free_energy))
        if self.profile.period:
            return float(edges[0]), float(edges[-1])
        return float(edges[known[0]]), float(edges[known[-1] + 1])


@dataclass(frozen=True, eq=False)
class StatesReading:
    """The free-energy difference of two states that were drawn, each from its first to its second number."""

    name: str
    states: tuple[tuple[float, float], tuple[float, float]]
    found: FreeEnergy


@dataclass(frozen=True, eq=False)
class MapReading2D:
    """Two coordinates at once: of frames (None without any), samples as drawn, and samples as weighted.

    `distance` is that of the weighted samples from the frames.
    """

    names: tuple[str, str]
    titles: tuple[str, str]
    frames: Marginal | None
    raw: Marginal
    weighted: Marginal
    distance: Distance | None


@dataclass(frozen=True, eq=False)
class PathReading:
    """A path between two configurations: x float64 [P, N], superposed, and its energies."""

    ends: tuple[str, str]
    x: np.ndarray
    energies: PathEnergies

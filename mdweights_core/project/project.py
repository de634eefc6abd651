"""The project itself: a fit with all it came from and all that was asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdweights_core.errors import BadInput
from mdweights_core.io.archives import DAMAGE
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.project.folder import arrays_of, read_record, write_folder
from mdweights_core.project.inputs import FitInputs, trajectory_of
from mdweights_core.project.lineage import changed_files
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import FitSettings

if TYPE_CHECKING:  # results take half a second to import: a project is opened with them, but not every command does
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.scattering.storage.store import FrameTable
    from mdweights_core.weights.result import WeightFit
    from mdweights_core.weights.selection.result import Selection
    from mdweights_core.weights.validation.result import Validation

STORE_NAME = "frames.zarr"  # of projects that name none


@dataclass(frozen=True, eq=False)
class Project:
    """A finished (or stopped) fit with all it came from.

    Attributes
    ----------
    path : Path
        The folder NAME.mdw.
    inputs : FitInputs
    predict_settings : PredictSettings
    fit_settings : FitSettings
    fit : WeightFit
    frames : FrameTable
    provenance : mapping
        Versions, date, fingerprints of the input files.
    store_name : str
        Folder in `path` with the structure factors, unless `inputs` are a store themselves.
    validation : Validation or None
        Why to believe the weights, or why not.
    meaning : Meaning or None
        What they go with.
    selection : Selection or None
        Whole frames kept or left out, to compare.
    """

    path: Path
    inputs: FitInputs
    predict_settings: PredictSettings
    fit_settings: FitSettings
    fit: WeightFit
    frames: FrameTable
    provenance: Mapping[str, Any] = field(default_factory=dict)
    store_name: str = STORE_NAME
    validation: Validation | None = None
    meaning: Meaning | None = None
    selection: Selection | None = None

    @classmethod
    def open(cls, path: str | Path) -> Project:
        """Read a project folder.

        Raises
        ------
        BadInput
            Not a project, written by a newer program, or damaged.
        """
        from mdweights_core.project.record import from_record, require_record

        path = Path(path)
        record = read_record(path)
        try:
            require_record(record)
            return cls(path, **from_record(record, arrays_of(path, record)))
        except DAMAGE as error:
            raise BadInput(
                f"The project is damaged ({type(error).__name__}: {error})",
                where=path,
                advice="Run the fit again; the inputs are listed in its project.json",
            ) from error

    def save(self) -> None:
        """Write the folder; what was there before stays until the new files are complete.

        Raises
        ------
        DiskProblem
            When it cannot be written; what was there before stays.
        """
        from mdweights_core.project.record import to_record

        write_folder(self.path, *to_record(self))

    @property
    def store_path(self) -> Path:
        """The store with the structure factors of the frames."""
        frames = self.inputs.frames
        return frames[0] if frame_kind(frames) == "store" else self.path / self.store_name

    def changed_files(self) -> list[str]:
        """Input files that are gone or hold something else than when the fit was made."""
        return changed_files(self.provenance)

    def frame_source(self) -> FrameSource | None:
        """The trajectory the frames came from, for molecules; None when they were structure factors only."""
        from mdweights_core.io.frames.trajectories import open_frames

        paths, topology = trajectory_of(self.inputs)
        return open_frames(paths, topology, altloc=self.predict_settings.altloc) if paths else None

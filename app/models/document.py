"""The document: what the user chose, what the files hold, and the fit made from them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.models.readings import FramesReading, MapReading, ProjectReading
from mdweights_core.errors import BadInput
from mdweights_core.project import FitInputs, InputChoices
from mdweights_core.scattering.settings import PredictSettings

if TYPE_CHECKING:
    import gemmi

    from mdweights_core.project import Project
    from mdweights_core.scattering.frames.placement import Placement

# What read_diffuse_map depends on: when one of these changes the map is read again.
MAP_FIELDS = frozenset(
    {"map", "column", "sigma_column", "free_column", "space_group", "reindex", "map_supercell", "d_min", "d_max"}
)
MTZ = "MTZ"  # the format of maps that always tell cell and space group
FRAME_FIELDS = frozenset({"frames", "topology"})
INPUT_FIELDS = tuple(field.name for field in fields(FitInputs))


@dataclass(frozen=True)
class Draft(InputChoices):
    """The inputs of a fit as far as the user has chosen them."""

    map: Path | None = None
    frames: tuple[Path, ...] = ()
    scattering: PredictSettings = PredictSettings()

    @property
    def is_complete(self) -> bool:
        """True when a fit can start."""
        return self.map is not None and bool(self.frames)

    @property
    def missing(self) -> str:
        """What to do next, as a sentence; empty when nothing is missing."""
        if self.map is None:
            return "Open a diffuse map."
        return "" if self.frames else "Open the frames of a simulation."

    def require_complete(self) -> None:
        """Raise BadInput with what is missing."""
        if not self.is_complete:
            raise BadInput("There is nothing to fit yet", advice=self.missing)

    def inputs(self) -> FitInputs:
        """The inputs as the core takes them."""
        self.require_complete()
        return self.map_inputs()

    def map_inputs(self) -> FitInputs:
        """The inputs as far as the map is concerned; there may be no frames yet."""
        assert self.map is not None
        return FitInputs(**{name: getattr(self, name) for name in INPUT_FIELDS})

    @classmethod
    def of(cls, inputs: FitInputs, predict: PredictSettings | None = None) -> Draft:
        """The draft that gives these inputs (and settings of the structure factors)."""
        chosen = {name: getattr(inputs, name) for name in INPUT_FIELDS}
        if predict is None:
            return cls(**chosen)
        return cls(**chosen, scattering=predict)


class Document(QObject):
    """State of the one open document, and a signal for each part of it that changes."""

    draft_changed = Signal(object)
    map_changed = Signal(object)
    frames_changed = Signal(object)
    project_changed = Signal(object)
    validation_changed = Signal(object)
    meaning_changed = Signal(object)
    selection_changed = Signal(object)
    title_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.draft = Draft()
        self.fitted_draft: Draft | None = None
        self.map: MapReading | None = None
        self.frames: FramesReading | None = None
        self.fitted: ProjectReading | None = None
        self.saved_path: Path | None = None
        self.is_unsaved = False

    @property
    def title(self) -> str:
        """Name of the document for the title bar; a star means unsaved results."""
        if self.saved_path is not None:
            name = self.saved_path.name
        else:
            name = self.draft.map.stem if self.draft.map else "new project"
        return f"{name}{' *' if self.is_unsaved else ''}"

    @property
    def can_resume(self) -> bool:
        """True when there are weights of a fit to exactly these inputs to go on from."""
        return self.fitted is not None and self.fitted_draft == self.draft

    @property
    def asks_for_cell(self) -> bool:
        """True when the map is of a format that does not tell its unit cell."""
        return self.map is not None and self.map.summary.cell is None and self.map.summary.kind != MTZ

    @property
    def map_cell(self) -> gemmi.UnitCell | None:
        """The cell of the map: its file's, or the one typed where that tells none."""
        if self.map is None or not self.asks_for_cell or self.draft.cell is None:
            return None if self.map is None else self.map.summary.cell
        import gemmi

        return gemmi.UnitCell(*self.draft.cell)

    @property
    def box_warnings(self) -> tuple[str, ...]:
        """What the fit will say of the box of the frames beside the cell of the map; empty until both are known."""
        try:
            placement = self._placement()
        except BadInput as problem:
            return (problem.sentence,)
        return () if placement is None else tuple(placement.warnings)

    @property
    def molecule_cell(self) -> gemmi.UnitCell | None:
        """The cell the molecules lie in: the box of their frames, but the map's when that box is left aside."""
        try:
            placement = self._placement()
        except BadInput:  # the box is not the supercell it was said to be: it is drawn as it is
            placement = None
        if placement is not None:
            return placement.cell if placement.repeats is None else self.frames.cell  # type: ignore[union-attr]
        if self.draft.cell is not None:
            import gemmi

            return gemmi.UnitCell(*self.draft.cell)
        return (self.frames and self.frames.cell) or self.map_cell

    def _placement(self) -> Placement | None:
        cell = self.map_cell
        if self.map is None or cell is None:
            return None
        if self.frames is None or self.frames.cell is None or self.frames.molecules is None:
            return None
        import gemmi
        import numpy as np

        from mdweights_core.crystal.lattice import MillerLattice
        from mdweights_core.scattering.frames.placement import Placement

        lattice = MillerLattice(np.zeros((0, 3)), cell, gemmi.SpaceGroup("P 1"), self.map.summary.ndiv)
        return Placement(self.frames.cell, lattice, self.draft.scattering)

    def clear(self) -> None:
        """Begin a new document."""
        self.saved_path, self.fitted_draft = None, None
        self.set_project(None, unsaved=False)
        self.set_map(None)
        self.set_frames(None)
        self.set_draft(Draft())

    def update(self, **changes: Any) -> frozenset[str]:
        """Change fields of the draft; returns the names of those that are different now."""
        changed = frozenset(name for name, value in changes.items() if getattr(self.draft, name) != value)
        if changed:
            self.set_draft(replace(self.draft, **changes))
        return changed

    def set_draft(self, draft: Draft) -> None:
        """Replace the whole draft."""
        self.draft = draft
        self.draft_changed.emit(draft)
        self.title_changed.emit(self.title)

    def set_map(self, reading: MapReading | None) -> None:
        """Tell what the map file holds."""
        self.map = reading
        self.map_changed.emit(reading)

    def set_frames(self, reading: FramesReading | None) -> None:
        """Tell what the frames are."""
        self.frames = reading
        self.frames_changed.emit(reading)

    def set_project(self, reading: ProjectReading | None, *, unsaved: bool) -> None:
        """Show another fit, or none."""
        self.fitted = reading
        self.is_unsaved = unsaved and reading is not None
        self.project_changed.emit(reading)
        project = None if reading is None else reading.project
        self.validation_changed.emit(None if project is None else project.validation)
        self.meaning_changed.emit(None if project is None else project.meaning)
        self.selection_changed.emit(None if project is None else project.selection)
        self.title_changed.emit(self.title)

    def update_project(self, project: Project) -> None:
        """Take what else was found of the fit that is shown; it is unsaved where it lies elsewhere than the project."""
        assert self.fitted is not None
        before = self.fitted.project
        if project is before:
            return
        self.fitted = replace(self.fitted, project=project)
        if project.validation is not before.validation:
            self.validation_changed.emit(project.validation)
        if project.meaning is not before.meaning:
            self.meaning_changed.emit(project.meaning)
        if project.selection is not before.selection:
            self.selection_changed.emit(project.selection)
        if Path(project.path) != self.saved_path:
            self.is_unsaved = True
        self.title_changed.emit(self.title)

    def set_saved(self, path: Path) -> None:
        """Tell where the fit was saved."""
        self.saved_path, self.is_unsaved = path, False
        self.title_changed.emit(self.title)

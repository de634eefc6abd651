"""What can be done with the document: open, fit, stop, resume, save, export. Work goes to the job runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.models.document import Document, Draft
from app.models.fit_model import FitModel
from app.models.fit_plan import FitPlan
from app.models.inputs import INPUTS, READ_FRAMES, READ_MAP, SOLVENT, InputsModel
from app.models.marks import MarksModel
from app.models.minima import MINIMISE
from app.models.modes import MODES
from app.models.paths import TOPOLOGIES, has_suffix, sort_paths
from app.models.readings import FitSnapshot, ProjectReading
from app.models.revisit import REVISITS, RevisitModel
from app.models.runner import Runner
from app.models.selection import SelectionModel
from app.workers import tasks
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.scattering.settings import Execution

if TYPE_CHECKING:
    from mdweights_core.jobs import Progress
    from mdweights_core.project import FitInputs

OPEN, SAVE, EXPORT, FIT, WARM_UP = "opening", "saving", "exporting", "fit", "loading"
STOPPABLE = (FIT, SOLVENT, MINIMISE, MODES, *REVISITS)


class Session(QObject):
    """The acts of the window, free of widgets: those on files and fits here, others in `inputs` and `revisit`.

    Parameters
    ----------
    fitter, reader, checker : Runner
        Fits run on `fitter`; files are read and written on `reader`, so that frames can be looked at during a fit; what
        takes some seconds and follows every edit runs on `checker`.
    scratch : Path
        Folder for fits that are not saved yet.
    """

    said = Signal(str)
    failed = Signal(object)
    project_opened = Signal(object)
    execution_changed = Signal(object)

    def __init__(
        self, fitter: Runner, reader: Runner, checker: Runner, scratch: Path, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.document = Document(self)
        self.selection = SelectionModel(self)
        self.marks = MarksModel(self)
        self.fit = FitModel(self)
        self.execution = Execution()
        self._fitter, self._reader, self._checker = fitter, reader, checker
        self._fit_draft: Draft | None = None
        self._early: ProjectReading | None = None
        self._project_path = scratch / "fit.mdw"
        self._handlers: Mapping[str, Callable[[Any], None]] = {
            OPEN: self._opened,
            SAVE: self._saved,
            EXPORT: self._exported,
        }
        self.inputs = InputsModel(reader, checker, self.document, self._project_path, self)
        self.check = self.inputs.check
        self.inputs.n_frames_changed.connect(self._set_n_frames)
        for runner in (fitter, reader, checker):
            runner.finished.connect(self._on_finished)
            runner.failed.connect(self._on_failed)
        fitter.progressed.connect(self._on_progress)
        self.revisit = RevisitModel(fitter, self.document, self.fit, self.marks, self)
        for part in (self.inputs, self.revisit):
            part.said.connect(self.said)
            part.failed.connect(self.failed)

    @property
    def is_busy(self) -> bool:
        """True while anything runs."""
        return self._fitter.is_busy or self._reader.is_busy or self._checker.is_busy

    @property
    def _lacks_topology(self) -> bool:
        draft = self.document.draft
        return bool(draft.frames) and draft.topology is None and self.document.frames is None

    @property
    def working(self) -> str:
        """What would be lost by another document or the end, as a sentence; empty when nothing is."""
        if self.fit.is_running:
            return "A fit is still being validated." if self.fit.is_shown else "A fit is running."
        return f"mdweights is still {self.revisit.running}." if self.revisit.running else ""

    def warm_up(self) -> None:
        """Load the numerical libraries on the fit's thread."""
        self._fitter.submit(WARM_UP, tasks.warm_up)

    def new(self) -> None:
        """Begin a new document; a running fit is stopped and its result dropped."""
        self.stop()
        self._fit_draft = None
        self._reader.stop(OPEN)
        self.inputs.clear()
        self.document.clear()
        self._set_n_frames(0)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open dropped or typed paths, each as what it is.

        A coordinate file given alone to a trajectory that lacks its topology becomes that.
        """
        found = sort_paths(paths)
        if found.unknown:
            what = "It is not known what this file is"
            advice = "Drop a map, a trajectory with its topology, a folder of MTZ files or a .mdw project"
            self.failed.emit(BadInput(what, where=found.unknown[0], advice=advice))
        if found.project is not None:
            self.open_project(found.project)
            return
        holds_both = found.map is not None and found.map in found.frames
        if found.map is not None and not (holds_both and self.document.draft.map is not None):
            self.open_map(found.map)
        if self._lacks_topology and len(found.frames) == 1 and has_suffix(found.frames[0], TOPOLOGIES):
            self.inputs.edit(topology=found.frames[0])
        elif found.frames:
            self.open_frames(found.frames, found.topology)

    def open_map(self, path: Path) -> None:
        """Open a map; a fit to the former one and its column choices are forgotten."""
        self._drop_fit()
        others = ("column", "sigma_column", "free_column", "space_group", "map_supercell")
        self.inputs.edit(map=path, **dict.fromkeys(others))

    def open_frames(self, frames: Sequence[Path], topology: Path | None = None) -> None:
        """Open the frames of a simulation; a fit of the former ones is forgotten."""
        self._drop_fit()
        cell = self.document.draft.cell if self.document.asks_for_cell else None  # else it was of the former frames
        self.inputs.edit(frames=tuple(frames), topology=topology, cell=cell, only=None)

    def open_inputs(self, inputs: FitInputs) -> None:
        """Open a map and frames that belong together."""
        self.new()
        self.document.set_draft(Draft.of(inputs))
        self.inputs.read(READ_MAP, READ_FRAMES)

    def open_project(self, path: Path) -> None:
        """Open a saved project."""
        self.new()
        self._reader.submit(OPEN, partial(tasks.open_project, path))

    def set_execution(self, execution: Execution) -> None:
        """Choose where structure factors are computed from the next fit on."""
        if execution != self.execution:
            self.execution = execution
            self.execution_changed.emit(execution)

    def start_fit(self, plan: FitPlan, *, resume: bool = False) -> None:
        """Fit the document's inputs; with `resume` go on from the weights of the last fit."""
        draft, fitted = self.document.draft, self.document.fitted
        try:
            draft.require_complete()
        except MdweightsError as problem:
            self.failed.emit(problem)
            return
        start = np.array(fitted.project.fit.weights) if resume and fitted is not None else None
        self._fit_draft, self._early = draft, None
        self.fit.start()
        self._fitter.submit(FIT, partial(tasks.fit, draft, plan, self._project_path, start, self.execution))

    def stop(self) -> None:
        """Ask a running fit to end with its present step, and all else that can be stopped to end."""
        self.inputs.stop()
        self.revisit.stop()
        if self.fit.is_running:
            self.fit.mark_stopping()
            self._fitter.stop(FIT)

    def save(self, target: Path) -> None:
        """Save the fit (and the marks) as a project folder."""
        fitted = self._require_fit()
        if fitted is not None:
            self._reader.submit(SAVE, partial(tasks.save_project, Path(fitted.project.path), target))

    def export(self, kind: str, target: Path) -> None:
        """Write the fit as a file of one `kind`: ``mtz``, ``csv``, ``ccp4`` and what else the menu offers."""
        fitted = self._require_fit()
        if fitted is not None:
            self._reader.submit(EXPORT, partial(tasks.export, kind, fitted.project, target))

    def save_marks(self) -> None:
        """Keep the marks beside the fit they belong to."""
        if self.document.fitted is not None:
            path = self.document.saved_path or Path(self.document.fitted.project.path)
            self._tell_problem(partial(self.marks.save, path))

    def _drop_fit(self) -> None:
        """Other data come: the fit, running or done, is no longer theirs."""
        self.stop()
        self._fit_draft = None
        if self.document.fitted is not None:
            self.document.saved_path = None
            self.document.set_project(None, unsaved=False)

    def _require_fit(self) -> ProjectReading | None:
        if self.document.fitted is None:
            self.failed.emit(BadInput("There is no fit yet", advice="Press Start in the Fit panel first"))
        return self.document.fitted

    @Slot(object)
    def _on_progress(self, progress: Progress) -> None:
        self.fit.advance(progress)
        if isinstance(progress, FitSnapshot) and progress.reading is not None and self._fit_draft is not None:
            self._show_fit(progress.reading, self._fit_draft)

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: object, stopped: bool) -> None:
        if name == FIT:
            self._fitted(result)
        elif name in self._handlers and not stopped:
            self._handlers[name](result)

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name == FIT:
            self.fit.end()
        if name not in INPUTS:
            self.failed.emit(error)

    def _fitted(self, reading: Any) -> None:
        draft, self._fit_draft = self._fit_draft, None
        self.fit.end()
        if draft is None:
            return
        if reading is None:
            self.said.emit("Stopped before there were weights; finished structure factors are kept")
            return
        self._show_fit(reading, draft)

    def _show_fit(self, reading: ProjectReading, draft: Draft) -> None:
        """Show a fit as soon as its weights are there, and then only what else was found of it."""
        if reading is self._early:
            return
        if self._early is None:
            self.fit.is_shown = True
            self._show_project(reading, draft, unsaved=True)
        else:
            self.document.update_project(reading.project)
        self._early = reading

    def _opened(self, reading: ProjectReading) -> None:
        project = reading.project
        draft = Draft.of(project.inputs, project.predict_settings)
        self.document.set_draft(draft)
        self.document.saved_path = Path(project.path)
        self._set_n_frames(len(project.fit.weights))
        self._show_project(reading, draft, unsaved=False)
        self._tell_problem(partial(self.marks.load, Path(project.path)))
        self.inputs.read(READ_MAP, READ_FRAMES)
        if reading.changed:
            self.failed.emit(_changed(reading.changed))
        self.project_opened.emit(Path(project.path))

    def _show_project(self, reading: ProjectReading, draft: Draft, *, unsaved: bool) -> None:
        self.document.fitted_draft = draft
        if self.selection.n_frames != len(reading.project.fit.weights):
            self._set_n_frames(len(reading.project.fit.weights))
        self.document.set_project(reading, unsaved=unsaved)
        self.said.emit(reading.project.fit.outcome)

    def _saved(self, target: Path) -> None:
        self.document.set_saved(target)
        self.save_marks()
        self.said.emit(f"Saved as {target.name}")
        self.project_opened.emit(target)

    def _exported(self, target: Path) -> None:
        self.said.emit(f"Wrote {target}")

    @Slot(int)
    def _set_n_frames(self, n_frames: int) -> None:
        self.marks.set_n_frames(n_frames)
        self.selection.set_n_frames(n_frames)

    def _tell_problem(self, act: Callable[[], None]) -> None:
        try:
            act()
        except MdweightsError as problem:
            self.failed.emit(problem)


def _changed(files: Sequence[str]) -> BadInput:
    """What to say of input files that are not what a project was made from."""
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return BadInput(
        f"The file{more} is gone or holds something else than when this fit was made",
        where=files[0],
        advice="The weights shown are those of the former data; fit again to use the present",
    )

"""What can be done with the document: open, fit, stop, resume, save, export. Work goes to the two job runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.models.document import FRAME_FIELDS, MAP_FIELDS, Document, Draft
from app.models.fit_model import FitModel
from app.models.marks import MarksModel
from app.models.paths import TOPOLOGIES, has_suffix, sort_paths
from app.models.readings import FramesReading, ProjectReading
from app.models.selection import SelectionModel
from app.workers import tasks
from mdweights_core.errors import BadInput, MdweightsError

if TYPE_CHECKING:
    from mdweights_core.jobs import Progress
    from mdweights_core.project import FitInputs

READ_MAP, READ_FRAMES, OPEN, SAVE, EXPORT, FIT, WARM_UP = (
    "reading the map", "reading the frames", "opening", "saving", "exporting", "fit", "loading",
)  # fmt: skip


class Runner(Protocol):
    """What the session needs of a job runner; `app.workers.job_runner.JobRunner` is one."""

    progressed: Any
    finished: Any
    failed: Any

    @property
    def is_busy(self) -> bool: ...
    def submit(self, name: str, factory: Callable[[], Any]) -> None: ...
    def stop(self, name: str | None = None) -> None: ...


class Session(QObject):
    """The acts of the window, free of widgets.

    Parameters
    ----------
    fitter, reader : Runner
        Fits run on `fitter`; files are read and written on `reader`, so that frames can be looked at during a fit.
    scratch : Path
        Folder for fits that are not saved yet.
    """

    said = Signal(str)
    failed = Signal(object)
    project_opened = Signal(object)

    def __init__(self, fitter: Runner, reader: Runner, scratch: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = Document(self)
        self.selection = SelectionModel(self)
        self.marks = MarksModel(self)
        self.fit = FitModel(self)
        self._fitter, self._reader, self._scratch = fitter, reader, scratch
        self._fit_draft: Draft | None = None
        self._handlers: Mapping[str, Callable[[Any], None]] = {
            READ_MAP: self.document.set_map,
            READ_FRAMES: self._frames_read,
            OPEN: self._opened,
            SAVE: self._saved,
            EXPORT: self._exported,
        }
        for runner in (fitter, reader):
            runner.finished.connect(self._on_finished)
            runner.failed.connect(self._on_failed)
        fitter.progressed.connect(self._on_progress)

    @property
    def is_busy(self) -> bool:
        """True while anything runs."""
        return self._fitter.is_busy or self._reader.is_busy

    @property
    def _lacks_topology(self) -> bool:
        draft = self.document.draft
        return bool(draft.frames) and draft.topology is None and self.document.frames is None

    def warm_up(self) -> None:
        """Load the numerical libraries on the fit's thread."""
        self._fitter.submit(WARM_UP, tasks.warm_up)

    def new(self) -> None:
        """Begin a new document; a running fit is stopped and its result dropped."""
        self.stop()
        self._fit_draft = None
        for name in (READ_MAP, READ_FRAMES, OPEN):
            self._reader.stop(name)
        self.document.clear()
        self._set_n_frames(0)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open dropped or typed paths, each as what it is.

        A coordinate file given alone to a trajectory that lacks its topology becomes that.
        """
        found = sort_paths(paths)
        if found.unknown:
            what = "It is not known what this file is"
            advice = "Drop an MTZ map, a trajectory with its topology, a folder of MTZ files or a .mdw project"
            self.failed.emit(BadInput(what, where=found.unknown[0], advice=advice))
        if found.project is not None:
            self.open_project(found.project)
            return
        if found.map is not None:
            self.open_map(found.map)
        if self._lacks_topology and len(found.frames) == 1 and has_suffix(found.frames[0], TOPOLOGIES):
            self.edit(topology=found.frames[0])
        elif found.frames:
            self.open_frames(found.frames, found.topology)

    def open_map(self, path: Path) -> None:
        """Open a map; a fit to the former one and its column choices are forgotten."""
        self._drop_fit()
        self.edit(map=path, column=None, sigma_column=None, free_column=None, space_group=None)

    def open_frames(self, frames: Sequence[Path], topology: Path | None = None) -> None:
        """Open the frames of a simulation; a fit of the former ones is forgotten."""
        self._drop_fit()
        self.edit(frames=tuple(frames), topology=topology, cell=None)

    def open_inputs(self, inputs: FitInputs) -> None:
        """Open a map and frames that belong together."""
        self.new()
        self.document.set_draft(Draft.of(inputs))
        self._read_map()
        self._read_frames()

    def open_project(self, path: Path) -> None:
        """Open a saved project."""
        self.new()
        self._reader.submit(OPEN, partial(tasks.open_project, path))

    def edit(self, **changes: Any) -> None:
        """Change inputs; what depends on them is read again."""
        changed = self.document.update(**changes)
        if changed & MAP_FIELDS and self.document.draft.map is not None:
            self._read_map()
        if changed & FRAME_FIELDS and self.document.draft.frames:
            self._read_frames()

    def start_fit(self, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        """Fit the document's inputs; with `resume` go on from the weights of the last fit."""
        draft, fitted = self.document.draft, self.document.fitted
        try:
            draft.require_complete()
        except MdweightsError as problem:
            self.failed.emit(problem)
            return
        start = np.array(fitted.project.fit.weights) if resume and fitted is not None else None
        self._fit_draft = draft
        self.fit.start()
        self._fitter.submit(FIT, partial(tasks.fit, draft, dict(settings), self._scratch / "fit.mdw", start))

    def stop(self) -> None:
        """Ask a running fit to end with its present step."""
        if self.fit.is_running:
            self.fit.mark_stopping()
            self._fitter.stop(FIT)

    def save(self, target: Path) -> None:
        """Save the fit (and the marks) as a project folder."""
        fitted = self._require_fit()
        if fitted is not None:
            self._reader.submit(SAVE, partial(tasks.save_project, Path(fitted.project.path), target))

    def export(self, kind: str, target: Path) -> None:
        """Write the fit as ``mtz``, ``csv``, ``ndx``, ``pdb`` or ``html``."""
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

    def _read_map(self) -> None:
        self._reader.submit(READ_MAP, partial(tasks.read_map, self.document.draft))

    def _read_frames(self) -> None:
        self._reader.submit(READ_FRAMES, partial(tasks.read_frames, self.document.draft))

    @Slot(object)
    def _on_progress(self, progress: Progress) -> None:
        self.fit.advance(progress)

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
        if self.document.fitted is None:  # a fit stays to be looked at when its files have moved away
            if name == READ_MAP:
                self.document.update(map=None)
                self.document.set_map(None)
            if name == READ_FRAMES:
                self._forget_frames(error)
        self.failed.emit(error)

    def _forget_frames(self, error: object) -> None:
        """A trajectory that lacks its topology stays, so that the topology can be given next."""
        keep = (
            isinstance(error, BadInput) and self.document.draft.topology is None and "topolog" in error.sentence.lower()
        )
        if not keep:
            self.document.update(frames=(), topology=None)
        self.document.set_frames(None)
        self._set_n_frames(0)

    def _frames_read(self, reading: FramesReading) -> None:
        fitted = self.document.fitted
        if fitted is None:
            self._set_n_frames(reading.n_frames)
        elif reading.n_frames != len(fitted.project.fit.weights):
            what = f"The fit has {len(fitted.project.fit.weights)} frames, but the files hold {reading.n_frames} now"
            self.failed.emit(BadInput(what, where=self.document.draft.frames[0], advice="Run the fit again"))
            return
        self.document.set_frames(reading)

    def _fitted(self, reading: Any) -> None:
        draft, self._fit_draft = self._fit_draft, None
        self.fit.end()
        if draft is None:
            return
        if reading is None:
            self.said.emit("Stopped before there were weights; finished structure factors are kept")
            return
        self._show_project(reading, draft, unsaved=True)

    def _opened(self, reading: ProjectReading) -> None:
        project = reading.project
        draft = Draft.of(project.inputs, project.predict_settings)
        self.document.set_draft(draft)
        self.document.saved_path = Path(project.path)
        self._set_n_frames(len(project.fit.weights))
        self._show_project(reading, draft, unsaved=False)
        self._tell_problem(partial(self.marks.load, Path(project.path)))
        self._read_map()
        self._read_frames()
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

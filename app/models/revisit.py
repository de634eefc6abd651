"""What can be asked of a fit that is there: whether to believe it, what it means, which frames would do as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.models.document import Document
from app.models.fit_model import FitModel
from app.models.marks import Mark, MarksModel
from app.models.runner import Runner
from app.workers import tasks
from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.project import Project
    from mdweights_core.revisit import RerunReport

VALIDATE, EXPLAIN, RERUN = "validating", "looking for the meaning", "running the fit again"
SELECT = "selecting frames"
REVISITS = (VALIDATE, EXPLAIN, SELECT, RERUN)


class RevisitModel(QObject):
    """Runs one such job at a time on the runner of fits and gives the document its result.

    `running_changed` tells the name of the job that runs, empty when none does.
    """

    said = Signal(str)
    failed = Signal(object)
    running_changed = Signal(str)
    meaning_settings_changed = Signal(object)

    def __init__(
        self, runner: Runner, document: Document, fit: FitModel, marks: MarksModel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._runner, self._document, self._fit, self._marks = runner, document, fit, marks
        self._asked: Project | None = None
        self.running = ""
        self.meaning_settings: Mapping[str, Any] = {}
        runner.finished.connect(self._on_finished)
        runner.failed.connect(self._on_failed)
        document.meaning_changed.connect(self._on_meaning)

    def set_meaning(self, **changes: Any) -> None:
        """Change settings of the next search for a meaning: fields of `MeaningSettings`."""
        self.meaning_settings = {**self.meaning_settings, **changes}
        self.meaning_settings_changed.emit(self.meaning_settings)

    def validate(self, settings: Mapping[str, Any]) -> None:
        """Ask again whether the weights can be believed."""
        self._submit(VALIDATE, lambda project: partial(tasks.validate, project, dict(settings)))

    def explain(self, *, by_marks: bool = False) -> None:
        """Look for the meaning of the weights; `by_marks` compares frames marked keep with those marked drop."""
        good = bad = None
        if by_marks:
            good, bad = self._marks.frames_with(Mark.KEEP), self._marks.frames_with(Mark.DROP)
            if not (len(good) and len(bad)):
                advice = "Mark frames keep (K) and drop (D), at least one of each"
                self.failed.emit(BadInput("There are no two sets of marked frames to compare", advice=advice))
                return
        self._explain(good, bad)

    def select(self, settings: Mapping[str, Any]) -> None:
        """Keep or leave out whole frames; `settings` are fields of `SelectionSettings`."""
        self._submit(SELECT, lambda project: partial(tasks.select_frames, project, dict(settings)))

    def rerun(self) -> None:
        """Run the whole job of the project again from its files, and compare."""
        self._submit(RERUN, lambda project: partial(tasks.rerun, project))

    def stop(self) -> None:
        """Ask what runs to stop."""
        for name in REVISITS:
            self._runner.stop(name)

    def _explain(self, good: np.ndarray | None, bad: np.ndarray | None) -> None:
        settings = dict(self.meaning_settings)
        self._submit(EXPLAIN, lambda project: partial(tasks.explain, project, settings, good, bad))

    def _submit(self, name: str, job: Callable[[Project], Callable[[], Any]]) -> None:
        fitted = self._document.fitted
        if fitted is None:
            self.failed.emit(BadInput("There is no fit yet", advice="Press Start in the Fit panel first"))
            return
        if self._fit.is_running or self.running:  # both would write the same project
            self.failed.emit(BadInput("Another job works on this fit", advice="Wait for its end, or stop it"))
            return
        self._asked = fitted.project
        self._set_running(name)
        self._runner.submit(name, job(fitted.project))

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: object, stopped: bool) -> None:
        if name not in REVISITS:
            return
        self._set_running("")
        fitted = self._document.fitted
        if result is None or fitted is None or fitted.project is not self._asked:  # another fit is shown by now
            return
        if name == RERUN:
            self._tell(result, fitted.project)  # type: ignore[arg-type]
            return
        self._document.update_project(result)  # type: ignore[arg-type]
        if name == SELECT:
            self.said.emit(result.selection.outcome)  # type: ignore[attr-defined]

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name in REVISITS:
            self._set_running("")

    def _tell(self, report: RerunReport, project: Project) -> None:
        if report.same:
            self.said.emit(report.sentence)
        else:
            advice = "Compare versions and machine with those in the report of the project"
            self.failed.emit(BadInput(report.sentence, where=project.path, advice=advice))

    @Slot(object)
    def _on_meaning(self, meaning: Meaning | None) -> None:
        """What was asked last is asked again, unless something else is chosen."""
        if meaning is not None:
            found = meaning.settings
            self.set_meaning(temperature=found.temperature, selection=found.selection, energies=found.energies)

    def _set_running(self, name: str) -> None:
        if name != self.running:
            self.running = name
            self.running_changed.emit(name)

"""The minimisation of the window: what is asked, how it goes, what came of it, which start is looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.models.marks import Mark
from app.models.minima_readings import FrameChoice, MinimaReading, MinimiseRequest
from app.models.modes import ModesModel
from app.workers import minimise_tasks
from mdweights_core.errors import BadInput, MdweightsError, counted
from mdweights_core.minimize.base import End
from mdweights_core.minimize.result import NOT_BEGUN

if TYPE_CHECKING:
    from app.models.runner import Runner
    from app.models.session import Session
    from mdweights_core.jobs import Progress

MINIMISE, WRITE, SAVE = "minimising", "writing conformations", "writing a comparison"
STRUCTURE, ALL, KEPT, DROPPED, TARGETS, LOWEST, HIGHEST = (
    "structure",
    "all",
    "kept",
    "dropped",
    "targets",
    "lowest",
    "highest",
)
RANKED = (LOWEST, HIGHEST)
CHECKPOINT = "minimisation.npz"
OPEN_ENDS = {NOT_BEGUN, str(End.STOPPED)}
"""Ends of starts that can be gone on with."""


class MinimaModel(QObject):
    """Runs minimisations, one at a time, on a runner of their own, on which `modes` are found as well.

    Signals
    -------
    running_changed(bool)
    started(object)
        The `MinimiseRequest`.
    stepped(object)
        A snapshot of the job.
    found(object)
        A `MinimaReading`, or None.
    refused(object)
        Why a minimisation did not come about: a MdweightsError.
    chosen_changed(int)
        The start that is looked at.
    frames_written(object, object)
        Conformations, and their topology where the file has none, that are to become the frames.
    said(str), failed(object)
    """

    running_changed = Signal(bool)
    started = Signal(object)
    stepped = Signal(object)
    found = Signal(object)
    refused = Signal(object)
    chosen_changed = Signal(int)
    frames_written = Signal(object, object)
    said = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, runner: Runner, scratch: Path) -> None:
        super().__init__(session)
        self._session, self._runner = session, runner
        self._checkpoint = scratch / CHECKPOINT
        self._request: MinimiseRequest | None = None
        self._becomes_frames = False
        self.reading: MinimaReading | None = None
        self.is_running = False
        self.chosen = -1
        self.modes = ModesModel(session, runner, lambda: (self.reading, self.chosen), self)
        self.modes.failed.connect(self.failed)
        runner.finished.connect(self._on_finished)
        runner.failed.connect(self._on_failed)
        runner.progressed.connect(self._on_progress)

    # ---- what can be asked

    @property
    def can_resume(self) -> bool:
        """True when the last minimisation was stopped before its end."""
        if self.is_running or self.reading is None or self.reading.request is not self._request:
            return False
        if self.reading.comparison:  # keeps no checkpoint
            return False
        return bool(OPEN_ENDS & set(map(str, self.reading.result.ends)))

    @property
    def working(self) -> str:
        """What would be lost by the end, as a sentence; empty when nothing is."""
        return "A minimisation is running." if self.is_running else ""

    def missing(self, what: str) -> str:
        """Why frames cannot be minimised, as a sentence; empty when they can, and for a structure."""
        document = self._session.document
        if what == STRUCTURE:
            return ""
        if document.frames is None or document.frames.molecules is None:
            return "Open a trajectory first, or minimise a structure file."
        if what in RANKED and document.fitted is None:
            return "Fit weights first: frames are chosen by their weight."
        if not len(self.frames_of(what, 1)):
            chosen = {KEPT: "Mark frames keep (K) first.", DROPPED: "Mark frames drop (D) first."}
            return chosen.get(what, "Select a frame, or brush some, first.")
        return ""

    def frames_of(self, what: str, count: int) -> tuple[int, ...]:
        """Frames that `what` means; `count` of them where they are chosen by weight."""
        session = self._session
        if what in RANKED:
            fitted = session.document.fitted
            order = np.empty(0, dtype=int) if fitted is None else np.argsort(fitted.project.fit.weights, kind="stable")
            chosen = (order if what == LOWEST else order[::-1])[:count]
        elif what in (KEPT, DROPPED):
            chosen = session.marks.frames_with(Mark.KEEP if what == KEPT else Mark.DROP)
        elif what == TARGETS:
            chosen = session.selection.targets()
        else:
            chosen = np.arange(session.selection.n_frames if what == ALL else 0)
        return tuple(int(frame) for frame in chosen)

    def choice(self, what: str, count: int) -> FrameChoice | None:
        """The same as a request takes them; None for a structure.

        Raises
        ------
        BadInput
            When there are no such frames.
        """
        if what == STRUCTURE:
            return None
        problem = self.missing(what)
        if problem:
            raise BadInput("There are no frames to minimise", advice=problem.removesuffix("."))
        return self.opened_anew(self.frames_of(what, count))

    def opened_anew(self, frames: tuple[int, ...]) -> FrameChoice:
        """Frames of the open trajectory, as another thread opens them."""
        document = self._session.document
        assert document.frames is not None
        source = document.frames.molecules
        assert source is not None
        return FrameChoice(tuple(source.paths), source.topology_path, document.draft.scattering.altloc, frames)

    # ---- acts

    def start(self, request: MinimiseRequest) -> None:
        """Minimise from the start."""
        if not self.is_running:
            self._checkpoint.unlink(missing_ok=True)
            self._submit(request)

    @Slot()
    def resume(self) -> None:
        """Go on with the minimisation that was stopped."""
        if self.can_resume:
            assert self._request is not None
            self._submit(self._request)

    @Slot()
    def stop(self) -> None:
        """Ask a running minimisation to end with what it has."""
        self._runner.stop(MINIMISE)
        self.modes.stop()

    def choose(self, start: int) -> None:
        """Look at one start."""
        if start != self.chosen:
            self.chosen = start
            self.chosen_changed.emit(start)

    def write(self, target: Path, *, becomes_frames: bool = False) -> None:
        """Write the conformations that were reached; `becomes_frames` opens them as the frames of the document."""
        if self.reading is None:
            self.failed.emit(BadInput("Nothing was minimised yet", advice="Press Start in the Minimise panel first"))
            return
        self._becomes_frames = becomes_frames
        self._runner.submit(WRITE, partial(minimise_tasks.write, self.reading, target))

    def save_comparison(self, target: Path) -> None:
        """Write the table of the compared minimisers, and traces and plots beside it."""
        if self.reading is not None and self.reading.comparison:
            self._runner.submit(SAVE, partial(minimise_tasks.save_comparison, self.reading, target))

    def _submit(self, request: MinimiseRequest) -> None:
        self._request, self.is_running = request, True
        self.running_changed.emit(True)
        self.started.emit(request)
        self._runner.submit(MINIMISE, partial(minimise_tasks.minimise, request, self._checkpoint))

    # ---- what comes back

    @Slot(object)
    def _on_progress(self, progress: Progress) -> None:
        if self.is_running:
            self.stepped.emit(progress)

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: Any, stopped: bool) -> None:
        if name == WRITE and self.reading is not None and result is not None:
            self.said.emit(minimise_tasks.written(self.reading, result))
            if self._becomes_frames:
                self.frames_written.emit(*result)
        if name == SAVE and result is not None:
            self.said.emit(f"Wrote {', '.join(path.name for path in result)}")
        if name != MINIMISE:
            return
        self.is_running = False
        if result is not None:
            self.reading, self.chosen = result, -1
            self.found.emit(result)
            self.said.emit(_outcome(result))
        self.running_changed.emit(False)
        if result is not None and len(result.reached):
            self.choose(int(result.reached[0]))

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name == MINIMISE:
            self.is_running = False
            self.running_changed.emit(False)
            if isinstance(error, MdweightsError):
                self.refused.emit(error)
        if name in (MINIMISE, WRITE, SAVE):
            self.failed.emit(error)


def _outcome(reading: MinimaReading) -> str:
    result = reading.result
    if reading.comparison:
        return f"Compared {counted(len(reading.comparison), 'minimiser')}"
    converged = sum(str(end) == str(End.CONVERGED) for end in result.ends)
    if result.n_starts == 1:
        if not len(reading.reached):
            return f"Nothing was minimised: {result.ends[0]}"
        energies = f"{result.start_energy[0]:.2f} to {result.energy[0]:.2f} kJ/mol"
        return f"Minimised from {energies} in {counted(int(result.evaluations[0]), 'evaluation')}: {result.ends[0]}"
    return f"{converged} of {counted(result.n_starts, 'start')} converged"

"""The minimisation of the window: what is asked, how it goes, what came of it, which start is looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Signal, Slot

from app.models.long_run import LongRun
from app.models.marks import Mark
from app.models.minima_readings import FrameChoice, MinimaReading, MinimiseRequest
from app.models.modes import ModesModel
from app.workers import minimise_tasks
from mdweights_core.errors import BadInput, counted
from mdweights_core.minimize.base import End
from mdweights_core.minimize.result import NOT_BEGUN

if TYPE_CHECKING:
    from app.models.runner import Runner
    from app.models.session import Session

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


class MinimaModel(LongRun):
    """Runs minimisations, one at a time, on a runner of their own, on which `modes` are found as well.

    A run is asked by a `MinimiseRequest`, and its reading is a `MinimaReading`.

    Signals
    -------
    chosen_changed(int)
        The start that is looked at.
    frames_written(object, object)
        Conformations, and their topology where the file has none, that are to become the frames.
    """

    chosen_changed = Signal(int)
    frames_written = Signal(object, object)

    _request: MinimiseRequest | None
    reading: MinimaReading | None

    def __init__(self, session: Session, runner: Runner, scratch: Path) -> None:
        super().__init__(session, runner)
        self._checkpoint = scratch / CHECKPOINT
        self._becomes_frames = False
        self.chosen = -1
        self.modes = ModesModel(session, runner, lambda: (self.reading, self.chosen), self)
        self.modes.failed.connect(self.failed)

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
        self._request = request
        self._begin(MINIMISE, request, partial(minimise_tasks.minimise, request, self._checkpoint))

    # ---- what comes back

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
        if result is not None:
            self.chosen = -1
        self._end(result, _outcome)
        if result is not None and len(result.reached):
            self.choose(int(result.reached[0]))

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name == MINIMISE:
            self._break_off(error)
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

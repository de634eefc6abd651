"""Slow modes in the window: what is asked, what came of it, and which mode is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.models.minima_readings import FrameChoice, MinimaReading
from app.models.mode_readings import FRAME, HESSIAN, ModesReading, ModesRequest
from app.workers import mode_tasks
from mdweights_core.modes.choice import ATOM_CUTOFF, STILL, suggested_network

if TYPE_CHECKING:
    from app.models.runner import Runner
    from app.models.session import Session

MODES = "finding slow modes"


class ModesModel(QObject):
    """Finds modes, one set at a time, on the runner of minimisations.

    Signals
    -------
    running_changed(bool)
    found(object)
        A `ModesReading`, or None when it is of no use any more.
    chosen_changed(int)
        The mode that is looked at, from 0.
    failed(object)
    """

    running_changed = Signal(bool)
    found = Signal(object)
    chosen_changed = Signal(int)
    failed = Signal(object)

    def __init__(
        self, session: Session, runner: Runner, minimum: Callable[[], tuple[MinimaReading | None, int]], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._runner, self._minimum = session, runner, minimum
        self.reading: ModesReading | None = None
        self.is_running = False
        self.chosen = -1
        runner.finished.connect(self._on_finished)
        runner.failed.connect(self._on_failed)
        session.document.frames_changed.connect(self._on_frames)

    @property
    def frame(self) -> int:
        """The frame that is selected in all views."""
        return self._session.selection.frame

    @property
    def marks(self) -> np.ndarray:
        """Marks of all frames, int8 [n_frames]."""
        return self._session.marks.values

    def missing(self, of: str) -> str:
        """Why there can be no modes of that kind, as a sentence; empty when there can."""
        document = self._session.document
        if of == FRAME:
            is_there = document.frames is not None and document.frames.molecules is not None
            return "" if is_there else "Open a trajectory first."
        reading, start = self._minimum()
        if reading is None or start < 0 or not np.isfinite(reading.result.energy[start]):
            return "Minimise a structure first."
        if of != HESSIAN:
            return ""
        if reading.request.fix or reading.request.restrain:
            return "Minimise without held atoms first: frequencies are those of a free molecule."
        force = float(reading.result.rms_force[start])
        return "" if force <= STILL else (
            f"The rms force is {force:.2g} kJ/mol/nm: minimise to {STILL:g} or less first, "
            "so that frequencies mean something."
        )  # fmt: skip

    def suggested(self) -> tuple[str, float]:
        """Atoms of an elastic network that suit the frames, and its longest spring in nm."""
        frames = self._session.document.frames
        atoms = None if frames is None else frames.atoms
        return ("", ATOM_CUTOFF) if atoms is None else suggested_network(atoms)

    def start(self, of: str, count: int, select: str, cutoff: float) -> None:
        """Find modes."""
        if self.is_running or self.missing(of):
            return
        reading, start = self._minimum()
        frame = max(self.frame, 0)
        request = ModesRequest(of, count, select, cutoff, self._frames(), frame, reading, start)
        self.is_running = True
        self.running_changed.emit(True)
        self._runner.submit(MODES, partial(mode_tasks.slow_modes, request))

    @Slot()
    def stop(self) -> None:
        """Ask a running search to stop."""
        self._runner.stop(MODES)

    @Slot(int)
    def choose(self, mode: int) -> None:
        """Look at one mode."""
        if self.reading is not None and 0 <= mode < len(self.reading.modes.values) and mode != self.chosen:
            self.chosen = mode
            self.chosen_changed.emit(mode)

    def _frames(self) -> FrameChoice | None:
        document = self._session.document
        source = None if document.frames is None else document.frames.molecules
        if source is None:
            return None
        return FrameChoice(tuple(source.paths), source.topology_path, document.draft.scattering.altloc, ())

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: Any, stopped: bool) -> None:
        if name != MODES:
            return
        self.is_running = False
        if result is not None:
            self.reading, self.chosen = result, -1
            self.found.emit(result)
            self.choose(0)
        self.running_changed.emit(False)

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name == MODES:
            self.is_running = False
            self.running_changed.emit(False)
            self.failed.emit(error)

    @Slot(object)
    def _on_frames(self, reading: object) -> None:
        """Frames that are projected are those of the document."""
        self.stop()
        self.reading, self.chosen = None, -1
        self.found.emit(None)

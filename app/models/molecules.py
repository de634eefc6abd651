"""Coordinates of the selected frame and of the good and bad sets, read on the reader's thread as they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.models.marks import Mark, MarksModel
from app.models.readings import FramesReading, ProjectReading
from app.workers import tasks

if TYPE_CHECKING:
    from app.models.runner import Runner
    from app.models.session import Session
    from mdweights_core.io.frames.trajectories import FrameSource

ONE, SETS = "coordinates", "coordinates of the sets"
CACHED_BYTES = 128 << 20


class MoleculeModel(QObject):
    """What the molecule view shows: one frame, or the best frames over the worst."""

    atoms_changed = Signal(object)
    frame_ready = Signal(int, object)
    sets_ready = Signal(object, object)

    def __init__(self, session: Session, reader: Runner) -> None:
        super().__init__(session)
        self._session, self._reader = session, reader
        self._source: FrameSource | None = None
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._weights: np.ndarray | None = None
        self._wanted = -1
        self._sets: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        reader.finished.connect(self._on_finished)
        session.selection.frame_changed.connect(self.request)
        session.document.frames_changed.connect(self._on_frames)
        session.document.project_changed.connect(self._on_project)

    @property
    def has_weights(self) -> bool:
        """True when frames can be ranked."""
        return self._weights is not None

    @property
    def atoms(self) -> Any:
        """The atoms of the frames; None where there are no molecules."""
        return None if self._source is None else self._source.atoms

    @Slot(int)
    def request(self, frame: int) -> None:
        """Ask for a frame; `frame_ready` follows, at once when it was seen before."""
        self._wanted = frame
        if self._source is None or frame < 0:
            return
        if frame in self._cache:
            self._cache.move_to_end(frame)
            self.frame_ready.emit(frame, self._cache[frame])
            return
        self._reader.submit(ONE, partial(tasks.read_positions, self._source, (frame,)))

    def request_ranked(self, top: int) -> None:
        """Ask for the `top` frames with the largest weights and as many with the smallest."""
        if self._weights is None or self._source is None:
            return
        top = max(1, min(top, len(self._weights) // 2))
        order = np.argsort(self._weights, kind="stable")
        self._request_sets(order[::-1][:top], order[:top])

    def request_marked(self, marks: MarksModel) -> None:
        """Ask for the frames marked keep and those marked drop."""
        if self._source is not None:
            self._request_sets(marks.frames_with(Mark.KEEP), marks.frames_with(Mark.DROP))

    def _request_sets(self, good: Iterable[int], bad: Iterable[int]) -> None:
        self._sets = (tuple(int(f) for f in good), tuple(int(f) for f in bad))
        missing = tuple(frame for frame in (*self._sets[0], *self._sets[1]) if frame not in self._cache)
        if missing:
            assert self._source is not None
            self._reader.submit(SETS, partial(tasks.read_positions, self._source, missing))
        else:
            self._show_sets(self._cache)

    @Slot(object)
    def _on_frames(self, reading: FramesReading | None) -> None:
        self._set_source(None if reading is None else reading.molecules)

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        self._weights = None if reading is None else np.array(reading.project.fit.weights)

    def _set_source(self, source: FrameSource | None) -> None:
        self._reader.stop(ONE)
        self._reader.stop(SETS)
        self._source = source
        self._cache.clear()
        self.atoms_changed.emit(None if source is None else source.atoms)
        self.request(self._session.selection.frame)

    @Slot(str, object, bool)
    def _on_finished(self, name: str, found: Any, stopped: bool) -> None:
        if stopped or name not in (ONE, SETS):
            return
        self._remember(found)
        if name == ONE and self._wanted in found:
            self.frame_ready.emit(self._wanted, found[self._wanted])
        elif name == SETS:
            self._show_sets({**self._cache, **found})

    def _show_sets(self, known: dict[int, np.ndarray] | OrderedDict[int, np.ndarray]) -> None:
        if all(frame in known for members in self._sets for frame in members):
            self.sets_ready.emit(*([known[frame] for frame in members] for members in self._sets))

    def _remember(self, found: dict[int, np.ndarray]) -> None:
        self._cache.update(found)
        each = max(next(iter(found.values())).nbytes, 1) if found else 1
        while len(self._cache) > max(CACHED_BYTES // each, 2):
            self._cache.popitem(last=False)

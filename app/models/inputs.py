"""What a fit is made from: edits of the inputs, reading map and frames again, and the look at both together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from app.models.check_model import CheckModel, CheckState
from app.models.document import FRAME_FIELDS, MAP_FIELDS, Document, Draft
from app.models.readings import FramesReading, MapReading
from app.models.runner import Runner
from app.workers import tasks
from mdweights_core.errors import BadInput, MdweightsError

if TYPE_CHECKING:
    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.scattering.solvent_fit import SolventFit

READ_MAP, READ_FRAMES = "reading the map", "reading the frames"
CHECK, CHOOSE, SOLVENT = "checking the frames", "choosing atoms", "fitting the bulk solvent"
INPUTS = (READ_MAP, READ_FRAMES, CHECK, CHOOSE, SOLVENT)


class InputsModel(QObject):
    """Keeps what is known of map and frames that of the document's draft.

    Parameters
    ----------
    reader, checker : Runner
        Files are read on `reader`; what takes some seconds and follows every edit runs on `checker`.
    document : Document
    out : Path
        The project that a fit would fill.

    Signals
    -------
    n_frames_changed(int)
        Other frames were read.
    atoms_chosen(object)
        How many atoms the selection that was tried chooses, or the BadInput there is.
    """

    said = Signal(str)
    failed = Signal(object)
    n_frames_changed = Signal(int)
    atoms_chosen = Signal(object)

    def __init__(
        self, reader: Runner, checker: Runner, document: Document, out: Path, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.check = CheckModel(self)
        self._reader, self._checker, self._document, self._out = reader, checker, document, out
        self._awaited: set[str] = set()
        self._handlers: Mapping[str, Callable[[Any], None]] = {
            READ_MAP: self._map_read,
            READ_FRAMES: self._frames_read,
            CHECK: self._checked,
            CHOOSE: self.atoms_chosen.emit,
            SOLVENT: self._solvent_fitted,
        }
        for runner in (reader, checker):
            runner.finished.connect(self._on_finished)
            runner.failed.connect(self._on_failed)

    def edit(self, **changes: Any) -> None:
        """Change inputs; what depends on them is read again."""
        former = self._document.draft
        changed = self._document.update(**changes)
        draft = self._document.draft
        is_map_other = bool(changed & MAP_FIELDS) or ("cell" in changed and self._typed_cell_counts)
        are_frames_others = bool(changed & FRAME_FIELDS) or draft.scattering.altloc != former.scattering.altloc
        if changed:
            self.read(
                *([READ_MAP] if is_map_other and draft.map is not None else []),
                *([READ_FRAMES] if are_frames_others and draft.frames else []),
            )

    def read(self, *names: str) -> None:
        """Read what of map and frames is named; then, or at once, they are looked at together."""
        self._awaited |= set(names)
        self._look_again()
        for name, job in ((READ_MAP, tasks.read_map), (READ_FRAMES, tasks.read_frames)):
            if name in names:
                self._reader.submit(name, partial(job, self._document.draft))

    def clear(self) -> None:
        """Give up what is read or looked at."""
        for name in (READ_MAP, READ_FRAMES):
            self._reader.stop(name)
        self._checker.stop()
        self._awaited.clear()
        self.check.clear()

    def stop(self) -> None:
        """Ask the fit of a bulk solvent to end."""
        self._checker.stop(SOLVENT)

    def check_frames(self) -> None:
        """Look at the frames beside the map: what fits, what does not, and what structure factors will take."""
        try:
            self._document.draft.require_complete()
        except MdweightsError as problem:
            self.failed.emit(problem)
            return
        self._look_again()

    def try_selection(self, text: str) -> None:
        """Ask how many atoms a selection chooses; `atoms_chosen` tells."""
        frames = self._document.frames
        if frames is not None and frames.molecules is not None and frames.is_trajectory and text:
            self._checker.submit(CHOOSE, partial(tasks.select, frames.molecules, text))

    def fit_solvent(self, bragg: Path) -> None:
        """Fit density and B factor of the bulk solvent to the Bragg amplitudes of an MTZ file and set both."""
        frames = self._document.frames
        if frames is None or not frames.is_trajectory:
            what = "There are no molecules to fit a bulk solvent around"
            self.failed.emit(BadInput(what, advice="Open a trajectory first"))
            return
        self._checker.stop(CHECK)  # what comes out is looked at again
        used = None if self._document.map is None else self._document.map.used
        self._checker.submit(SOLVENT, partial(tasks.fit_solvent, self._document.draft, used, bragg))

    @property
    def _typed_cell_counts(self) -> bool:
        """True where the cell of the map is not certainly its file's own."""
        return self._document.asks_for_cell or self._document.map is None

    def _look_again(self) -> None:
        """Begin the look at the frames anew, when map and frames are known; a former one is given up."""
        self._checker.stop(CHECK)
        document = self._document
        used = None if document.map is None else document.map.used
        if self._awaited:  # it begins when they are read
            if self.check.state is not CheckState.NONE:
                self.check.start()
            return
        if used is None or document.frames is None or not document.frames.is_trajectory:
            self.check.clear()
            return
        self.check.start()
        self._checker.submit(CHECK, partial(tasks.check, document.draft, used, self._out))

    # ---- what the jobs found

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: object, stopped: bool) -> None:
        self._awaited.discard(name)
        if name in self._handlers and not stopped:
            self._handlers[name](result)
        elif name == SOLVENT:
            self._look_again()

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name not in self._handlers:
            return
        self._awaited.discard(name)
        if isinstance(error, MdweightsError) and name in (CHECK, CHOOSE):
            # told where it belongs: nobody pressed anything
            if name == CHECK:
                self.check.fail(error)
            else:
                self.atoms_chosen.emit(error)
            return
        if self._document.fitted is None:  # a fit stays to be looked at when its files have moved away
            if name == READ_MAP:
                self._document.update(map=None)
                self._document.set_map(None)
            if name == READ_FRAMES:
                self._forget_frames(error)
        if name in (READ_MAP, READ_FRAMES, SOLVENT):
            self._look_again()
        self.failed.emit(error)

    def _forget_frames(self, error: object) -> None:
        """A trajectory that lacks its topology stays, so that the topology can be given next."""
        lacks_topology = self._document.draft.topology is None
        if not (lacks_topology and isinstance(error, BadInput) and "topolog" in error.sentence.lower()):
            self._document.update(frames=(), topology=None)
        self._document.set_frames(None)
        self.n_frames_changed.emit(0)

    def _map_read(self, reading: MapReading) -> None:
        self._document.set_map(reading)
        self._look_again()

    def _frames_read(self, reading: FramesReading) -> None:
        fitted = self._document.fitted
        if fitted is None:
            self.n_frames_changed.emit(reading.n_frames)
        elif reading.n_frames != len(fitted.project.fit.weights):
            what = f"The fit has {len(fitted.project.fit.weights)} frames, but the files hold {reading.n_frames} now"
            self.failed.emit(BadInput(what, where=self._document.draft.frames[0], advice="Run the fit again"))
            return
        self._document.set_frames(reading)
        self._look_again()

    def _checked(self, result: tuple[Draft, FrameCheck | None]) -> None:
        draft, check = result
        if draft == self._document.draft:  # else another look is under way
            self.check.finish(check)

    def _solvent_fitted(self, fitted: SolventFit) -> None:
        """Numbers as the form shows them: a draft must not change by being looked at."""
        k_sol, b_sol = round(fitted.k_sol, 3), round(fitted.b_sol, 1)
        self.edit(scattering=replace(self._document.draft.scattering, solvent="mask", k_sol=k_sol, b_sol=b_sol))
        self._look_again()  # also when these are the numbers of before
        self.said.emit(fitted.sentence)

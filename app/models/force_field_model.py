"""Parameters of an energy in the window: what is asked of them, how it goes, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal, Slot

from app.models.force_field_readings import (
    EnsembleReading,
    EnsembleRequest,
    Loaded,
    ObservableRow,
    ParameterRow,
    SystemRequest,
)
from app.models.force_field_tables import ObservableTable, ParameterTable
from app.models.long_run import LongRun
from app.workers import force_field_tasks as tasks
from mdweights_core.errors import BadInput, MdweightsError, counted

if TYPE_CHECKING:
    from app.models.runner import Runner
    from app.models.session import Session
    from mdweights_core.dynamics.models.form_settings import FormSettings

LOAD, LOOK, READ, FORM = "loading parameters", "observable", "reading targets", "reading a term"
SENSITIVITY, TUNE = "sensitivities", "tuning"
FRAMES, SAVE = "writing the ensemble", "writing parameters"
CHECKPOINTS = {SENSITIVITY: "sensitivity.npz", TUNE: "tuning.npz"}
_RUNS = (SENSITIVITY, TUNE)


class ForceFieldModel(LongRun):
    """Loads one system, and takes derivatives of its ensemble or tunes its parameters, one run at a time.

    A run is asked by an `EnsembleRequest`, and its reading is an `EnsembleReading`.

    Attributes
    ----------
    parameters : ParameterTable
    observables : ObservableTable
    forms : tuple of FormSettings
        Terms that were typed.
    loaded : Loaded, optional

    Signals
    -------
    loaded_changed(object)
        There is another `Loaded`.
    forms_changed(object)
        There are other terms.
    form_refused(object)
        Why a term cannot be read: a MdweightsError.
    frames_written(object)
        Paths of frames and perhaps their topology, that are to become the frames of the document.
    """

    loaded_changed = Signal(object)
    forms_changed = Signal(object)
    form_refused = Signal(object)
    frames_written = Signal(object)

    _request: EnsembleRequest | None
    reading: EnsembleReading | None

    def __init__(self, session: Session, runner: Runner, scratch: Path) -> None:
        super().__init__(session, runner)
        self._scratch = scratch
        self._checkpoint: Path | None = None
        self.parameters, self.observables = ParameterTable(self), ObservableTable(self)
        self.loaded: Loaded | None = None
        self.forms: tuple[FormSettings, ...] = ()
        self.is_loading = False

    # ---- what can be asked

    @property
    def can_resume(self) -> bool:
        """True when the last run was stopped before its end, and its checkpoint is there."""
        if self.is_running or self._request is None or self._checkpoint is None or not self._checkpoint.exists():
            return False
        is_known = self.reading is not None and self.reading.request is self._request
        return not is_known or (self.reading is not None and self.reading.is_stopped)

    def is_left(self, tunes: bool) -> bool:
        """True when the project holds a run of another session, which the same request goes on with."""
        return not self.is_running and self._request is None and self._usual_checkpoint(tunes).exists()

    @property
    def working(self) -> str:
        """What would be lost by the end, as a sentence; empty when nothing is."""
        return "Parameters are being looked at." if self.is_running else ""

    def missing(self, system: SystemRequest, tunes: bool) -> str:
        """Why nothing can be run yet, as a sentence; empty when it can."""
        if self.is_loading:
            return "The system is being made ready."
        if self.loaded is None or self.loaded.system != system:
            return "Press Load: it finds the parameters of this system and checks its derivatives."
        if not any(row.is_chosen for row in self.parameters.rows):
            return "Tick parameters in the Force tab."
        if not self.observables.rows:
            return "Add an observable in the Force tab."
        if tunes and not any(row.is_target and not row.is_held_out for row in self.observables.rows):
            return "Type observed values, with errors, in the Force tab."
        return ""

    # ---- acts

    def load(self, system: SystemRequest) -> None:
        """Make a system ready, and show its parameters."""
        if not (self.is_running or self.is_loading):
            self.is_loading = True
            self.running_changed.emit(False)
            self._runner.submit(LOAD, partial(tasks.load, system))

    def add_form(self, form: FormSettings) -> None:
        """Take a term that was typed, if it can be read; it takes the place of one of the same name."""
        self._runner.submit(FORM, partial(tasks.read_form, form))

    def remove_form(self, name: str) -> None:
        """Leave a term out."""
        self._set_forms(tuple(form for form in self.forms if form.name != name))

    def _set_forms(self, forms: tuple[FormSettings, ...]) -> None:
        self.forms = forms
        self.forms_changed.emit(forms)

    def add_observable(self, text: str) -> None:
        """Look at another observable, such as 'B CA'."""
        if self.loaded is not None and text:
            self._runner.submit(f"{LOOK} {text}", partial(tasks.look_at, self.loaded, text))  # all that wait count

    def read_targets(self, path: Path) -> None:
        """Take observed values from a table."""
        if self.loaded is None:
            self.failed.emit(BadInput("No system is loaded", advice="Press Load in the Force field panel first"))
            return
        self._runner.submit(READ, partial(tasks.read_targets, self.loaded, path, self.observables.rows))

    def use_tuned(self) -> None:
        """Put the tuned values into the table of parameters."""
        if self.reading is not None and self.reading.tuning is not None:
            tuning = self.reading.tuning
            values = dict(zip(tuning.parameters, tuning.values.tolist(), strict=True))
            rows = self.parameters.rows
            self.parameters.set_rows([replace(row, value=values.get(row.name, row.value)) for row in rows])

    def start(self, request: EnsembleRequest) -> None:
        """Run from the beginning."""
        if self.is_running or self.loaded is None:
            return
        self._checkpoint = self._usual_checkpoint(request.tuning is not None)
        for path in (self._checkpoint, self._checkpoint.with_name(f"{self._checkpoint.stem}.simulation.npz")):
            path.unlink(missing_ok=True)
        self._submit(request)

    def take_up(self, request: EnsembleRequest) -> None:
        """Go on with what another session left; it is refused when it is of something else."""
        tunes = request.tuning is not None
        if self.is_left(tunes) and self.loaded is not None:
            self._checkpoint = self._usual_checkpoint(tunes)
            self._submit(request)

    @Slot()
    def stop(self) -> None:
        """Ask a running job to end with what it has."""
        for name in (*_RUNS, LOAD):
            self._runner.stop(name)

    def write_frames(self, target: Path) -> None:
        """Write the ensemble as frames, and open them as the frames of the document."""
        if self.reading is not None:
            self._runner.submit(FRAMES, partial(tasks.write_frames, self.reading, target))

    def save(self, target: Path) -> None:
        """Write tuned values (.toml) or derivatives (.csv)."""
        if self.reading is not None:
            self._runner.submit(SAVE, partial(tasks.save, self.reading, target))

    def _submit(self, request: EnsembleRequest) -> None:
        assert self.loaded is not None
        assert self._checkpoint is not None
        self._request = request
        name, task = (SENSITIVITY, tasks.sensitivities) if request.tuning is None else (TUNE, tasks.tune)
        self._begin(name, request, partial(task, self.loaded, request, self._checkpoint))

    def _usual_checkpoint(self, tunes: bool) -> Path:
        saved = self._session.document.saved_path
        return (self._scratch if saved is None else saved) / CHECKPOINTS[TUNE if tunes else SENSITIVITY]

    # ---- what comes back

    @Slot(str, object, bool)
    def _on_finished(self, name: str, result: Any, stopped: bool) -> None:
        if name in _RUNS:
            self._end(result, _outcome)
        elif name == LOAD:
            self._on_loaded(result)
        elif name == FORM and result is not None:
            self._set_forms((*(form for form in self.forms if form.name != result.name), result))
        elif name.startswith(LOOK) and result is not None:
            self._add_rows(result)
        elif name == READ and result is not None:
            self.observables.set_rows(result)
        elif name in (FRAMES, SAVE) and result is not None:
            self.said.emit(f"Wrote {', '.join(path.name for path in result)}")
            if name == FRAMES:
                self.frames_written.emit(result)

    def _add_rows(self, rows: tuple[ObservableRow, ...]) -> None:
        known = {row.name for row in self.observables.rows}
        if twice := [row.name for row in rows if row.name in known]:
            self.failed.emit(BadInput(f"The observable '{twice[0]}' is there already", advice="Type another one"))
        else:
            self.observables.set_rows((*self.observables.rows, *rows))

    def _on_loaded(self, loaded: Loaded | None) -> None:
        self.is_loading = False
        if loaded is not None:
            was, self.loaded = self.loaded, loaded
            if was is not None and was.system.name == loaded.system.name:
                self.parameters.set_rows(_kept(self.parameters.rows, loaded))
            else:
                self.parameters.set_rows(loaded.parameters)
                self.observables.set_rows(loaded.observables)
            self.loaded_changed.emit(loaded)
            self.said.emit(f"{loaded.studied.told}: {counted(len(loaded.parameters), 'parameter')}")
        self.running_changed.emit(False)

    @Slot(str, object)
    def _on_failed(self, name: str, error: object) -> None:
        if name not in (*_RUNS, LOAD, READ, FORM, FRAMES, SAVE) and not name.startswith(LOOK):
            return
        if name in (*_RUNS, LOAD):
            self.is_loading = False
            self._break_off(error)
        if name == FORM and isinstance(error, MdweightsError):
            self.form_refused.emit(error)
        else:
            self.failed.emit(error)


def _kept(rows: Sequence[ParameterRow], loaded: Loaded) -> list[ParameterRow]:
    """The rows of a system that is loaded again, with what was typed into those of the same name and unit."""
    known = {(row.name, row.unit): row for row in rows}
    return [known.get((row.name, row.unit), row) for row in loaded.parameters]


def _outcome(reading: EnsembleReading) -> str:
    """How a run ended, without its full stop."""
    if reading.tuning is not None:
        return reading.tuning.verdict.partition(". ")[0].removesuffix(".")
    assert reading.found is not None
    found = reading.found
    stopped = "Stopped: " if found.stopped else ""
    pairs = counted(len(found.observables) * len(found.parameters), "derivative")
    return f"{stopped}{pairs} of {reading.request.system.name}, {found.verdict}"

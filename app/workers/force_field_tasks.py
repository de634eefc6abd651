"""What the window asks of parameters of an energy: systems made ready, derivatives, fits, ensembles as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.models.force_field_readings import (
    EnsembleReading,
    EnsembleRequest,
    Loaded,
    ObservableRow,
    ParameterRow,
    SystemRequest,
)
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job, Progress, retold

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.form_settings import FormSettings
    from mdweights_core.dynamics.observables.base import Observable
    from mdweights_core.dynamics.tuning.targets import Targets
    from mdweights_core.workflow.sensitivity_systems import Studied

SETTING_UP = "setting up"
_FRAMES = 2048  # that are kept, at most
_USUAL = SensitivitySettings()


# ---- systems and what they have


def load(system: SystemRequest) -> Job[Loaded]:
    """Make a system ready and compare its derivatives with differences.

    Raises
    ------
    BadInput
        What cannot be read or set up; an expression that cannot be parsed; derivatives that are wrong.
    """
    yield Progress(SETTING_UP, message=f"Setting up {system.name}")
    made = _made(system)
    yield Progress(SETTING_UP, message=f"Comparing derivatives of {system.name} with differences")
    from mdweights_core.dynamics.models.checks import checked

    studied = replace(made, simulated=checked(made.simulated))
    rows = tuple(ParameterRow.of(parameter) for parameter in studied.simulated.parameters)
    return Loaded(system, studied, rows, _suggested(studied), studied.simulated.remarks)


def _made(system: SystemRequest) -> Studied:
    from mdweights_core.workflow import sensitivity_systems as systems

    if system.small:
        return systems.small(system.small)
    assert system.structure is not None
    if system.network is not None:
        return systems.network(
            system.structure,
            system.network,
            select=system.select,
            crystal=system.energy.crystal,
            model=system.energy.model,
            kelvin=system.kelvin,
        )
    from mdweights_core.dynamics.models.term_file import TermFile
    from mdweights_core.workflow.sensitivity_molecules import molecule

    added = TermFile(system.forms)
    return molecule(system.structure, system.energy, system.coordinates, system.names, system.kelvin, added)


def _suggested(studied: Studied) -> tuple[ObservableRow, ...]:
    """Observables that a user may begin with."""
    simulated = studied.simulated
    n_atoms = len(studied.reference)
    if simulated.n == 1:
        texts = ["x 0", "x^2 0"]
    elif simulated.dimension == 1:
        texts = ["u^2 0 1"]
    elif studied.atoms is not None:
        texts = ["Rg"]
    else:
        texts = ["r 0 1"] if n_atoms < 4 else ["u^2 0", "energy"]
    return rows_of(studied, texts)


def rows_of(studied: Studied, texts: Sequence[str]) -> tuple[ObservableRow, ...]:
    """The numbers of observables, without targets.

    Raises
    ------
    BadInput
        For a text that names none.
    """
    from mdweights_core.workflow.sensitivity_observables import observables_of

    return tuple(ObservableRow(text, name) for text in texts for name in observables_of([text], studied).names)


def read_form(form: FormSettings) -> Job[FormSettings]:
    """A term that was typed, if its expression can be read.

    Raises
    ------
    BadInput
        With the sentence of the parser.
    """
    yield Progress(SETTING_UP, message=f"Reading the term {form.name}")
    from mdweights_core.energy.expressions import Expression

    tables = (("periodicdistance", 6),) if form.kind == "atom" else ()  # as `models.expression` knows it
    names = Expression(form.expression, tables).names
    if unused := [it.name for it in form.parameters if it.name not in names]:
        raise BadInput(f"The expression does not use {', '.join(unused)}", advice="Leave the parameter out")
    return form


def look_at(loaded: Loaded, text: str) -> Job[tuple[ObservableRow, ...]]:
    """The rows of an observable.

    Raises
    ------
    BadInput
        For a text that names none.
    """
    yield Progress(SETTING_UP, message=f"Looking at {text}")
    return rows_of(loaded.studied, [text])


def read_targets(loaded: Loaded, path: Path, rows: tuple[ObservableRow, ...]) -> Job[tuple[ObservableRow, ...]]:
    """The rows with the observed values of a table (`dynamics.tuning.targets.read_targets`); others are added.

    Raises
    ------
    BadInput
        For a table that cannot be read, and targets of no observable.
    """
    yield Progress(SETTING_UP, message=f"Reading {path.name}")
    from mdweights_core.dynamics.tuning import targets as files
    from mdweights_core.workflow.sensitivity_observables import observables_of, targets_of

    found = files.read_targets(path)
    texts = tuple(dict.fromkeys(row.text for row in rows))
    try:
        named = targets_of(found, observables_of(texts, loaded.studied))
    except BadInput:  # a table of observables that are not there yet
        rows = rows_of(loaded.studied, found.names)
        named = targets_of(found, observables_of(found.names, loaded.studied))
    place = {name: i for i, name in enumerate(named.names)}
    return tuple(_observed(row, named, place.get(row.name)) for row in rows)


def _observed(row: ObservableRow, found: Targets, i: int | None) -> ObservableRow:
    if i is None:
        return row
    value, sigma, is_held_out = float(found.values[i]), float(found.sigmas[i]), bool(found.held_out[i])
    return replace(row, value=value, sigma=sigma, is_held_out=is_held_out)


# ---- runs


def sensitivities(loaded: Loaded, request: EnsembleRequest, checkpoint: Path) -> Job[EnsembleReading]:
    """Simulate and take derivatives; stopped, what there is is kept, and the same request goes on from there.

    Snapshots hold ``observables``, ``parameters`` and ``at`` beside what the core tells.
    """
    yield Progress(SETTING_UP, message=f"Setting up {request.system.name}")
    from mdweights_core.dynamics.job import sensitivity
    from mdweights_core.workflow.sensitivity_observables import observables_of

    studied = _varied(loaded, request)
    observable = observables_of(_texts(request), studied)
    settings = _settings(request, studied)
    if studied.topology is not None:
        settings = replace(settings, frames=max(1, min(settings.samples, _FRAMES // settings.replicas)))
    job = sensitivity(studied.simulated, observable, settings, checkpoint=checkpoint)
    found = yield from retold(job, partial(_named, observable=observable, studied=studied))
    return EnsembleReading(request, studied, found, None, found.frames)


def tune(loaded: Loaded, request: EnsembleRequest, checkpoint: Path) -> Job[EnsembleReading]:
    """Fit parameters to what was observed; stopped, the best that there is is kept.

    Snapshots hold ``observables``, ``parameters`` and ``at`` beside what the core tells.
    """
    yield Progress(SETTING_UP, message=f"Setting up {request.system.name}")
    from mdweights_core.workflow.sensitivity_observables import observables_of
    from mdweights_core.workflow.tune import tune_system

    studied, targets = _varied(loaded, request), _targets(request)
    observable = observables_of(_texts(request), studied)
    job = tune_system(
        studied,
        observable,
        targets,
        request.tuned,
        _settings(request, studied),
        checkpoint=checkpoint,
        with_frames=studied.topology is not None,
    )
    found = yield from retold(job, partial(_named, observable=observable, studied=studied))
    return EnsembleReading(request, studied, found.last, found.tuning, found.frames)


def _named(seen: Progress, observable: Observable, studied: Studied) -> Progress:
    """A snapshot that tells what its rows and columns are."""
    if not seen.arrays:
        return seen
    names = {
        "observables": np.array(observable.names),
        "parameters": np.array([it.name for it in studied.simulated.parameters]),
    }
    walked = seen.arrays.get("theta")
    at = np.array(studied.simulated.theta) if walked is None else walked[-1].copy()
    return replace(seen, arrays={**seen.arrays, **names, "at": at})


def _varied(loaded: Loaded, request: EnsembleRequest) -> Studied:
    """The system with the values and bounds of the table, and those parameters that are ticked."""
    was = {it.name: (it.low, it.high) for it in loaded.studied.simulated.parameters}
    chosen = [row.name for row in request.parameters if row.is_chosen]
    if not chosen:
        raise BadInput("No parameter is ticked", advice="Tick those that count in the Force tab")
    values = {row.name: row.value for row in request.parameters}
    bounds = {row.name: (row.low, row.high) for row in request.parameters if (row.low, row.high) != was[row.name]}
    return loaded.studied.at(values, bounds).only(chosen if len(chosen) < len(was) else ())


def _texts(request: EnsembleRequest) -> tuple[str, ...]:
    if not request.texts:
        raise BadInput("There is nothing to observe", advice="Add an observable in the Force tab")
    return request.texts


def _targets(request: EnsembleRequest) -> Targets:
    from mdweights_core.dynamics.tuning.targets import Targets

    rows = [row for row in request.observables if row.is_target]
    if not rows:
        raise BadInput("Nothing was observed to tune to", advice="Type observed values in the Force tab")
    values, sigmas = (np.array([getattr(row, name) for row in rows]) for name in ("value", "sigma"))
    held_out = np.array([row.is_held_out for row in rows])
    return Targets.of([row.name for row in rows], values, sigmas, held_out)


def _settings(request: EnsembleRequest, studied: Studied) -> SensitivitySettings:
    """How it is simulated, with what the system needs in place of what was left to it."""
    from mdweights_core.dynamics.models.step import suggested_step

    settings, system = request.simulation, request.system
    if request.is_step_suggested:
        is_own = bool(system.small) or system.network is not None
        settings = replace(settings, step=suggested_step(studied.simulated) if is_own else _USUAL.step)
    if not float(studied.simulated.kt) and settings.estimators == _USUAL.estimators:
        settings = replace(settings, estimators=("pathwise",))
    return settings


# ---- files


def write_frames(reading: EnsembleReading, target: Path) -> Job[tuple[Path, ...]]:
    """Write the ensemble as frames (.pdb, .xtc) and, beside an XTC, its topology; the files."""
    yield Progress("exporting", message=f"Writing {target.name}")
    from mdweights_core.workflow.sensitivity_frames import write_ensemble_frames

    return tuple(write_ensemble_frames(reading.studied, reading.frames, target))


def save(reading: EnsembleReading, target: Path) -> Job[tuple[Path, ...]]:
    """Write tuned values as TOML, or all derivatives as CSV.

    Raises
    ------
    BadInput
        For what there is not.
    """
    yield Progress("exporting", message=f"Writing {target.name}")
    from mdweights_core.workflow.sensitivity import write_jacobian
    from mdweights_core.workflow.sensitivity_values import write_tuned

    if target.suffix.lower() == ".toml":
        if reading.tuning is None:
            raise BadInput("Nothing was tuned", advice="Save derivatives as .csv, or tune first")
        write_tuned(target, reading.tuning, reading.studied.told, reading.studied.held, reading.studied.forms)
    elif reading.found is None:
        raise BadInput("There are no derivatives of this run", advice="Save the tuned values as .toml")
    else:
        write_jacobian(reading.found, target)
    return (target,)

"""The whole main job: from files to a project with its validation and its meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.jobs import Job, Stopped
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import FitInputs, Project, provenance
from mdweights_core.scattering.settings import Execution, PredictSettings
from mdweights_core.scattering.storage.names import remove_others
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.weights.validation.result import judged
from mdweights_core.workflow.answers import check_folds, energies_check, explained, saved, validated
from mdweights_core.workflow.destination import check_destination, check_room
from mdweights_core.workflow.problem import FrameFactors, weight_problem

if TYPE_CHECKING:
    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.weights.problem import WeightProblem


def fit_project(
    inputs: FitInputs,
    predict_settings: PredictSettings,
    fit_settings: FitSettings,
    out: Path,
    start_weights: np.ndarray | None = None,
    *,
    validation_settings: ValidationSettings | None = ValidationSettings(),
    meaning_settings: MeaningSettings | None = MeaningSettings(),
    execution: Execution = Execution(),
    memory: float | None = None,
    bragg: Path | None = None,
    on_check: Callable[[FrameCheck], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Job[Project]:
    """Read the map, get the frames' structure factors, fit the weights, validate and explain them, save the project.

    Parameters
    ----------
    inputs : FitInputs
    predict_settings : PredictSettings
    fit_settings : FitSettings
    out : Path
        The project folder NAME.mdw; an existing one is overwritten when the weights are there, its structure factors
        reused when they still fit.
    start_weights : float64 [n_frames], optional
        Where the fit begins.
    validation_settings : ValidationSettings or None
        None leaves the validation out, as do settings of nothing.
    meaning_settings : MeaningSettings or None
        None leaves the meaning of the weights out.
    execution : Execution
        Where structure factors are computed.
    memory : float, optional
        Bytes that structure factors may take in the fit; more, and they are read from disk in every pass.
    bragg : Path, optional
        Bragg amplitudes that density and B factor of the bulk solvent are fitted to first.
    on_check : callable, optional
        Told what was seen in the frames before their structure factors are computed, when they have to be.
    on_note : callable, optional
        Told what else was found, as a fitted bulk solvent, in a sentence.

    Yields
    ------
    Progress
        Stages "reading", "structure factors", "weights", "saving", "validation", "meaning".

    Returns
    -------
    Project
        Also when it is stopped once there are weights: with what is finished.

    Raises
    ------
    BadInput
        Any input that cannot be used; the project there is unchanged then, as when the job is stopped before there are
        weights.
    """
    check_destination(out)
    energies = energies_check(meaning_settings)
    making = weight_problem(
        inputs,
        predict_settings,
        fit_settings,
        out,
        execution=execution,
        memory=memory,
        bragg=bragg,
        on_check=on_check,
        on_note=on_note,
    )
    project, is_whole = yield from _fitted(
        out, inputs, fit_settings, start_weights, making, validation_settings, energies
    )
    if meaning_settings is None or not is_whole:
        return project
    return (yield from _explained(project, meaning_settings))


def _fitted(
    out: Path,
    inputs: FitInputs,
    settings: FitSettings,
    start_weights: np.ndarray | None,
    making: Job[tuple[WeightProblem, FrameFactors]],
    validation_settings: ValidationSettings | None,
    energies: Callable[[np.ndarray], np.ndarray] | None,
) -> Job[tuple[Project, bool]]:
    """The saved project with its validation, and False where it was stopped.

    The structure factors, which may be most of the memory, are let go of with this frame.
    """
    if validation_settings is not None and validation_settings.is_nothing:
        validation_settings = None
    problem, factors = yield from making
    check_room(out, problem, 0 if validation_settings is None else validation_settings.samples)
    if validation_settings is not None:
        check_folds(validation_settings, problem)
    if energies is not None:
        energies(factors.store.frames.time)
    from mdweights_core.weights.fit import fit_weights  # loads JAX: only here, on the thread that computes

    fit = yield from fit_weights(problem, settings, start_weights)
    store, told = factors.store, provenance(inputs)
    project = Project(out, inputs, factors.settings, settings, fit, store.frames, told, store.path.name)
    yield from saved(project)
    if not factors.is_given:
        remove_others(store.path)
    if fit.stopped or validation_settings is None:
        return project, not fit.stopped
    try:
        validation = yield from validated(project, problem, validation_settings)
        project = replace(project, validation=validation, fit=judged(project.fit, validation))
        yield from saved(project)
    except Stopped:
        return project, False
    return project, validation.complete


def _explained(project: Project, settings: MeaningSettings) -> Job[Project]:
    """The saved project with the meaning of its weights; without it where that is stopped."""
    try:
        project = replace(project, meaning=(yield from explained(project, settings)))
        yield from saved(project)
    except Stopped:
        pass
    return project

"""What is asked of a fit and kept beside it: why to believe its weights, and what they go with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.jobs import Job, Progress
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import Project
from mdweights_core.weights.settings import ValidationSettings

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.weights.problem import WeightProblem
    from mdweights_core.weights.validation.result import Validation

WEIGHTS_NAME = "weights.csv"
"""The table of weights in a project's folder."""


def saved(project: Project) -> Job[Project]:
    """Save a project, and its weights as a table beside its arrays: whoever waits for no validation reads these."""
    from mdweights_core.exports.tables import export_csv

    yield Progress("saving", message=f"Saving {project.path.name}")
    project.save()
    export_csv(project, project.path / WEIGHTS_NAME)
    return project


def validated(project: Project, problem: WeightProblem, settings: ValidationSettings) -> Job[Validation]:
    """Why to believe the weights of a project, or why not."""
    from mdweights_core.meaning.features import runs
    from mdweights_core.weights.validation.validate import validate

    return (yield from validate(problem, project.fit, settings, runs=runs(project.frames)[0]))


def explained(
    project: Project,
    settings: MeaningSettings,
    sets: tuple[np.ndarray, np.ndarray] | None = None,
) -> Job[Meaning]:
    """What the weights of a project go with; `sets` are good and bad frames, bool [n_frames] each, where given."""
    from mdweights_core.meaning.explain import explain

    bootstrap = None if project.validation is None else project.validation.bootstrap
    return (
        yield from explain(
            project.frame_source(),
            project.frames,
            project.fit.weights,
            None if bootstrap is None else bootstrap.weight_error,
            project.fit.prior,
            settings,
            sampled_weights=None if bootstrap is None else bootstrap.weights,
            sets=sets,
        )
    )


def check_folds(settings: ValidationSettings, problem: WeightProblem) -> None:
    """Refuse more folds than there are reflections, before hours of work.

    Raises
    ------
    BadInput
        When a fold would be empty.
    """
    if settings.folds > len(problem.observed):
        raise BadInput(
            f"{settings.folds} folds cannot be made of {counted(len(problem.observed), 'unique reflection')}",
            advice="Lower --folds; 5 are usual",
        )


def energies_check(settings: MeaningSettings | None) -> Callable[[np.ndarray], np.ndarray] | None:
    """Read the energies, and give what compares their rows with the frames' times; None without any."""
    from mdweights_core.meaning.energies import energies_of_frames, read_energies

    if settings is None or settings.energies is None:
        return None
    table, path = read_energies(settings.energies), settings.energies
    return lambda time: energies_of_frames(table, time, path)

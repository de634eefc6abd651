"""What is done with a saved project: validate it anew, explain its weights, select frames, run it again and compare."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.files import require_writable
from mdweights_core.jobs import Job, Progress, Stopped
from mdweights_core.meaning.result import Meaning
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import Project
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.settings import ValidationSettings
from mdweights_core.weights.validation.result import ThetaScan, judged
from mdweights_core.workflow import explained, fit_project, saved, validated, weight_problem

if TYPE_CHECKING:  # it loads JAX
    from mdweights_core.weights.problem import WeightProblem


def validate_project(project: Project, settings: ValidationSettings, memory: float | None = None) -> Job[Project]:
    """Ask again whether the weights of a project can be believed; the project is saved with the answer.

    Structure factors may take `memory`, in bytes, as in `workflow.fit_project`: the project remembers nothing of it.

    Raises
    ------
    BadInput
        When its input files are gone or hold something else, or the settings leave nothing to validate.
    """
    if settings.is_nothing:
        raise BadInput(
            "folds, starts, thetas and samples are all 0: nothing would be validated",
            advice="Give at least one of --folds, --starts, --thetas and --samples",
        )
    require_writable(project.path)
    _require_unchanged(project)
    problem = yield from _problem(project, memory)
    validation = yield from validated(project, problem, settings)
    if not validation.complete:
        return project  # what was there says more
    project = replace(project, validation=validation, fit=judged(project.fit, validation))
    if project.meaning is not None:  # its errors are those of the bootstrap
        meaning = yield from explained(project, project.meaning.settings, _given_sets(project.meaning))
        project = replace(project, meaning=meaning)
    return (yield from saved(project))


def scan_project(project: Project, settings: ValidationSettings, memory: float | None = None) -> Job[ThetaScan]:
    """Scan theta; the project stays as it is, and so does the scan that it may hold. `memory` as in `validate_project`.

    Raises
    ------
    BadInput
        When its input files are gone or hold something else, or the settings leave nothing to scan.
    """
    if settings.thetas < 2 or settings.folds < 2:
        raise BadInput("a scan needs at least two thetas and two folds", advice="Raise --thetas and --folds")
    _require_unchanged(project)
    problem = yield from _problem(project, memory)
    validation = yield from validated(project, problem, settings)
    if validation.theta_scan is None or not validation.complete:
        raise Stopped
    return validation.theta_scan


def explain_project(
    project: Project,
    settings: MeaningSettings,
    good: np.ndarray | None = None,
    bad: np.ndarray | None = None,
) -> Job[Project]:
    """Look for the meaning of a project's weights; the project is saved with it.

    Parameters
    ----------
    project : Project
    settings : MeaningSettings
    good, bad : int arrays, optional
        Frames to compare, both or none; by default those that gained and those that lost weight.

    Raises
    ------
    BadInput
        When its trajectory is gone or holds something else.
    """
    require_writable(project.path)
    _require_unchanged(project)
    n = len(project.fit.weights)
    sets = None if good is None or bad is None else (np.isin(np.arange(n), good), np.isin(np.arange(n), bad))
    meaning = yield from explained(project, settings, sets)
    return (yield from saved(replace(project, meaning=meaning)))


def select_project(project: Project, settings: SelectionSettings) -> Job[Project]:
    """Keep or leave out whole frames of a project, for the correlation its weights were fitted to; it is saved with it.

    What a selection that is stopped has reached is kept; one that left out nothing yet leaves the former as it is.

    Raises
    ------
    BadInput
        When its input files are gone or hold something else, or the settings leave nothing to select.
    """
    require_writable(project.path)
    _require_unchanged(project)
    made = yield from _selected(project, settings)
    if made.selection is None or (made.selection.stopped and made.selection.kept.all()):
        return project
    return (yield from saved(made))


def _selected(project: Project, settings: SelectionSettings, memory: float | None = None) -> Job[Project]:
    from mdweights_core.weights.selection.select import select_frames  # loads JAX

    problem = yield from _problem(project, memory)
    selection = yield from select_frames(problem, project.fit_settings.objective, settings)
    return replace(project, selection=selection)


def _problem(project: Project, memory: float | None) -> Job[WeightProblem]:
    """What the weights of a project were fitted to, with that many bytes for structure factors."""
    problem, _ = yield from weight_problem(
        project.inputs, project.predict_settings, project.fit_settings, project.path, memory=memory
    )
    return problem


@dataclass(frozen=True)
class RerunReport:
    """How a fit that was run again compares with the one saved.

    Attributes
    ----------
    same : bool
        Every number is bitwise the same.
    differences : dict of str to float
        Largest absolute difference of each array or number that is not.
    largest_weight_difference : float
    sentence : str
    """

    same: bool
    differences: dict[str, float]
    largest_weight_difference: float
    sentence: str


def rerun(project: Project, memory: float | None = None) -> Job[RerunReport]:
    """Run the jobs of a project again from its input files, and compare every number with those saved.

    The project is not changed; structure factors are computed again, too, in a folder that is deleted. `memory` as in
    `validate_project`.

    Raises
    ------
    BadInput
        When input files are gone or hold something else, or the fit was stopped before its end.
    """
    _require_unchanged(project)
    if project.fit.stopped or (project.validation is not None and not project.validation.complete):
        raise BadInput("the fit was stopped before its end, so it cannot be run again to the same place",
                       where=project.path, advice="Fit again without stopping")  # fmt: skip
    yield Progress("reading", message=f"Running {project.path.name} again")
    beside = project.path.absolute().parent  # the disk that had room for it, unless it is an archive that only is read
    place = beside if os.access(beside, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix=".rerun-", dir=place) as folder:
        again = yield from fit_project(
            project.inputs,
            project.predict_settings,
            project.fit_settings,
            Path(folder) / project.path.name,
            project.fit.start,
            validation_settings=None if project.validation is None else project.validation.settings,
            meaning_settings=None,
            memory=memory,
        )
        if again.fit.stopped or (again.validation is not None and not again.validation.complete):
            raise Stopped
        if project.meaning is not None:
            meaning = yield from explained(again, project.meaning.settings, _given_sets(project.meaning))
            again = replace(again, meaning=meaning)
        if project.selection is not None and not project.selection.stopped:
            again = yield from _selected(again, project.selection.settings, memory)
            if again.selection is not None and again.selection.stopped:
                raise Stopped
    return _compared(project, again)


def _given_sets(meaning: Meaning) -> tuple[np.ndarray, np.ndarray] | None:
    sets = meaning.sets
    return (sets.good > 0, sets.bad > 0) if sets is not None and sets.is_given else None


def _compared(before: Project, again: Project) -> RerunReport:
    differences: dict[str, float] = {}
    for part in ("fit", "validation", "meaning", "selection"):
        _compare(part, getattr(before, part), getattr(again, part), differences)
    weights = float(np.abs(before.fit.weights - again.fit.weights).max())
    if not differences:
        sentence = "Every number is the same to the last bit."
    else:
        sentence = (
            f"{counted(len(differences), 'result')} not the same; weights differ by at most {weights:.1e}, "
            f"{_largest(differences)}. {_why(before, again)}"
        )
    return RerunReport(not differences, differences, weights, sentence)


def _largest(differences: dict[str, float]) -> str:
    """The largest difference of numbers, or what was there in one run only."""
    finite = {name: value for name, value in differences.items() if np.isfinite(value)}
    if not finite:
        return f"and {next(iter(differences))} is something else"
    worst = max(finite, key=lambda name: finite[name])
    return f"the largest difference is {finite[worst]:.1e} in {worst}"


def _why(before: Project, again: Project) -> str:
    """Other versions are the usual reason."""
    then, now = before.provenance, again.provenance
    old, new = then.get("packages", {}), now.get("packages", {})
    changed = [f"{name} {old.get(name)} then, {new[name]} now" for name in new if old.get(name) != new[name]]
    if then.get("program") != now.get("program"):
        changed.insert(0, f"{then.get('program')} then, {now.get('program')} now")
    elif "source" in then and then["source"] != now["source"]:
        changed.insert(0, f"another version of mdweights, although both are called {now['program']}")
    if changed:
        return f"Other versions: {'; '.join(changed)}."
    if "source" not in then:
        return "It was another machine, one with another number of cores, or another version of mdweights."
    return "Programs and libraries are the same: it was another machine, or one with another number of cores."


def _compare(name: str, one: Any, other: Any, found: dict[str, float]) -> None:
    """Collect differences of everything numbers are in; seconds are no results."""
    parts, others = _parts(one), _parts(other)
    if parts is not None and others is not None:
        for key in sorted((parts.keys() | others.keys()) - {"seconds"}):
            _compare(f"{name}.{key}", parts.get(key), others.get(key), found)
    elif isinstance(one, np.ndarray | float) and isinstance(other, np.ndarray | float):
        _compare_numbers(name, np.asarray(one), np.asarray(other), found)
    elif isinstance(one, str | int | bool | None) and one != other:
        found[name] = float("inf")


def _parts(value: Any) -> dict[str, Any] | None:
    """What a value is made of, by name; None for what has no parts."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        return {str(i): part for i, part in enumerate(value)}
    return None


def _compare_numbers(name: str, one: np.ndarray, other: np.ndarray, found: dict[str, float]) -> None:
    if one.shape != other.shape:
        found[name] = float("inf")
    elif not np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"):
        differ = (one != other) & ~(_is_nan(one) & _is_nan(other))
        change = np.abs(one[differ].astype(np.complex128) - other[differ].astype(np.complex128))
        found[name] = float(np.where(np.isnan(change), np.inf, change).max())


def _is_nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, dtype=bool)


def _require_unchanged(project: Project) -> None:
    changed = project.changed_files()
    if changed:
        raise BadInput(
            "an input file of the project is gone or holds something else now",
            where=changed[0],
            advice="Put it back, or fit again",
        )

"""The whole main job as generators: from files to a project. `mdweights fit`, the window and the demo all run this."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, cell_parameters, format_cell, same_cell
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.errors import BadInput, DiskProblem, counted
from mdweights_core.io.files import disk_problem
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.io.maps.contents import given_cell
from mdweights_core.io.maps.mtz_file import parse_space_group
from mdweights_core.jobs import Job, Progress, Stopped
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import FitInputs, Project, observed_map, provenance
from mdweights_core.scattering.frame_run import (
    FrameRun,
    check,
    compute,
    in_project,
    is_done,
    settings_behind,
    with_fitted_solvent,
    with_source,
)
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import Execution, PredictSettings
from mdweights_core.scattering.storage.names import STORE_PATTERN, begin_with_older, remove_others
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.bragg import BraggData, bragg_data, bragg_lattice, union
from mdweights_core.weights.prior import read_prior
from mdweights_core.weights.settings import MIN_REFLECTIONS, FitSettings, ValidationSettings

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.weights.problem import WeightProblem
    from mdweights_core.weights.validation.result import Validation

__all__ = [
    "WEIGHTS_NAME",
    "FrameFactors",
    "FrameRun",
    "check",
    "check_destination",
    "compute",
    "fit_project",
    "in_project",
    "is_done",
    "load_map",
    "open_complete_store",
    "run_for_predict",
    "run_on_cell",
    "run_on_map",
    "saved",
    "settings_behind",
    "structure_factors_of",
    "weight_problem",
    "with_fitted_solvent",
]

WEIGHTS_NAME = "weights.csv"
"""The table of weights in a project's folder."""

_SHORTEST_EDGE = 2.0  # angstrom, of a unit cell: copper has 3.6, tungsten 3.2


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
    energies = _energies(meaning_settings)
    problem, factors = yield from weight_problem(
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
    if validation_settings is not None and validation_settings.is_nothing:
        validation_settings = None
    if validation_settings is not None:
        check_folds(validation_settings, problem)
    if energies is not None:
        energies(factors.store.frames.time)
    from mdweights_core.weights.fit import fit_weights  # loads JAX: only here, on the thread that computes

    fit = yield from fit_weights(problem, fit_settings, start_weights)
    store, told = factors.store, provenance(inputs)
    project = Project(out, inputs, factors.settings, fit_settings, fit, store.frames, told, store.path.name)
    yield from saved(project)
    if not factors.is_given:
        remove_others(store.path)
    return (yield from _proved(project, problem, validation_settings, meaning_settings))


def _energies(settings: MeaningSettings | None) -> Callable[[np.ndarray], np.ndarray] | None:
    """Read the energies, and give what compares their rows with the frames' times; None without any."""
    from mdweights_core.meaning.energies import energies_of_frames, read_energies

    if settings is None or settings.energies is None:
        return None
    table, path = read_energies(settings.energies), settings.energies
    return lambda time: energies_of_frames(table, time, path)


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


def saved(project: Project) -> Job[Project]:
    """Save a project, and its weights as a table beside its arrays: whoever waits for no validation reads these."""
    from mdweights_core.exports.tables import export_csv

    yield Progress("saving", message=f"Saving {project.path.name}")
    project.save()
    export_csv(project, project.path / WEIGHTS_NAME)
    return project


def _proved(
    project: Project,
    problem: WeightProblem,
    validation_settings: ValidationSettings | None,
    meaning_settings: MeaningSettings | None,
) -> Job[Project]:
    """The project with validation and meaning; what is finished when it is stopped. A stopped fit has neither."""
    if project.fit.stopped:
        return project
    try:
        if validation_settings is not None:
            validation = yield from validated(project, problem, validation_settings)
            project = replace(project, validation=validation)
            yield from saved(project)
            if not validation.complete:
                return project
        del problem  # its structure factors may be most of the memory
        if meaning_settings is not None:
            project = replace(project, meaning=(yield from explained(project, meaning_settings)))
            yield from saved(project)
    except Stopped:
        pass
    return project


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


def validated(project: Project, problem: WeightProblem, settings: ValidationSettings) -> Job[Validation]:
    """Why to believe the weights of a project, or why not."""
    from mdweights_core.meaning.features import runs
    from mdweights_core.weights.validation.validate import validate

    return (yield from validate(problem, project.fit, settings, runs=runs(project.frames)[0]))


class FrameFactors(NamedTuple):
    """Structure factors of all frames, what they were computed with, and whether they were given as a store."""

    store: StructureFactorStore
    settings: PredictSettings
    is_given: bool


def weight_problem(
    inputs: FitInputs,
    predict_settings: PredictSettings,
    fit_settings: FitSettings,
    out: Path,
    *,
    execution: Execution = Execution(),
    memory: float | None = None,
    bragg: Path | None = None,
    on_check: Callable[[FrameCheck], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Job[tuple[WeightProblem, FrameFactors]]:
    """Read the map and get the frames' structure factors: what weights are fitted to. Arguments as of `fit_project`."""
    yield Progress("reading", message=f"Reading {Path(inputs.map).name}")
    diffuse_map = load_map(inputs)
    bragg_intensities = None
    if inputs.bragg is not None and fit_settings.bragg_weight > 0:
        bragg_intensities = bragg_data(
            inputs.bragg,
            diffuse_map.lattice,
            inputs.d_min,
            inputs.d_max,
            free_fraction=fit_settings.free_fraction,
            seed=fit_settings.seed,
        )
    factors = yield from structure_factors_of(
        inputs,
        diffuse_map,
        predict_settings,
        out,
        execution=execution,
        bragg=bragg,
        beside=bragg_intensities,
        on_check=on_check,
        on_note=on_note,
    )
    n_frames = factors.store.n_frames
    prior = None if inputs.prior is None else read_prior(inputs.prior, n_frames)
    from mdweights_core.weights.problem import build_problem  # loads JAX, too

    problem = yield from build_problem(
        diffuse_map,
        factors.store,
        fit_settings,
        prior=prior,
        bragg=bragg_intensities,
        memory=memory,
        scratch=out if out.is_dir() else out.parent,
    )
    return problem, factors


def structure_factors_of(
    inputs: FitInputs,
    diffuse_map: DiffuseMap,
    settings: PredictSettings,
    out: Path,
    *,
    execution: Execution = Execution(),
    bragg: Path | None = None,
    beside: BraggData | None = None,
    on_check: Callable[[FrameCheck], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Job[FrameFactors]:
    """The frames' structure factors on the map's lattice: of the store given, or of one in the folder `out`.

    Those that are there already are not computed again. Arguments and errors as of `fit_project`; Bragg reflections
    `beside` the map join its lattice.
    """
    run = yield from run_on_map(inputs, diffuse_map, settings, out)
    if run is not None and beside is not None:
        lattice = union(run.lattice, bragg_lattice(beside, run.lattice))
        run = replace(run, lattice=lattice)
    if run is None:
        store = open_complete_store(inputs.frames[0])
        return FrameFactors(store, settings_behind(store) or settings, is_given=True)
    run = in_project((yield from with_fitted_solvent(run, bragg)), out)
    if on_note is not None and run.note:
        on_note(run.note)
    if on_check is not None and not is_done(run) and (checked := (yield from check(run))):
        on_check(checked)
    yield from begin_with_older(run.out, run.key)
    return FrameFactors((yield from compute(run, execution)), run.settings, is_given=False)


def check_destination(out: Path) -> None:
    """Refuse to write a project over anything that is not one, or where nothing can be written.

    Raises
    ------
    BadInput
        For a name or a place of something else.
    DiskProblem
        When the place cannot be looked at or written to: said now and not after hours of work.
    """
    try:
        _refuse_strangers(out)
        parent = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    except OSError as error:
        raise disk_problem(error, out) from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DiskProblem("nothing can be written here", where=parent, advice="Choose another folder")


def _refuse_strangers(out: Path) -> None:
    if out.suffix != ".mdw":
        raise BadInput("a project's name must end in .mdw", where=out, advice=f"Try {out.name}.mdw")
    if out.is_file() or (out.is_symlink() and not out.exists()):
        raise BadInput("there is a file or a broken link of this name", where=out, advice="Choose another name")
    if out.is_dir() and not (out / "project.json").exists():
        ours = (".*", STORE_PATTERN)
        strangers = sorted(p.name for p in out.iterdir() if not any(p.match(pattern) for pattern in ours))
        if strangers:
            raise BadInput(
                f"the folder is not a project and holds other files ({', '.join(strangers[:3])})",
                where=out,
                advice="Choose another name",
            )


def load_map(inputs: FitInputs) -> DiffuseMap:
    """The observed map of `inputs`, between its resolution limits, with enough reflections to be fitted."""
    diffuse_map = observed_map(inputs)
    n_unique = len(laue_groups(diffuse_map.lattice))
    if n_unique < MIN_REFLECTIONS:
        raise BadInput(
            f"the map has only {n_unique} unique reflections between the resolution limits, too few to fit anything",
            where=inputs.map,
            advice=f"Widen --d-min and --d-max; at least {MIN_REFLECTIONS} are needed",
        )
    return diffuse_map


def run_on_map(
    inputs: FitInputs, diffuse_map: DiffuseMap, settings: PredictSettings, out: Path
) -> Job[FrameRun | None]:
    """The run that gives the frames' structure factors on the map's lattice; None when they are a store already."""
    cell = _typed_cell(inputs.cell)
    if cell is not None and not same_cell(cell, diffuse_map.lattice.cell):
        raise BadInput(
            f"the cell given ({format_cell(cell)}) is not the map's ({format_cell(diffuse_map.lattice.cell)})",
            where=inputs.map,
            advice="Leave the cell out to use the map's, or give the map that belongs to these frames",
        )
    if frame_kind(inputs.frames) == "store":
        return None
    yield Progress("reading", message="Sorting the reflections of the map")
    lattice = replace(laue_groups(diffuse_map.lattice).p1, space_group=diffuse_map.lattice.space_group)
    return FrameRun(tuple(inputs.frames), inputs.topology, lattice, settings, out, cell)


def run_on_cell(
    frames: tuple[Path, ...],
    topology: Path | None,
    settings: PredictSettings,
    out: Path,
    *,
    cell: tuple[float, ...] | None = None,
    space_group: str | None = None,
    d_min: float | None = None,
    d_max: float | None = None,
    ndiv: tuple[int, int, int] | None = None,
) -> Job[FrameRun]:
    """The run on all reflections of a cell between two limits, where there is no map.

    The cell is the one given, else that of the frames' box divided by the supercell. Indices are multiples of
    1 / `ndiv`, which is the supercell unless given.
    """
    yield Progress("reading", message=f"Opening {Path(frames[0]).name}")
    if d_min is None:
        raise BadInput("without a map the resolution is not known", advice="Give --d-min, or --map")
    if frame_kind(frames) != "trajectory":
        raise BadInput("structure factors are collected on the reflections of a map", advice="Give --map")
    if settings.expand_symmetry and space_group is None:
        raise BadInput(
            "without a map the space group of the asymmetric unit is not known",
            advice="Give --space-group, or leave --expand-symmetry out",
        )
    crystal, source = _crystal(frames, topology, settings, cell)
    group = parse_space_group(space_group or "P 1", crystal)
    if not crystal.is_compatible_with_spacegroup(group, 0.01):
        raise BadInput(
            f"the cell ({format_cell(crystal)}) does not fit the space group {group.xhm()}",
            advice="Give the space group of these frames, or --cell and --supercell as they are",
        )
    lattice = half_lattice(crystal, group, d_min, d_max, ndiv or settings.supercell or (1, 1, 1))
    if source is None:
        return FrameRun(frames, topology, lattice, settings, out, crystal)
    return with_source(FrameRun(frames, topology, lattice, settings, out), source)


def _crystal(
    frames: tuple[Path, ...], topology: Path | None, settings: PredictSettings, cell: tuple[float, ...] | None
) -> tuple[gemmi.UnitCell, FrameSource | None]:
    """The cell given; else that of the frames, which are open then."""
    typed = _typed_cell(cell)
    if typed is not None:
        return typed, None
    source = open_frames(frames, topology, altloc=settings.altloc)
    return _cell_of_box(source, settings), source


def _cell_of_box(source: FrameSource, settings: PredictSettings) -> gemmi.UnitCell:
    if source.cell is None:
        raise BadInput(
            "the frames carry no unit cell", where=source.paths[0], advice="Give --cell a,b,c,alpha,beta,gamma"
        )
    box = np.array(cell_parameters(source.cell))
    if settings.boxes == "mean":
        from mdweights_core.scattering.frames.placement import mean_box

        box = mean_box(source.boxes())
    box[:3] /= settings.supercell or (1, 1, 1)
    return _possible_cell(gemmi.UnitCell(*box))


def run_for_predict(
    frames: tuple[Path, ...],
    out: Path,
    *,
    topology: Path | None = None,
    settings: PredictSettings = PredictSettings(),
    map_inputs: FitInputs | None = None,
    cell: tuple[float, ...] | None = None,
    space_group: str | None = None,
    d_min: float | None = None,
    d_max: float | None = None,
    ndiv: tuple[int, int, int] | None = None,
) -> Job[FrameRun]:
    """What `mdweights predict` computes: on a map's lattice, or on all reflections of a cell down to `d_min`."""
    if frame_kind(frames) == "store":
        raise BadInput("these frames are structure factors already", where=frames[0])
    if out.suffix != ".zarr":
        stem = "frames" if out.name in ("", ".zarr") else out.name
        raise BadInput("a store's name must end in .zarr", where=out, advice=f"Try {stem}.zarr")
    if map_inputs is None:
        limits = {"d_min": d_min, "d_max": d_max}
        return (
            yield from run_on_cell(
                frames, topology, settings, out, cell=cell, space_group=space_group, ndiv=ndiv, **limits
            )
        )
    yield Progress("reading", message=f"Reading {Path(map_inputs.map).name}")
    run = yield from run_on_map(map_inputs, load_map(map_inputs), settings, out)
    assert run is not None  # a store was refused above
    return run


def open_complete_store(path: Path) -> StructureFactorStore:
    """A store all of whose frames are finished."""
    store = StructureFactorStore.open(path)
    if not store.is_complete:
        done = int(store.finished.sum())
        raise BadInput(
            f"only {done} of {store.n_frames} frames are finished",
            where=path,
            advice="Run `mdweights predict` again with the same arguments; it goes on where it stopped",
        )
    return store


def _typed_cell(cell: Sequence[float] | None) -> gemmi.UnitCell | None:
    made = given_cell(cell)
    return None if made is None else _possible_cell(made)


def _possible_cell(cell: gemmi.UnitCell) -> gemmi.UnitCell:
    """The cell, unless there is no room for an atom in it."""
    if min(cell.a, cell.b, cell.c) < _SHORTEST_EDGE:
        raise BadInput(
            f"a cell of {format_cell(cell)} has no room for an atom",
            advice="Lengths are in angstrom; --supercell counts the cells in the frames' box",
        )
    return cell

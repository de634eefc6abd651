"""What the window runs on its worker threads: short generators round the core, without Qt.

Every heavy import (JAX, mdtraj, SciPy) happens inside a task, so that it happens on a worker thread.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.models.readings import (
    ANISOTROPIC,
    MOLECULES,
    TOTAL,
    FitSnapshot,
    FramesReading,
    MapReading,
    ProjectReading,
    Volumes,
)
from mdweights_core.errors import BadInput, DiskProblem, MdweightsError
from mdweights_core.io.files import hold
from mdweights_core.io.frames.frame_files import frame_kind, frame_mtzs
from mdweights_core.jobs import Job, Progress, retold

if TYPE_CHECKING:
    from app.models.document import Draft
    from app.models.fit_plan import FitPlan
    from mdweights_core.crystal.lattice import DiffuseMap
    from mdweights_core.crystal.laue import LaueGroups
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.meaning.settings import MeaningSettings
    from mdweights_core.project import Project
    from mdweights_core.revisit import RerunReport
    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.scattering.settings import Execution
    from mdweights_core.scattering.solvent_fit import SolventFit
    from mdweights_core.weights.result import WeightFit
    from mdweights_core.weights.settings import ValidationSettings

AFTER_WEIGHTS = ("validation", "meaning")
"""Stages of a fit whose weights are saved."""


def warm_up() -> Job[None]:
    """Load what the first fit needs, while the user still looks for files."""
    yield Progress("loading", message="Loading the numerical libraries")
    import jax.numpy as jnp

    import mdweights_core.workflow  # noqa: F401 - imported to have it loaded

    jnp.zeros(1).block_until_ready()


def read_map(draft: Draft) -> Job[MapReading]:
    """Describe a map file and, where it can be read as a diffuse map, make its volumes."""
    from mdweights_core.io.maps.observed import describe_map
    from mdweights_core.project import observed_map

    assert draft.map is not None
    yield Progress("reading", message=f"Reading {draft.map.name}")
    try:
        summary = describe_map(draft.map, draft.cell)
    except BadInput as problem:
        if draft.cell is None:
            raise
        return MapReading(describe_map(draft.map), problem=problem, is_cell_wrong=True)  # a wrong cell loses no map
    yield Progress("reading", message=f"Sorting the reflections of {draft.map.name}")
    try:
        used = observed_map(draft.map_inputs())
    except MdweightsError as problem:
        return MapReading(summary, problem=problem)
    d = used.lattice.d_spacing
    return MapReading(summary, used, (float(d.min()), float(d.max())), map_volumes(used))


def map_volumes(diffuse: DiffuseMap) -> Volumes:
    """Volumes of a map alone: equivalent reflections averaged."""
    from mdweights_core.crystal.merging import average_equivalents
    from mdweights_core.crystal.shells import anisotropic_operator

    merged = average_equivalents(diffuse)
    total = {"observed": merged.intensity}
    if merged.sigma is not None:
        total["sigma"] = merged.sigma
    remove = anisotropic_operator(merged.groups.lattice.inverse_d)
    return _volumes(merged.groups, total, total | {"observed": remove(merged.intensity)})


def fit_volumes(fit: WeightFit) -> Volumes:
    """Volumes of a fit: observed, calculated, their difference and sigma, in total and anisotropic."""
    from mdweights_core.weights.result import anisotropic_maps

    maps = anisotropic_maps(fit)  # on a scale of their own: that of the total maps does not suit them
    total = {"observed": fit.observed, "calculated": fit.calculated}
    without_shells = {"observed": maps.observed, "calculated": maps.calculated}
    if fit.observed_sigma is not None:
        total["sigma"] = without_shells["sigma"] = fit.observed_sigma
    return _volumes(fit.groups, total, without_shells)


def _volumes(groups: LaueGroups, total: dict[str, np.ndarray], without_shells: dict[str, np.ndarray]) -> Volumes:
    from mdweights_core.crystal.volume import ReciprocalVolume

    components = {TOTAL: total, ANISOTROPIC: without_shells}
    for images in components.values():
        if "calculated" in images:
            images["difference"] = images["observed"] - images["calculated"]
    return Volumes({
        component: {name: ReciprocalVolume.from_groups(groups, values) for name, values in images.items()}
        for component, images in components.items()
    })  # fmt: skip


def read_frames(draft: Draft) -> Job[FramesReading]:
    """Say what the frames are: a trajectory, MTZ files, a checkpoint or a store of structure factors."""
    yield Progress("reading", message=f"Reading {draft.frames[0].name}")
    kind = frame_kind(draft.frames)
    if kind == "store":
        return _read_store(draft.frames[0])
    if kind == "mtz":
        return _read_mtz_frames(frame_mtzs(draft.frames))
    if kind == "checkpoint":
        return _read_checkpoint(draft.frames[0])
    return _read_molecules(draft)


def _read_store(path: Path) -> FramesReading:
    from mdweights_core.scattering.storage.store import StructureFactorStore
    from mdweights_core.workflow import settings_behind

    store = StructureFactorStore.open(path)
    missing = f"Only {int(store.finished.sum())} of {store.n_frames} frames are finished"
    warnings = () if store.is_complete else (missing,)
    names = _origins(store.frames.source, store.frames.index)
    settings = settings_behind(store)
    molecules = _molecules_behind(path, "" if settings is None else settings.altloc)
    n_atoms = 0 if molecules is None else len(molecules.atoms)
    time = np.asarray(store.frames.time)
    return FramesReading("structure factors", names, n_atoms, store.lattice.cell, warnings, molecules, time, settings)


def _molecules_behind(store: Path, altloc: str) -> FrameSource | None:
    """The trajectory a store was made from, of the same alternative conformer, when it is still where it was."""
    from mdweights_core.io.frames.trajectories import open_frames
    from mdweights_core.project import FitInputs, trajectory_of

    try:
        paths, topology = trajectory_of(FitInputs(map=store, frames=(store,)))  # the map is not looked at
        return open_frames(paths, topology, altloc=altloc) if paths else None
    except MdweightsError:
        return None


def _read_mtz_frames(files: tuple[Path, ...]) -> FramesReading:
    from mdweights_core.io.maps.mtz import describe_mtz

    summary = describe_mtz(files[0])
    problem = f"{files[0].name} has no pair of amplitude and phase columns"
    warnings = () if summary.frame_pair else (problem,)
    return FramesReading("reflection files", tuple(path.name for path in files), 0, summary.cell, warnings)


def _read_checkpoint(path: Path) -> FramesReading:
    from mdweights_core.io.maps.xtraj import open_checkpoint

    opened = open_checkpoint(path)
    names = _origins([path] * opened.n_frames, range(opened.n_frames))
    return FramesReading("structure factors", names, 0, opened.lattice.cell)


def _read_molecules(draft: Draft) -> FramesReading:
    source = _open_trajectory(draft)
    origins = [source.origin(frame) for frame in range(source.n_frames)]
    names = _origins([path for path, _ in origins], [index for _, index in origins])
    return FramesReading(MOLECULES, names, len(source.atoms), source.cell, tuple(source.warnings), source)


def _open_trajectory(draft: Draft) -> FrameSource:
    from mdweights_core.io.frames.trajectories import open_frames

    return open_frames(draft.frames, draft.topology, altloc=draft.scattering.altloc)


def _origins(sources: Any, indices: Any) -> tuple[str, ...]:
    return tuple(f"{Path(source).name} #{int(index)}" for source, index in zip(sources, indices, strict=True))


def read_positions(source: FrameSource, frames: tuple[int, ...]) -> Job[dict[int, np.ndarray]]:
    """Coordinates (angstrom) of a few frames, for the molecule view."""
    found: dict[int, np.ndarray] = {}
    for number, frame in enumerate(frames):
        yield Progress("reading frames", number, len(frames), "Reading coordinates")
        found[frame] = np.array(source.positions(frame), dtype=np.float32)
    return found


def select(source: FrameSource, text: str) -> Job[int]:
    """How many atoms a selection chooses; BadInput where it makes no sense or chooses none."""
    from mdweights_core.io.frames.selection import select_atoms

    yield Progress("selecting", message="Choosing atoms")
    return len(select_atoms(source.atoms, text))


def check(draft: Draft, diffuse: DiffuseMap, out: Path) -> Job[tuple[Draft, FrameCheck | None]]:
    """Look at the frames of a draft beside its map; None for structure factors, which have no atoms to look at."""
    from mdweights_core import workflow

    run = yield from workflow.run_on_map(draft.inputs(), diffuse, draft.scattering, out)
    return draft, None if run is None else (yield from workflow.check(workflow.in_project(run, out)))


def fit_solvent(draft: Draft, diffuse: DiffuseMap | None, bragg: Path) -> Job[SolventFit]:
    """Fit density and B factor of a bulk solvent to Bragg amplitudes."""
    from mdweights_core.scattering.solvent_fit import fit_solvent_of_frames

    yield Progress("bulk solvent", message=f"Reading {bragg.name}")
    lattice = None if diffuse is None else diffuse.lattice
    return (yield from fit_solvent_of_frames(_open_trajectory(draft), lattice, draft.scattering, bragg))


def fit(draft: Draft, plan: FitPlan, out: Path, start_weights: np.ndarray | None, execution: Execution) -> Job[Any]:
    """The whole main job, then the volumes that show its result; None when stopped before there were weights.

    As soon as the weights are saved its snapshots are `FitSnapshot`: validation and meaning may take much longer.
    """
    from mdweights_core.weights.settings import FitSettings
    from mdweights_core.workflow import fit_project

    job = fit_project(
        draft.inputs(),
        draft.scattering,
        FitSettings(**plan.fit),
        out,
        start_weights,
        execution=execution,
        validation_settings=_validation_settings(plan.validation),
        meaning_settings=_meaning_settings(plan.meaning),
    )
    project = yield from retold(job, _WithReadings(out))
    return None if project is None else _project_reading(project)


class _WithReadings:
    """Snapshots of a fit that tell of the project that lies in `out` while its weights are asked about."""

    def __init__(self, out: Path) -> None:
        self._out, self._stage = out, ""
        self._reading: ProjectReading | None = None

    def __call__(self, seen: Progress) -> Progress:
        if seen.stage in AFTER_WEIGHTS and seen.stage != self._stage:
            self._reading = _project_reading(_open(self._out))
        self._stage = seen.stage
        return seen if self._reading is None else FitSnapshot(**vars(seen), reading=self._reading)


def validate(project: Project, settings: Mapping[str, Any]) -> Job[Project]:
    """Ask again whether the weights of a project can be believed."""
    from mdweights_core.revisit import validate_project

    chosen = _validation_settings(settings)
    assert chosen is not None
    return (yield from validate_project(project, chosen))


def explain(
    project: Project, settings: Mapping[str, Any], good: np.ndarray | None, bad: np.ndarray | None
) -> Job[Project]:
    """Look for the meaning of a project's weights; `good` and `bad` are frames to compare."""
    from mdweights_core.revisit import explain_project

    return (yield from explain_project(project, _meaning_settings(settings), good, bad))


def select_frames(project: Project, settings: Mapping[str, Any]) -> Job[Project]:
    """Keep or leave out whole frames of a project; stopping keeps what was reached."""
    from mdweights_core.revisit import select_project
    from mdweights_core.weights.selection.settings import SelectionSettings

    return (yield from select_project(project, SelectionSettings(**settings)))


def rerun(project: Project) -> Job[RerunReport]:
    """Run the jobs of a project again and compare."""
    from mdweights_core import revisit

    return (yield from revisit.rerun(project))


def _validation_settings(chosen: Mapping[str, Any] | None) -> ValidationSettings | None:
    from mdweights_core.weights.settings import ValidationSettings

    return None if chosen is None else ValidationSettings(**chosen)


def _meaning_settings(chosen: Mapping[str, Any]) -> MeaningSettings:
    from mdweights_core.meaning.settings import MeaningSettings

    return MeaningSettings(**chosen)


def open_project(path: Path) -> Job[ProjectReading]:
    """Open a saved project."""
    yield Progress("reading", message=f"Opening {path.name}")
    project = _open(path)
    return _project_reading(project, tuple(project.changed_files()))


def _open(path: Path) -> Project:
    from mdweights_core.project import Project

    return Project.open(path)


def _project_reading(project: Project, changed: tuple[str, ...] = ()) -> ProjectReading:
    error = _measured_error(project)
    return ProjectReading(project, fit_volumes(project.fit), _hidden_weights(project), changed, error)


def _measured_error(project: Project) -> float | None:
    """What the structure factors of a fit were found to be off, where they were computed and their store is there."""
    from mdweights_core.scattering.storage.store import StructureFactorStore

    try:
        error = StructureFactorStore.open(project.store_path).origin.get("measured_error")
    except MdweightsError:
        return None
    return float(error) if isinstance(error, int | float) else None


def _hidden_weights(project: Project) -> np.ndarray | None:
    """The weights the built-in example was made with; None for any other data."""
    from mdweights_core.example import example_inputs, hidden_weights

    try:
        if Path(project.inputs.map) != example_inputs().map:
            return None
        weights, _ = hidden_weights()
    except MdweightsError:  # an installation without the example
        return None
    return weights if len(weights) == len(project.fit.weights) else None


def save_project(project: Path, target: Path) -> Job[Path]:
    """Copy a project folder to `target`: whole or not at all."""
    yield Progress("saving", message=f"Saving {target.name}")
    if project.resolve() == target.resolve():
        return target
    fresh = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        with hold(project, wait=True):  # a job may be about to add to it
            shutil.copytree(project, fresh)
        _replace_folder(fresh, target)
    except OSError as error:
        raise DiskProblem(
            f"The project could not be saved: {error.strerror or error}",
            where=target,
            advice="Choose another place or free some space",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _replace_folder(fresh: Path, target: Path) -> None:
    """Put `fresh` where `target` is; a former project is removed only after the new one is complete."""
    former = target.with_name(f".{target.name}.former")
    if target.exists():
        shutil.rmtree(former, ignore_errors=True)
        target.rename(former)
    fresh.rename(target)
    shutil.rmtree(former, ignore_errors=True)


def export(kind: str, project: Project, target: Path) -> Job[Path]:
    """Write one of the exported files; `kind` is one of those that the menu offers."""
    yield Progress("exporting", message=f"Writing {target.name}")
    _exporter(kind)(project, target)
    return target


def _exporter(kind: str) -> Callable[[Any, Path], Any]:
    if kind == "html":
        from mdweights_core.report import write_report

        return write_report
    if kind in ("selection.csv", "selection.ndx"):
        return _selection_writer(kind)
    from mdweights_core import exports

    writers: dict[str, Callable[[Any, Path], Any]] = {
        "mtz": exports.export_mtz,
        "csv": exports.export_csv,
        "ndx": exports.export_ndx,
        "pdb": exports.export_pdb,
        "ccp4": exports.export_ccp4,
        "lat": exports.export_lat,
        "nxs": exports.export_checkpoint,
    }
    return writers[kind]


def _selection_writer(kind: str) -> Callable[[Project, Path], None]:
    """What writes the files of `mdweights select`."""
    from mdweights_core.weights.selection.files import write_csv, write_ndx

    write = write_csv if kind == "selection.csv" else write_ndx

    def call(project: Project, target: Path) -> None:
        if project.selection is None:
            raise BadInput("No frames were selected yet", advice="Press Select in the Selection tab first")
        write(project.selection, target)

    return call

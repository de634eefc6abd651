"""The whole main job as generators: from files to a project. `mdweights fit`, the window and the demo all run this."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, format_cell, same_cell
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.files import disk_problem
from mdweights_core.io.frame_files import frame_kind, frame_mtzs
from mdweights_core.io.mtz_file import parse_space_group
from mdweights_core.io.trajectories import open_frames
from mdweights_core.jobs import Job, Progress
from mdweights_core.project import STORE_NAME, FitInputs, Project, observed_map, provenance
from mdweights_core.scattering.predict import PredictSettings, collect_mtz_frames, half_lattice, predict
from mdweights_core.scattering.store import StructureFactorStore
from mdweights_core.weights.settings import MIN_REFLECTIONS, FitSettings


def fit_project(
    inputs: FitInputs,
    predict_settings: PredictSettings,
    fit_settings: FitSettings,
    out: Path,
    start_weights: np.ndarray | None = None,
) -> Job[Project]:
    """Read the map, get the frames' structure factors, fit the weights and save the project.

    Parameters
    ----------
    inputs : FitInputs
    predict_settings : PredictSettings
    fit_settings : FitSettings
    out : Path
        The project folder NAME.mdw; an existing one is overwritten, its structure factors reused when they still fit.
    start_weights : float64 [n_frames], optional
        Where the fit begins.

    Yields
    ------
    Progress
        Stages "reading", "structure factors", "weights", "saving".

    Raises
    ------
    BadInput
        Any input that cannot be used; the project there is unchanged then.
    """
    check_destination(out)
    yield Progress("reading", message=f"Reading {Path(inputs.map).name}")
    diffuse_map = load_map(inputs)
    store = yield from load_frames(inputs, diffuse_map, predict_settings, out / STORE_NAME)
    from mdweights_core.weights.fit import fit_weights  # loads JAX: only here, on the thread that computes
    from mdweights_core.weights.problem import build_problem

    problem = yield from build_problem(
        diffuse_map, store, free_fraction=fit_settings.free_fraction, seed=fit_settings.seed
    )
    fit = yield from fit_weights(problem, fit_settings, start_weights)
    yield Progress("saving", message=f"Saving {out.name}")
    project = Project(out, inputs, predict_settings, fit_settings, fit, store.frames, provenance(inputs))
    project.save()
    return project


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
        strangers = sorted(p.name for p in out.iterdir() if not p.name.startswith((".", STORE_NAME)))
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


def load_frames(
    inputs: FitInputs, diffuse_map: DiffuseMap, settings: PredictSettings, out: Path
) -> Job[StructureFactorStore]:
    """Structure factors of the frames on the map's lattice: from a store, per-frame MTZs or a trajectory."""
    if frame_kind(inputs.frames) == "store":
        return open_complete_store(inputs.frames[0])
    cell = typed_cell(inputs.cell)
    if cell is not None and not same_cell(cell, diffuse_map.lattice.cell):
        raise BadInput(
            f"the cell given ({format_cell(cell)}) is not the map's ({format_cell(diffuse_map.lattice.cell)})",
            where=inputs.map,
            advice="Leave the cell out to use the map's, or give the map that belongs to these frames",
        )
    lattice = laue_groups(diffuse_map.lattice).p1
    return (yield from frames_on_lattice(inputs.frames, inputs.topology, lattice, settings, out, cell))


def frames_on_lattice(
    frames: Sequence[Path],
    topology: Path | None,
    lattice: MillerLattice,
    settings: PredictSettings,
    out: Path,
    cell: gemmi.UnitCell | None = None,
) -> Job[StructureFactorStore]:
    """Fill the store at `out` with the frames' structure factors on a P1 half-lattice."""
    if frame_kind(tuple(frames)) == "mtz":
        return (yield from collect_mtz_frames(frame_mtzs(frames), lattice, out))
    yield Progress("reading", message=f"Opening {Path(frames[0]).name}")
    source = open_frames(tuple(frames), topology)
    return (yield from predict(source, lattice, settings, out, cell=cell))


def predict_frames(
    frames: tuple[Path, ...],
    out: Path,
    *,
    topology: Path | None = None,
    settings: PredictSettings | None = None,
    map_inputs: FitInputs | None = None,
    cell: tuple[float, ...] | None = None,
    space_group: str | None = None,
    d_min: float | None = None,
    d_max: float | None = None,
) -> Job[StructureFactorStore]:
    """`mdweights predict`: structure factors on a map's lattice, or on all reflections of a cell down to `d_min`."""
    if frame_kind(frames) == "store":
        raise BadInput("these frames are structure factors already", where=frames[0])
    if out.suffix != ".zarr":
        raise BadInput("a store's name must end in .zarr", where=out, advice=f"Try {out.name}.zarr")
    typed = typed_cell(cell)
    if map_inputs is not None:
        yield Progress("reading", message=f"Reading {Path(map_inputs.map).name}")
        lattice = laue_groups(load_map(map_inputs).lattice).p1
    else:
        lattice = _whole_lattice(frames, topology, typed, space_group, (d_min, d_max))
    return (yield from frames_on_lattice(frames, topology, lattice, settings or PredictSettings(), out, typed))


def _whole_lattice(
    frames: tuple[Path, ...],
    topology: Path | None,
    cell: gemmi.UnitCell | None,
    space_group: str | None,
    limits: tuple[float | None, float | None],
) -> MillerLattice:
    d_min, d_max = limits
    if d_min is None:
        raise BadInput("without a map the resolution is not known", advice="Give --d-min, or --map")
    if frame_kind(frames) == "mtz":
        raise BadInput("per-frame MTZ files are read on the reflections of a map", advice="Give --map")
    cell = cell or open_frames(frames, topology).cell
    if cell is None:
        raise BadInput("the frames carry no unit cell", where=frames[0], advice="Give --cell a,b,c,alpha,beta,gamma")
    return half_lattice(cell, parse_space_group(space_group or "P 1", cell), d_min, d_max)


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


def typed_cell(cell: Sequence[float] | None) -> gemmi.UnitCell | None:
    """A cell from six numbers (angstrom, degrees), or None."""
    if cell is None:
        return None
    if len(cell) != 6 or min(cell) <= 0 or max(cell[3:]) >= 180:
        raise BadInput("a cell needs three positive lengths and three angles below 180", advice="Give a,b,c,al,be,ga")
    made = gemmi.UnitCell(*cell)
    if not made.is_crystal() or not np.isfinite(made.volume) or made.volume <= 0:
        raise BadInput("these lengths and angles do not make a cell")
    return made

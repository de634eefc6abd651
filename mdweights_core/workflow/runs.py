"""The run that gives the structure factors of frames: on the reflections of a map, or on all of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import SHORTEST_EDGE, DiffuseMap, cell_parameters, format_cell, same_cell
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.io.maps.contents import given_cell
from mdweights_core.io.maps.mtz_file import parse_space_group
from mdweights_core.jobs import Job, Progress
from mdweights_core.project import FitInputs, observed_map
from mdweights_core.scattering.frame_run import FrameRun, with_source
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import MIN_REFLECTIONS


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


def _typed_cell(cell: Sequence[float] | None) -> gemmi.UnitCell | None:
    made = given_cell(cell)
    return None if made is None else _possible_cell(made)


def _possible_cell(cell: gemmi.UnitCell) -> gemmi.UnitCell:
    """The cell, unless there is no room for an atom in it."""
    if min(cell.a, cell.b, cell.c) < SHORTEST_EDGE:
        raise BadInput(
            f"a cell of {format_cell(cell)} has no room for an atom",
            advice="Lengths are in angstrom; --supercell counts the cells in the frames' box",
        )
    return cell

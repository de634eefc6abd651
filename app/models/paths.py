"""What files are, judged by their names: which of them are a map, frames, a topology, a project.

Only NeXus files have to be looked into: a table of mdx2 is a map, a checkpoint of xtraj holds a map and frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mdweights_core.errors import MdweightsError
from mdweights_core.io.frames.frame_files import CHECKPOINT, STORE, is_reflection_file, natural_order

TRAJECTORIES = (
    *(".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".netcdf", ".h5", ".hdf5", ".dtr", ".mdcrd", ".crd", ".lammpstrj"),
    *(".xyz", ".xyz.gz", ".inpcrd", ".restrt", ".rst7", ".ncrst"),
)
TOPOLOGIES = (
    *(".pdb", ".pdb.gz", ".ent", ".cif", ".cif.gz", ".mmcif", ".gro", ".psf", ".prmtop", ".parm7", ".prm7", ".top"),
    ".mol2",
)
MAPS = (".mtz", ".mtz.gz", ".lat", ".hkl", CHECKPOINT, ".ccp4", ".map", ".mrc")
PROJECT = ".mdw"


@dataclass(frozen=True)
class Sorted:
    """Dropped paths by what they are."""

    project: Path | None = None
    map: Path | None = None
    frames: tuple[Path, ...] = ()
    topology: Path | None = None
    unknown: tuple[Path, ...] = ()


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """True when the name ends in one of `suffixes`, whatever the case."""
    return path.name.lower().endswith(suffixes)


def is_frames_folder(path: Path) -> bool:
    """True for a folder with MTZ files in it."""
    return path.is_dir() and any(map(is_reflection_file, path.iterdir()))


def sort_paths(paths: Iterable[Path]) -> Sorted:
    """Tell map, frames, topology and project apart.

    One MTZ is a map; several, or a folder of them, are frames. A coordinate file beside a trajectory is its topology;
    alone, its models are the frames. A checkpoint is frames, its map too where no other is given.
    """
    given = list(paths)
    kinds = {path: _kind(path) for path in given}
    picked = {kind: [path for path in given if kinds[path] == kind] for kind in set(kinds.values())}
    merged, frames, models = picked.get("mtz", []), picked.get("frames", []), picked.get("topology", [])
    if len(merged) > 1:
        frames, merged = [*frames, *sorted(merged, key=natural_order)], []
    checkpoints = picked.get("checkpoint", [])
    maps = [*picked.get("map", []), *merged, *checkpoints]
    frames = frames or checkpoints
    if models and not frames:
        frames, models = models, []
    return Sorted(
        project=next(iter(picked.get("project", [])), None),
        map=maps[0] if maps else None,
        frames=tuple(frames),
        topology=models[0] if models else None,
        unknown=tuple(picked.get("unknown", [])),
    )


def _kind(path: Path) -> str:
    if path.suffix.lower() == PROJECT:
        return "project"
    if path.suffix.lower() == STORE or has_suffix(path, TRAJECTORIES) or is_frames_folder(path):
        return "frames"
    if is_reflection_file(path):
        return "mtz"
    if has_suffix(path, (CHECKPOINT,)):
        return _kind_of_nexus(path)
    if has_suffix(path, MAPS):
        return "map"
    return "topology" if has_suffix(path, TOPOLOGIES) else "unknown"


def _kind_of_nexus(path: Path) -> str:
    from mdweights_core.io.maps.observed import map_kind
    from mdweights_core.io.maps.xtraj import CHECKPOINT as WITH_FRAMES

    try:
        return "checkpoint" if map_kind(path) == WITH_FRAMES else "map"
    except MdweightsError:  # reading it as a map tells what is wrong
        return "map"

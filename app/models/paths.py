"""What files are, judged by their names alone: which of them are a map, frames, a topology, a project."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mdweights_core.io.frame_files import STORE, is_reflection_file, natural_order

TRAJECTORIES = (".xtc", ".dcd", ".nc", ".netcdf", ".ncdf", ".trr", ".h5", ".hdf5", ".mdcrd", ".crd", ".lh5")
TOPOLOGIES = (".pdb", ".pdb.gz", ".cif", ".ent", ".gro", ".parm7", ".prmtop", ".psf", ".top7")
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
    alone, its models are the frames.
    """
    given = list(paths)
    kinds = {path: _kind(path) for path in given}
    picked = {kind: [path for path in given if kinds[path] == kind] for kind in set(kinds.values())}
    maps, frames, models = picked.get("mtz", []), picked.get("frames", []), picked.get("topology", [])
    if len(maps) > 1:
        frames, maps = [*frames, *sorted(maps, key=natural_order)], []
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
    return "topology" if has_suffix(path, TOPOLOGIES) else "unknown"

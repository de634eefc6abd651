"""What the files given as frames are, judged by their names: a store, MTZ files or a trajectory, and in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mdweights_core.errors import BadInput

REFLECTIONS = (".mtz", ".mtz.gz")
STORE = ".zarr"
_TRAJECTORY_FOLDER = ".dtr"


def is_reflection_file(path: Path) -> bool:
    """True for the name of an MTZ file, compressed or not."""
    return path.name.lower().endswith(REFLECTIONS)


def frame_kind(frames: Sequence[Path]) -> str:
    """What the frames are: ``"store"``, ``"mtz"`` or ``"trajectory"``."""
    if not frames:
        raise BadInput("no frames were given", advice="Give a trajectory, a folder of MTZ files or a .zarr store")
    first = Path(frames[0])
    if first.suffix == STORE or (first / "zarr.json").exists():
        if len(frames) > 1:
            raise BadInput(
                "one store of structure factors is fitted at a time",
                where=frames[1],
                advice="Give one store, or all trajectory files at once",
            )
        return "store"
    if (first.is_dir() and first.suffix != _TRAJECTORY_FOLDER) or is_reflection_file(first):
        return "mtz"
    return "trajectory"


def frame_mtzs(frames: Sequence[Path]) -> tuple[Path, ...]:
    """The per-frame MTZ files behind the arguments, folders opened, in natural order (frame2 before frame10)."""
    found: list[Path] = []
    for path in map(Path, frames):
        if path.is_dir():
            found += sorted(filter(is_reflection_file, path.iterdir()), key=natural_order)
        else:
            found.append(path)
    if not found:
        raise BadInput(
            "the folder holds no MTZ files", where=frames[0], advice="Choose the folder of per-frame MTZ files"
        )
    return tuple(found)


def natural_order(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key under which ``frame_2`` comes before ``frame_10``, and numbers before letters."""
    parts = filter(None, re.split(r"(\d+)", path.name))
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts]

"""What the files given as frames are, judged by their names: a store, MTZ files, a checkpoint or a trajectory."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mdweights_core.errors import BadInput
from mdweights_core.io.files import unreadable

REFLECTIONS = (".mtz", ".mtz.gz")
STORE = ".zarr"
CHECKPOINT = ".nxs"
_TRAJECTORY_FOLDER = ".dtr"


def is_reflection_file(path: Path) -> bool:
    """True for the name of an MTZ file, compressed or not."""
    return path.name.lower().endswith(REFLECTIONS)


def frame_kind(frames: Sequence[Path]) -> str:
    """What the frames are: ``"store"``, ``"mtz"``, ``"checkpoint"`` or ``"trajectory"``."""
    if not frames:
        raise BadInput("no frames were given", advice="Give a trajectory, a folder of MTZ files or a .zarr store")
    first = Path(frames[0])
    if first.suffix == STORE or os.path.exists(first / "zarr.json"):  # False, too, where nobody may look
        _refuse_more(frames, "store of structure factors")
        return "store"
    if first.suffix.lower() == CHECKPOINT:
        _refuse_more(frames, "checkpoint of xtraj")
        return "checkpoint"
    if (os.path.isdir(first) and first.suffix != _TRAJECTORY_FOLDER) or is_reflection_file(first):
        return "mtz"
    return "trajectory"


def _refuse_more(frames: Sequence[Path], what: str) -> None:
    if len(frames) > 1:
        raise BadInput(
            f"one {what} is fitted at a time",
            where=frames[1],
            advice=f"Give one {what.split(maxsplit=1)[0]}, or all trajectory files at once",
        )


def frame_mtzs(frames: Sequence[Path]) -> tuple[Path, ...]:
    """The per-frame MTZ files behind the arguments, folders opened, in natural order (frame2 before frame10)."""
    found: list[Path] = []
    for path in map(Path, frames):
        try:
            found += sorted(filter(is_reflection_file, path.iterdir()), key=natural_order) if path.is_dir() else [path]
        except OSError as error:
            raise unreadable(error, path) from error
    if not found:
        raise BadInput(
            "the folder holds no MTZ files", where=frames[0], advice="Choose the folder of per-frame MTZ files"
        )
    return tuple(found)


def natural_order(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key under which ``frame_2`` comes before ``frame_10``, and numbers before letters."""
    parts = filter(None, re.split(r"(\d+)", path.name))
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts]

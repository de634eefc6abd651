"""The folder of a store of structure factors: is it one, who may write to it, and what is in its way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mdweights_core.errors import BadInput
from mdweights_core.io.files import disk_problem, hold_made

FORMAT = "mdweights structure factors"
SCHEMA = 2  # 1 had no checksums, no digests and a fixed number of frames; it is read, but not gone on with
_HEADER = "zarr.json"


def is_store(path: str | os.PathLike[str]) -> bool:
    """True when the folder was made by `StructureFactorStore.create`, whole or damaged."""
    return header_of(Path(path)) is not None


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Make the folder of a store if need be, and hold it: two runs must not mix their frames in one store.

    A folder that was made for it and is empty in the end is removed.

    Raises
    ------
    BadInput
        When something that is not a store is in the way.
    DiskProblem
        When another run holds the store, or the folder cannot be made.
    """
    _refuse_strangers(path)
    with hold_made(path):
        yield


def clear_way(path: Path) -> None:
    """Empty the folder of a store at `path`; BadInput when something else is there, which is never touched."""
    _refuse_strangers(path)
    if not path.exists():
        return
    with writing_to(path):
        # what makes it a store goes last: killed on the way, it is still one, and replaced next time
        for part in sorted(path.iterdir(), key=lambda part: part.name == _HEADER):
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _refuse_strangers(path: Path) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not is_store(path):
        raise BadInput(
            "The place for the structure factors is taken by something else",
            where=path,
            advice="Choose another place, or move it away",
        )
    refuse_newer(header_of(path) or {}, path)


def header_of(path: Path) -> dict[str, Any] | None:
    """Attributes of the group when it is one of ours, read without zarr so that damage elsewhere does not matter."""
    try:
        attributes = json.loads((path / _HEADER).read_text())["attributes"]
        return attributes if attributes["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refuse_newer(header: Mapping[str, Any], path: Path) -> None:
    """Raise BadInput for a store of a schema that is not known yet."""
    schema = header.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise BadInput(
            "This store of structure factors was made by a newer version of mdweights",
            where=path,
            advice="Update mdweights, or compute the structure factors again in another place",
        )


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Say what the operating system refused while the store was written."""
    try:
        yield
    except OSError as problem:
        raise disk_problem(problem, path) from problem

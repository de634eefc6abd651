"""The files of a project: `project.json`, and the array file that it points at.

Both are written under new names, flushed to disk and renamed, the pointer last: a killed program leaves the old project
or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.archives import read_arrays, write_arrays
from mdweights_core.io.files import atomic_write_text, hold_made

SCHEMA_VERSION = 2
"""1 knew no prior weights, no validation and no meaning of weights."""

_JSON_NAME = "project.json"


def read_record(path: Path) -> dict[str, Any]:
    """What `project.json` holds; BadInput when there is none, or a newer program wrote it."""
    file = path / _JSON_NAME
    if not file.is_file():
        raise BadInput("This is not an mdweights project", where=path, advice="Choose a folder NAME.mdw")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        version = int(record["schema_version"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadInput("The project file cannot be read", where=file, advice="Run the fit again") from error
    if version > SCHEMA_VERSION:
        raise BadInput(
            f"The project was written by a newer version of mdweights (schema {version}, this one knows "
            f"{SCHEMA_VERSION})",
            where=path,
            advice="Update mdweights",
        )
    return record


def arrays_of(path: Path, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that a record points at."""
    return read_arrays(path / record["arrays"])


def write_folder(path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write both files; what was there before stays until they are complete.

    Raises
    ------
    DiskProblem
        When they cannot be written; what was there before stays.
    """
    with hold_made(path, wait=True):  # two runs that save at once must not point at each other's arrays
        _write(path, record, arrays)


def _write(path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    old = {p.name for p in path.glob("fit-*.npz")}
    number = 1 + max((int(name[4:-4]) for name in old if name[4:-4].isdigit()), default=0)
    name = f"fit-{number:04d}.npz"
    write_arrays(path / name, arrays)
    numbered = {"schema_version": SCHEMA_VERSION, "arrays": name, **record}
    atomic_write_text(path / _JSON_NAME, json.dumps(numbered, indent=2, allow_nan=False) + "\n")
    for name in old:
        (path / name).unlink(missing_ok=True)

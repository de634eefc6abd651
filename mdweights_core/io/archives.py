"""NPZ files of arrays and, mostly, a record of plain values: written all at once, read with care."""

from __future__ import annotations

import json
import tokenize
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write, require_file

Read = TypeVar("Read")

DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,  # an array whose header tells of more than there can be
    RuntimeError,  # a method of compression that no one knows
    SyntaxError,  # the header of an array
    tokenize.TokenError,
    zipfile.BadZipFile,
)
"""What comes out when a file that was cut, overwritten or never of this kind is read."""

_RECORD = "record"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, all at once or not at all.

    Raises
    ------
    DiskProblem
        When they cannot be written; a file that was there stays.
    """

    def fill(target: Path) -> None:
        with target.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]

    atomic_write(path, fill)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file; whatever of `DAMAGE` is found on the way is raised."""
    with path.open("rb") as stream, np.load(stream) as file:
        return {name: file[name] for name in file.files}


def write_archive(path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write plain values and arrays; see `write_arrays`."""
    text = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
    write_arrays(path, {_RECORD: text, **arrays})


def read_archive(
    path: Path, read: Callable[[dict[str, Any], dict[str, np.ndarray]], Read], damaged: str, advice: str
) -> Read:
    """Read what `write_archive` wrote.

    Parameters
    ----------
    path : Path
    read : function
        From the record and the arrays to what they stand for.
    damaged, advice : str
        What a user is told about a file that this is not, and what to try.

    Raises
    ------
    BadInput
        When the file is not there, damaged, or something else.
    """
    require_file(path)
    try:
        arrays = read_arrays(path)
        return read(json.loads(arrays.pop(_RECORD).tobytes()), arrays)
    except DAMAGE as error:
        raise BadInput(damaged, where=path, advice=advice) from error

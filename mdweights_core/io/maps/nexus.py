"""NeXus (HDF5) files opened so that whatever is wrong in them is a sentence and never a huge array."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file
from mdweights_core.io.maps.mtz_file import cell_of_numbers

MAGIC = b"\x89HDF\r\n\x1a\n"

_PACKED = 1100  # deflate cannot make data smaller than that
_LONGEST_TEXT = 10_000
_HDF5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError, OverflowError)


@contextmanager
def open_nexus(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The open file (h5py.File) for reading; whatever h5py stumbles over in it becomes BadInput."""
    import h5py

    path = require_file(path)
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except _HDF5_ERRORS as error:
        detail = str(error.args[-1] if error.args else type(error).__name__).strip("'\"")[:120]
        detail = "it is cut off" if "truncated file" in detail else detail
        raise BadInput(
            f"The NeXus file is damaged or no NeXus file ({detail})", where=path, advice="Copy or make the file again"
        ) from error


@contextmanager
def write_nexus(path: Path, mode: str) -> Iterator[Any]:
    """The open file (h5py.File) for writing, ``w`` for a new one, ``r+`` to change one.

    Raises
    ------
    OSError
        When it cannot be written: h5py itself raises RuntimeError of a disk that is full when the file is closed.
    """
    import h5py

    try:
        with h5py.File(path, mode) as file:
            yield file
    except (OSError, RuntimeError) as error:
        told = re.search(r"errno = (\d+)", str(error))
        number = int(told.group(1)) if told else getattr(error, "errno", None) or errno.EIO
        raise OSError(number, os.strerror(number)) from error


def dataset(parent: Any, name: str) -> Any:
    """The array of numbers (h5py.Dataset) called `name` below a group; None when there is none.

    Raises
    ------
    ValueError
        When it claims more numbers than the file has room for, which `open_nexus` tells.
    """
    import h5py

    found = parent.get(name)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "iuf":
        return None
    size = math.prod(int(n) for n in found.shape) * found.dtype.itemsize
    room = os.path.getsize(found.file.filename) * (1 if found.chunks is None else _PACKED)
    if size > room:
        raise ValueError(f"{name} is larger than the file")
    return found


def numbers(parent: Any, name: str) -> np.ndarray | None:
    """All numbers called `name` below a group; None when there are none."""
    found = dataset(parent, name)
    return None if found is None else np.asarray(found[()])


def text(parent: Any, name: str) -> str | None:
    """The text called `name` below a group; None when there is none."""
    import h5py

    found = parent.get(name)
    if not isinstance(found, h5py.Dataset) or found.size != 1 or found.dtype.kind not in "OS":
        return None
    if found.dtype.itemsize > _LONGEST_TEXT:
        raise ValueError(f"{name} is too long")
    value = np.asarray(found[()]).reshape(-1)[0]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def crystal(group: Any) -> tuple[gemmi.UnitCell | None, gemmi.SpaceGroup | None]:
    """Cell and space group of an NXsample (``space_group`` or ``unit_cell_group``); None where absent or unusable."""
    values = numbers(group, "unit_cell")
    cell = None if values is None else cell_of_numbers(values.reshape(-1))
    name = text(group, "space_group") or text(group, "unit_cell_group")
    if not name or not name.isascii():
        return cell, None
    angles = (cell.alpha, cell.gamma) if cell else (0.0, 0.0)
    return cell, gemmi.find_spacegroup_by_name(name, *angles)


def require_rows(path: Path, name: str, values: np.ndarray | None, n_rows: int) -> np.ndarray:
    """A column of a table as float64 [n_rows]; BadInput when it is missing or of another length."""
    if values is None or values.shape != (n_rows,):
        raise BadInput(f"The column {name} is missing or not of {n_rows} rows", where=path, advice="Make it again")
    return values.astype(np.float64)

"""States of long computations in one file: written all at once, known by what they are made from, read with care."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.archives import read_archive, write_archive
from mdweights_core.jobs import Clock

Run = TypeVar("Run")


def fingerprint(text: str, arrays: Iterable[Any]) -> str:
    """Short text of what a computation is made from: words and arrays, their shapes and types too."""
    digest = hashlib.sha256(text.encode())
    for part in arrays:
        values = np.ascontiguousarray(part)
        digest.update(f"{values.shape} {values.dtype}".encode() + values.tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, made_from: str, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint, all at once or not at all.

    Parameters
    ----------
    path : Path
    made_from : str
        A `fingerprint`.
    record : mapping
        Plain values.
    arrays : mapping of str to array

    Raises
    ------
    DiskProblem
        When it cannot be written; one that was there stays.
    """
    write_archive(path, {**record, "made_from": made_from}, arrays)


def load_checkpoint(
    path: Path, made_from: str, other: str, read: Callable[[dict[str, Any], dict[str, np.ndarray]], Run]
) -> Run | None:
    """Read a checkpoint; None where there is none.

    Parameters
    ----------
    path : Path
    made_from : str
        The fingerprint it must have.
    other : str
        What one of another fingerprint is of: "another system or other settings".
    read : function
        From the record and the arrays to a state.

    Raises
    ------
    BadInput
        When it is of something else, or damaged.
    """
    if not path.exists():
        return None

    def read_own(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Run | None:
        return read(record, arrays) if record.pop("made_from") == made_from else None

    run = read_archive(path, read_own, "The checkpoint is damaged", "Remove it to begin anew")
    if run is None:
        raise BadInput(
            f"The checkpoint is of {other}",
            where=path,
            advice="Give the same ones to go on, another name, or remove it to begin anew",
        )
    return run


class Keeper(Generic[Run]):
    """Writes checkpoints now and then; a disk that is full is told about once, and the run goes on.

    Parameters
    ----------
    path : Path, optional
        None keeps nothing.
    seconds : float
        Between two checkpoints.
    save : function
        From a run and a path to a file.
    """

    def __init__(self, path: Path | None, seconds: float, save: Callable[[Run, Path], None]) -> None:
        self.path, self._save = path, save
        self._clock = Clock(seconds)
        self._due = False
        self.notes: tuple[str, ...] = ()

    def is_due(self) -> bool:
        """True when the time for a checkpoint has come, until it is written."""
        self._due = self._due or (self.path is not None and self._clock.is_due())
        return self._due

    def save_if_due(self, run: Run) -> None:
        """Write one when it is time."""
        if self.is_due():
            self.save(run)

    def save(self, run: Run) -> None:
        """Write one."""
        self._due = False
        if self.path is None:
            return
        try:
            self._save(run, self.path)
        except DiskProblem as problem:
            self.notes = (f"No checkpoint could be written, and the run cannot be gone on with. {problem.sentence}",)
            self.path = None

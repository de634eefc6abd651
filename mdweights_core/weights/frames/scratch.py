"""Blocks of structure factors in a file without a name: it is gone with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from mdweights_core.io.files import disk_problem
from mdweights_core.weights.frames.room import usual_room

_PAGE = 4096  # bytes: what is read past the system's cache begins and ends at a multiple of it
_AHEAD = 2


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array without content that begins at a page: JAX takes it as it is, and a disk fills it directly."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(_pages(size) + _PAGE, dtype=np.uint8)
    first = -raw.ctypes.data % _PAGE
    return raw[first : first + size].view(dtype).reshape(shape)


@dataclass(frozen=True, eq=False)
class Scratch:
    """Blocks of float32 [n_frames, n_columns], each from a page of the file on.

    Attributes
    ----------
    file : binary file
    place : Path
        The folder it lies in, for what is said when the disk fails.
    shape : tuple of int
        Frames, columns and blocks.
    """

    file: IO[bytes]
    place: Path
    shape: tuple[int, int, int]
    dtype = np.dtype(np.float32)

    @classmethod
    def into(cls, folder: Path, shape: tuple[int, int, int]) -> Scratch:
        """An empty file in `folder`; DiskProblem where none can be made."""
        found = cls(_nameless(folder), folder, shape)
        try:
            found.file.truncate(shape[2] * found._stride)
        except OSError as error:
            raise disk_problem(error, folder) from error
        return found

    def __post_init__(self) -> None:
        weakref.finalize(self, self.file.close)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The next blocks are read while the present one is worked on."""
        coming: deque[Future[np.ndarray]] = deque()
        with ThreadPoolExecutor(_AHEAD) as readers:
            for i in range(self.shape[2]):
                coming.append(readers.submit(self._read, i))
                if len(coming) > _AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    def write(self, i: int, first: int, rows: np.ndarray) -> None:
        """Rows [n, n_columns] of block `i`, from frame `first` on; DiskProblem where the disk is full or fails."""
        content = np.ascontiguousarray(rows, dtype=self.dtype)
        offset = i * self._stride + first * self.shape[1] * self.dtype.itemsize
        try:
            self._transfer(os.pwritev, content, offset)
        except OSError as error:
            raise disk_problem(error, self.place) from error

    def close_writing(self) -> None:
        """From now on a file that is larger than half the memory is read past the system's cache.

        It would only push itself out of that, block by block, before any is read again.
        """
        if self.shape[2] * self._stride > usual_room() and hasattr(os, "O_DIRECT"):
            self._set_flags(os.O_DIRECT)

    def _set_flags(self, more: int) -> None:
        flags = fcntl.fcntl(self.file, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self.file, fcntl.F_SETFL, flags | more)
            os.preadv(self.file.fileno(), [aligned((_PAGE,), np.uint8).data], 0)
        except OSError:  # not every file system can
            fcntl.fcntl(self.file, fcntl.F_SETFL, flags)

    @property
    def _stride(self) -> int:
        return _pages(self.shape[0] * self.shape[1] * self.dtype.itemsize)

    def _read(self, i: int) -> np.ndarray:
        n_frames, n_columns, _ = self.shape
        whole = aligned((self._stride // self.dtype.itemsize,), self.dtype)
        try:
            self._transfer(os.preadv, whole, i * self._stride)
        except OSError as error:
            raise disk_problem(error, self.place) from error
        return whole[: n_frames * n_columns].reshape(n_frames, n_columns)

    def _transfer(self, how: Callable[[int, list[memoryview], int], int], array: np.ndarray, offset: int) -> None:
        """Read or write an array as a whole: one call does 2 GiB at most, and less on a disk that is nearly full."""
        left = array.data.cast("B")
        while left:
            done = how(self.file.fileno(), [left], offset)
            if not done:
                raise OSError("the file of working copies is too short")
            left, offset = left[done:], offset + done


def _nameless(folder: Path) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise disk_problem(error, folder) from error


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE

"""Frames of NetCDF trajectories (AMBER's convention) in the classic format.

Formats: Unidata, "NetCDF classic format specification"; AMBER, "NetCDF trajectory and restart convention", version 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_reading import Frames, OpenFile, fewer, frames_of_arrays, no_frames, unreadable

_KINDS = {1: ">i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: ">u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
_UNKNOWN = (2**32 - 1, 2**64 - 1)  # number of records while the file is being written
_MOST = 10_000  # dimensions, attributes or variables: more are a damaged head
_Item = TypeVar("_Item")


class _Variable(NamedTuple):
    """What the head says of a variable; `shape` is without the record dimension."""

    kind: str
    shape: tuple[int, ...]
    is_record: bool
    begin: int
    units: str

    @property
    def size(self) -> int:
        """Bytes of one record, or of all values."""
        return np.dtype(self.kind).itemsize * math.prod(self.shape)


class _Column(NamedTuple):
    """Where the values of each frame are."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    stride: int
    units: str

    @property
    def size(self) -> int:
        """Bytes of one frame."""
        return np.dtype(self.kind).itemsize * math.prod(self.shape)


class NetcdfFrames:
    """A NetCDF file as a `Reader`."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, OpenFile(path)
        head = _Head(self._file)
        self._columns, promised = _columns(head.variables, head.n_records)
        place = self._columns.get("coordinates")
        if place is None or len(place.shape) != 2 or place.shape[1] != 3 or place.kind not in (">f4", ">f8"):
            raise BadInput("There are no positions in this NetCDF file", where=path, advice="Choose another trajectory")
        self.n_atoms = place.shape[0]
        self.n_frames = self._whole(promised)
        self.warning = "" if promised in _UNKNOWN else fewer(promised, self.n_frames)
        self._file.close()

    def close(self) -> None:
        """Let the file go; the next read opens it again."""
        self._file.close()

    def read(self, start: int, count: int) -> Frames:
        """At most `count` frames from `start` on, at least one."""
        count = min(count, self.n_frames - start)
        arrays = {name: self._values(column, start, count) for name, column in self._columns.items()}
        return frames_of_arrays(arrays, {name: column.units for name, column in self._columns.items()})

    def _whole(self, promised: int) -> int:
        """Number of frames of which everything is in the file."""
        if not self.n_atoms:
            raise no_frames(self.path)
        there = [
            (self._file.size - column.begin - column.size) // column.stride + 1 for column in self._columns.values()
        ]
        n_frames = min(promised, *there)
        if n_frames < 1:
            raise no_frames(self.path)
        return n_frames

    def _values(self, column: _Column, start: int, count: int) -> np.ndarray:
        content = self._file.bytes(column.begin + start * column.stride, (count - 1) * column.stride + column.size)
        one = np.ndarray((1, *column.shape), column.kind, content)
        return np.ndarray((count, *column.shape), column.kind, content, strides=(column.stride, *one.strides[1:]))


def _columns(variables: dict[str, _Variable], n_records: int) -> tuple[dict[str, _Column], int]:
    """The variables that have values for each frame, and the number of frames that are promised."""
    records = [variable for variable in variables.values() if variable.is_record]
    stride = records[0].size if len(records) == 1 else sum(_padded(variable.size) for variable in records)
    columns, promised = {}, n_records
    for name in ("coordinates", "time", "cell_lengths", "cell_angles"):
        variable = variables.get(name)
        if variable is None:
            continue
        if variable.is_record:
            columns[name] = _Column(variable.kind, variable.shape, variable.begin, stride, variable.units)
        elif variable.shape and variable.shape[0]:
            n_frames, *shape = variable.shape
            columns[name] = _Column(
                variable.kind, tuple(shape), variable.begin, variable.size // n_frames, variable.units
            )
            promised = n_frames if name == "coordinates" else promised
    return {name: column for name, column in columns.items() if column.stride}, promised


class _Head:
    """The head of a NetCDF file, read from its start to its end."""

    def __init__(self, file: OpenFile) -> None:
        self._file, self._place = file, 4
        magic = file.bytes(0, 4)
        if magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
            raise unreadable(file.path)
        self._size = ">u8" if magic[3] == 5 else ">u4"  # of numbers of things
        self._offset = ">u4" if magic[3] == 1 else ">u8"
        self.n_records = self._number(self._size)
        self._lengths = dict(enumerate(length for _, length in self._list(self._dimension)))
        self._list(self._attribute)
        self.variables = dict(self._list(self._variable))

    def _bytes(self, size: int) -> bytes:
        """The next `size` bytes; what is padded to units of four is passed."""
        content = self._file.bytes(self._place, size)
        self._place += _padded(size)
        return content

    def _number(self, kind: str) -> int:
        return int(np.frombuffer(self._bytes(np.dtype(kind).itemsize), kind)[0])

    def _name(self) -> str:
        return self._bytes(self._number(self._size)).decode("latin-1")

    def _list(self, item: Callable[[], _Item]) -> list[_Item]:
        self._number(">u4")  # the tag, which says of what
        count = self._number(self._size)
        if count > _MOST:
            raise unreadable(self._file.path)
        return [item() for _ in range(count)]

    def _dimension(self) -> tuple[str, int]:
        return self._name(), self._number(self._size)

    def _attribute(self) -> tuple[str, bytes]:
        name, kind, count = self._name(), self._kind(), self._number(self._size)
        return name, self._bytes(np.dtype(kind).itemsize * count)

    def _kind(self) -> str:
        kind = _KINDS.get(self._number(">u4"))
        if kind is None:
            raise unreadable(self._file.path)
        return kind

    def _variable(self) -> tuple[str, _Variable]:
        name = self._name()
        n_dimensions = self._number(self._size)
        if n_dimensions > _MOST:
            raise unreadable(self._file.path)
        shape = [self._lengths.get(self._number(self._size), 0) for _ in range(n_dimensions)]
        attributes = dict(self._list(self._attribute))
        kind = self._kind()
        self._number(self._size)  # the size, which does not hold for big ones
        is_record = bool(shape) and shape[0] == 0
        units = attributes.get("units", b"").decode("latin-1").strip("\0 ")
        return name, _Variable(kind, tuple(shape[is_record:]), is_record, self._number(self._offset), units)


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4

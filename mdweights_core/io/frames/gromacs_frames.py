"""Frames of GROMACS trajectories, XTC and TRR: one after the other without a table, which is made here of their heads.

Both are XDR: big-endian, in units of four bytes. Formats: GROMACS manual, "File formats". The compressed positions of
XTC are unpacked by mdtraj, after a look at what they claim.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.frame_reading import (
    Frames,
    OpenFile,
    cells_from_vectors,
    cut_off,
    in_usual_axes,
    no_frames,
    unreadable,
)
from mdweights_core.io.frames.quiet import c_errors_muted
from mdweights_core.io.frames.xtc_check import SMALL_INDICES, can_be_unpacked

_XTC_MAGIC, _TRR_MAGIC = 1995, 1993
_XTC_HEAD, _XTC_PACKED_HEAD = 56, 92
_FEW_ATOMS = 9  # up to as many are not compressed
_TRR_HEAD = 76  # up to the time
_TRR_TAG = b"\0\0\0\x0d\0\0\0\x0cGMX_trn_file"
_TRR_BLOCKS = ("ir", "e", "box", "vir", "pres", "top", "sym", "x", "v", "f")
_BOX = 9  # numbers
_MOST_BITS = 102  # per packed atom; for more the library that unpacks them has no room


class XtcFrames:
    """An XTC file as a `Reader`."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, OpenFile(path)
        self._unpacker: Any = None
        self._next = 0
        self.n_atoms = self._atoms_at(0) or 0
        ends = [0]
        while end := self._end_of_frame(ends[-1]):
            ends.append(end)
        self.n_frames, self._offsets = len(ends) - 1, np.array(ends[:-1], dtype=np.int64)
        self._is_sound = np.zeros(self.n_frames, dtype=bool)
        self._file.close()
        self.warning = _on_the_rest(self._file.size, ends, path)

    def close(self) -> None:
        """Let the file go; the next read opens it again."""
        self._file.close()
        if self._unpacker is not None:
            self._unpacker.close()
        self._unpacker = None

    def read(self, start: int, count: int) -> Frames:
        """At most `count` frames from `start` on, at least one."""
        count = min(count, self.n_frames - start)
        self._require_sound(start, count)
        try:
            with c_errors_muted():
                positions, time, _, vectors = self._unpacked(start, count)
        except (OSError, RuntimeError, ValueError, MemoryError) as problem:
            raise unreadable(self.path, f"Frame {start + 1} of this trajectory, or one after it,") from problem
        positions *= 10
        time = time.astype(np.float64)
        if vectors is None:
            return positions, time, None
        return in_usual_axes(positions, vectors), time, cells_from_vectors(10 * vectors.astype(np.float64))

    def _require_sound(self, start: int, count: int) -> None:
        """Look at the packed positions of frames, once: unpacking damaged ones may end the whole program."""
        if self.n_atoms <= _FEW_ATOMS:
            return
        for frame in range(start, start + count):
            if self._is_sound[frame]:
                continue
            offset = int(self._offsets[frame]) + _XTC_HEAD
            head = self._file.array(offset, ">i4", 9).astype(np.int64)
            packed = self._file.bytes(offset + _XTC_PACKED_HEAD - _XTC_HEAD, int(head[8]))
            if not can_be_unpacked(head[1:4], head[4:7], int(head[7]), packed, self.n_atoms):
                raise unreadable(self.path, f"Frame {frame + 1} of this trajectory")
            self._is_sound[frame] = True

    def _unpacked(self, start: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        if self._unpacker is None:
            from mdtraj.formats import XTCTrajectoryFile

            self._unpacker, self._next = XTCTrajectoryFile(str(self.path)), 0
            self._unpacker.offsets = self._offsets
        if start != self._next:
            self._unpacker.seek(start)
        self._next = -1  # nowhere, should reading fail
        found = self._unpacker.read(n_frames=count)
        if len(found[0]) < count:
            raise OSError("the file has become shorter")
        self._next = start + count
        return found

    def _atoms_at(self, offset: int) -> int | None:
        """Number of atoms told by the head of a frame; None when there is no such head."""
        if offset + _XTC_HEAD > self._file.size:
            return None
        head = self._file.array(offset, ">i4", _XTC_HEAD // 4)
        magic, n_atoms, again = int(head[0]), int(head[1]), int(head[13])
        return n_atoms if magic == _XTC_MAGIC and n_atoms == again > 0 else None

    def _end_of_frame(self, offset: int) -> int | None:
        """Where the frame ends; None when it is not whole, or its head makes no sense."""
        if self._atoms_at(offset) != self.n_atoms or not self.n_atoms:
            return None
        if self.n_atoms <= _FEW_ATOMS:
            end = offset + _XTC_HEAD + 12 * self.n_atoms
        else:
            if offset + _XTC_PACKED_HEAD > self._file.size:
                return None
            head = self._file.array(offset + _XTC_HEAD, ">i4", 9).astype(np.int64)
            n_bytes = int(head[8])
            if (head[1:4] > head[4:7]).any() or int(head[7]) not in SMALL_INDICES:
                return None
            if not self.n_atoms <= 8 * n_bytes <= _MOST_BITS * self.n_atoms:
                return None
            end = offset + _XTC_PACKED_HEAD + (n_bytes + 3) // 4 * 4
        return end if self._may_end(end) else None

    def _may_end(self, end: int) -> bool:
        """True where the file ends, or the next frame begins: elsewhere the frame told a wrong size."""
        tail = self._file.bytes(end, min(8, self._file.size - end)) if end < self._file.size else b""
        return end <= self._file.size and struct.pack(">2i", _XTC_MAGIC, self.n_atoms).startswith(tail)


class _TrrHead(NamedTuple):
    """What the head of a TRR frame tells: where its data are, and in which precision."""

    n_atoms: int
    time: float
    real: str
    box: int | None
    positions: int | None
    end: int


class TrrFrames:
    """A TRR file as a `Reader`. Frames that hold only velocities or forces are left out."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, OpenFile(path)
        heads: list[_TrrHead] = []
        ends = [0]
        while head := self._head(ends[-1], heads):
            heads.append(head)
            ends.append(head.end)
        self._heads = [head for head in heads if head.positions is not None]
        self.warning = _on_the_rest(self._file.size, ends, path)
        self.n_frames, self.n_atoms = len(self._heads), heads[0].n_atoms
        if not self._heads:
            raise BadInput("There are no positions in this file", where=path, advice="Choose another trajectory")
        if without := len(heads) - len(self._heads):
            were = "was" if without == 1 else "were"
            said = f"{counted(without, 'frame')} without positions {were} left out"
            self.warning = f"{self.warning}; {said}" if self.warning else said
        self._file.close()

    def close(self) -> None:
        """Let the file go; the next read opens it again."""
        self._file.close()

    def read(self, start: int, count: int) -> Frames:
        """At most `count` frames from `start` on, at least one."""
        heads = self._heads[start : start + count]
        positions = np.empty((len(heads), self.n_atoms, 3), dtype=np.float32)
        vectors = np.full((len(heads), 3, 3), np.nan)
        for row, head in enumerate(heads):
            found = self._file.array(head.positions or 0, head.real, 3 * self.n_atoms).reshape(-1, 3)
            with np.errstate(over="ignore", invalid="ignore"):
                np.multiply(found, 10, out=positions[row], casting="same_kind")
            if head.box is not None:
                vectors[row] = self._file.array(head.box, head.real, _BOX).reshape(3, 3)
        has_boxes = any(head.box is not None for head in heads)
        cells = cells_from_vectors(10 * vectors) if has_boxes else None
        return in_usual_axes(positions, vectors), np.array([head.time for head in heads]), cells

    def _head(self, offset: int, before: list[_TrrHead]) -> _TrrHead | None:
        """The head of a frame; None when it is not whole, makes no sense or is of other atoms than those before."""
        if offset + _TRR_HEAD + 16 > self._file.size:
            return None
        start = self._file.bytes(offset, _TRR_HEAD)
        numbers = np.frombuffer(start, ">i4")
        sizes = dict(zip(_TRR_BLOCKS, numbers[6:16].tolist(), strict=False))
        n_atoms = int(numbers[16])
        real = _real(sizes, n_atoms)
        is_one = numbers[0] == _TRR_MAGIC and start[4:24] == _TRR_TAG and real is not None and min(sizes.values()) >= 0
        if not is_one or real is None or (before and before[0].n_atoms != n_atoms):
            return None
        width = int(real[-1])
        places = np.cumsum([offset + 76 + 2 * width, *sizes.values()]).tolist()
        if places[-1] > self._file.size:
            return None
        place = {name: begin if sizes[name] else None for name, begin in zip(sizes, places, strict=False)}
        time = float(self._file.array(offset + 76, real, 1)[0])
        return _TrrHead(n_atoms, time, real, place["box"], place["x"], places[-1])


def _real(sizes: dict[str, int], n_atoms: int) -> str | None:
    """Single or double precision, by the sizes of the blocks, which must agree with it and the number of atoms."""
    for real, width in ((">f4", 4), (">f8", 8)):
        whole = {"box": _BOX * width, **dict.fromkeys(("x", "v", "f"), 3 * n_atoms * width)}
        has_data = n_atoms > 0 and any(sizes[name] for name in whole)
        if has_data and all(sizes[name] in (0, size) for name, size in whole.items()):
            return real
    return None


def _on_the_rest(size: int, ends: list[int], path: Path) -> str:
    """The clause on what follows the last whole frame of a file of `size` bytes; empty when nothing does."""
    if len(ends) < 2:
        raise no_frames(path) if size >= _XTC_HEAD else unreadable(path)
    rest = size - ends[-1]
    typical = float(np.median([end - begin for begin, end in pairwise(ends)]))
    return cut_off(len(ends) - 1, rest / typical) if rest else ""

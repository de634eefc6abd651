"""Frames of DCD trajectories, as CHARMM, NAMD and OpenMM write them: Fortran records of a fixed size, in angstrom."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_reading import (
    Frames,
    OpenFile,
    cells_from_vectors,
    cut_off,
    fewer,
    in_usual_axes,
    no_frames,
    unreadable,
)

_HEAD = 84  # bytes in the first record
_SMALLEST_ANGLE = 20.0  # degrees: no simulation has a box with a smaller one
_FIXED, _HAS_CELL, _HAS_FOURTH, _VERSION = 8, 10, 11, 19  # places in the head


class DcdFrames:
    """A DCD file as a `Reader`. It keeps no times worth the name."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, OpenFile(path)
        self._order, self._mark = self._byte_order()
        head, offset = self._record(0)
        flags = np.frombuffer(head[4:], f"{self._order}i4")
        _, offset = self._record(offset)  # titles
        natoms, offset = self._record(offset)
        if len(natoms) != 4:
            raise unreadable(path)
        self.n_atoms = int(np.frombuffer(natoms, f"{self._order}i4")[0])
        fixed = int(flags[_FIXED])
        if not 0 <= fixed < self.n_atoms:
            raise unreadable(path)
        self._free: np.ndarray | None = None
        if fixed:
            free, offset = self._record(offset)
            self._free = self._rows(free, self.n_atoms - fixed)
        self._flags, self._start = flags, offset
        self._first, self._other = self._layout(self.n_atoms), self._layout(self.n_atoms - fixed)
        self.n_frames, self.warning = self._count(int(flags[0]))
        self._fixed_positions = self._positions(self._table(0, 1))[0] if fixed else None
        self._file.close()

    def close(self) -> None:
        """Let the file go; the next read opens it again."""
        self._file.close()

    def read(self, start: int, count: int) -> Frames:
        """At most `count` frames from `start` on, at least one."""
        count = min(count, self.n_frames - start)
        if self._fixed_positions is not None and start == 0:
            count = 1  # the only one with all atoms
        table = self._table(start, count)
        positions = self._positions(table)
        if self._fixed_positions is not None and start > 0:
            everything = np.repeat(self._fixed_positions[None], count, axis=0)
            everything[:, self._free] = positions
            positions = everything
        if "cell" not in (table.dtype.names or ()):
            return positions, np.full(count, np.nan), None
        cells, vectors = _boxes(table["cell"])
        return in_usual_axes(positions, vectors), np.full(count, np.nan), cells

    def _byte_order(self) -> tuple[str, str]:
        """Byte order, and type of the marks around records, by the first of these."""
        start = self._file.bytes(0, 12)
        for order in "<>":
            for width in (4, 8):
                mark = f"{order}i{width}"
                if start[width : width + 4] == b"CORD" and np.frombuffer(start, mark, 1)[0] == _HEAD:
                    return order, mark
        raise unreadable(self.path)

    def _record(self, offset: int) -> tuple[bytes, int]:
        """The record at `offset`, and where the next one is."""
        width = np.dtype(self._mark).itemsize
        size = int(self._file.array(offset, self._mark, 1)[0])
        if not 0 <= size <= self._file.size:
            raise unreadable(self.path)
        content = self._file.bytes(offset + width, size)
        if self._file.array(offset + width + size, self._mark, 1)[0] != size:
            raise unreadable(self.path)
        return content, offset + size + 2 * width

    def _rows(self, record: bytes, count: int) -> np.ndarray:
        """Which atoms are not fixed."""
        if len(record) != 4 * count:
            raise unreadable(self.path)
        rows = np.frombuffer(record, f"{self._order}i4") - 1
        if rows.min() < 0 or rows.max() >= self.n_atoms:
            raise unreadable(self.path)
        return rows

    def _layout(self, n_atoms: int) -> np.dtype:
        """One frame: records of the cell, x, y, z, and of a fourth dimension, with their marks."""
        is_charmm = self._flags[_VERSION] != 0
        blocks: list[tuple[str, str, int]] = []
        if is_charmm and self._flags[_HAS_CELL]:
            blocks.append(("cell", f"{self._order}f8", 6))
        axes = "xyzw" if is_charmm and self._flags[_HAS_FOURTH] else "xyz"
        blocks += [(axis, f"{self._order}f4", n_atoms) for axis in axes]
        fields = []
        for name, kind, size in blocks:
            fields += [(f"{name} begins", self._mark), (name, kind, (size,)), (f"{name} ends", self._mark)]
        return np.dtype(fields)

    def _count(self, promised: int) -> tuple[int, str]:
        """Number of whole frames, and what is to be said of the others."""
        space = self._file.size - self._start
        if space < self._first.itemsize:
            raise no_frames(self.path)
        more, rest = divmod(space - self._first.itemsize, self._other.itemsize)
        if promised > more + 1:
            return more + 1, fewer(promised, more + 1)
        return more + 1, cut_off(more + 1) if rest else ""

    def _table(self, start: int, count: int) -> np.ndarray:
        """Frames as they are in the file, marks checked."""
        if start == 0 and self._first != self._other:
            table = self._file.array(self._start, self._first, 1)
        else:
            offset = self._start + self._first.itemsize + (start - 1) * self._other.itemsize
            table = self._file.array(offset, self._other, count)
        for name in table.dtype.names or ():
            if not name.endswith(("begins", "ends")):
                size = table.dtype[name].itemsize
                wrong = (table[f"{name} begins"] != size) | (table[f"{name} ends"] != size)
                if wrong.any():
                    number = start + int(np.argmax(wrong)) + 1
                    raise BadInput(f"Frame {number} is damaged", where=self.path, advice="Copy or make the file again")
        return table

    @staticmethod
    def _positions(table: np.ndarray) -> np.ndarray:
        positions = np.empty((len(table), table["x"].shape[1], 3), dtype=np.float32)
        for axis, name in enumerate("xyz"):
            positions[:, :, axis] = table[name]
        return positions


def _boxes(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells [n, 6] of the records a, gamma, b, beta, alpha, c, and box vectors [n, 3, 3] where these were written.

    The angles are cosines (NAMD, OpenMM), degrees (CHARMM up to 25), or there are none, and the record is the lower
    triangle of the symmetric matrix of box vectors (CHARMM since: its crystals lie along the principal axes of the
    metric matrix while they are simulated, S. Nose & M. L. Klein, Mol. Phys. 50 (1983) 1055). Of the others no vectors
    are known, NaN, and positions have the usual axes.
    """
    numbers = numbers.astype(np.float64)
    cells, angles = numbers[:, [0, 2, 5, 4, 3, 1]], numbers[:, [4, 3, 1]]
    are_cosines = (np.abs(angles) <= 1).all(axis=1)
    are_degrees = (angles >= _SMALLEST_ANGLE).all(axis=1) & (angles <= 180).all(axis=1)
    cells[are_cosines, 3:] = 90 - np.degrees(np.arcsin(angles[are_cosines]))
    is_matrix = ~are_cosines & ~are_degrees
    vectors = numbers[:, [0, 1, 3, 1, 2, 4, 3, 4, 5]].reshape(-1, 3, 3)
    vectors[~is_matrix] = np.nan
    cells[is_matrix] = cells_from_vectors(vectors[is_matrix])
    return cells, vectors

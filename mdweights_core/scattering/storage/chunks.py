"""The chunk files of the structure factors in a store: their shape, where they lie, and whether they are whole.

A chunk holds up to 32 frames of about 32 000 reflections, 8 MB: a fit reads all frames of some reflections, block after
block, and comes by with few files of which nothing is read in vain; a writer holds one row of chunks, 32 frames of all
reflections, and it is also read frame by frame. Of long lists of reflections fewer frames go into a chunk, so that the
writer's row stays below 128 MB, and more reflections, so that files stay above 2 MB.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

_MOST_ROWS = 32
_ROW_BYTES = 128 * 2**20
_COLUMNS = 2**15
_LEAST_VALUES = 2**18
_CHECKSUM_BYTES = 4


def chunk_shape(n_hkl: int) -> tuple[int, int]:
    """Frames and reflections per chunk, whatever the number of frames, which may grow.

    Reflections come in equal parts, as files at the edge are as large as the others.
    """
    rows = int(np.clip(_ROW_BYTES // (8 * max(n_hkl, 1)), 1, _MOST_ROWS))
    most = max(_COLUMNS, _LEAST_VALUES // rows)
    return rows, max(1, -(-n_hkl // max(1, -(-n_hkl // most))))


def store_bytes(n_frames: int, n_hkl: int) -> int:
    """Bytes that the structure factors of so many frames take on disk: whole chunks, also for the last frames."""
    rows, columns = chunk_shape(n_hkl)
    n_chunks = -(-n_frames // rows) * -(-n_hkl // columns)
    return n_chunks * (8 * rows * columns + _CHECKSUM_BYTES)


class Chunks:
    """The chunk files of a two-dimensional array: rows are frames, columns are reflections.

    Attributes
    ----------
    rows, columns : int
        Frames and reflections in a chunk.
    """

    def __init__(self, folder: Path, array: zarr.Array) -> None:
        self._folder, self._array = folder, array
        self.rows, self.columns = (int(n) for n in array.chunks)
        has_checksum = any(isinstance(codec, Crc32cCodec) for codec in array.compressors)
        self._size = array.dtype.itemsize * self.rows * self.columns + _CHECKSUM_BYTES * has_checksum

    def rows_of(self, frames: np.ndarray) -> np.ndarray:
        """Rows of chunks that hold some frames: int [n], ascending."""
        return np.unique(np.asarray(frames) // self.rows)

    def frames_of(self, chunk_rows: np.ndarray, n_frames: int) -> np.ndarray:
        """Frames in some rows of chunks, int [n]."""
        frames = (np.asarray(chunk_rows, dtype=np.int64)[:, None] * self.rows + np.arange(self.rows)).reshape(-1)
        return frames[frames < n_frames]

    def missing(self, chunk_rows: Iterable[int]) -> np.ndarray:
        """Those of `chunk_rows` of which a file is not there or has not the size it should have: int [n]."""
        lost = [row for row in chunk_rows if any(_size(file) != self._size for file in self._files(row))]
        return np.array(lost, dtype=np.int64)

    def is_whole(self, row: int) -> bool:
        """True when all chunks of a row are there and agree with their checksums; they are read for that."""
        if len(self.missing([row])):
            return False
        try:
            for column in range(self._n_columns):
                self._array.get_block_selection((row, column))
        except (OSError, ValueError, RuntimeError):
            return False
        return True

    def remove(self, row: int) -> None:
        """Remove what there is of a row of chunks."""
        for file in self._files(row):
            file.unlink(missing_ok=True)

    def flush(self, chunk_rows: Iterable[int]) -> None:
        """Wait until these chunks are on the disk itself."""
        for row in chunk_rows:
            for file in self._files(row):
                handle = os.open(file, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    @property
    def _n_columns(self) -> int:
        return -(-int(self._array.shape[1]) // self.columns)

    def _files(self, row: int) -> Iterator[Path]:
        return (self._folder / "c" / str(row) / str(column) for column in range(self._n_columns))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1

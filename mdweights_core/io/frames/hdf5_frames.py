"""Frames of HDF5 trajectories: mdtraj's convention, with the topology inside, and AMBER's (NetCDF 4, which is HDF5)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms, make_atoms
from mdweights_core.io.frames.frame_reading import Frames, fewer, frames_of_arrays, no_frames, unreadable

if TYPE_CHECKING:
    import h5py

MAGIC = b"\x89HDF\r\n\x1a\n"
_COLUMNS = ("coordinates", "time", "cell_lengths", "cell_angles")
_READING_ERRORS = (
    *(OSError, LookupError, ValueError, RuntimeError, TypeError, AttributeError, ArithmeticError, MemoryError),
)


class Hdf5Frames:
    """An HDF5 file as a `Reader`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        with self._explained():
            columns = self._columns()
            if "coordinates" not in columns:
                raise BadInput("There are no positions in this file", where=path, advice="Choose another trajectory")
            shape = columns["coordinates"].shape
            if len(shape) != 3 or shape[2] != 3 or columns["coordinates"].dtype.kind != "f":
                raise unreadable(path)
            self.n_atoms = int(shape[1])
            self.n_frames = min(int(shape[0]), _stored_frames(columns["coordinates"]))
        if not self.n_frames or not self.n_atoms:
            raise no_frames(path)
        self.warning = fewer(int(shape[0]), self.n_frames)
        self.close()

    def close(self) -> None:
        """Let the file go; the next read opens it again."""
        if self._file is not None:
            with contextlib.suppress(*_READING_ERRORS):
                self._file.close()
        self._file = None

    def read(self, start: int, count: int) -> Frames:
        """At most `count` frames from `start` on, at least one."""
        stop = min(start + count, self.n_frames)
        with self._explained(f"Frame {start + 1} of this trajectory, or one after it,"):
            columns = self._columns()
            arrays = {name: column[start:stop] for name, column in columns.items()}
            return frames_of_arrays(arrays, {name: _units(column) for name, column in columns.items()})

    def atoms(self) -> Atoms:
        """Atoms of the topology that is stored as JSON.

        Raises
        ------
        BadInput
            When there is none, or it cannot be read.
        """
        with self._explained("The topology in this file"):
            group = self._open()
            if "topology" not in group:
                raise BadInput(
                    "There is no topology in this HDF5 file",
                    where=self.path,
                    advice="Give a topology (PDB, GRO, PSF, prmtop)",
                )
            chains = json.loads(self._topology_text(group["topology"]))["chains"]
            found = [
                (
                    atom["element"] or "VS",
                    atom["name"],
                    residue["name"],
                    residue.get("resSeq") or 0,
                    _chain(chain, residue),
                )
                for chain in _in_order(chains)
                for residue in _in_order(chain["residues"])
                for atom in _in_order(residue["atoms"])
            ]
            symbols, names, residues, numbers, labels = zip(*found, strict=True)
            return make_atoms(symbols, map(str, names), map(str, residues), map(int, numbers), labels)

    def _topology_text(self, dataset: Any) -> str:
        if dataset.dtype.itemsize > self.path.stat().st_size:
            raise unreadable(self.path)
        text = dataset[0]
        return text if isinstance(text, str) else text.decode()

    def _open(self) -> h5py.File:
        if self._file is None:
            import h5py

            self._file = h5py.File(self.path, "r", locking=False)
        return self._file

    def _columns(self) -> dict[str, Any]:
        group = self._open()
        return {name: group[name] for name in _COLUMNS if name in group and group[name].shape}

    @contextlib.contextmanager
    def _explained(self, what: str = "This trajectory") -> Iterator[None]:
        try:
            yield
        except _READING_ERRORS as problem:
            raise unreadable(self.path, what) from problem


def _stored_frames(column: Any) -> int:
    """Frames for which there are data; a damaged head may announce any number."""
    if column.chunks is None:
        size = column.dtype.itemsize * int(np.prod(column.shape[1:], dtype=object))
        return int(column.id.get_storage_size() // max(size, 1))
    across = [-(-length // chunk) for length, chunk in zip(column.shape[1:], column.chunks[1:], strict=True)]
    return int(column.id.get_num_chunks() // max(int(np.prod(across, dtype=object)), 1) * column.chunks[0])


def _units(column: Any) -> str:
    """Units of a column; mdtraj's files may leave those of lengths out, and have nanometers."""
    units = column.attrs.get("units", b"nanometers")
    return units.decode("latin-1") if isinstance(units, bytes) else str(units)


def _in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: int(item["index"]))


def _chain(chain: dict[str, Any], residue: dict[str, Any]) -> str:
    return str(chain.get("chain_id") or residue.get("segmentID") or "")

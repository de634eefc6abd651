"""The store of structure factors F(frame, hkl) on disk: a zarr v3 group, chunked along frames and along reflections.

Data comes to disk before the mark that says so: a frame is `finished` only when its chunks were written whole (each
under another name, then renamed), so the store can be killed at any moment and opened again. Chunks carry a checksum;
frames of a chunk that is missing or broken lose their mark, and are the only ones to be computed again. Frames can be
added at the end: one number in the header says how many there are, and is written last.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.scattering.storage.chunks import Chunks, store_bytes
from mdweights_core.scattering.storage.folder import (
    FORMAT,
    SCHEMA,
    clear_way,
    header_of,
    is_store,
    refuse_newer,
    sole_writer,
    writing_to,
)
from mdweights_core.scattering.storage.layout import (
    NO_INDEX,
    TABLE,
    FrameTable,
    array_of,
    attributes_of,
    create_arrays,
    frame_attributes,
    frame_table,
    frames_text,
    lattice_of,
    table_columns,
)

__all__ = [
    "DamagedStore",
    "FrameTable",
    "StructureFactorStore",
    "clear_way",
    "is_store",
    "sole_writer",
    "store_bytes",
]


class DamagedStore(BadInput):
    """A store that was ours and cannot be read any more."""


class StructureFactorStore:
    """Structure factors of all frames on one P1 lattice, read and written by blocks of frames.

    Attributes
    ----------
    path : Path
    lattice : MillerLattice
        P1, one of each Friedel pair.
    frames : FrameTable
    finished : bool [T]
        Frames whose structure factors are on disk.
    digests : uint8 [T, 16] or None
        What tells the positions of finished frames from others; zeros where it was not kept, None in old stores.
    noted : list of str
        Those of the ``notes`` that were kept since it was opened: what happened to it in this run.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self._group = group
        self.noted: list[str] = []
        self._load()

    def _load(self) -> None:
        """Take from disk what is small; a damaged store raises ValueError or KeyError."""
        self._values = array_of(self._group, "structure_factors").with_config({"write_empty_chunks": True})
        self._columns = {name: array_of(self._group, name) for name in TABLE if name in self._group}
        self._chunks = Chunks(self.path / "structure_factors", self._values)
        attributes = attributes_of(self._group)
        if not attributes.get("ready"):
            raise ValueError("never finished being created")
        self._n_frames = int(attributes.get("n_frames", self._values.shape[0]))
        self.lattice = lattice_of(self._group)
        self.frames = frame_table(self._columns, attributes["sources"], self._n_frames)
        digests = self._columns.get("digest")
        self.digests = None if digests is None else np.array(digests[: self._n_frames])
        self.finished = np.array(self._columns["finished"][: self._n_frames], dtype=bool)
        self._marked, self._has_lost = self.finished.copy(), False
        self._check_shapes()
        self._lose(self._chunks.missing(self._chunks.rows_of(np.flatnonzero(self.finished))))

    @property
    def n_frames(self) -> int:
        """Number of frames, finished or not."""
        return self._n_frames

    @property
    def n_hkl(self) -> int:
        """Number of reflections."""
        return int(self._values.shape[1])

    @property
    def is_complete(self) -> bool:
        """True when every frame is finished."""
        return bool(self.finished.all())

    @property
    def origin(self) -> dict[str, Any]:
        """What the store was made from: its key and its files.

        Under ``warnings`` what was said while making it, under ``notes`` what happened to it, under ``measured_error``
        the relative error of a frame against direct summation, where it was measured.
        """
        attributes = attributes_of(self._group)
        said = {"warnings": _once(attributes, "warnings", "closing"), "notes": _once(attributes, "notes")}
        measured = {name: attributes[name] for name in ("measured_error",) if name in attributes}
        return {**self.key, **attributes.get("files", {}), **measured, **said}

    @property
    def key(self) -> dict[str, Any]:
        """Everything the structure factors depend on: a store with an equal key need not be computed again."""
        return dict(attributes_of(self._group)["key"])

    @property
    def frames_per_chunk(self) -> int:
        """Frames that share a file on disk; blocks of this size are written fastest."""
        return self._chunks.rows

    def read(
        self, frames: slice | np.ndarray = slice(None), reflections: slice | np.ndarray = slice(None)
    ) -> np.ndarray:
        """Structure factors of some frames and reflections, complex64 [n, n_hkl]; nothing else is loaded.

        Raises
        ------
        DiskProblem
            When files of finished frames are gone or broken. These frames are unfinished then.
        """
        wanted = np.atleast_1d(np.arange(self._n_frames)[frames])
        try:
            self._refuse_missing(wanted)
            rows = slice(*frames.indices(self._n_frames)) if isinstance(frames, slice) else wanted
            return np.asarray(self._values.oindex[rows, _whole(reflections)], dtype=np.complex64)
        except (OSError, ValueError, RuntimeError) as problem:
            raise self._unreadable(wanted, problem) from problem

    def write(
        self,
        start: int,
        block: np.ndarray,
        *,
        time: np.ndarray | None = None,
        drift: np.ndarray | None = None,
        cell: np.ndarray | None = None,
        digest: np.ndarray | None = None,
    ) -> None:
        """Write frames ``start, start + 1...`` and mark them finished once they are on disk.

        Parameters
        ----------
        start : int
        block : complex64 [n, n_hkl]
        time, drift, cell : float64 [n], [n, 3], [n, 6], optional
            What was found in these frames, for the frame table.
        digest : uint8 [n, 16], optional
            What tells the frames' positions from others.

        Raises
        ------
        DiskProblem
            When the disk is full or does not take the data; the frames stay unfinished.
        """
        rows = slice(start, start + len(block))
        with writing_to(self.path):
            self._save_marks()
            self._clear(rows)
            self._put(rows, block)
            self._chunks.flush(self._chunks.rows_of(np.arange(rows.start, rows.stop)))
            for name, values in (("time", time), ("drift", drift), ("cell", cell), ("digest", digest)):
                if values is not None:
                    self._column_here(name)[rows] = values
                    self._columns[name][rows] = values
            self._columns["finished"][rows] = np.ones(len(block), dtype=bool)
        self.finished[rows] = self._marked[rows] = True

    def verify(self) -> Generator[tuple[int, int], None, np.ndarray]:
        """Read all finished frames and compare them with their checksums.

        Yields
        ------
        int, int
            Rows of chunks read, and how many there are.

        Returns
        -------
        int [n]
            Frames that are finished no more, because they are broken.

        Raises
        ------
        DiskProblem
            When that cannot be kept.
        """
        before = self._marked.copy()
        chunk_rows = self._chunks.rows_of(np.flatnonzero(self.finished))
        for done, row in enumerate(chunk_rows, start=1):
            if not self._chunks.is_whole(row):
                self._lose(np.array([row]))
            yield done, len(chunk_rows)
        with writing_to(self.path):
            for half in self.path.rglob("*.partial"):  # a writer that was killed had not yet renamed it
                half.unlink(missing_ok=True)
            self._save_marks()
        return np.flatnonzero(before & ~self.finished)

    def forget(self, frames: np.ndarray) -> None:
        """Take the mark from frames that are to be computed again; on disk it goes with the next change."""
        self.finished[frames] = False
        self._has_lost = True

    def extend(self, frames: FrameTable, key: Mapping[str, Any]) -> None:
        """Add frames at the end, unfinished; what was said of the frames before is forgotten, notes are not.

        Parameters
        ----------
        frames : FrameTable
            All frames, first those that are there already, perhaps from files of other names.
        key : mapping
            What the store is made from now.

        Raises
        ------
        DiskProblem
            When the disk does not take it; the store is as before then.
        """
        old, new = self._n_frames, len(frames)
        table = table_columns(frames)
        with writing_to(self.path):
            self._save_marks()
            for name in ("structure_factors", *TABLE):
                array = array_of(self._group, name)
                array.resize((new, *array.shape[1:]))
            for name, values in table.items():
                first = 0 if name in ("source_id", "index") else old
                array_of(self._group, name)[first:new] = values[first:]
            self._group.attrs.update({**frame_attributes(frames, key), "warnings": [], "closing": []})
        self._load()

    def note(self, sentences: Sequence[str]) -> None:
        """Keep sentences on what happened to the store."""
        if sentences:
            with writing_to(self.path):
                self._group.attrs["notes"] = [*attributes_of(self._group).get("notes", []), *sentences]
            self.noted += sentences

    def remember_error(self, error: float) -> None:
        """Keep the relative error that was measured against direct summation; of several the largest.

        NaN, where nothing scatters, is not kept.
        """
        if not np.isfinite(error):
            return
        known = attributes_of(self._group).get("measured_error", 0.0)
        with writing_to(self.path):
            self._group.attrs["measured_error"] = max(float(error), known)

    def warn(self, sentences: Sequence[str]) -> None:
        """Keep sentences for the user with the store (each once)."""
        known = list(attributes_of(self._group).get("warnings", []))
        new = [sentence for sentence in sentences if sentence not in known]
        if new:
            with writing_to(self.path):
                self._group.attrs["warnings"] = known + new

    def conclude(self, sentences: Sequence[str]) -> None:
        """Keep, among the warnings, what can be said of all frames only, in place of what was said so before."""
        if list(sentences) != attributes_of(self._group).get("closing", []):
            with writing_to(self.path):
                self._group.attrs["closing"] = list(sentences)

    def remember_files(self, trajectory: Sequence[Path], topology: Path | None) -> None:
        """Keep where the molecules are, under ``origin["trajectory"]`` and ``origin["topology"]``."""
        files = {
            "trajectory": [str(path.absolute()) for path in trajectory],
            "topology": None if topology is None else str(topology.absolute()),
        }
        if attributes_of(self._group).get("files") != files:
            with writing_to(self.path):
                self._group.attrs["files"] = files

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        lattice: MillerLattice,
        frames: FrameTable,
        key: Mapping[str, Any],
    ) -> StructureFactorStore:
        """Make an empty store; one that is there already is replaced, anything else is left alone.

        Parameters
        ----------
        path : path
            Folder to make.
        lattice : MillerLattice
        frames : FrameTable
        key : mapping
            Everything the structure factors depend on, as JSON.

        Raises
        ------
        BadInput
            When something that is not a store is in the way.
        DiskProblem
            When the folder cannot be made.
        """
        place = Path(path)
        clear_way(place)
        with writing_to(place):
            group = zarr.create_group(place, zarr_format=3, attributes={"format": FORMAT, "schema": SCHEMA})
            create_arrays(group, lattice, frames)
            group.attrs.update(
                {
                    "cell": list(cell_parameters(lattice.cell)),
                    "space_group": lattice.space_group.xhm(),
                    "ndiv": list(lattice.ndiv),
                    **frame_attributes(frames, key),
                    "ready": True,
                }
            )
        return cls.open(place)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> StructureFactorStore:
        """Open a store for reading and for going on with unfinished frames.

        Raises
        ------
        BadInput
            When the folder is missing, is not a store, is damaged, or was made by a newer version.
        """
        place = Path(path)
        header = header_of(place)
        if header is None and not os.path.lexists(place):
            raise BadInput(
                "There is no store of structure factors here", where=place, advice="Check the name and the folder"
            )
        if header is None:
            raise BadInput("This is not a store of structure factors", where=place)
        refuse_newer(header, place)
        try:
            return cls(place, zarr.open_group(place, mode="r+"))
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError) as problem:
            raise _damaged(place) from problem

    def _check_shapes(self) -> None:
        """Compare the arrays with each other; a damaged store raises ValueError."""
        n_frames, n_hkl = self._values.shape
        columns = (*vars(self.frames).values(), self.finished)
        if n_frames < self._n_frames or {len(column) for column in columns} != {self._n_frames}:
            raise ValueError("arrays of different length")
        if len(self.lattice) != n_hkl or (self.lattice.hkl == NO_INDEX).any():
            raise ValueError("the indices are not there")

    def _column_here(self, name: str) -> np.ndarray:
        """The column of the table in memory that goes with the one on disk."""
        return self.digests if name == "digest" and self.digests is not None else getattr(self.frames, name)

    def _put(self, rows: slice, block: np.ndarray) -> None:
        """Write into chunks, which are read first where other frames in them are finished."""
        try:
            self._values[rows] = np.asarray(block, dtype=np.complex64)
        except ValueError as problem:
            neighbours = self._chunks.rows_of(np.arange(rows.start, rows.stop))
            raise self._unreadable(self._chunks.frames_of(neighbours, self._n_frames), problem) from problem

    def _lose(self, chunk_rows: np.ndarray) -> None:
        """Take the mark from all frames of some rows of chunks, here; `_save_marks` does so on disk."""
        self.forget(self._chunks.frames_of(chunk_rows, self._n_frames))

    def _save_marks(self) -> None:
        """Marks that were taken must be gone on disk before a chunk that was broken is there again."""
        if self._has_lost:
            if (self._marked & ~self.finished).any():
                self._columns["finished"][: self._n_frames] = self.finished
                self._marked = self.finished.copy()
            self._has_lost = False

    def _clear(self, rows: slice) -> None:
        """Remove chunks without any finished frame: what is left in them may be broken, and would be read."""
        for row in self._chunks.rows_of(np.arange(rows.start, rows.stop)):
            if not self.finished[self._chunks.frames_of(np.array([row]), self._n_frames)].any():
                self._chunks.remove(row)

    def _refuse_missing(self, frames: np.ndarray) -> None:
        """What is not there would be read as NaN."""
        if len(self._chunks.missing(self._chunks.rows_of(frames[self.finished[frames]]))):
            raise ValueError("files are missing or cut short")

    def _unreadable(self, frames: np.ndarray, problem: Exception) -> DiskProblem:
        """What to say when frames could not be read; broken ones lose their mark, so that they are done again."""
        chunk_rows = self._chunks.rows_of(frames[self.finished[frames]])
        broken = np.array([row for row in chunk_rows if not self._chunks.is_whole(row)], dtype=np.int64)
        lost = self._chunks.frames_of(broken, self._n_frames)
        lost = lost[self.finished[lost]]
        if not len(lost):
            what, advice = f"The structure factors cannot be read back ({problem})", "Look whether the disk is there"
            return DiskProblem(what, where=self.path, advice=advice)
        self._lose(broken)
        with suppress(OSError):  # a store that may only be read stays as it is
            self._save_marks()
        return DiskProblem(
            f"The structure factors of {frames_text(lost)} are damaged on disk",
            where=self.path,
            advice="Run predict again: only these are computed anew",
        )


def _once(attributes: Mapping[str, Any], *names: str) -> list[str]:
    return list(dict.fromkeys(sentence for name in names for sentence in attributes.get(name, [])))


def _whole(rows: slice | np.ndarray) -> slice | np.ndarray:
    return rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))


def _damaged(path: Path) -> DamagedStore:
    return DamagedStore(
        "This store of structure factors is damaged", where=path, advice="Delete it and compute it again"
    )

"""The store of structure factors F(frame, hkl) on disk: a zarr v3 group, chunked along frames and along reflections.

Data comes to disk before the mark that says so: a frame is `finished` only when its chunks were written whole (each
under another name, then renamed), so the store can be killed at any moment and opened again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gemmi
import numpy as np
import zarr

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput, DiskProblem, MdweightsError
from mdweights_core.io.files import disk_problem, hold

FORMAT = "mdweights structure factors"
SCHEMA = 1
_HEADER = "zarr.json"
_CHUNK_BYTES = 8 * 2**20
_ROW_BLOCK_BYTES = 128 * 2**20  # what a writer holds in memory: one chunk of frames, all reflections
_TABLE = {"source_id": "int32", "index": "int32", "time": "float64", "drift": "float64", "cell": "float64"}


class DamagedStore(BadInput):
    """A store that was ours and cannot be read any more."""


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Where each frame comes from and what was found in it.

    Attributes
    ----------
    source : tuple of str
        File of each frame.
    index : int32 [T]
        Number of the frame in its file, from 0.
    time : float64 [T]
        Simulation time in ps; NaN where unknown.
    drift : float64 [T, 3]
        Common translation against the first frame, angstrom; NaN where it was not looked for.
    cell : float64 [T, 6]
        The frame's own box, angstrom and degrees; NaN where the file has none.
    """

    source: tuple[str, ...]
    index: np.ndarray
    time: np.ndarray
    drift: np.ndarray
    cell: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def blank(cls, source: Sequence[str], index: np.ndarray | Sequence[int]) -> FrameTable:
        """A table of frames whose time, drift and cell are not known yet."""
        n = len(source)
        unknown = [np.full(shape, np.nan) for shape in ((n,), (n, 3), (n, 6))]
        return cls(tuple(source), np.asarray(index, dtype=np.int32), *unknown)


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
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self._group = group
        self._values = _array(group, "structure_factors")
        self.lattice = _lattice_of(group)
        self.frames = _frames_of(group)
        self.finished = np.asarray(_array(group, "finished")[...], dtype=bool)
        self._check_shapes()

    @property
    def n_frames(self) -> int:
        """Number of frames, finished or not."""
        return int(self._values.shape[0])

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
        """What the store was made from: its key, its files, and under ``warnings`` what was said while making it."""
        attributes = _attributes(self._group)
        return {**self.key, **attributes.get("files", {}), "warnings": list(attributes.get("warnings", []))}

    @property
    def key(self) -> dict[str, Any]:
        """Everything the structure factors depend on: a store with an equal key need not be computed again."""
        return dict(_attributes(self._group)["key"])

    @property
    def frames_per_chunk(self) -> int:
        """Frames that share a file on disk; blocks of this size are written fastest."""
        return int(self._values.chunks[0])

    def read(
        self, frames: slice | np.ndarray = slice(None), reflections: slice | np.ndarray = slice(None)
    ) -> np.ndarray:
        """Structure factors of some frames and reflections, complex64 [n, n_hkl]; nothing else is loaded.

        Raises
        ------
        DiskProblem
            When the files cannot be read.
        """
        with _readable(self.path):
            return np.asarray(self._values.oindex[_whole(frames), _whole(reflections)], dtype=np.complex64)

    def write(
        self,
        start: int,
        block: np.ndarray,
        *,
        time: np.ndarray | None = None,
        drift: np.ndarray | None = None,
        cell: np.ndarray | None = None,
    ) -> None:
        """Write frames ``start, start + 1...`` and mark them finished once they are on disk.

        Parameters
        ----------
        start : int
        block : complex64 [n, n_hkl]
        time, drift, cell : float64 [n], [n, 3], [n, 6], optional
            What was found in these frames, for the frame table.

        Raises
        ------
        DiskProblem
            When the disk is full or does not take the data; the frames stay unfinished.
        """
        rows = slice(start, start + len(block))
        with _disk(self.path):
            self._values[rows] = np.asarray(block, dtype=np.complex64)
            self._flush(rows)
            for name, values in (("time", time), ("drift", drift), ("cell", cell)):
                if values is not None:
                    getattr(self.frames, name)[rows] = values
                    _array(self._group, name)[rows] = values
            finished = self.finished.copy()
            finished[rows] = True
            _array(self._group, "finished")[...] = finished
        self.finished = finished

    def warn(self, sentences: Sequence[str]) -> None:
        """Keep sentences for the user with the store (each once)."""
        known = list(_attributes(self._group).get("warnings", []))
        new = [sentence for sentence in sentences if sentence not in known]
        if new:
            with _disk(self.path):
                self._group.attrs["warnings"] = known + new

    def remember_files(self, trajectory: Sequence[Path], topology: Path | None) -> None:
        """Keep where the molecules are, under ``origin["trajectory"]`` and ``origin["topology"]``."""
        files = {
            "trajectory": [str(path.absolute()) for path in trajectory],
            "topology": None if topology is None else str(topology.absolute()),
        }
        if _attributes(self._group).get("files") != files:
            with _disk(self.path):
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
        with _disk(place):
            group = zarr.create_group(place, zarr_format=3, attributes={"format": FORMAT, "schema": SCHEMA})
            _create_arrays(group, lattice, frames)
            group.attrs.update(
                {
                    "cell": list(cell_parameters(lattice.cell)),
                    "space_group": lattice.space_group.xhm(),
                    "ndiv": list(lattice.ndiv),
                    "sources": list(dict.fromkeys(frames.source)),
                    "key": json.loads(json.dumps(dict(key))),
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
        header = _header(place)
        if header is None:
            raise BadInput("This is not a store of structure factors", where=place)
        _refuse_newer(header, place)
        try:
            store = cls(place, zarr.open_group(place, mode="r+"))
            store._check_files()
        except MdweightsError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as problem:
            raise _damaged(place) from problem
        return store

    def _check_shapes(self) -> None:
        """Compare the arrays with each other; a damaged store raises ValueError."""
        n_frames, n_hkl = self._values.shape
        table = self.frames
        lengths = {len(table), len(table.index), len(table.time), len(table.drift), len(table.cell), len(self.finished)}
        if lengths != {n_frames} or len(self.lattice) != n_hkl:
            raise ValueError("arrays of different length")

    def _check_files(self) -> None:
        """Every chunk of a finished frame must be there; a damaged store raises ValueError."""
        rows = np.unique(np.flatnonzero(self.finished) // self.frames_per_chunk)
        for file in self._chunk_files(rows):
            if not file.exists():
                raise ValueError(f"{file} is missing")

    def _chunk_files(self, chunk_rows: np.ndarray | range) -> Iterator[Path]:
        folder = self.path / "structure_factors" / "c"
        n_columns = -(-self.n_hkl // int(self._values.chunks[1]))
        return (folder / str(row) / str(column) for row in chunk_rows for column in range(n_columns))

    def _flush(self, rows: slice) -> None:
        """Wait until the chunks of these frames are on the disk itself."""
        size = self.frames_per_chunk
        for file in self._chunk_files(range(rows.start // size, -(-rows.stop // size))):
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def is_store(path: str | os.PathLike[str]) -> bool:
    """True when the folder was made by `StructureFactorStore.create`, whole or damaged."""
    return _header(Path(path)) is not None


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Make the folder of a store if need be, and hold it: two runs must not mix their frames in one store.

    Raises
    ------
    BadInput
        When something that is not a store is in the way.
    DiskProblem
        When another run holds the store, or the folder cannot be made.
    """
    _refuse_strangers(path)
    with _disk(path):
        path.mkdir(parents=True, exist_ok=True)
    with hold(path):
        yield


def clear_way(path: Path) -> None:
    """Empty the folder of a store at `path`; BadInput when something else is there, which is never touched."""
    _refuse_strangers(path)
    if not path.exists():
        return
    with _disk(path):
        # what makes it a store goes last: killed on the way, it is still one, and replaced next time
        for part in sorted(path.iterdir(), key=lambda part: part.name == _HEADER):
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _refuse_strangers(path: Path) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not is_store(path):
        raise BadInput(
            "The place for the structure factors is taken by something else",
            where=path,
            advice="Choose another place, or move it away",
        )
    _refuse_newer(_header(path) or {}, path)


def _header(path: Path) -> dict[str, Any] | None:
    """Attributes of the group when it is one of ours, read without zarr so that damage elsewhere does not matter."""
    try:
        attributes = json.loads((path / _HEADER).read_text())["attributes"]
        return attributes if attributes["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refuse_newer(header: Mapping[str, Any], path: Path) -> None:
    schema = header.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise BadInput(
            "This store of structure factors was made by a newer version of mdweights",
            where=path,
            advice="Update mdweights, or compute the structure factors again in another place",
        )


def _create_arrays(group: zarr.Group, lattice: MillerLattice, frames: FrameTable) -> None:
    group.create_array(
        "structure_factors",
        shape=(len(frames), len(lattice)),
        chunks=_chunks(len(frames), len(lattice)),
        dtype="complex64",
        compressors=None,  # noise does not compress
        fill_value=complex(np.nan, np.nan),
    )
    sources = list(dict.fromkeys(frames.source))
    source_id = np.array([sources.index(name) for name in frames.source], dtype=np.int32)
    table = {"source_id": source_id, **{name: getattr(frames, name) for name in _TABLE if name != "source_id"}}
    table["hkl"] = lattice.hkl
    table["finished"] = np.zeros(len(frames), dtype=bool)
    for name, values in table.items():
        data = np.ascontiguousarray(values, dtype=_TABLE.get(name, values.dtype))
        group.create_array(name, data=data, chunks=tuple(max(n, 1) for n in data.shape))


def _chunks(n_frames: int, n_hkl: int) -> tuple[int, int]:
    """Frames and reflections per chunk: some MB each, and never more frames than a writer can hold."""
    rows = int(np.clip(_ROW_BLOCK_BYTES // (8 * max(n_hkl, 1)), 1, 32))
    rows = max(1, min(rows, n_frames))
    return rows, max(1, min(n_hkl, _CHUNK_BYTES // (8 * rows)))


def _lattice_of(group: zarr.Group) -> MillerLattice:
    attributes = _attributes(group)
    if not attributes.get("ready"):
        raise ValueError("never finished being created")
    h, k, m = (int(n) for n in attributes["ndiv"])
    return MillerLattice(
        np.asarray(_array(group, "hkl")[...]),
        gemmi.UnitCell(*attributes["cell"]),
        gemmi.SpaceGroup(attributes["space_group"]),
        (h, k, m),
    )


def _frames_of(group: zarr.Group) -> FrameTable:
    table = {name: np.array(_array(group, name)[...]) for name in _TABLE}
    sources = list(_attributes(group)["sources"])
    source = tuple(sources[i] for i in table.pop("source_id"))
    return FrameTable(source=source, **table)


def _attributes(group: zarr.Group) -> dict[str, Any]:
    return cast("dict[str, Any]", group.attrs.asdict())


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is not an array")
    return array


def _whole(rows: slice | np.ndarray) -> slice | np.ndarray:
    return rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))


def _damaged(path: Path) -> DamagedStore:
    return DamagedStore(
        "This store of structure factors is damaged", where=path, advice="Delete it and compute it again"
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say that the files of an open store are gone or spoilt."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as problem:
        raise DiskProblem(
            f"The structure factors cannot be read back ({problem})", where=path, advice="Compute them again"
        ) from problem


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Say what the operating system refused while the store was written."""
    try:
        yield
    except OSError as problem:
        raise disk_problem(problem, path) from problem

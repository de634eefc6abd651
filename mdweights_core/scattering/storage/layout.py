"""What a store of structure factors holds besides them, and how all of it is laid out in arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import gemmi
import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.scattering.storage.chunks import chunk_shape

DIGEST_BYTES = 16
_TABLE_ROWS = 1024  # frames in a chunk of the table
TABLE: dict[str, tuple[str, tuple[int, ...], Any]] = {  # type, further axes, and what stands for nothing
    "source_id": ("int32", (), -1),
    "index": ("int32", (), -1),
    "time": ("float64", (), np.nan),
    "drift": ("float64", (3,), np.nan),
    "cell": ("float64", (6,), np.nan),
    "digest": ("uint8", (DIGEST_BYTES,), 0),
    "finished": ("bool", (), False),
}
NO_INDEX = np.iinfo(np.int32).min


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


def create_arrays(group: zarr.Group, lattice: MillerLattice, frames: FrameTable) -> None:
    """Make all arrays of a store, none of whose frames is finished."""
    checked: Any = {"compressors": (Crc32cCodec(),)}  # a checksum, and no compression: noise does not compress
    group.create_array(
        "structure_factors",
        shape=(len(frames), len(lattice)),
        chunks=chunk_shape(len(lattice)),
        dtype="complex64",
        fill_value=complex(np.nan, np.nan),
        **checked,
    )
    chunks: tuple[int, ...] = (max(len(lattice), 1), 3)
    indices = group.create_array(
        "hkl", shape=lattice.hkl.shape, chunks=chunks, dtype="int32", fill_value=NO_INDEX, **checked
    )
    indices[...] = lattice.hkl
    for name, values in table_columns(frames).items():
        _, further, nothing = TABLE[name]
        chunks = (_TABLE_ROWS, *further)
        made = group.create_array(
            name, shape=values.shape, chunks=chunks, dtype=values.dtype, fill_value=nothing, **checked
        )
        if not np.array_equal(values, np.full_like(values, nothing), equal_nan=values.dtype.kind == "f"):
            made[...] = values


def table_columns(frames: FrameTable) -> dict[str, np.ndarray]:
    """All columns of the table on disk for frames that are not computed yet."""
    sources = {name: number for number, name in enumerate(dict.fromkeys(frames.source))}
    known = {**vars(frames), "source_id": np.array([sources[name] for name in frames.source], dtype=np.int32)}
    return {
        name: np.asarray(known[name], dtype) if name in known else np.full((len(frames), *further), nothing, dtype)
        for name, (dtype, further, nothing) in TABLE.items()
    }


def frame_attributes(frames: FrameTable, key: Mapping[str, Any]) -> dict[str, Any]:
    """What the header says of the frames: it is written in one go."""
    return {
        "n_frames": len(frames),
        "sources": list(dict.fromkeys(frames.source)),
        "key": json.loads(json.dumps(dict(key))),
    }


def lattice_of(group: zarr.Group) -> MillerLattice:
    """The reflections of a store."""
    attributes = attributes_of(group)
    h, k, m = (int(n) for n in attributes["ndiv"])
    return MillerLattice(
        np.asarray(array_of(group, "hkl")[...]),
        gemmi.UnitCell(*attributes["cell"]),
        gemmi.SpaceGroup(attributes["space_group"]),
        (h, k, m),
    )


def frame_table(columns: Mapping[str, zarr.Array], sources: Sequence[str], n_frames: int) -> FrameTable:
    """The frame table of a store, whose columns may have rows beyond its frames; ValueError when it is not whole."""
    names = ("source_id", "index", "time", "drift", "cell")
    numbers, index, time, drift, cell = (np.array(columns[name][:n_frames]) for name in names)
    if (numbers < 0).any() or (index < 0).any():
        raise ValueError("frames of no file")
    return FrameTable(tuple(sources[i] for i in numbers), index, time, drift, cell)


def attributes_of(group: zarr.Group) -> dict[str, Any]:
    """The header of a store."""
    return cast("dict[str, Any]", group.attrs.asdict())


def array_of(group: zarr.Group, name: str) -> zarr.Array:
    """An array of a store; TypeError when it is something else."""
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is not an array")
    return array


def frames_text(frames: np.ndarray) -> str:
    """Numbers of frames as people count them: ``frame 3``, ``frames 1 to 32 and 65 to 96``."""
    runs = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
    names = [str(run[0] + 1) if len(run) == 1 else f"{run[0] + 1} to {run[-1] + 1}" for run in runs]
    if len(names) > 4:
        names = [*names[:3], f"{len(frames) - sum(map(len, runs[:3]))} more"]
    return ("frame " if len(frames) == 1 else "frames ") + " and ".join(
        [", ".join(names[:-1]), names[-1]][len(names) == 1 :]
    )

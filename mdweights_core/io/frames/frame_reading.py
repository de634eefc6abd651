"""What readers of frames share: their interface, the bytes of a file, and the sentences on files that are cut off."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from mdweights_core.errors import BadInput, counted

_TURNED = 1e-6  # of the longest component: less is rounding

Frames = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]
"""Positions float32 [n, n_atoms, 3] in angstrom, times float64 [n] in ps (or NaN), cells float64 [n, 6] or None."""


class Reader(Protocol):
    """Random access to the frames of one file.

    Attributes
    ----------
    path : Path
    n_frames, n_atoms : int
    warning : str
        What is to be said of the file, as a clause; empty when it is whole.
    """

    path: Path
    n_frames: int
    n_atoms: int
    warning: str

    def read(self, start: int, count: int) -> Frames:
        """At most `count` frames from `start` on, at least one."""

    def close(self) -> None:
        """Let the file go; the next read opens it again."""


class OpenFile:
    """Bytes of a file anywhere; open between reads until closed. Nothing is mapped: a file may shrink meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._stream: BinaryIO | None = None

    def close(self) -> None:
        """Let the file go; the next read opens it again."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def __del__(self) -> None:
        self.close()

    def bytes(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset` on.

        Raises
        ------
        BadInput
            When there are not as many, or the disk does not give them.
        """
        try:
            if self._stream is None:
                self._stream = self.path.open("rb")
            self._stream.seek(offset)
            content = self._stream.read(min(size, self.size - offset)) if offset < self.size else b""
        except OSError as problem:
            raise BadInput(f"The file cannot be read ({problem.strerror})", where=self.path) from problem
        if len(content) < size:
            raise unreadable(self.path)
        return content

    def array(self, offset: int, dtype: str | np.dtype, count: int) -> np.ndarray:
        """`count` values of `dtype` from `offset` on, read-only."""
        return np.frombuffer(self.bytes(offset, np.dtype(dtype).itemsize * count), dtype=dtype, count=count)


_PER_ANGSTROM = {"nm": 10.0, "nanometer": 10.0, "nanometers": 10.0}  # all other names are taken for angstrom


def frames_of_arrays(arrays: dict[str, np.ndarray], units: dict[str, str]) -> Frames:
    """Frames from the arrays ``coordinates``, ``time``, ``cell_lengths`` and ``cell_angles`` of AMBER's convention."""
    found = arrays["coordinates"]
    count = len(found)
    with np.errstate(over="ignore", invalid="ignore"):
        positions = np.empty(found.shape, dtype=np.float32)
        np.multiply(found, _PER_ANGSTROM.get(units["coordinates"], 1.0), out=positions, casting="same_kind")
    time = arrays.get("time")
    has_time = time is not None and time.shape == (count,) and time.dtype.kind in "fiu"
    cell = [arrays.get(name) for name in ("cell_lengths", "cell_angles")]
    cells = None
    if all(part is not None and part.shape == (count, 3) and part.dtype.kind == "f" for part in cell):
        cells = np.concatenate(cell, axis=1, dtype=np.float64)  # type: ignore[arg-type]
        cells[:, :3] *= _PER_ANGSTROM.get(units["cell_lengths"], 1.0)
    return positions, time.astype(np.float64) if has_time and time is not None else np.full(count, np.nan), cells


def cut_off(n_frames: int, lost: float = 1) -> str:
    """The clause on a file of which only the first `n_frames` are whole, and about how many are lost."""
    whole = f"{counted(n_frames, 'whole frame')} {'was' if n_frames == 1 else 'were'}"
    missing = "at least one is lost" if lost < 1.5 else f"about {lost:.0f} are lost"
    return f"the end of the file is cut off or damaged; its {whole} read, {missing}"


def fewer(promised: int, n_frames: int) -> str:
    """The clause on a file with fewer frames than it says; empty when it has as many."""
    lost = promised - n_frames
    if lost <= 0:
        return ""
    are = "is" if lost == 1 else "are"
    return f"the file announces {counted(promised, 'frame')} but holds {n_frames}: {lost} {are} lost"


def no_frames(path: Path) -> BadInput:
    """The error of a file without a single whole frame."""
    return BadInput("There is no whole frame in this file", where=path, advice="Copy or make it again")


def unreadable(path: Path, what: str = "This trajectory") -> BadInput:
    """The error of a file that is not what its name says, or broken."""
    kind = path.suffix.lower()
    return BadInput(
        f"{what} cannot be read: the file is damaged, cut off, or no {kind} file despite its name",
        where=path,
        advice="Copy or make it again",
    )


def cells_from_vectors(vectors: np.ndarray) -> np.ndarray:
    """(a, b, c, alpha, beta, gamma) of box vectors, the rows of each of `vectors` [n, 3, 3]; float64 [n, 6]."""
    vectors = np.asarray(vectors, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(vectors, axis=2)
        directions = vectors / lengths[:, :, None]
        cosines = np.stack(
            [np.sum(directions[:, i] * directions[:, j], axis=1) for i, j in ((1, 2), (0, 2), (0, 1))], axis=1
        )
        return np.concatenate([lengths, np.degrees(np.arccos(np.clip(cosines, -1, 1)))], axis=1)


def in_usual_axes(positions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Positions turned together with their boxes, so that a lies along x and b in the plane of x and y.

    So PDB files have them (GROMACS, AMBER and NAMD, too), and so the Cartesian axes of a cell [6] lie. CHARMM, for one,
    simulates and writes oblique boxes with other axes.

    Parameters
    ----------
    positions : float32 [n, n_atoms, 3]
    vectors : float [n, 3, 3]
        Box vectors of each frame as rows, NaN for none, in any unit.

    Returns
    -------
    float32 [n, n_atoms, 3]
        `positions` where no frame has to be turned. Frames without a right-handed box of three vectors stay as they
        are.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    off = np.abs(vectors[:, [0, 0, 1], [1, 2, 2]]).max(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        is_turned = np.isfinite(vectors).all(axis=(1, 2)) & (off > _TURNED * np.abs(vectors).max(axis=(1, 2)))
        is_turned |= (vectors[:, [0, 1, 2], [0, 1, 2]] < 0).any(axis=1)
        is_turned &= np.linalg.det(vectors) > 0
    if not is_turned.any():
        return positions
    axes, triangle = np.linalg.qr(np.swapaxes(vectors[is_turned], 1, 2))  # V^T = Q R: V Q is a lower triangle
    axes *= np.sign(np.diagonal(triangle, axis1=1, axis2=2))[:, None, :]
    turned = positions.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        turned[is_turned] = positions[is_turned].astype(np.float64) @ axes
    return turned

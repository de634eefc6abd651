"""Frames of a simulation, from any number of trajectory files, read some at a time.

Positions are in angstrom whatever the file has. Sites without an atom (the fourth point of a water model) are left out.
"""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.frames.atom_records import Conformers
from mdweights_core.io.frames.atoms import VIRTUAL, Atoms
from mdweights_core.io.frames.frame_reading import Reader
from mdweights_core.io.frames.trajectory_files import has_topology, open_reader, read_topology, require_input

__all__ = ["Atoms", "Chunk", "FrameSource", "open_frames"]

_SMALLEST_VOLUME = 4.0  # angstrom cubed per atom: nothing is denser, hydrogen included
_MOST_OPEN_FILES = 8
_FARTHEST = 1e6  # angstrom: single precision is good to 0.03 there
_DEFAULT_BOX = 10.0  # many writers put a cube of 1 nm where there is no box


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some consecutive frames.

    Attributes
    ----------
    start : int
        Number of the first one among all frames of the source.
    positions : float32 [n, n_atoms, 3]
        Angstrom.
    time : float64 [n]
        ps; NaN where unknown.
    cells : float64 [n, 6] or None
        Boxes, angstrom and degrees; NaN where a frame has none or an obvious dummy, None when no frame has one.
    """

    start: int
    positions: np.ndarray
    time: np.ndarray
    cells: np.ndarray | None


class FrameSource:
    """Frames of one simulation, in one or several files; made by `open_frames`. Threads may share it.

    `select` gives the same frames with fewer atoms. Such selections share the open files.

    Attributes
    ----------
    paths : tuple of Path
    topology_path : Path or None
        None when the trajectory brings its own topology.
    atoms : Atoms
        Real atoms only, and of these the selected ones, in the order of positions.
    n_frames : int
    cell : gemmi.UnitCell or None
        Box of the first frame; None when there is none, or an obvious dummy.
    marks : tuple of str
        What was chosen of the atoms in the files: the alternative conformer, the rows.
    warnings : tuple of str
    """

    def __init__(
        self,
        paths: Sequence[Path],
        topology_path: Path | None,
        atoms: Atoms,
        readers: list[Reader],
        conformers: Conformers,
    ) -> None:
        self.paths, self.topology_path = tuple(paths), topology_path
        self._readers, self._lock = readers, threading.Lock()
        self._open: deque[Reader] = deque()
        self._ends = np.cumsum([reader.n_frames for reader in readers]).tolist()
        self._n_sites = len(atoms)
        is_real = atoms.element != VIRTUAL
        self._rows = None if is_real.all() else np.flatnonzero(is_real)
        self.atoms = atoms if self._rows is None else atoms.select(self._rows)
        self._conformers = conformers
        self.marks: tuple[str, ...] = (f"altloc {conformers.altloc}",) if conformers.altloc else ()
        self._warnings = [f"{reader.path.name}: {reader.warning}" for reader in readers if reader.warning]
        self._warnings += [conformers.warning] if conformers.warning else []
        self._warn_of_virtual_sites(atoms)
        self._states = [_state(path) for path in self.paths]
        self.cell = self._first_cell()

    @property
    def n_frames(self) -> int:
        """Frames of all files together."""
        return int(self._ends[-1])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what was left out or set aside."""
        return tuple(self._warnings)

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """Fingerprint and number of frames of each file, in their order."""
        counts = np.diff([0, *self._ends]).tolist()
        return tuple((_fingerprint(path), count) for path, count in zip(self.paths, counts, strict=True))

    def select(self, rows: np.ndarray) -> FrameSource:
        """The same frames with only some of the atoms; nothing is read, and open files are shared.

        Warnings are kept. The marks change, unless `rows` are all atoms in their order.

        Parameters
        ----------
        rows : int [n] or bool [n_atoms]
            Rows of `atoms`, in the order they shall have.

        Raises
        ------
        BadInput
            When there are none, or one that is not there.
        """
        every = np.arange(len(self.atoms))
        try:
            rows = every[rows]
        except IndexError as problem:
            raise BadInput(f"The selection has other atoms than the {len(every)} of the frames") from problem
        if not len(rows):
            raise BadInput("No atoms are selected", advice="Choose atoms that are in the topology")
        if np.array_equal(rows, every):
            return self
        part = copy.copy(self)
        part.atoms = self.atoms.select(rows)
        part._rows = rows if self._rows is None else self._rows[rows]
        part.marks = (*self.marks, f"rows {hashlib.sha256(rows.astype('<i8').tobytes()).hexdigest()}")
        return part

    def origin(self, frame: int) -> tuple[str, int]:
        """File of a frame and its number in that file, from 0."""
        file = self._file_of(frame)
        return str(self.paths[file]), frame - self._begin(file)

    def positions(self, frame: int) -> np.ndarray:
        """Positions of one frame in angstrom, float32 [n_atoms, 3]."""
        return self._read(frame, 1).positions[0]

    def chunks(self, size: int = 16, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """All frames from `start` on, or those before `stop`, at most `size` at a time.

        Raises
        ------
        BadInput
            When a frame cannot be read or has coordinates that are no numbers.
        """
        frame, stop = start, self.n_frames if stop is None else min(stop, self.n_frames)
        while frame < stop:
            end = min(stop, self._ends[self._file_of(frame)])
            chunk = self._read(frame, min(size, end - frame))
            yield chunk
            frame += len(chunk.positions)

    def boxes(self) -> np.ndarray:
        """Boxes of all frames, float64 [n_frames, 6] in angstrom and degrees; reads through all files.

        NaN rows where a frame has no box, or an obvious dummy.

        Raises
        ------
        BadInput
            When a frame cannot be read.
        """
        boxes = np.full((self.n_frames, 6), np.nan)
        if self.cell is not None:
            for chunk in self.select(np.array([0])).chunks():
                if chunk.cells is not None:
                    boxes[chunk.start : chunk.start + len(chunk.cells)] = chunk.cells
        return boxes

    def _read(self, frame: int, count: int) -> Chunk:
        file = self._file_of(frame)
        local = frame - self._begin(file)
        with self._lock:
            self._require_unchanged(file)
            positions, time, cells = self._ready(file).read(local, count)
        positions = self._checked(positions, file, local)
        return Chunk(frame, positions, time, self._real(cells))

    def _real(self, cells: np.ndarray | None) -> np.ndarray | None:
        if self.cell is None or cells is None:
            return None
        dummies = [real_cell(cell, self._n_sites) is None for cell in cells]
        return np.where(np.array(dummies)[:, None], np.nan, cells)

    def _require_unchanged(self, file: int) -> None:
        """A simulation that still runs may add to its file; any other change would mix two simulations."""
        before, now = self._states[file], _state(self.paths[file])
        if now[:2] != before[:2] or now[2] < before[2]:
            raise BadInput(
                "The file was replaced or cut while it was read", where=self.paths[file], advice="Open the frames again"
            )

    def _ready(self, file: int) -> Reader:
        """The reader of a file, which stays open; of a thousand files only the last few used are."""
        reader = self._readers[file]
        if reader not in self._open:
            self._open.append(reader)
            if len(self._open) > _MOST_OPEN_FILES:
                self._open.popleft().close()
        return reader

    def _checked(self, positions: np.ndarray, file: int, local: int) -> np.ndarray:
        """The selected atoms of frames, which must be numbers; of the others nothing is asked."""
        if positions.shape[1] != self._n_sites:
            raise _other_atoms(self.paths[file], positions.shape[1], self._n_sites, self._conformers)
        if self._rows is not None:
            positions = positions[:, self._rows]
        farthest = np.maximum(positions.max(axis=(1, 2), initial=0.0), -positions.min(axis=(1, 2), initial=0.0))
        bad = ~(farthest <= _FARTHEST)  # what is no number, too
        if bad.any():
            first = int(np.argmax(bad))
            what = "that are not numbers"
            if np.isfinite(farthest[first]):
                what = (
                    f"further than {_FARTHEST:,.0f} Å from the origin, where single precision knows no place in a cell"
                )
            raise BadInput(
                f"Frame {local + first + 1} has coordinates {what}",
                where=self.paths[file],
                advice="Write the trajectory again without that frame",
            )
        return positions

    def _first_cell(self) -> gemmi.UnitCell | None:
        positions, _, cells = self._ready(0).read(0, 1)
        self._checked(positions, 0, 0)
        if cells is None or not np.isfinite(cells[0]).any():
            return None
        cell = real_cell(cells[0], self._n_sites)
        if cell is None:
            lengths = " ".join(f"{number:.4g}" for number in cells[0])
            self._warnings.append(f"The box in the frames ({lengths}) is a dummy and was left aside")
        return cell

    def _warn_of_virtual_sites(self, atoms: Atoms) -> None:
        if self._rows is None:
            return
        names = np.unique(atoms.name[atoms.element == VIRTUAL])
        count = len(atoms) - len(self._rows)
        were = "was" if count == 1 else "were"
        self._warnings.append(f"{counted(count, 'site')} without an atom ({', '.join(names)}) {were} left out")

    def _file_of(self, frame: int) -> int:
        if not 0 <= frame < self.n_frames:
            raise BadInput(f"There is no frame {frame + 1}: there are {self.n_frames} frames", where=self.paths[0])
        return bisect_right(self._ends, frame)

    def _begin(self, file: int) -> int:
        return int(self._ends[file - 1]) if file else 0


def open_frames(
    paths: Sequence[str | os.PathLike[str]], topology: str | os.PathLike[str] | None = None, *, altloc: str = ""
) -> FrameSource:
    """Open trajectory files as one row of frames.

    Parameters
    ----------
    paths : sequence of path
        Trajectories of the same atoms: xtc, trr, dcd, NetCDF, HDF5, GRO, PDB and mmCIF with models, dtr and others.
    topology : path, optional
        PDB, mmCIF, GRO, PSF, prmtop, HDF5 or mol2 file with the atoms; not needed when the trajectory has them.
    altloc : str
        Label of the alternative conformer to take of residues of PDB and mmCIF files that have it. Of the others, and
        of all when it is empty, the conformer with the most occupied atom in the topology (its first model) is taken.

    Raises
    ------
    BadInput
        A file that is missing, empty, damaged, of unknown format or of other atoms, a topology that is needed, or an
        alternative conformer that no residue has.
    """
    files = [require_input(path) for path in paths]
    if not files:
        raise BadInput("There are no frames", advice="Choose at least one trajectory file")
    place = None if topology is None else require_input(topology)
    if place is None and not has_topology(files[0]):
        raise BadInput(
            "This trajectory says nothing about its atoms",
            where=files[0],
            advice="Give a topology (PDB, GRO, PSF, prmtop)",
        )
    conformers = Conformers(altloc)
    atoms = read_topology(place or files[0], conformers)
    if not (atoms.element != VIRTUAL).any():
        raise BadInput("There are no atoms in this topology", where=place or files[0])
    readers = [_opened(file, len(atoms), conformers) for file in files]
    _require_conformer(conformers, place or files[0])
    return FrameSource(files, place, atoms, readers, conformers)


def _require_conformer(conformers: Conformers, topology: Path) -> None:
    labels = conformers.labels
    if conformers.altloc and conformers.altloc not in labels:
        there = f"there are {', '.join(labels)}" if labels else "no atom has alternatives"
        raise BadInput(f"There is no alternative conformer '{conformers.altloc}': {there}", where=topology)


def real_cell(parameters: np.ndarray, n_atoms: int) -> gemmi.UnitCell | None:
    """The box as a cell, or None when it is a placeholder: zeros, 1 A, 1 nm cubed, or too small for its atoms."""
    lengths, angles = parameters[:3], parameters[3:]
    if not np.isfinite(parameters).all() or (lengths < 2).any() or (angles < 10).any() or (angles > 170).any():
        return None
    if np.allclose(lengths, _DEFAULT_BOX, atol=1e-3) and np.allclose(angles, 90, atol=1e-3):
        return None
    cell = gemmi.UnitCell(*parameters)
    is_possible = np.isfinite(cell.volume) and cell.volume >= _SMALLEST_VOLUME * n_atoms
    return cell if is_possible else None


def _opened(path: Path, n_atoms: int, conformers: Conformers) -> Reader:
    """A reader of frames with as many atoms as the topology, let go until it is needed."""
    reader = open_reader(path, n_atoms, conformers)
    reader.close()
    if reader.n_atoms != n_atoms:
        raise _other_atoms(path, reader.n_atoms, n_atoms, conformers)
    return reader


def _other_atoms(path: Path, found: int, wanted: int, conformers: Conformers) -> BadInput:
    other = ", or another alternative conformer" if conformers.labels else ""
    return BadInput(
        f"The frames have {counted(found, 'atom')} but the topology has {wanted}",
        where=path,
        advice=f"Choose the topology this trajectory was made with{other}",
    )


def _state(path: Path) -> tuple[int, int, int]:
    """Which file it is, and its size."""
    try:
        status = path.stat()
    except OSError as problem:
        raise BadInput("The file is not there any more", where=path, advice="Open the frames again") from problem
    return status.st_dev, status.st_ino, 0 if path.is_dir() else status.st_size


def _fingerprint(path: Path) -> str:
    """Of a file, or of all files of a folder (dtr trajectories are folders)."""
    if not path.is_dir():
        return file_fingerprint(path)
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size)
    return "\n".join(f"{file.relative_to(path)} {file_fingerprint(file)}" for file in files)

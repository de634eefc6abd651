"""One trajectory file at a time, and topologies: which reader fits, and what its many exceptions mean.

Binary formats are read by mdtraj. Its exceptions are of all kinds and its C parts print: both end here.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import os
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.atom_records import Conformers
from mdweights_core.io.atoms import Atoms, make_atoms, symbol_despite_mass
from mdweights_core.io.files import require_file
from mdweights_core.io.text_frames import CifModels, GroFrames, PdbModels

_PDB = (".pdb", ".pdb.gz", ".ent")
_CIF = (".cif", ".cif.gz", ".mmcif", ".mmcif.gz", ".pdbx")
_HDF5 = (".h5", ".hdf5", ".lh5")
_RESTART = (".inpcrd", ".restrt", ".rst7", ".ncrst")
_COMPRESSED = (".xtc", ".trr")  # frames one after the other without a table: a cut shows only where it is
_BINARY = (*_COMPRESSED, ".dcd", ".nc", ".ncdf", ".netcdf", ".dtr", *_HDF5, *_RESTART)
_TEXT = (".mdcrd", ".crd", ".lammpstrj", ".xyz", ".xyz.gz")
_TOPOLOGIES = (".psf", ".prmtop", ".parm7", ".prm7", ".top", ".mol2", ".hoomdxml", *_HDF5)
_READING_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, ValueError, RuntimeError, TypeError, KeyError, IndexError, AttributeError, ImportError, EOFError),
    *(AssertionError, ArithmeticError, StopIteration, struct.error, MemoryError, UnicodeError),
)
_output_lock = threading.RLock()

Frames = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]


class Reader(Protocol):
    """Random access to the frames of one file."""

    path: Path
    n_frames: int
    warning: str

    def read(self, start: int, count: int) -> Frames:
        """Positions float32 [n, n_atoms, 3] in angstrom, times [n] in ps, cells [n, 6] or None."""

    def close(self) -> None:
        """Let the file go; the next read opens it again."""


def require_input(path: str | os.PathLike[str]) -> Path:
    """The path of an input file that is there and not empty; a dtr trajectory is a folder."""
    place = Path(path)
    return place if _extension(place) == ".dtr" and place.is_dir() else require_file(place)


def has_topology(path: Path) -> bool:
    """True when the trajectory brings its own atoms."""
    return _extension(path) in (*_PDB, *_CIF, ".gro", *_HDF5)


def read_topology(path: Path, conformers: Conformers) -> Atoms:
    """Atoms of a topology, virtual sites included; it settles the conformers of its residues.

    Raises
    ------
    BadInput
        When the format is not one of atoms, or the file cannot be read.
    """
    extension = _extension(path)
    if (text := _text_frames(path, extension, conformers)) is not None:
        return text.atoms()
    if extension not in _TOPOLOGIES:
        raise BadInput(
            f"A file of this kind ({extension or 'no extension'}) is not a topology that can be read",
            where=path,
            advice="Use PDB, mmCIF, GRO, PSF, prmtop (parm7), mol2 or HDF5; gmx editconf makes a GRO from a tpr",
        )
    _require_hdf5(path, extension)
    import mdtraj

    with _explained(path, "topology"), _quiet():
        load = mdtraj.load_prmtop if extension == ".top" else mdtraj.load_topology
        topology = load(str(path))
        return _atoms_of(topology, by_mass=extension == ".psf")


def open_reader(path: Path, n_atoms: int, conformers: Conformers) -> Reader:
    """The reader that fits the file, by its extension.

    Raises
    ------
    BadInput
        When the format is unknown or the file cannot be read.
    """
    extension = _extension(path)
    if (text := _text_frames(path, extension, conformers)) is not None:
        return _TextReader(path, text)
    if extension not in (*_BINARY, *_TEXT):
        raise BadInput(
            f"A file of this kind ({extension or 'no extension'}) is not a trajectory that can be read",
            where=path,
            advice="Use xtc, trr, dcd, NetCDF (nc), HDF5 (h5), GRO, PDB, mmCIF, dtr, mdcrd, lammpstrj or xyz",
        )
    _require_hdf5(path, extension)
    return _MdtrajReader(path, extension, n_atoms)


class _TextReader:
    """Frames of a text file as a `Reader`."""

    def __init__(self, path: Path, frames: PdbModels | CifModels | GroFrames) -> None:
        self.path, self._frames, self.n_frames = path, frames, frames.n_frames
        is_truncated = isinstance(frames, GroFrames) and frames.is_truncated
        self.warning = _cut_off(self.n_frames) if is_truncated else ""

    def close(self) -> None:
        if isinstance(self._frames, PdbModels):
            self._frames.close()

    def read(self, start: int, count: int) -> Frames:
        frames = [self._frames.frame(number) for number in range(start, min(start + count, self.n_frames))]
        sizes = {len(frame.positions) for frame in frames}
        if len(sizes) > 1:
            raise BadInput("Its frames do not all have the same number of atoms", where=self.path)
        cells = [np.full(6, np.nan) if frame.cell is None else frame.cell for frame in frames]
        has_cells = any(frame.cell is not None for frame in frames)
        times = np.array([frame.time for frame in frames])
        return np.array([frame.positions for frame in frames]), times, np.array(cells) if has_cells else None


class _MdtrajReader:
    """Frames of a binary file (and of the rarer text formats) read by mdtraj, left open between reads until closed."""

    def __init__(self, path: Path, extension: str, n_atoms: int) -> None:
        self.path, self._extension, self._n_atoms = path, extension, n_atoms
        self.warning = ""
        self._file: Any = None
        self._next = 0
        with _explained(path, "trajectory"), _quiet():
            self._open()
            self.n_frames = self._count()
        if self.n_frames < 1:
            raise BadInput("There is no whole frame in this file", where=path, advice="Copy or make it again")

    def read(self, start: int, count: int) -> Frames:
        with _explained(self.path, "trajectory", f"frame {start + 1}"):
            if self._file is None:
                with _quiet():
                    self._open()
            self._go_to(start)
            # asked for more than there is, some formats read into a last frame that is cut off
            frames = self._next_frames(min(count, self.n_frames - start))
        if not len(frames[0]):
            raise BadInput(f"Frame {start + 1} cannot be read", where=self.path, advice="Copy or make the file again")
        return frames

    def close(self) -> None:
        if self._file is not None:
            with _explained(self.path, "trajectory"):
                self._file.close()
        self._file = None

    def _open(self) -> None:
        import mdtraj

        self.close()
        self._next = 0
        options = {"n_atoms": self._n_atoms} if self._extension in (".mdcrd", ".crd") else {}
        self._file = mdtraj.open(str(self.path), **options)

    def _next_frames(self, count: int) -> Frames:
        if self._extension in _RESTART:
            part = self._file.read_as_traj(None)
        elif self._extension in _HDF5:
            part = self._file.read_as_traj(n_frames=count)
        else:
            part = self._file.read_as_traj(None, n_frames=count)
        self._next += len(part.xyz)
        positions = (10.0 * np.asarray(part.xyz, dtype=np.float64)).astype(np.float32)
        # the other formats keep no time: mdtraj numbers their frames instead
        keeps_time = self._extension in _BINARY and self._extension != ".dcd"
        time = np.asarray(part.time, dtype=np.float64) if keeps_time else np.full(len(positions), np.nan)
        return positions, time, _cells_of(part)

    def _go_to(self, frame: int) -> None:
        if self._next == frame:
            return
        if self._extension in _RESTART:
            self._open()
            return
        with _quiet() if self._extension == ".dcd" else contextlib.nullcontext():  # it opens the file anew, and says so
            self._file.seek(frame)
        self._next = frame

    def _count(self) -> int:
        """Whole frames; what is cut off is not counted."""
        if self._extension in _TEXT:
            return self._count_by_reading()
        n_frames = len(self._file)
        if self._extension in _COMPRESSED:
            n_frames = self._whole_frames(n_frames)
        if self._extension == ".dcd" and (promised := _dcd_frames(self.path)) > n_frames:
            self.warning = f"the file announces {promised} frames but holds {n_frames}"
        return n_frames

    def _count_by_reading(self) -> int:
        n_frames = 0
        try:
            while self._step():
                n_frames += 1
        except _READING_ERRORS:
            if not n_frames:
                raise
            self.warning = _cut_off(n_frames)
        self._open()
        return n_frames

    def _whole_frames(self, n_frames: int) -> int:
        """Read the last frame, and what may come behind it, to see where the file is cut off."""
        for last in (n_frames - 1, n_frames - 2):
            try:
                self._go_to(last)
                self._next_frames(1)
            except _READING_ERRORS:
                self.warning = _cut_off(last)
                self._open()
                continue
            return last + 1 if self.warning else self._check_end(n_frames)
        return 0

    def _check_end(self, n_frames: int) -> int:
        """Nothing may follow the last whole frame."""
        try:
            self._step()
        except _READING_ERRORS:
            self.warning = _cut_off(n_frames)
        self._open()
        return n_frames

    def _step(self) -> bool:
        """Read a frame only to pass it; False at the end of the file."""
        found = self._file.read(n_frames=1)
        self._next += 1
        return len(found[0] if isinstance(found, tuple) else found) > 0


def _cut_off(n_frames: int) -> str:
    return f"the end of the file is cut off; its {n_frames} whole frames were read"


def _dcd_frames(path: Path) -> int:
    """Number of frames announced by the header of a DCD file; 0 when the header is an unusual one."""
    with path.open("rb") as stream:
        header = stream.read(12)
    for order in "<>":
        if struct.unpack(f"{order}i", header[:4])[0] == 84:
            return int(struct.unpack(f"{order}i", header[8:12])[0])
    return 0


def _cells_of(part: Any) -> np.ndarray | None:
    lengths, angles = part.unitcell_lengths, part.unitcell_angles
    if lengths is None or angles is None:
        return None
    return np.concatenate([10.0 * np.asarray(lengths, dtype=np.float64), np.asarray(angles, dtype=np.float64)], axis=1)


def _atoms_of(topology: Any, by_mass: bool) -> Atoms:
    atoms = list(topology.atoms)
    symbols = [None if atom.element is None else atom.element.symbol for atom in atoms]
    if by_mass:
        pairs = zip(symbols, atoms, strict=True)
        symbols = [symbol_despite_mass(symbol, atom.name, atom.residue.name) for symbol, atom in pairs]
    return make_atoms(
        symbols,
        [atom.name for atom in atoms],
        [atom.residue.name for atom in atoms],
        [atom.residue.resSeq or 0 for atom in atoms],
        [str(atom.residue.chain.chain_id or atom.residue.segment_id or "") for atom in atoms],
    )


def _text_frames(path: Path, extension: str, conformers: Conformers) -> PdbModels | CifModels | GroFrames | None:
    if extension in _PDB:
        return PdbModels(path, conformers)
    if extension in _CIF:
        return CifModels(path, conformers)
    return GroFrames(path) if extension == ".gro" else None


def _require_hdf5(path: Path, extension: str) -> None:
    if extension in _HDF5 and importlib.util.find_spec("tables") is None:
        raise BadInput(
            "HDF5 trajectories need the Python package 'tables', which is not installed",
            where=path,
            advice="Install it with: pip install tables",
        )


def _extension(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    return "".join(suffixes) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


@contextlib.contextmanager
def _explained(path: Path, kind: str, place: str = "") -> Iterator[None]:
    """Turn whatever a reader raises into one sentence, and keep its warnings to itself."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BadInput:
        raise
    except MemoryError as problem:
        raise BadInput(f"This {kind} does not fit into memory", where=path) from problem
    except _reading_errors() as problem:
        what = f"{place.capitalize()} of this {kind}" if place else f"This {kind}"
        raise BadInput(
            f"{what} cannot be read: the file is damaged, cut off, or no {_extension(path)} file despite its name",
            where=path,
            advice="Copy or make it again",
        ) from problem


def _reading_errors() -> tuple[type[Exception], ...]:
    """What readers raise, with mdtraj's own exceptions once it is imported."""
    psf = sys.modules.get("mdtraj.formats.psf")
    return _READING_ERRORS if psf is None else (*_READING_ERRORS, psf.PSFError)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Python and C code print out of the terminal.

    The streams belong to the whole process, so this is for the moment of opening a file, not for reading through it.
    """
    with (
        _output_lock,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.ExitStack() as undo,
    ):
        with contextlib.suppress(OSError):  # a process without a terminal may have no such descriptors
            for descriptor in (1, 2):
                _mute(descriptor, undo)
        yield


def _mute(descriptor: int, undo: contextlib.ExitStack) -> None:
    _flush_c_streams()
    saved = os.dup(descriptor)
    undo.callback(os.close, saved)
    undo.callback(os.dup2, saved, descriptor)
    undo.callback(_flush_c_streams)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), descriptor)


def _flush_c_streams() -> None:
    """What C code printed waits in a buffer of its own, and must go while its descriptor is muted."""
    ctypes.CDLL(None).fflush(None)

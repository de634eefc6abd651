"""One trajectory file at a time, and topologies: which reader fits, and what its many exceptions mean.

The rarer formats and most topologies are read by mdtraj. Its exceptions are of all kinds and its C parts print: both
end here.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file
from mdweights_core.io.frames.atom_records import Conformers
from mdweights_core.io.frames.atoms import Atoms, make_atoms, symbol_despite_mass
from mdweights_core.io.frames.dcd_frames import DcdFrames
from mdweights_core.io.frames.dtr_check import require_sound_heads
from mdweights_core.io.frames.frame_reading import Frames, Reader, cut_off, no_frames, unreadable
from mdweights_core.io.frames.gromacs_frames import TrrFrames, XtcFrames
from mdweights_core.io.frames.hdf5_frames import MAGIC, Hdf5Frames
from mdweights_core.io.frames.netcdf_frames import NetcdfFrames
from mdweights_core.io.frames.quiet import quiet
from mdweights_core.io.frames.text_frames import CifModels, GroFrames, PdbModels

_PDB = (".pdb", ".pdb.gz", ".ent")
_CIF = (".cif", ".cif.gz", ".mmcif", ".mmcif.gz", ".pdbx")
_HDF5 = (".h5", ".hdf5")
_RESTART = (".inpcrd", ".restrt", ".rst7", ".ncrst")
_NETCDF = (".nc", ".ncdf", ".netcdf")
_TEXT = (".mdcrd", ".crd", ".lammpstrj", ".xyz", ".xyz.gz")
_BY_MDTRAJ = (".dtr", *_RESTART, *_TEXT)
_TRAJECTORIES = (".xtc", ".trr", ".dcd", *_NETCDF, *_HDF5, *_BY_MDTRAJ)
_TOPOLOGIES = (".psf", ".prmtop", ".parm7", ".prm7", ".top", ".mol2", ".hoomdxml", *_HDF5)
_READING_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, ValueError, RuntimeError, TypeError, KeyError, IndexError, AttributeError, ImportError, EOFError),
    *(AssertionError, ArithmeticError, StopIteration, struct.error, MemoryError, UnicodeError),
)


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
    if extension in _HDF5:
        return Hdf5Frames(path).atoms()
    import mdtraj

    with _explained(path, "topology"), quiet():
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
    if extension not in _TRAJECTORIES:
        raise BadInput(
            f"A file of this kind ({extension or 'no extension'}) is not a trajectory that can be read",
            where=path,
            advice="Use xtc, trr, dcd, NetCDF (nc), HDF5 (h5), GRO, PDB, mmCIF, dtr, mdcrd, lammpstrj or xyz",
        )
    if extension == ".dtr":
        require_sound_heads(path)
    if extension in _BY_MDTRAJ:
        return _MdtrajReader(path, extension, n_atoms)
    return _binary_reader(path, extension)


def _binary_reader(path: Path, extension: str) -> Reader:
    if extension in (".xtc", ".trr"):
        return XtcFrames(path) if extension == ".xtc" else TrrFrames(path)
    if extension == ".dcd":
        return DcdFrames(path)
    with path.open("rb") as stream:
        is_hdf5 = stream.read(len(MAGIC)) == MAGIC  # NetCDF 4 is, too
    return Hdf5Frames(path) if is_hdf5 or extension in _HDF5 else NetcdfFrames(path)


class _TextReader:
    """Frames of a text file as a `Reader`."""

    def __init__(self, path: Path, frames: PdbModels | CifModels | GroFrames) -> None:
        self.path, self._frames, self.n_frames, self.n_atoms = path, frames, frames.n_frames, frames.n_atoms
        self.warning = cut_off(self.n_frames) if frames.is_truncated else ""

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
        with _explained(path, "trajectory"), quiet():
            self._open()
            self.n_frames = self._count()
        if self.n_frames < 1:
            raise no_frames(path)
        with quiet():
            self.n_atoms = self.read(0, 1)[0].shape[1]

    def read(self, start: int, count: int) -> Frames:
        with _explained(self.path, "trajectory", f"frame {start + 1}"):
            if self._file is None:
                with quiet():
                    self._open()
            self._go_to(start)
            # asked for more than there is, some formats read into a last frame that is cut off
            frames = self._next_frames(min(count, self.n_frames - start))
        if not len(frames[0]):
            raise unreadable(self.path, f"Frame {start + 1} of this trajectory")
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
        else:
            part = self._file.read_as_traj(None, n_frames=count)
        self._next += len(part.xyz)
        # text formats keep no time: mdtraj numbers their frames instead
        keeps_time = self._extension not in _TEXT
        time = np.asarray(part.time, dtype=np.float64) if keeps_time else np.full(len(part.xyz), np.nan)
        with np.errstate(over="ignore"):
            return np.float32(10) * np.asarray(part.xyz, dtype=np.float32), time, _cells_of(part)

    def _go_to(self, frame: int) -> None:
        if self._next == frame:
            return
        if self._extension in _RESTART:
            self._open()
            return
        self._file.seek(frame)
        self._next = frame

    def _count(self) -> int:
        """Whole frames; what is cut off is not counted."""
        return self._count_by_reading() if self._extension in _TEXT else len(self._file)

    def _count_by_reading(self) -> int:
        n_frames = 0
        try:
            while self._step():
                n_frames += 1
        except _READING_ERRORS:
            if not n_frames:
                raise
            self.warning = cut_off(n_frames)
        self._open()
        return n_frames

    def _step(self) -> bool:
        """Read a frame only to pass it; False at the end of the file."""
        found = self._file.read(n_frames=1)
        self._next += 1
        return len(found[0] if isinstance(found, tuple) else found) > 0


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
        raise unreadable(path, f"{place.capitalize()} of this {kind}" if place else f"This {kind}") from problem


def _reading_errors() -> tuple[type[Exception], ...]:
    """What readers raise, with mdtraj's own exceptions once it is imported."""
    psf = sys.modules.get("mdtraj.formats.psf")
    return _READING_ERRORS if psf is None else (*_READING_ERRORS, psf.PSFError)

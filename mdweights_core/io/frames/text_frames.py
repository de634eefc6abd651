"""Frames in text files: models of a PDB or mmCIF file, frames of a GRO file. Order of atoms is that of the file.

PDB and GRO files are mapped, not loaded: one model at a time is parsed, by columns.
"""

from __future__ import annotations

import gzip
import mmap
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import gemmi
import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.atom_records import AtomRecords, Conformers, decoded, words
from mdweights_core.io.frames.atoms import Atoms, make_atoms
from mdweights_core.io.frames.frame_reading import cells_from_vectors, in_usual_axes, no_frames

_MODEL_END = re.compile(rb"^END(?:MDL)?[ \t\r]*$", re.MULTILINE)
_ATOM_LINE = re.compile(rb"^(?:ATOM  |HETATM).*$", re.MULTILINE)
_CRYST1 = re.compile(rb"^CRYST1.*$", re.MULTILINE)
_SHORTEST_ATOM_LINE = 54  # up to the coordinates
_TIME = re.compile(rb"\bt *= *([-+0-9.eE]+)")
_CIF_COLUMNS = [
    *("type_symbol", "label_atom_id", "?label_alt_id", "label_comp_id", "?auth_asym_id", "?auth_seq_id"),
    *("?pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z", "?occupancy", "?pdbx_PDB_model_num"),
    *("?B_iso_or_equiv", "?label_asym_id", "?label_seq_id"),
]


class Frame(NamedTuple):
    """One frame: positions float32 [n_atoms, 3] in angstrom, time in ps (NaN unknown), cell float64 [6] or None."""

    positions: np.ndarray
    time: float
    cell: np.ndarray | None


class PdbModels:
    """The models of a PDB file as frames; of alternative conformers the same one in all models.

    Symmetry mates are not made, and neither occupancies nor B factors weigh the atoms: a frame is what is in the file.
    """

    def __init__(self, path: Path, conformers: Conformers) -> None:
        self.path, self._conformers = path, conformers
        self._mapped: bytes | mmap.mmap | None = None
        self._blocks = list(_pdb_blocks(self._text))
        if not self._blocks:
            raise BadInput("There are no atoms in this file", where=path)
        first = self._all_records(0)
        conformers.settle(first)
        self._names = conformers.pick(first).name
        self.is_truncated = self._is_last_cut()
        if self.is_truncated:
            self._blocks.pop()
        self._cell = _pdb_cell(self._text, self._blocks[0])
        self.n_frames, self.n_atoms = len(self._blocks), len(self._names)

    def atoms(self) -> Atoms:
        """Atoms of the first model."""
        return self._records(0).atoms()

    def close(self) -> None:
        """Let the file go; the next frame opens it again."""
        if isinstance(self._mapped, mmap.mmap):
            self._mapped.close()
        self._mapped = None

    @property
    def _text(self) -> bytes | mmap.mmap:
        if self._mapped is None:
            self._mapped = _content(self.path)
        return self._mapped

    def frame(self, number: int) -> Frame:
        """Model `number`, from 0."""
        records = self._records(number)
        _require_same_atoms(records.name, self._names, number, self.path)
        cell = _pdb_cell(self._text, self._blocks[number])
        return Frame(records.positions, np.nan, self._cell if cell is None else cell)

    def _is_last_cut(self) -> bool:
        """True when the last of several models has no end and is shorter than the first."""
        begin, end = self._blocks[-1]
        if len(self._blocks) == 1 or _MODEL_END.search(self._text, begin, end):
            return False
        lines = self._lines(len(self._blocks) - 1)
        return len(lines) < len(self._lines(0)) or len(lines[-1]) < _SHORTEST_ATOM_LINE

    def _lines(self, number: int) -> list[bytes]:
        return [match.group() for match in _ATOM_LINE.finditer(self._text, *self._blocks[number])]

    def _records(self, number: int) -> AtomRecords:
        return self._conformers.pick(self._all_records(number))

    def _all_records(self, number: int) -> AtomRecords:
        lines = self._lines(number)
        table = np.frombuffer(b"".join(line[:80].ljust(80) for line in lines), dtype="S1").reshape(-1, 80)
        try:
            return _pdb_records(table)
        except ValueError as problem:
            raise BadInput(f"Model {number + 1} has atom lines that cannot be read", where=self.path) from problem


class CifModels:
    """The models of an mmCIF file as frames, all in memory; of alternative conformers the same one in all models."""

    def __init__(self, path: Path, conformers: Conformers) -> None:
        self.path = path
        try:
            blocks = list(gemmi.cif.read(str(path)))
            block = next((one for one in blocks if one.find_loop("_atom_site.Cartn_x")), blocks[0])
            records, model = _cif_records(block)
            self._cell = _cif_cell(block)
        except (OSError, ValueError, RuntimeError, IndexError) as problem:
            raise BadInput("This mmCIF file has no atoms that can be read", where=path) from problem
        models = [records.rows(model == number) for number in dict.fromkeys(model.tolist())]
        conformers.settle(models[0])
        self._models = [conformers.pick(one) for one in models]
        self.is_truncated = len(models) > 1 and len(models[-1].name) < len(models[0].name)
        if self.is_truncated:
            self._models.pop()
        self.n_frames, self.n_atoms = len(self._models), len(self._models[0].name)

    def atoms(self) -> Atoms:
        """Atoms of the first model."""
        return self._models[0].atoms()

    def frame(self, number: int) -> Frame:
        """Model `number`, from 0."""
        _require_same_atoms(self._models[number].name, self._models[0].name, number, self.path)
        return Frame(self._models[number].positions, np.nan, self._cell)


class GroFrames:
    """The frames of a GRO file, which is open only while one is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_truncated = False
        self._places = list(self._index())
        if not self._places:
            raise no_frames(path)
        if self._is_last_cut():
            self._places.pop()
            self.is_truncated = True
        self.n_frames, self.n_atoms = len(self._places), len(self._lines(0)) - 3

    def atoms(self) -> Atoms:
        """Atoms of the first frame; GRO files have no elements."""
        lines = self._lines(0)[2:-1]
        try:
            number = [int(line[:5]) for line in lines]
        except ValueError as problem:
            raise BadInput("The residue numbers of this GRO file cannot be read", where=self.path) from problem
        residue_name, name = (words([line[low : low + 5] for line in lines]) for low in (5, 10))
        return make_atoms([None] * len(lines), name, residue_name, number, [""] * len(lines))

    def frame(self, number: int) -> Frame:
        """Frame `number`, from 0."""
        lines = self._lines(number)
        try:
            positions = _gro_positions(lines[2:-1])
            box = [10.0 * float(length) for length in lines[-1].split()]
        except ValueError as problem:
            raise BadInput(f"Frame {number + 1} has lines that cannot be read", where=self.path) from problem
        times = _TIME.findall(lines[0])
        time = _number_or_nan(times[-1]) if times else np.nan
        if (vectors := _gro_vectors(box)) is None:
            return Frame(positions, time, None)
        return Frame(in_usual_axes(positions[None], vectors[None])[0], time, cell_from_vectors(vectors))

    def _index(self) -> Iterator[tuple[int, int]]:
        """Where each whole frame starts and ends."""
        with self.path.open("rb") as stream:
            while title := stream.readline():
                start = stream.tell() - len(title)
                count = stream.readline()
                if not count.strip():
                    self.is_truncated = bool(title.strip())
                    return
                n_lines = self._number_of_atoms(count) + 1
                if sum(1 for _ in islice(iter(stream.readline, b""), n_lines)) < n_lines:
                    self.is_truncated = True
                    return
                yield start, stream.tell()

    def _is_last_cut(self) -> bool:
        """True when the box of the last of several frames ends sooner than that of the first, and with it the file."""
        first, last = self._content(0), self._content(len(self._places) - 1)
        is_shorter = len(last.rstrip()) - last.rstrip().rfind(b"\n") < len(first.rstrip()) - first.rstrip().rfind(b"\n")
        return len(self._places) > 1 and not last.endswith(b"\n") and is_shorter

    def _number_of_atoms(self, line: bytes) -> int:
        try:
            number = int(line)
        except ValueError:
            number = 0
        if not 0 < number < self.path.stat().st_size:
            raise BadInput("This is not a GRO file: its second line is no number of atoms", where=self.path)
        return number

    def _content(self, number: int) -> bytes:
        start, end = self._places[number]
        with self.path.open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start)

    def _lines(self, number: int) -> list[bytes]:
        return self._content(number).splitlines()


def _gro_positions(lines: list[bytes]) -> np.ndarray:
    """Positions in angstrom; the distance between decimal points is the width of a column, as GROMACS has it."""
    first = lines[0]
    points = [i for i in range(20, len(first)) if first[i : i + 1] == b"."]
    if len(points) < 3:
        raise ValueError("no three numbers")
    width = points[1] - points[0]
    table = np.array([line[20 : 20 + 3 * width].ljust(3 * width) for line in lines])
    numbers = table.view(f"S{width}").reshape(-1, 3).astype(np.float64)
    return (10.0 * numbers).astype(np.float32)


def _gro_vectors(box: list[float]) -> np.ndarray | None:
    """Box vectors as rows, from v1x v2y v3z [v1y v1z v2x v2z v3x v3y]."""
    if len(box) not in (3, 9):
        return None
    x1, y2, z3, y1, z1, x2, z2, x3, y3 = box if len(box) == 9 else [*box, *[0.0] * 6]
    return np.array([[x1, y1, z1], [x2, y2, z2], [x3, y3, z3]])


def cell_from_vectors(vectors: np.ndarray) -> np.ndarray:
    """(a, b, c, alpha, beta, gamma) of box vectors, the rows of `vectors` [3, 3]."""
    return cells_from_vectors(np.asarray(vectors)[None])[0]


def _content(path: Path) -> bytes | mmap.mmap:
    """The file, mapped rather than read unless it is compressed."""
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as packed:
                return packed.read()
        with path.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, EOFError, zlib.error) as problem:
        raise BadInput("The file cannot be read or unpacked", where=path) from problem


def _pdb_blocks(text: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where each model that has atoms starts (with what stands before it) and ends."""
    start = 0
    for end in [*(match.end() for match in _MODEL_END.finditer(text)), len(text)]:
        if _ATOM_LINE.search(text, start, end):
            yield start, end
        start = end


def _pdb_cell(text: bytes | mmap.mmap, block: tuple[int, int]) -> np.ndarray | None:
    """CRYST1 of a model; the first model's block starts with the header."""
    match = _CRYST1.search(text, *block)
    if match is None:
        return None
    line = match.group()
    columns = [line[6:15], line[15:24], line[24:33], line[33:40], line[40:47], line[47:54]]
    return np.array([_number_or_nan(column) for column in columns])


def _number_or_nan(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _pdb_records(table: np.ndarray) -> AtomRecords:
    """Columns of the atom lines [n, 80]."""

    def column(low: int, high: int) -> np.ndarray:
        return np.ascontiguousarray(table[:, low:high]).view(f"S{high - low}")[:, 0]

    positions = np.column_stack([column(low, low + 8) for low in (30, 38, 46)]).astype(np.float64)
    return AtomRecords(
        symbol=np.char.strip(column(76, 78)),
        name=np.char.strip(column(12, 16)),
        alternative=np.char.strip(column(16, 17)),
        residue_name=np.char.strip(column(17, 21)),
        chain=np.char.strip(column(21, 22)),
        residue_number=column(22, 26),
        insertion=np.char.strip(column(26, 27)),
        positions=positions.astype(np.float32),
        occupancy=column(54, 60),
        b_iso=column(60, 66),
    )


def _cif_records(block: gemmi.cif.Block) -> tuple[AtomRecords, np.ndarray]:
    """Columns of the atom_site loop, and the model of each row."""
    table = block.find("_atom_site.", _CIF_COLUMNS)
    if not len(table):
        raise ValueError("no atom_site loop")

    def column(number: int, default: str) -> np.ndarray:
        if not table.has_column(number):
            return np.full(len(table), default.encode())
        texts = [gemmi.cif.as_string(text) or default for text in table.column(number)]
        return np.array([text.encode("utf-8", "replace") for text in texts])

    positions = np.column_stack([column(i, "nan") for i in (7, 8, 9)]).astype(np.float64)
    records = AtomRecords(
        symbol=column(0, ""),
        name=column(1, ""),
        alternative=column(2, ""),
        residue_name=column(3, ""),
        chain=column(4 if table.has_column(4) else 13, ""),
        residue_number=column(5 if table.has_column(5) else 14, "0"),
        insertion=column(6, ""),
        positions=positions.astype(np.float32),
        occupancy=column(10, ""),
        b_iso=column(12, ""),
    )
    return records, column(11, "1")


def _cif_cell(block: gemmi.cif.Block) -> np.ndarray | None:
    names = [*(f"length_{axis}" for axis in "abc"), *(f"angle_{angle}" for angle in ("alpha", "beta", "gamma"))]
    cell = np.array([gemmi.cif.as_number(block.find_value(f"_cell.{name}") or "?") for name in names])
    return cell if np.isfinite(cell).all() and gemmi.UnitCell(*cell).is_crystal() else None


def _require_same_atoms(names: np.ndarray, first: np.ndarray, number: int, path: Path) -> None:
    if len(names) != len(first):
        raise BadInput(
            f"Model {number + 1} has {counted(len(names), 'atom')} but the first model has {len(first)}",
            where=path,
            advice="All models must hold the same atoms",
        )
    if (names != first).any():
        row = int(np.argmax(names != first))
        raise BadInput(
            f"Atom {row + 1} of model {number + 1} is {decoded(names[row])}, "
            f"but {decoded(first[row])} in the first model",
            where=path,
            advice="All models must hold the same atoms in the same order",
        )

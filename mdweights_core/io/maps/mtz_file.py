"""An MTZ file opened with all its parts checked, so that whoever reads from it meets no surprise.

gemmi does the reading. It takes a file cut short in its header for one with fewer records, sometimes with no
reflection at all, so the frame of the file is checked first: where the header is, that it ends, and that the table
before it has the size the header tells. Format: https://www.ccp4.ac.uk/html/mtzformat.html
"""

from __future__ import annotations

import gzip
import io
import math
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file

INDEX_LIMIT = 2**20  # what laue.hkl_key holds
_RECORD = 80
_WORD = 4
_FIRST_WORDS = 20
_COPY_AGAIN = "Copy or make the file again"
_LAUE_CLASSES = {
    "-1": "P -1",
    "mmm": "P m m m",
    "4/m": "P 4/m",
    "4/mmm": "P 4/m m m",
    "-3": "P -3",
    "-3m1": "P -3 m 1",
    "-31m": "P -3 1 m",
    "6/m": "P 6/m",
    "6/mmm": "P 6/m m m",
    "m-3": "P m -3",
    "m-3m": "P m -3 m",
}
_RHOMBOHEDRAL = {"-3": "R -3:R", "-3m": "R -3 m:R"}
_OBLIQUE = 0.5  # degrees off a right angle
_GEMMI_ERRORS = (RuntimeError, ValueError, MemoryError, IndexError, OSError)


@dataclass(frozen=True)
class Column:
    """One column of an open MTZ file: where it is and what it is called."""

    label: str
    type: str
    dataset: str
    dataset_id: int
    index: int

    @property
    def full_label(self) -> str:
        """The label with its data set, ``dataset/label``, for files that use a label twice."""
        return f"{self.dataset}/{self.label}"


@dataclass(frozen=True, eq=False)
class MtzContents:
    """All of an MTZ file in memory.

    Attributes
    ----------
    table : float32 [n_hkl, n_column]
        All columns, missing numbers as NaN whatever the file marks them with.
    hkl : int32 [n_hkl, 3]
    cells : mapping of dataset id to gemmi.UnitCell
        Only usable cells; key -1 is the cell of the whole file.
    """

    path: Path
    title: str
    space_group: gemmi.SpaceGroup | None
    columns: tuple[Column, ...]
    table: np.ndarray
    hkl: np.ndarray
    cells: dict[int, gemmi.UnitCell]
    history: tuple[str, ...]
    is_unmerged: bool

    def of_type(self, types: str) -> list[Column]:
        """Columns of any of these one-letter types, in file order."""
        return [column for column in self.columns if column.type in types]

    def values(self, column: Column) -> np.ndarray:
        """Float32 [n_hkl], NaN where missing."""
        return self.table[:, column.index]

    def cell_of(self, column: Column | None = None) -> gemmi.UnitCell | None:
        """The cell of the column's data set, or of the file when that has none."""
        whole = self.cells.get(-1)
        return whole if column is None else self.cells.get(column.dataset_id, whole)

    def find(self, label: str) -> Column:
        """The column called `label` (or ``dataset/label`` where two share a label); BadInput when there is none."""
        found = [column for column in self.columns if label in (column.label, column.full_label)]
        if len(found) == 1:
            return found[0]
        if found:
            what, choices = f"{len(found)} columns are called {label}", ", ".join(column.full_label for column in found)
        else:
            what, choices = f"There is no column {label}", listing(self.columns)
        raise BadInput(what, where=self.path, advice=f"Choose one of {choices}")

    def find_typed(self, label: str, kind: str, meaning: str) -> Column:
        """The column called `label`, which has to be of type `kind` to be `meaning`; BadInput when it is not."""
        column = self.find(label)
        if column.type == kind:
            return column
        candidates = self.of_type(kind)
        raise BadInput(
            f"{label} is of type {column.type} and cannot be {meaning} (type {kind})",
            where=self.path,
            advice=f"Choose one of {listing(candidates)}" if candidates else f"There is no column of type {kind} here",
        )

    def lattice(self, column: Column, space_group: str | None = None) -> MillerLattice:
        """All reflections with the cell of `column` and the file's or the given space group; BadInput without them."""
        cell = self.cell_of(column)
        if cell is None:
            raise BadInput(
                "The file has no unit cell", where=self.path, advice="Write it again with the cell in its header"
            )
        group = self.space_group if space_group is None else parse_space_group(space_group, cell, self.path)
        if group is None:
            raise BadInput(
                "The file has no space group that is known",
                where=self.path,
                advice="Give the space group, or write the file again with it",
            )
        require_fit(cell, group, self.path, "Give the space group of the data" if space_group else _COPY_AGAIN)
        return MillerLattice(self.hkl, cell, group)

    def require_merged(self) -> None:
        """Raise BadInput for an unmerged file."""
        if self.is_unmerged:
            raise BadInput(
                "The file is unmerged: it lists every single observation (batches, M/ISYM)",
                where=self.path,
                advice="Merge it first, for example with AIMLESS or careless",
            )


def listing(columns: Iterable[Column], limit: int = 12) -> str:
    """Columns for a message: ``IDIFF (J), SIGIDIFF (Q)``; the indices left out, long lists cut."""
    names = [f"{column.label} ({column.type})" for column in columns if column.type != "H"]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "no column"


def parse_space_group(name: str, cell: gemmi.UnitCell, path: Path | None = None) -> gemmi.SpaceGroup:
    """The space group called ``P 41``, ``P41``, ``76``..., or that of a Laue class, in the setting of the cell.

    Raises
    ------
    BadInput
        When there is none of that name.
    """
    found = gemmi.find_spacegroup_by_name(name, cell.alpha, cell.gamma) if name.isascii() else None
    group = found or parse_laue(name, cell)
    if group is None:
        raise BadInput(
            f"There is no space group called {name!r}",
            where=path,
            advice="Write it like P 21 21 21, or only the Laue class, like 4/m",
        )
    return group


def parse_laue(symbol: str, cell: gemmi.UnitCell) -> gemmi.SpaceGroup | None:
    """The symmorphic primitive space group of a Laue class, such as ``P 4/m`` of ``4/m``; None for any other text.

    Of the settings of a monoclinic or trigonal class the one is taken that the angles of the cell can have.

    Raises
    ------
    BadInput
        For ``-3m`` on hexagonal axes, where it may be ``-3m1`` or ``-31m``.
    """
    plain = "".join(symbol.split()).lower()
    if plain == "-3m" and cell.gamma >= 119:
        raise BadInput("The Laue class -3m is ambiguous on hexagonal axes", advice="Write -3m1 or -31m")
    known = {**_LAUE_CLASSES, "2/m": _monoclinic(cell), **({} if cell.gamma >= 119 else _RHOMBOHEDRAL)}
    return gemmi.find_spacegroup_by_name(known[plain]) if plain in known else None


def _monoclinic(cell: gemmi.UnitCell) -> str:
    """P 2/m about the axis that the oblique angle lies across; about b where there is none."""
    if abs(cell.gamma - 90) > _OBLIQUE:
        return "P 1 1 2/m"
    return "P 2/m 1 1" if abs(cell.alpha - 90) > _OBLIQUE else "P 1 2/m 1"


def require_fit(cell: gemmi.UnitCell, group: gemmi.SpaceGroup, path: Path, advice: str) -> None:
    """Raise BadInput when the cell does not have the symmetry of the space group within 1 %."""
    if not cell.is_compatible_with_spacegroup(group, 0.01):
        sizes = " ".join(f"{number:.6g}" for number in cell_parameters(cell))
        raise BadInput(f"The unit cell {sizes} does not fit the space group {group.hm}", where=path, advice=advice)


def cell_of_numbers(numbers: Iterable[float]) -> gemmi.UnitCell | None:
    """The cell of three lengths and three angles; None when they make none."""
    try:
        cell = gemmi.UnitCell(*map(float, numbers))
    except (RuntimeError, TypeError):  # angles of 180 degrees; not six numbers
        return None
    return cell if is_usable_cell(cell) else None


def is_usable_cell(cell: gemmi.UnitCell) -> bool:
    """True for six numbers that make a cell: lengths that can be calculated with, angles that span a volume."""
    lengths, angles = np.split(np.array(cell_parameters(cell)), 2)
    is_possible = (lengths > 1e-6).all() and (lengths < 1e6).all() and (angles > 0).all() and (angles < 180).all()
    return bool(is_possible and cell.is_crystal() and cell.volume > 1e-6 * lengths.prod())


def open_mtz(path: str | os.PathLike[str]) -> MtzContents:
    """Read an MTZ file, plain or gzipped.

    Raises
    ------
    BadInput
        When it is missing, empty, no MTZ file, cut short or damaged, or has no Miller indices.
    """
    path = require_file(path)
    if not _is_text(path):
        where = str(path).encode(errors="replace").decode()
        raise BadInput("The name of the file has signs that are no text", where=where, advice="Rename it")
    records = _header_records(path)
    try:
        mtz = gemmi.read_mtz_file(str(path))
        contents = _contents(path, mtz, _history(records))
    except _GEMMI_ERRORS as error:
        detail = str(error).replace(str(path), "").strip(" :.\n")
        raise _damaged(path, f"gemmi says: {detail}") from error
    return contents


def _is_text(path: Path) -> bool:
    """False for a path of bytes that are not UTF-8, which Python can name but gemmi cannot."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _contents(path: Path, mtz: gemmi.Mtz, history: tuple[str, ...]) -> MtzContents:
    names = {dataset.id: dataset.dataset_name for dataset in mtz.datasets}
    columns = tuple(
        Column(column.label, column.type, names.get(column.dataset_id, ""), column.dataset_id, index)
        for index, column in enumerate(mtz.columns)
    )
    table = np.array(mtz.array, dtype=np.float32)
    hkl = _miller_indices(path, columns, table)
    if not math.isnan(mtz.valm):
        table[table == np.float32(mtz.valm)] = np.nan
    return MtzContents(
        path=path,
        title=mtz.title.strip(),
        space_group=mtz.spacegroup,
        columns=columns,
        table=table,
        hkl=hkl,
        cells=dict(_usable_cells(mtz)),
        history=history,
        is_unmerged=len(mtz.batches) > 0 or any(_is_unmerged_mark(column) for column in columns),
    )


def _is_unmerged_mark(column: Column) -> bool:
    # type Y alone does not tell: TRUNCATE writes an ISYM column of that type into merged files
    return column.type == "Y" and re.sub(r"[^A-Z]", "", column.label.upper()) == "MISYM"


def _usable_cells(mtz: gemmi.Mtz) -> Iterator[tuple[int, gemmi.UnitCell]]:
    for key, cell in [(-1, mtz.cell), *((dataset.id, dataset.cell) for dataset in mtz.datasets)]:
        if is_usable_cell(cell):
            yield key, cell


def _miller_indices(path: Path, columns: tuple[Column, ...], table: np.ndarray) -> np.ndarray:
    by_label = {column.label.upper(): column.index for column in columns if column.type == "H"}
    if not {"H", "K", "L"} <= set(by_label):
        raise BadInput("The file has no Miller indices H, K, L (type H)", where=path, advice="Choose a reflection file")
    values = table[:, [by_label["H"], by_label["K"], by_label["L"]]]
    with np.errstate(invalid="ignore"):
        is_whole = (np.abs(values) < INDEX_LIMIT) & (values == np.rint(values))
    if not is_whole.all():
        raise _damaged(path, "some Miller indices are not whole numbers")
    return values.astype(np.int32)


def _header_records(path: Path) -> list[bytes]:
    """Lines of the header; BadInput unless it is whole and the table before it is as large as it says."""
    try:
        with _content(path) as stream:
            first = stream.read(20)
            if first[:4] != b"MTZ ":
                raise BadInput("This is not an MTZ file", where=path, advice="Choose a file written as MTZ")
            start = _header_start(first)
            header = stream.read() if stream.seek(max(start, 0)) == start else b""
    except (OSError, EOFError, OverflowError, MemoryError, zlib.error) as error:
        raise _damaged(path, "it cannot be read or unpacked to its end") from error
    if b"MTZENDOFHEADERS" not in header:
        raise _damaged(path, "the header at its end is not complete")
    records = [header[place : place + _RECORD] for place in range(0, len(header), _RECORD)]
    if not any(record.startswith(b"END") for record in records):
        raise _damaged(path, "the header has no end")
    n_column, n_hkl = _table_size(path, records)
    if n_hkl == 0:
        raise BadInput("The file lists no reflection", where=path, advice="Choose another file")
    if start - _FIRST_WORDS * _WORD != n_column * n_hkl * _WORD:
        raise _damaged(path, f"it has no room for the {n_hkl} reflections of {n_column} columns that the header tells")
    return records


def _history(records: list[bytes]) -> tuple[str, ...]:
    # not from gemmi, which takes a blank line of the history for whatever lies in memory before it
    first = next((place for place, record in enumerate(records) if record.startswith(b"MTZHIST")), None)
    if first is None:
        return ()
    count = records[first].split()[1:2]
    n_line = int(count[0]) if count and count[0].isdigit() else 0
    lines = (record.decode("ascii", errors="replace").strip() for record in records[first + 1 : first + 1 + n_line])
    return tuple(line for line in lines if line)


def _content(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        is_compressed = stream.read(2) == b"\x1f\x8b"
    if not is_compressed:
        return path.open("rb")
    if path.suffix.lower() != ".gz":
        raise BadInput("The file is compressed but not named so", where=path, advice="Add .gz to its name")
    with gzip.open(path) as packed:  # to the end: only there is the checksum
        return io.BytesIO(packed.read())


def _header_start(first: bytes) -> int:
    """Byte at which the header starts, from the first 20 bytes (word 2, or words 4 and 5 in large files)."""
    order: Literal["big", "little"] = "big" if first[9:10] and first[9] & 0xF0 == 0x10 else "little"
    word = int.from_bytes(first[4:8], order, signed=True)
    if word == -1:
        word = int.from_bytes(first[12:20], order, signed=True)
    return (word - 1) * _WORD


def _table_size(path: Path, records: list[bytes]) -> tuple[int, int]:
    counts = next((record.split()[1:3] for record in records if record.startswith(b"NCOL")), [])
    if len(counts) < 2 or not all(count.isdigit() for count in counts):
        raise _damaged(path, "the header does not tell the numbers of columns and reflections")
    return int(counts[0]), int(counts[1])


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(f"The MTZ file is damaged or cut short: {why}", where=path, advice=_COPY_AGAIN)

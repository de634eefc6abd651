"""Atom records of PDB and mmCIF files as columns, and which of alternative conformers is taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.io.frames.atoms import Atoms, make_atoms

_Residue = tuple[bytes, bytes, bytes]
_Shares = dict[bytes, float]  # of the alternative conformers of a residue, in the order of the file


class AtomRecords(NamedTuple):
    """Columns of the atom records of one model: bytes [n_atoms], positions float32 [n_atoms, 3] in angstrom."""

    symbol: np.ndarray
    name: np.ndarray
    alternative: np.ndarray
    residue_name: np.ndarray
    chain: np.ndarray
    residue_number: np.ndarray
    insertion: np.ndarray
    positions: np.ndarray
    occupancy: np.ndarray
    b_iso: np.ndarray

    def rows(self, keep: np.ndarray) -> AtomRecords:
        """Only the records where `keep`."""
        return AtomRecords(*(column[keep] for column in self))

    def atoms(self) -> Atoms:
        """The atoms of these records; occupancies and B factors only when the columns hold numbers."""
        return make_atoms(
            words(self.symbol),
            words(self.name),
            words(self.residue_name),
            _residue_numbers(self.residue_number),
            words(self.chain),
            b_iso=_numbers(self.b_iso, b"0"),
            occupancy=_numbers(self.occupancy, b"1"),
        )


class Conformers:
    """Which alternative conformer of each residue is taken: settled by the model seen first, the same in all.

    Parameters
    ----------
    altloc : str
        Label of the conformer to take where a residue has it; elsewhere, and when empty, the one with the most occupied
        atom is taken, the first of equals.
    """

    def __init__(self, altloc: str = "") -> None:
        self.altloc = altloc.strip()
        self._wanted = self.altloc.encode("latin-1", "replace")
        self._taken: dict[_Residue, bytes] = {}
        self._labels: dict[_Residue, tuple[bytes, ...]] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels met so far, in order."""
        return tuple(words(sorted({label for labels in self._labels.values() for label in labels})))

    @property
    def warning(self) -> str:
        """A sentence on what was chosen; empty when there was no choice, or all residues have the wanted conformer."""
        choices = [labels for labels in self._labels.values() if len(labels) > 1]
        without = [labels for labels in choices if self._wanted not in labels]
        if not without:
            return ""
        if self._wanted:
            return (
                f"{len(without)} of the {counted(len(choices), 'residue')} with alternative conformers have no "
                f"conformer {decoded(self._wanted)}: of these the one of most occupancy was taken"
            )
        names = ", ".join(words(sorted({label for labels in choices for label in labels})))
        return (
            f"{counted(len(choices), 'residue')} with alternative conformers ({names}): of each the one of most "
            "occupancy was taken; choose another with --altloc"
        )

    def settle(self, records: AtomRecords) -> None:
        """Choose for the residues not met before."""
        for residue, shares in _shares(records).items():
            if residue not in self._taken:
                self._taken[residue] = self._best(shares)
                self._labels[residue] = tuple(shares)

    def pick(self, records: AtomRecords) -> AtomRecords:
        """Of each residue with alternatives the conformer taken, which stands for all of them, and what all share.

        Its occupancies become those of all conformers together: a residue that is half this and half that is there.
        """
        shares = _shares(records)
        if not shares:
            return records
        taken = {residue: self._choice(residue, found) for residue, found in shares.items()}
        keep, parts = np.ones(len(records.name), dtype=bool), np.ones(len(records.name))
        for row in _rows_with_alternatives(records):
            residue = _residue(records, row)
            keep[row] = records.alternative[row] == taken[residue]
            parts[row] = _part(shares[residue], taken[residue])
        return _for_all(records, parts).rows(keep)

    def _choice(self, residue: _Residue, shares: _Shares) -> bytes:
        settled = self._taken.get(residue)
        return settled if settled in shares else self._best(shares)

    def _best(self, shares: _Shares) -> bytes:
        return self._wanted if self._wanted in shares else max(shares, key=shares.__getitem__)


def _shares(records: AtomRecords) -> dict[_Residue, _Shares]:
    """Occupancy of the most occupied atom of each alternative conformer of each residue that has such."""
    rows = _rows_with_alternatives(records)
    if not rows:
        return {}
    found: dict[_Residue, _Shares] = {}
    occupancy = _numbers(records.occupancy, b"1")
    for row in rows:
        shares = found.setdefault(_residue(records, row), {})
        label, share = bytes(records.alternative[row]), 1.0 if occupancy is None else float(occupancy[row])
        shares[label] = max(share, shares.get(label, share))
    return found


def _part(shares: _Shares, label: bytes) -> float:
    """What a conformer has of the occupancy of all, which is at most 1; 1 where it has none to be raised."""
    total = min(sum(shares.values()), 1.0)
    return shares[label] / total if shares[label] > 0 < total else 1.0


def _for_all(records: AtomRecords, parts: np.ndarray) -> AtomRecords:
    """The records with occupancies divided by `parts` [n_atoms], where the column holds numbers."""
    occupancy = _numbers(records.occupancy, b"1")
    if occupancy is None or (parts == 1).all():
        return records
    return records._replace(occupancy=np.array([b"%.6g" % number for number in occupancy / parts]))


def _rows_with_alternatives(records: AtomRecords) -> list[int]:
    return np.flatnonzero(records.alternative != b"").tolist()


def _residue(records: AtomRecords, row: int) -> _Residue:
    return (bytes(records.chain[row]), bytes(records.residue_number[row]), bytes(records.insertion[row]))


def _numbers(column: np.ndarray, default: bytes) -> np.ndarray | None:
    """Numbers of a text column, with the default where it is blank; None when all is blank or something no number."""
    column = np.char.strip(column)
    is_blank = column == b""
    if is_blank.all():
        return None
    try:
        numbers = np.where(is_blank, default, column).astype(np.float32)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _residue_numbers(column: np.ndarray) -> list[int]:
    """Residue numbers; 0 where a program counted on in letters beyond 9999."""
    try:
        return column.astype(np.int64).tolist()
    except ValueError:
        return [int(number) if number.strip().lstrip(b"-").isdigit() else 0 for number in column]


def words(column: np.ndarray | list[bytes]) -> list[str]:
    """Texts of a column of bytes, without blanks around them."""
    return [decoded(item) for item in column]


def decoded(item: bytes) -> str:
    """The text of bytes in whatever code, without blanks around it."""
    return bytes(item).decode("latin-1").strip()

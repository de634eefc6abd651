"""Tables of energies, one row per frame: CSV, XVG of GROMACS, or plain columns of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.files import require_file, unreadable

_LEGEND = re.compile(r'@\s*(?:s(\d+)\s+legend|(xaxis|yaxis)\s+label)\s+"(.*)"')
_TIME = re.compile(r"time\b|#?\s*step\b|frame\b", re.IGNORECASE)
_SEPARATORS = re.compile(r"[;,\s]\s*")
_NEAR = 1e-3  # ps, or the same part of the time, within which two times are one


@dataclass(frozen=True, eq=False)
class EnergyTable:
    """Numbers of frames.

    Attributes
    ----------
    names : tuple of str
    values : float64 [n_columns, n_rows]
    time : float64 [n_rows] or None
        ps, of XVG files and of tables whose first column is called time.
    """

    names: tuple[str, ...]
    values: np.ndarray
    time: np.ndarray | None


def read_energies(path: str | Path) -> EnergyTable:
    """Read a table of numbers, one row per frame.

    Columns are parted by commas, semicolons or blanks. Lines that begin with ``#`` or ``@`` and one line of names are
    no rows. NaN stands for a number that is not known.

    Raises
    ------
    BadInput
        When the file is missing, has no numbers, or rows of unequal length.
    """
    path = require_file(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as problem:
        raise unreadable(problem, path) from problem
    legend = {m[1] or m[2]: m[3] for line in lines if (m := _LEGEND.match(line.strip()))}
    body = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    body = [(number, line) for number, line in body if line and line[0] not in "#@&"]
    heading = _heading(lines, body)
    rows = [_row(path, number, line) for number, line in body]
    if not rows:
        raise BadInput("There are no numbers in this file", where=path, advice="Give one row of numbers per frame")
    for (number, _), row in zip(body, rows, strict=True):
        if len(row) != len(rows[0]):
            raise BadInput(f"Line {number} has {counted(len(row), 'number')}, the first {len(rows[0])}", where=path)
    return _table(np.array(rows).T, heading, legend)


def energies_of_frames(table: EnergyTable, time: np.ndarray, path: str | Path) -> np.ndarray:
    """The numbers of each frame, float64 [n_columns, n_frames].

    As many rows as frames are taken in their order; more are looked through for the frames' times.

    Raises
    ------
    BadInput
        When rows and frames do not match.
    """
    n_rows = table.values.shape[1]
    if n_rows == len(time):
        return table.values
    rows = None if table.time is None else _rows_at(table.time, time)
    if rows is None:
        raise BadInput(
            f"The table has {counted(n_rows, 'row')} but there are {counted(len(time), 'frame')}",
            where=path,
            advice="Give one row per frame, in the order of the frames",
        )
    return table.values[:, rows]


def _heading(lines: list[str], body: list[tuple[int, str]]) -> list[str]:
    """Names of columns: a first line that is no numbers, which leaves `body`, or the comment right before the rows."""
    if not body:
        return []
    if _numbers(body[0][1]) is None:
        return [name.strip().strip('"') for name in _split(body.pop(0)[1])]
    before = lines[body[0][0] - 2].strip() if body[0][0] > 1 else ""
    return _split(before.lstrip("#! ")) if before.startswith("#") else []


def _split(line: str) -> list[str]:
    """Cells of a line; names with blanks in them only when commas or semicolons part them."""
    for mark in ",;\t":
        if mark in line:
            return [cell.strip() for cell in line.split(mark)]
    return line.split()


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(cell) for cell in _SEPARATORS.split(line.strip().rstrip(",;")) if cell]
    except ValueError:
        return None


def _row(path: Path, number: int, line: str) -> list[float]:
    row = _numbers(line)
    if row is None:
        text = line if len(line) <= 40 else line[:37] + "..."
        raise BadInput(f"Line {number} has something that is not a number: {text}", where=path)
    return row


def _table(columns: np.ndarray, heading: list[str], legend: dict[str, str]) -> EnergyTable:
    is_xvg = bool(legend)
    names = heading if len(heading) == len(columns) else [f"energy {n}" for n in range(1, len(columns) + 1)]
    has_time = len(columns) > 1 and (is_xvg or (len(heading) == len(columns) and bool(_TIME.match(names[0]))))
    if is_xvg:
        names = [legend.get(str(n - 1), legend.get("yaxis", f"energy {n}")) for n in range(len(columns))]
    elif len(columns) == 1 and len(heading) != 1:
        names = ["energy"]
    first = 1 if has_time else 0
    time = columns[0] if has_time and np.isfinite(columns[0]).all() else None
    if time is not None and "(ns)" in (legend.get("xaxis", "") if is_xvg else heading[0]):
        time = time * 1e3
    return EnergyTable(_unique(names[first:]), columns[first:], time)


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names with a number added where they come again."""
    return tuple(name if name not in names[:n] else f"{name} ({n + 1})" for n, name in enumerate(names))


def _rows_at(have: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """The row of each time; None when one is missing or times come again, as of several simulations."""
    if not np.isfinite(wanted).all() or len(np.unique(wanted)) < len(wanted):
        return None
    order = np.argsort(have, kind="stable")
    place = np.clip(np.searchsorted(have[order], wanted), 1, max(len(have) - 1, 1))
    pair = np.stack([order[place - 1], order[np.minimum(place, len(have) - 1)]])
    gaps = np.abs(have[pair] - wanted)
    rows = np.where(gaps[0] <= gaps[1], pair[0], pair[1])
    near = gaps.min(axis=0) <= _NEAR * np.maximum(1.0, np.abs(wanted) * 1e-3)
    return rows if near.all() else None

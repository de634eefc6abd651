"""Weights known beforehand, as of a biased simulation, and frames that share one weight."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.archives import DAMAGE
from mdweights_core.io.files import require_file, unreadable

_COLUMN = "weight"
_FRAME = "frame"
_NUMPY = b"\x93NUMPY"
_ZERO = (
    "A frame of weight zero stays without weight whatever the map says: leave such frames out of --frames and of this "
    "file, or give them a small weight, such as a hundredth of the mean one"
)
_HOW = "Give one number a line, a CSV file with a column called weight, or a .npy file"


def read_prior(path: str | os.PathLike[str], n_frames: int) -> np.ndarray:
    """Read the weights that frames have before the fit.

    Parameters
    ----------
    path : path
        Text of one number a line, a table (columns separated by commas, semicolons, tabs or blanks) with a column
        called weight, or a ``.npy`` file. Lines that begin with ``#`` and empty lines are skipped. A column called
        frame, beside, tells which frame each weight is of, from 0 or from 1; without it they are in order.
    n_frames : int

    Returns
    -------
    float64 [n_frames]
        Positive, of sum one.

    Raises
    ------
    BadInput
        When the file cannot be read, has no such column, another number of weights, weights that are not positive, or
        a column frame that does not name each frame once.
    """
    path = require_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(error, path) from error
    weights, frame = (_array(content, path), None) if content.startswith(_NUMPY) else _text(content, path)
    if len(weights) != n_frames:
        raise BadInput(
            f"the file holds {counted(len(weights), 'weight')} for {counted(n_frames, 'frame')}",
            where=path,
            advice="Give one weight for each frame, in the order of the frames",
        )
    return _normalised(weights if frame is None else weights[_order(frame, path)], path)


def _order(frame: np.ndarray, path: Path) -> np.ndarray:
    """The row of each frame, int [n_frames], from the numbers in the column frame."""
    order = np.argsort(frame, kind="stable")
    if not np.array_equal(frame[order] - float(frame.min() == 1), np.arange(len(frame))):
        raise BadInput(
            f"the column frame does not name each of {counted(len(frame), 'frame')} once, from 0 or from 1",
            where=path,
            advice="Number the frames from 0 in their order, or leave the column out",
        )
    return order


def _array(content: bytes, path: Path) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except DAMAGE as error:
        raise BadInput("the file is damaged, or holds no plain array", where=path, advice=_HOW) from error
    if values.dtype.kind not in "fiu" or values.size != max(values.shape, default=0):
        raise BadInput(
            f"the array has shape {values.shape} and type {values.dtype}: no list of real numbers",
            where=path,
            advice=_HOW,
        )
    return np.asarray(values.ravel(), dtype=np.float64)


def _text(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The weights, and the numbers of their frames where there is a column of these."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput("the file is neither text nor a .npy file", where=path, advice=_HOW) from error
    rows = [(number, _cells(line)) for number, line in enumerate(lines, start=1) if _is_told(line)]
    if not rows:
        raise BadInput("the file is empty", where=path, advice=_HOW)
    column = _column(rows[0][1], path)
    if column is None:
        return np.array([_number(cells, 0, number, path) for number, cells in rows]), None
    weights = np.array([_number(cells, column, number, path) for number, cells in rows[1:]])
    names = [cell.lower() for cell in rows[0][1]]
    if _FRAME not in names:
        return weights, None
    place = names.index(_FRAME)
    return weights, np.array(
        [_number(cells, place, number, path, "the number of a frame") for number, cells in rows[1:]]
    )


def _is_told(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _cells(line: str) -> list[str]:
    """The cells of a line, whatever separates them; names of files in quotes may hold the separator."""
    separator = next((sign for sign in ",;\t" if sign in line), None)
    if separator is None:
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    except csv.Error:  # a cell longer than any table has
        return line.split(separator)


def _column(cells: list[str], path: Path) -> int | None:
    """Place of the weights in a table with a header; None where there is no header and one number a line."""
    names = [cell.lower() for cell in cells]
    if _COLUMN in names:
        return names.index(_COLUMN)
    if len(cells) > 1:
        raise BadInput("the table has no column called weight", where=path, advice=_HOW)
    return None


def _number(cells: list[str], column: int, line: int, path: Path, what: str = "a weight") -> float:
    try:
        return float(cells[column])
    except (ValueError, IndexError):
        found = cells[column] if column < len(cells) else "nothing"
        raise BadInput(f"line {line} has {found} in place of {what}", where=path, advice=_HOW) from None


def _normalised(weights: np.ndarray, path: Path) -> np.ndarray:
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(bad):
        are_zero = not weights[bad].any()
        raise BadInput(
            f"{counted(len(bad), 'weight')} of {len(weights)} {'is' if len(bad) == 1 else 'are'} not positive, first "
            f"that of frame {bad[0]} ({weights[bad[0]]:g})",
            where=path,
            advice=_ZERO if are_zero else "Give weights and not their logarithms",
        )
    relative = weights / weights.max()  # so that the sum cannot overflow
    if not relative.all():
        raise BadInput("the weights differ by more than numbers can hold", where=path, advice="Scale them alike")
    return np.asarray(relative / relative.sum())


def tied_groups(n_frames: int, tied: int) -> np.ndarray:
    """Block of each frame when `tied` neighbours share one weight: int64 [n_frames]; the last may have fewer."""
    return np.arange(n_frames, dtype=np.int64) // tied


def tie(weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Weights of blocks, sums of those of their frames: [n_frames] -> float64 [n_blocks]; of block -1 is none."""
    inside = groups >= 0
    return np.bincount(groups[inside], weights[inside])


def spread(block_weights: np.ndarray, groups: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Weights of frames from those of their blocks, shared out within a block as the prior does.

    Parameters
    ----------
    block_weights : float64 [..., n_blocks]
    groups : int64 [n_frames]
        Block of each frame, see `tied_groups`; -1 for frames of none, which have no weight.
    prior : float64 [n_frames]
        Positive in blocks.

    Returns
    -------
    float64 [..., n_frames]
        Of the same sum.
    """
    share = prior / tie(prior, groups)[groups]
    return np.where(groups >= 0, np.asarray(block_weights)[..., groups] * share, 0.0)

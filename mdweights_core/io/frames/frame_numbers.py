"""Numbers of frames as people write them, ``0-9,20``, and as `mdweights select` tells which it kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file, unreadable

_HOW = "Write numbers from 0 and ranges, such as 0-9,20"


def parse_numbers(text: str) -> tuple[int, ...]:
    """Numbers and ranges, written like ``0-9,20``, each once and in the order in which they are named.

    Raises
    ------
    BadInput
        For anything else.
    """
    found: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise BadInput(f"'{text}' is not a list of frames", advice=_HOW)
        found |= dict.fromkeys(range(int(first), int(last if dash else first) + 1))
    return tuple(found)


def show_numbers(numbers: Iterable[int]) -> str:
    """The inverse of `parse_numbers`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def read_kept(path: Path) -> tuple[int, ...]:
    """Frames that a table with columns ``frame`` and ``kept`` (1 or 0) keeps, as `mdweights select` writes it.

    Raises
    ------
    BadInput
        When the file cannot be read or is no such table.
    """
    try:
        text = require_file(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _no_table(path) from error
    except OSError as error:
        raise unreadable(error, path) from error
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
        return tuple(sorted({int(row["frame"]) for row in rows if int(row["kept"])}))
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise _no_table(path) from error


def _no_table(path: Path) -> BadInput:
    return BadInput(
        "this is no table with columns frame and kept", where=path, advice="Give what mdweights select --out wrote"
    )

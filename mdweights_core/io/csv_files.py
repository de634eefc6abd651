"""Tables as CSV files that any program reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from mdweights_core.io.files import atomic_write_text


def write_csv(path: Path, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a line of names and one for each row, all at once or not at all.

    Raises
    ------
    DiskProblem
        When it cannot be written; a file that was there stays.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    atomic_write_text(path, text.getvalue())

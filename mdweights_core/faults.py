"""Faults of the program itself: written to a log file that can be sent to its developers."""

from __future__ import annotations

import platform
import traceback
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from mdweights_core import __version__


def fault_log_path() -> Path:
    """Where faults are written."""
    return Path(platformdirs.user_log_dir("mdweights")) / "faults.log"


def describe_fault(error: BaseException) -> str:
    """Versions and traceback, as text."""
    head = (
        f"{datetime.now(UTC).isoformat(timespec='seconds')} mdweights {__version__}, Python {platform.python_version()}"
    )
    return head + "\n" + "".join(traceback.format_exception(error))


def write_fault_log(error: BaseException) -> Path | str:
    """Append `error` to the log and say where; a log that cannot be written must not hide the fault."""
    path = fault_log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(describe_fault(error) + "\n")
    except OSError:
        return "no log file (it could not be written)"
    return path

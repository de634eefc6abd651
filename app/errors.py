"""Errors as the user is told them, and the log file that keeps the rest."""

from __future__ import annotations

import logging
import logging.handlers
import platform
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType

import platformdirs
from PySide6.QtCore import QObject, Signal

from mdweights_core.errors import MdweightsError

log = logging.getLogger(__name__)

PACKAGES = ("mdweights", "PySide6-Essentials", "pyqtgraph", "vispy", "jax", "numpy", "scipy", "gemmi", "mdtraj")


@dataclass(frozen=True)
class Told:
    """An error in words: what happened, where, and what to try. `details` only for faults of the program."""

    what: str
    where: str = ""
    advice: str = ""
    details: str = ""

    @property
    def is_fault(self) -> bool:
        """True when the program is to blame and not a file or a setting."""
        return bool(self.details)


def told(error: BaseException) -> Told:
    """Put an error into words."""
    if isinstance(error, MdweightsError):
        what = error.what if error.where else error.what[:1].upper() + error.what[1:]
        return Told(what, error.where or "", error.advice or "")
    if isinstance(error, MemoryError):
        return Told("There is not enough memory for this", advice="Raise d_min or use fewer frames")
    trace = "".join(traceback.format_exception(error))
    return Told(
        "This is a fault of the program, not of your data",
        advice="Your files are unharmed. Please report it with the details below",
        details=f"{versions()}\n\n{trace}",
    )


def versions() -> str:
    """Versions of everything that matters in a report, one per line."""
    lines = [f"Python {platform.python_version()}, {platform.platform()}"]
    return "\n".join([*lines, *(f"{name} {_version(name)}" for name in PACKAGES)])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def log_path() -> Path:
    """The log file."""
    return Path(platformdirs.user_log_dir("mdweights", appauthor=False)) / "window.log"


def start_logging() -> None:
    """Write what is logged to the log file, at most three files of 1 MB; go on without it when that is impossible."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    try:
        log_path().parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(log_path(), maxBytes=1_000_000, backupCount=2, encoding="utf-8")
    except OSError as error:
        log.warning("no log file: %s", error)
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)


class ErrorRelay(QObject):
    """Takes exceptions nobody caught to the window, from whichever thread they come."""

    raised = Signal(object)

    def install(self) -> Callable[[], None]:
        """Replace the exception hook; returns what puts the former one back."""
        former = sys.excepthook
        sys.excepthook = self._hook

        def restore() -> None:
            sys.excepthook = former

        return restore

    def _hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.error("not caught", exc_info=(kind, error, trace))
        self.raised.emit(error)

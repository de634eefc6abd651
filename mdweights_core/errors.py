"""The errors a user can cause, each with what happened, in which file, and what to try, and how sentences count."""

from __future__ import annotations

from os import PathLike


class MdweightsError(Exception):
    """Base of all errors that are told to the user as a sentence, never as a traceback.

    Parameters
    ----------
    what : str
        What happened, as a sentence without the final stop.
    where : path, optional
        The file (or folder) it happened in.
    advice : str, optional
        What to try, as a sentence without the final stop.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | PathLike[str] | None = None, advice: str | None = None) -> None:
        self.what = what.rstrip(".")
        self.where = None if where is None else str(where)
        self.advice = None if advice is None else advice.rstrip(".")
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """The error in one line: ``file: what happened. What to try.``"""
        place = f"{self.where}: " if self.where else ""
        hint = f" {self.advice}." if self.advice else ""
        return f"{place}{self.what}.{hint}"


class BadInput(MdweightsError):
    """A file, a column or a setting cannot be used as given."""

    exit_code = 2


class DiskProblem(MdweightsError):
    """Something could not be written or read back: disk full, no permission, a folder that vanished."""


def counted(number: int, what: str) -> str:
    """A number of things as a sentence tells it: ``1 frame``, ``3 frames``."""
    return f"{number} {what}{'' if number == 1 else 's'}"

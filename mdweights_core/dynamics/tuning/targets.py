"""What observables should be: values with errors, some of them held out of the fit."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.io.files import require_file, unreadable

_COLUMNS = ("observable", "value", "sigma", "held_out")
_TOLD = 6
_YES, _NO = ("yes", "true", "1"), ("", "no", "false", "0")


@dataclass(frozen=True, eq=False)
class Targets:
    """Observed values.

    Attributes
    ----------
    names : tuple of str, [M]
        The observables.
    values : float64 [M]
    sigmas : float64 [M]
        Their standard errors, positive.
    held_out : bool [M]
        Which of them the fit does not see.
    """

    names: tuple[str, ...]
    values: np.ndarray
    sigmas: np.ndarray
    held_out: np.ndarray

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def of(
        cls, names: Sequence[str], values: np.ndarray, sigmas: np.ndarray, held_out: np.ndarray | None = None
    ) -> Targets:
        """Targets from any sequences; none is held out unless said."""
        held = np.zeros(len(names), dtype=bool) if held_out is None else np.asarray(held_out, dtype=bool)
        return cls(tuple(names), np.asarray(values, dtype=np.float64), np.asarray(sigmas, dtype=np.float64), held)

    @property
    def n_fitted(self) -> int:
        """How many the fit sees."""
        return int(np.sum(~self.held_out))

    def ordered(self, observables: Sequence[str]) -> tuple[Targets, np.ndarray]:
        """The targets in the order of `observables`, and the places of those observables that have one.

        Raises
        ------
        BadInput
            When a target is of none of them.
        """
        place = {name: i for i, name in enumerate(observables)}
        absent = [name for name in self.names if name not in place]
        if absent:
            known = ", ".join(observables[:_TOLD]) + (", ..." if len(observables) > _TOLD else "")
            raise BadInput(f"There is no observable called '{absent[0]}'", advice=f"The observables are {known}")
        order = np.argsort([place[name] for name in self.names])
        chosen = Targets(
            tuple(self.names[i] for i in order), self.values[order], self.sigmas[order], self.held_out[order]
        )
        return chosen, np.array([place[name] for name in chosen.names])


def _check(targets: Targets) -> None:
    for what, numbers in (("value", targets.values), ("sigma", targets.sigmas)):
        if bad := [name for name, number in zip(targets.names, numbers, strict=True) if not math.isfinite(number)]:
            raise BadInput(f"The {what} of target '{bad[0]}' is not a number", advice="Leave that target out")
    if bad := [name for name, sigma in zip(targets.names, targets.sigmas, strict=True) if not sigma > 0]:
        raise BadInput(f"The sigma of target '{bad[0]}' is not positive", advice="Give the error of the observed value")
    if twice := [name for name in targets.names if targets.names.count(name) > 1]:
        raise BadInput(f"There are several targets '{twice[0]}'", advice="Leave one of them")
    if not targets.n_fitted:
        held = counted(len(targets.names), "target")
        raise BadInput(f"Of {held} none is left for the fit", advice="Hold fewer of them out")


def read_targets(path: Path) -> Targets:
    """Read a table with the columns observable, value, sigma and, if any is held out, held_out (yes or no).

    Raises
    ------
    BadInput
        When it cannot be read, a column is missing, or a line makes no sense; it names the line.
    """
    require_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream, skipinitialspace=True)
            heads = [head.strip() for head in table.fieldnames or ()]
            table.fieldnames = heads
            if missing := [name for name in _COLUMNS[:3] if name not in heads]:
                raise BadInput(
                    f"This table has no column '{missing[0]}'",
                    where=path,
                    advice="Its first line is observable,value,sigma or observable,value,sigma,held_out",
                )
            lines = [_line(line, table.line_num, path) for line in table]
    except (OSError, ValueError, csv.Error) as error:
        raise unreadable(ValueError(str(error)), path) from error
    if not lines:
        raise BadInput("This table has no targets", where=path, advice="Write a line for each observed value")
    names, values, sigmas, held = zip(*lines, strict=True)
    return Targets.of(names, np.array(values), np.array(sigmas), np.array(held))


def _line(line: dict[str, str | None], number: int, path: Path) -> tuple[str, float, float, bool]:
    """Name, value, sigma and whether it is held out."""
    words = {name: (line.get(name) or "").strip() for name in _COLUMNS}
    if not words["observable"]:
        raise BadInput(f"Line {number} names no observable", where=path)
    held = words["held_out"].lower()
    if held not in _YES + _NO:
        raise BadInput(f"Line {number} has '{held}' for held_out", where=path, advice="Write yes or no")
    try:
        return words["observable"], float(words["value"]), float(words["sigma"]), held in _YES
    except ValueError:
        what = f"Line {number} has a value or sigma that is not a number"
        raise BadInput(what, where=path, advice="Give both as numbers such as 12.5") from None

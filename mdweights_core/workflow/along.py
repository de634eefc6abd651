"""Coordinates and states of a system as people name them: ``phi 2``, ``torsion 4 6 8 14``, ``x < 0.08``."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdweights_core.energy.toys.registry import toy
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import residue_index
from mdweights_core.workflow.sampled import Origin

DEGREES = 180 / math.pi
ELSE = "else"

_HOW = "Write 'torsion 4 6 8 14', 'distance 3 7' (atoms from 0), 'phi 2', 'psi 2' (residue), or 'variable 0'"
_NUMBERS = {"torsion": 4, "distance": 2, "variable": 1}
_BACKBONE = {"phi": ((-1, "C"), (0, "N"), (0, "CA"), (0, "C")), "psi": ((0, "N"), (0, "CA"), (0, "C"), (1, "N"))}


@dataclass(frozen=True)
class Along:
    """A number of a configuration, in the unit that people read.

    Attributes
    ----------
    label : str
    unit : str
        "degrees", "nm", or empty.
    period : float
        In that unit; 0 where it is none.
    measure : function
        From configurations [..., N], of NumPy or JAX, to numbers [...] in radian or in the configurations' unit.
    """

    label: str
    unit: str
    period: float
    measure: Callable[[Any], Any]

    @property
    def factor(self) -> float:
        """From what is measured to the unit."""
        return DEGREES if self.period else 1.0

    def values(self, x: np.ndarray) -> np.ndarray:
        """The coordinate of configurations [S, N], float64 [S]."""
        return self.factor * np.asarray(self.measure(np.asarray(x, dtype=np.float64)), dtype=np.float64)

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Between:
    """Configurations whose coordinate lies from `low` to `high`, round the circle where `high` is the smaller."""

    along: Along
    low: float
    high: float

    @property
    def name(self) -> str:
        """As it is told."""
        unit = f" {self.along.unit}" if self.along.unit else ""
        if np.isinf(self.low):
            return f"{self.along.label} below {self.high:g}{unit}"
        if np.isinf(self.high):
            return f"{self.along.label} from {self.low:g}{unit} on"
        return f"{self.along.label} from {self.low:g} to {self.high:g}{unit}"

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Which configurations [S, N] are in it, bool [S]."""
        return self.has(self.along.values(x))

    def has(self, values: np.ndarray) -> np.ndarray:
        """Which values [S] of the coordinate are in it, bool [S]."""
        period = self.along.period
        if period and np.isfinite(self.low) and np.isfinite(self.high):
            width = self.high - self.low
            return np.mod(values - self.low, period) < (width if width == period else np.mod(width, period))
        return (values >= self.low) & (values < self.high)


@dataclass(frozen=True)
class States:
    """Two states; the second is all the rest where it is None.

    Attributes
    ----------
    first : Between
    second : Between or None
    names : (str, str)
    """

    first: Between
    second: Between | None
    names: tuple[str, str]

    def masks(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which configurations [S, N] are in each, bool [S] twice."""
        first = self.first.holds(x)
        return first, ~first if self.second is None else self.second.holds(x)


def along(text: str, origin: Origin, n: int) -> Along:
    """The coordinate that a text names; that of a toy system itself for an empty one.

    Parameters
    ----------
    text : str
    origin : Origin
        What the samples are of.
    n : int
        Cartesian variables N of a configuration.

    Raises
    ------
    BadInput
        When there is none of that name in the system.
    """
    words = text.split()
    if origin.toy and text.strip() in ("", toy(origin.toy).label):
        own = toy(origin.toy)
        return Along(own.label, "", 0.0, own.coordinate)
    kind = words[0].lower() if words else ""
    if kind in _BACKBONE and not origin.toy:
        return _backbone(kind, words[1:], origin)
    if kind not in _NUMBERS:
        raise BadInput(f"'{text}' is no coordinate", advice=_HOW)
    return _by_numbers(kind, _whole(words[1:], _NUMBERS[kind], text), n, is_molecule=not origin.toy)


def _by_numbers(kind: str, numbers: list[int], n: int, *, is_molecule: bool) -> Along:
    """Torsion or distance of atoms, or a Cartesian variable."""
    from mdweights_core.flow.reaction import Distance, Torsion

    if kind != "variable" and not is_molecule:
        raise BadInput(f"A toy system has no atoms that a {kind} could be of", advice="Write 'variable 0'")
    most = n if kind == "variable" else n // 3
    if max(numbers) >= most or len(set(numbers)) < len(numbers):
        raise BadInput(
            f"'{kind} {' '.join(map(str, numbers))}' needs different numbers from 0 to {most - 1}", advice=_HOW
        )
    label = f"{kind} {'-'.join(map(str, numbers))}"
    if kind == "torsion":
        a, b, c, d = numbers
        return Along(label, "degrees", 360.0, Torsion((a, b, c, d)))
    if kind == "distance":
        return Along(label, "nm", 0.0, Distance((numbers[0], numbers[1])))
    return Along(label, "nm" if is_molecule else "", 0.0, Variable(numbers[0]))


@dataclass(frozen=True)
class Variable:
    """One Cartesian variable, counted from 0."""

    number: int

    def __call__(self, x: Any) -> Any:
        """Numbers [...] of configurations [..., N]."""
        return x[..., self.number]


def _whole(words: Sequence[str], count: int, text: str) -> list[int]:
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise BadInput(f"'{text}' is no coordinate", advice=_HOW)
    return [int(word) for word in words]


def _backbone(kind: str, words: Sequence[str], origin: Origin) -> Along:
    """Phi or psi of the residue of that number, or of the only one that has it."""
    from mdweights_core.flow.reaction import Torsion

    if not origin.structure:
        raise BadInput(
            f"The samples do not tell their residues, which {kind} is of", advice="Name atoms: 'torsion ...'"
        )
    found = backbone_torsions(atoms_in(origin.structure), kind)
    residue = _whole(words, 1, f"{kind} {' '.join(words)}")[0] if words else None
    if residue is None and len(found) == 1:
        residue = next(iter(found))
    if residue not in found:
        there = ", ".join(map(str, found)) or "none"
        what = f"Residue {residue} has no {kind}" if residue is not None else f"There are several {kind}, or none"
        raise BadInput(what, advice=f"Residues that have it: {there}")
    a, b, c, d = found[residue]
    return Along(f"{kind} {residue}", "degrees", 360.0, Torsion((a, b, c, d)))


def atoms_in(structure: str) -> Atoms:
    """The atoms of a PDB file's text."""
    from openmm import app

    from mdweights_core.minimize.starts import atoms_of

    return atoms_of(app.PDBFile(io.StringIO(structure)).topology)


def backbone_torsions(atoms: Atoms, kind: str) -> dict[int, tuple[int, ...]]:
    """The four atoms of phi or psi, by the number of the residue; neighbours are those in the same chain."""
    place: dict[tuple[int, str], int] = {}
    residue = residue_index(atoms)
    for row, (number, name) in enumerate(zip(residue, atoms.name, strict=True)):
        place[int(number), str(name)] = row
    found: dict[int, tuple[int, ...]] = {}
    for number in range(int(residue[-1]) + 1):
        rows = [place.get((number + step, name)) for step, name in _BACKBONE[kind]]
        whole = tuple(row for row in rows if row is not None)
        if len(whole) == len(rows) and len(set(atoms.chain[list(whole)])) == 1:
            found[int(atoms.residue_number[whole[1]])] = whole
    return found


def two_states(first: str, second: str, origin: Origin, n: int) -> States:
    """States such as "phi 0 135" and "phi -180 0", or "else" for all the rest.

    Raises
    ------
    BadInput
        When these name no states.
    """
    one = _between(first, origin, n)
    if second.strip().lower() == ELSE:
        return States(one, None, (one.name, "all else"))
    other = _between(second, origin, n)
    return States(one, other, (one.name, other.name))


def parted(text: str, coordinate: str, origin: Origin, n: int) -> States:
    """States on both sides of a boundary, as in "x < 0.08": the first is the one that is told.

    Raises
    ------
    BadInput
        When the text tells no boundary.
    """
    sign = next((sign for sign in "<>" if sign in text), None)
    before, _, after = text.partition(sign or " ")
    try:
        boundary = float(after) if sign else math.nan
    except ValueError:
        boundary = math.nan
    if not math.isfinite(boundary):
        raise BadInput(f"'{text}' tells no boundary between two states", advice="Write 'x < 0.08'")
    measured = along(coordinate or before, origin, n)
    if measured.period:
        half = measured.period / 2
        below, above = Between(measured, -half, boundary), Between(measured, boundary, half)
    else:
        below, above = Between(measured, -math.inf, boundary), Between(measured, boundary, math.inf)
    first, second = (below, above) if sign == "<" else (above, below)
    return States(first, second, (first.name, second.name))


def own_states(origin: Origin, n: int) -> States:
    """The two states that a toy system is known for."""
    own = toy(origin.toy)
    found = parted(f"< {own.boundary!r}", own.label, origin, n)
    return States(found.first, found.second, (own.below, own.above))


def _between(text: str, origin: Origin, n: int) -> Between:
    words = text.split()
    try:
        low, high = float(words[-2]), float(words[-1])
    except (IndexError, ValueError):
        raise BadInput(f"'{text}' is no state", advice="Write a coordinate and two limits: 'phi 0 135'") from None
    measured = along(" ".join(words[:-2]), origin, n)
    if math.isnan(low) or math.isnan(high) or (low >= high and not measured.period) or low == high:
        raise BadInput(f"The limits {low:g} and {high:g} hold nothing", advice="Give the lower one first")
    return Between(measured, low, high)

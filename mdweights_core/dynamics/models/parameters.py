"""Parameters of an energy: what they are called, what they are now, and between which bounds they mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mdweights_core.errors import BadInput


@dataclass(frozen=True)
class Parameter:
    """One number of an energy that may be fitted.

    Attributes
    ----------
    name : str
        What a user calls it: "k", "epsilon of CT", "force constant CT-HC".
    value : float
        Where a simulation, or a fit, begins.
    unit : str
        Empty for numbers without one, and for systems in reduced units.
    low, high : float
        Between which it means something.

    Raises
    ------
    BadInput
        For a value that is no finite number, or not between the bounds.
    """

    name: str
    value: float
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not self.name.strip():
            raise BadInput("A parameter has no name", advice="Call it something")
        if not math.isfinite(self.value):
            raise BadInput(f"The parameter {self.name} is {self.value}", advice="Give it a finite number")
        if not self.low <= self.value <= self.high:
            raise BadInput(
                f"The parameter {self.name} is {self.value:g}, which is not between {self.low:g} and {self.high:g}",
                advice="Give it a value between its bounds",
            )

    @property
    def told(self) -> str:
        """Name, value and unit: "k = 418.4 kJ/mol/nm^2"."""
        return f"{self.name} = {self.value:g}{f' {self.unit}' if self.unit else ''}"


def at_values(parameters: Sequence[Parameter], values: Mapping[str, float]) -> tuple[Parameter, ...]:
    """Return the same parameters with other values, by their names.

    Raises
    ------
    BadInput
        For a name that none of them has, and for values out of bounds.
    """
    known = [parameter.name for parameter in parameters]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise BadInput(f"There is no parameter '{unknown[0]}'", advice=f"Known are {', '.join(known) or 'none'}")
    return tuple(replace(it, value=float(values.get(it.name, it.value))) for it in parameters)


def refuse_alike(parameters: Sequence[Parameter]) -> None:
    """Refuse two parameters of one name."""
    names = [parameter.name for parameter in parameters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"Two parameters are called '{twice}'", advice="Name each of them once")

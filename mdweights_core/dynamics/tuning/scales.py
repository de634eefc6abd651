"""Parameters in their own scale: logarithms of positive ones, shares of the others, so that steps compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.settings import Prior
from mdweights_core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Scales:
    """From parameters theta to the variables u of the fit and back.

    Attributes
    ----------
    names : tuple of str, [P]
    is_log : bool [P]
        u = ln theta for parameters that cannot be negative, theta / unit otherwise.
    units : float64 [P]
        Of the others: the size of the value they start from, or of the way between bounds for one that starts at zero.
    low, high : float64 [P]
        Bounds of u.
    centres, widths : float64 [P]
        Of the priors, in u; infinitely wide where there is none.
    """

    names: tuple[str, ...]
    is_log: np.ndarray
    units: np.ndarray
    low: np.ndarray
    high: np.ndarray
    centres: np.ndarray = field(default_factory=lambda: np.zeros(0))
    widths: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, parameters: Sequence[Parameter], priors: Sequence[Prior] = ()) -> Scales:
        """Own scales of parameters.

        Raises
        ------
        BadInput
            For bounds that leave no choice, a prior of no parameter of theirs, or one of a positive parameter whose
            centre is not positive.
        """
        for one in parameters:
            _check_bounds(one)
        names = tuple(one.name for one in parameters)
        value = np.array([one.value for one in parameters], dtype=np.float64)
        low, high = (np.array([getattr(one, side) for one in parameters], dtype=np.float64) for side in ("low", "high"))
        is_log = (low >= 0) & (value > 0)
        units = np.where(value != 0, np.abs(value), np.where(np.isfinite(high - low), (high - low) / 2, 1.0))
        bare = cls(names, is_log, units, np.zeros(0), np.zeros(0))
        centres, widths = bare._priors(priors)
        return cls(names, is_log, units, bare.own(low), bare.own(high), centres, widths)

    def own(self, theta: np.ndarray) -> np.ndarray:
        """The variables u of parameters theta [P]; a positive parameter of zero is at minus infinity."""
        with np.errstate(divide="ignore"):
            return np.where(self.is_log, np.log(np.where(self.is_log, theta, 1.0)), theta / self.units)

    def theta(self, u: np.ndarray) -> np.ndarray:
        """The inverse of `own`."""
        return np.where(self.is_log, np.exp(np.where(self.is_log, u, 0.0)), u * self.units)

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """d theta / du [P]."""
        return np.where(self.is_log, theta, self.units)

    def _priors(self, priors: Sequence[Prior]) -> tuple[np.ndarray, np.ndarray]:
        """Centres and widths in u [P]."""
        by_name: Mapping[str, int] = {name: i for i, name in enumerate(self.names)}
        centres, widths = np.zeros(len(self.names)), np.full(len(self.names), np.inf)
        for prior in priors:
            if prior.parameter not in by_name:
                raise BadInput(
                    f"There is a prior of '{prior.parameter}', which is no parameter of this fit",
                    advice=f"The parameters are {', '.join(self.names)}",
                )
            i = by_name[prior.parameter]
            if self.is_log[i] and prior.centre <= 0:
                raise BadInput(
                    f"The prior of {prior.parameter} is around {prior.centre:g}, but the parameter is positive"
                )
            centres[i] = np.log(prior.centre) if self.is_log[i] else prior.centre / self.units[i]
            widths[i] = prior.width / (prior.centre if self.is_log[i] else self.units[i])
        return centres, widths


def _check_bounds(one: Parameter) -> None:
    if not one.low < one.high:
        raise BadInput(f"{one.name} may only be {one.low:g}", advice="Do not fit it, or give it other bounds")

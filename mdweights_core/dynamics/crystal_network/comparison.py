"""What models of disorder are compared by: reflections, those that no fit sees, and correlations.

Isotropic parts are removed from observed and calculated maps by one linear operator, whose curve goes through the shell
means of reflections that are not held out. Scale, an isotropic background and an isotropic fall-off are thereby free,
for every model alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.crystal.shells import AnisotropicOperator, anisotropic_operator, equal_count_shells
from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.errors import BadInput, counted

_FEWEST = 100
_PER_SHELL = 200  # reflections that a point of the curve is the mean of, as far as there are
_FEWEST_PER_SHELL = 15
_SHELLS = 8  # of the table


@dataclass(frozen=True, eq=False)
class Comparison:
    """Observed intensities of groups of equivalent reflections, and which are for what.

    Attributes
    ----------
    lattice : MillerLattice
        One reflection per group, ``n_group``.
    observed : float64 [n_group]
    free : bool [n_group]
        Held out of every fit.
    fitted : int64 [n_fit]
        Rows that springs are fitted to.
    operator : AnisotropicOperator
        Of all rows, by those that are not held out.
    """

    lattice: MillerLattice
    observed: np.ndarray
    free: np.ndarray
    fitted: np.ndarray
    operator: AnisotropicOperator

    def agreement(self, calculated: np.ndarray, rows: np.ndarray) -> float:
        """Anisotropic correlation of a map [n_group] on some rows."""
        return _correlation(self.operator(self.observed)[rows], self.operator(calculated)[rows])

    def total(self, calculated: np.ndarray, rows: np.ndarray) -> float:
        """Correlation of a map [n_group] on some rows, fall-off with resolution included."""
        return _correlation(self.observed[rows], calculated[rows])

    @property
    def edges(self) -> np.ndarray:
        """Limits of shells of equal count, angstrom, float64 [n_shell + 1]."""
        return 1 / equal_count_shells(self.lattice.inverse_d, _SHELLS).edges

    def by_resolution(self, calculated: np.ndarray) -> np.ndarray:
        """Anisotropic correlation in each of these shells, float64 [n_shell]."""
        member = equal_count_shells(self.lattice.inverse_d, _SHELLS).member
        return np.array([self.agreement(calculated, member == shell) for shell in range(member.max() + 1)])

    def of_fit(self) -> tuple[AnisotropicOperator, np.ndarray]:
        """The operator of the fitted rows alone, and what it leaves of their observed intensities, of norm 1."""
        inverse_d = self.lattice.inverse_d[self.fitted]
        operator = anisotropic_operator(inverse_d, width=_width(self.lattice.inverse_d), min_count=_FEWEST_PER_SHELL)
        target = operator(self.observed[self.fitted])
        return operator, target / np.linalg.norm(target)


def comparison_of(observed: DiffuseMap, settings: CrystalNetworkSettings) -> Comparison:
    """Average equivalent reflections, and draw those that are held out and those that are fitted.

    Raises
    ------
    BadInput
        Too few reflections, or a map without variation.
    """
    merged = average_equivalents(observed.within(settings.d_min, settings.d_max))
    lattice = merged.groups.lattice
    if len(lattice) < _FEWEST:
        raise BadInput(
            f"The map has {counted(len(lattice), 'reflection')} between these limits", advice="Give wider limits"
        )
    if np.ptp(merged.intensity) <= 0:
        raise BadInput("The observed intensity is the same everywhere", advice="Choose another column")
    inverse_d = lattice.inverse_d
    free = balanced(inverse_d, round(settings.held_out * len(lattice)), settings.seed)
    eligible = np.flatnonzero(~free & (inverse_d <= 1 / settings.d_fit))
    if len(eligible) < _FEWEST:
        raise BadInput(
            f"{counted(len(eligible), 'reflection')} down to {settings.d_fit:g} Å are too few for a fit",
            advice="Fit to a higher resolution",
        )
    fitted = eligible[balanced(inverse_d[eligible], min(settings.n_fit, len(eligible)), settings.seed)]
    operator = anisotropic_operator(inverse_d, reference=~free)
    return Comparison(lattice, merged.intensity, free, fitted, operator)


def balanced(inverse_d: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of n reflections, one drawn from each of as many runs of neighbours in resolution: bool [n]."""
    chosen, rng = np.zeros(len(inverse_d), dtype=bool), np.random.default_rng(seed)
    for run in np.array_split(np.argsort(inverse_d, kind="stable"), max(count, 1)) if count else []:
        chosen[rng.choice(run)] = True
    return chosen


def _width(inverse_d: np.ndarray) -> float:
    """Shell width that the whole range of resolution is divided by, 1/angstrom."""
    return float(np.ptp(inverse_d)) / np.clip(len(inverse_d) // _PER_SHELL, 4, 60)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])

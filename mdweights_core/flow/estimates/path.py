"""Energies along a path between two configurations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput, counted


@dataclass(frozen=True, eq=False)
class PathEnergies:
    """Reduced energies along a path of P configurations.

    Attributes
    ----------
    along : float64 [P]
        Length of the path up to each configuration, as a fraction of the whole.
    u : float64 [P]
        kT.
    length : float
        Summed distances between neighbours: root mean squares over atoms, in the unit of the coordinates.
    largest_step : float
        Of the distances between neighbours: what lies between was not looked at.
    """

    along: np.ndarray
    u: np.ndarray
    length: float
    largest_step: float

    @property
    def top(self) -> int:
        """The configuration of the highest energy."""
        return int(self.u.argmax())

    @property
    def up(self) -> float:
        """Barrier seen from the first configuration, kT."""
        return float(self.u.max() - self.u[0])

    @property
    def back(self) -> float:
        """Barrier seen from the last configuration, kT."""
        return float(self.u.max() - self.u[-1])


def path_energies(x: np.ndarray, u: np.ndarray) -> PathEnergies:
    """Where along a path the energy is highest, and how high.

    An upper bound on the lowest barrier in energy, and no free energy: a better path may be lower.

    Parameters
    ----------
    x : float64 [P, n, 3] or [P, n]
        Configurations in order, superposed.
    u : float64 [P]
        Reduced energies, kT; inf where they clash.

    Raises
    ------
    BadInput
        When the path has fewer than two configurations, or an energy is not a number.
    """
    x, u = np.asarray(x, dtype=np.float64), np.asarray(u, dtype=np.float64)
    if len(x) < 2 or u.shape != (len(x),):
        raise BadInput(f"{counted(len(x), 'configuration')} with {counted(u.size, 'energy value')} make no path")
    if np.isnan(u).any() or not np.isfinite(u[[0, -1]]).all():
        raise BadInput("An energy along the path is not a number", advice="Take other ends")
    atoms = x.shape[1] if x.ndim == 3 else 1
    steps = np.sqrt(np.square(np.diff(x, axis=0)).reshape(len(x) - 1, -1).sum(axis=1) / atoms)
    length = float(steps.sum())
    along = np.append(0.0, np.cumsum(steps)) / length if length else np.linspace(0.0, 1.0, len(x))
    return PathEnergies(along, u, length, float(steps.max()))

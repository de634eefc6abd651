"""What a user may choose about a network of a crystal; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mdweights_core.errors import BadInput


@dataclass(frozen=True)
class CrystalNetworkSettings:
    """How an elastic network of a unit cell is made and fitted.

    Attributes
    ----------
    d_min, d_max : float or None
        Limits of the reflections that are compared, angstrom.
    d_fit : float
        Springs are fitted to reflections down to this resolution, angstrom; all are predicted.
    atoms_per_unit : int
        Most atoms that move as one; residues are cut until none has more.
    bins : tuple of float
        Lengths at which classes of springs end, angstrom, rising; the last one is the longest spring.
    neighbours : float
        A unit is also tied to the mean of all units within this distance, angstrom.
    by_contact : bool
        Whether springs between molecules are classes of their own.
    transverse : float
        How much springs resist sideways, from 0 (along themselves only, an anisotropic network) to 1 (in all directions
        alike, a Gaussian network).
    temperature : float
        Kelvin; sets the unit that force constants are told in.
    b_weight : float
        Weight of the correlation with B factors beside that with the map; 0 leaves them to be predicted.
    held_out : float
        Share of the groups of equivalent reflections that no fit sees, alike at all resolutions.
    n_fit : int
        Fitted reflections, drawn alike at all resolutions: many more than parameters are not needed.
    iterations : int
        Most steps of least squares.
    liquid : bool
        Whether liquid-like motions are fitted to the same reflections, to compare with.
    frames : int
        Configurations of the tuned crystal that are drawn.
    seed : int
    """

    d_min: float | None = 1.6
    d_max: float | None = None
    d_fit: float = 2.5
    atoms_per_unit: int = 4
    bins: tuple[float, ...] = (5.0, 8.0, 12.0)
    neighbours: float = 8.0
    by_contact: bool = True
    transverse: float = 1.0
    temperature: float = 298.0
    b_weight: float = 0.0
    held_out: float = 0.1
    n_fit: int = 1500
    iterations: int = 12
    liquid: bool = True
    frames: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if any(not low < high for low, high in pairwise((0.0, *self.bins))) or not self.bins:
            raise BadInput(
                f"The lengths {', '.join(f'{edge:g}' for edge in self.bins)} Å are no classes of springs",
                advice="Give rising numbers above 0",
            )
        for name, low, high in (("transverse", 0.0, 1.0), ("held_out", 0.0, 0.9)):
            if not low <= getattr(self, name) <= high:
                raise BadInput(f"{name} is {getattr(self, name):g}", advice=f"Give a number from {low:g} to {high:g}")
        for name in ("d_fit", "temperature", "n_fit", "iterations", "atoms_per_unit", "neighbours"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} is {getattr(self, name):g}", advice="Give a number above 0")
        if self.b_weight < 0 or self.frames < 0:
            raise BadInput("A weight or a number of frames is below 0", advice="Give 0 or more")

"""What a user may choose about coordinates; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput

KINDS = {
    "internal": "bond lengths, angles and torsions of all atoms",
    "mixed": "principal components of the backbone, and lengths, angles and torsions of all other atoms",
}


@dataclass(frozen=True)
class CoordinateSettings:
    """How a molecule is told to a flow.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    temperature : float
        K; what tells a vibration from a constraint, and the scales where there are no frames.
    fix_chirality : bool
        Keep the hand of every centre, and the plane of every planar group, as the frames show it.
    fold_hydrogens : bool
        Tell the three hydrogens of a CH3 or NH3 by their order only: one third of the circle holds all of them.
        Only where hands are kept.
    freeze : bool
        Leave out what does not vary in the frames (constraints), at its mean.
    """

    kind: str = "internal"
    temperature: float = 300.0
    fix_chirality: bool = True
    fold_hydrogens: bool = True
    freeze: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInput(f"there are no coordinates called {self.kind!r}", advice=f"Choose one of {', '.join(KINDS)}")
        if not 0 < self.temperature < float("inf"):
            raise BadInput(f"the temperature is {self.temperature:g} K, but must be positive")

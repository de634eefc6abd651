"""Settings of a structure-factor run: plain values, importable without the engine."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput

LARGEST_B = 1000.0  # angstrom squared: beyond it nothing is left at any resolution


@dataclass(frozen=True)
class PredictSettings:
    """How structure factors are computed from frames.

    Attributes
    ----------
    remove_drift : bool
        Take the common translation of each frame against the first out; rotations and everything else stay.
    b_iso : float
        One B factor for all atoms, angstrom squared; 0 when the frames carry the motion.
    relative_error : float
        Target for ||F - F_direct|| / ||F_direct||.

    Raises
    ------
    BadInput
        When a number makes no sense.
    """

    remove_drift: bool = True
    b_iso: float = 0.0
    relative_error: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 <= self.b_iso <= LARGEST_B:
            raise BadInput(f"the B factor is {self.b_iso:g}, but must lie between 0 and {LARGEST_B:g} A^2")
        if not 1e-12 <= self.relative_error <= 0.1:
            raise BadInput(f"the relative error is {self.relative_error:g}, but must lie between 1e-12 and 0.1")

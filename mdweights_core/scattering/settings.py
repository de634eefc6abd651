"""Settings of a structure-factor run: plain values, importable without the engine."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    remove_drift: bool = True
    b_iso: float = 0.0
    relative_error: float = 1e-5

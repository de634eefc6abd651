"""What slow modes are asked with and what comes back: plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.models.minima_readings import FrameChoice, MinimaReading
from mdweights_core.modes.choice import frequencies

if TYPE_CHECKING:
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.modes.spectrum import Modes

FRAME, MINIMUM, HESSIAN = "frame", "minimum", "hessian"
"""An elastic network of a frame, or of a minimised conformation; the true Hessian there."""


@dataclass(frozen=True, eq=False)
class ModesRequest:
    """Where modes are taken, and how many.

    Attributes
    ----------
    of : str
        `FRAME`, `MINIMUM` or `HESSIAN`.
    count : int
        At most; fewer where the molecule has fewer.
    select : str
        Atoms of the elastic network; all where empty.
    cutoff : float
        Longest spring, nm.
    frames : FrameChoice, optional
        All frames that are projected on the modes.
    frame : int
        The one that an elastic network is made of.
    minima : MinimaReading, optional
    start : int
        Which of its conformations.
    """

    of: str
    count: int
    select: str = ""
    cutoff: float = 1.5
    frames: FrameChoice | None = None
    frame: int = 0
    minima: MinimaReading | None = None
    start: int = 0


@dataclass(frozen=True, eq=False)
class ModesReading:
    """Modes, the atoms that move in them, and where frames lie along them.

    Attributes
    ----------
    amplitudes : float64 [n_frames, k] or None
        nm Da^1/2; None without frames of the same atoms.
    shares : float64 [k] or None
        Part of the frames' motion that goes along each mode.
    """

    request: ModesRequest
    modes: Modes
    atoms: Atoms
    amplitudes: np.ndarray | None
    shares: np.ndarray | None

    @property
    def has_frequencies(self) -> bool:
        """True for a Hessian; the springs of a network have a strength of their own choosing."""
        return self.request.of == HESSIAN

    @property
    def heights(self) -> np.ndarray:
        """Wavenumbers in 1/cm, or of a network the frequencies as multiples of the lowest, float64 [k]."""
        return frequencies(self.modes, is_hessian=self.has_frequencies)

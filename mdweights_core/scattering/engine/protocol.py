"""What computes the structure factors of frames, whatever it computes them on."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Structure factors, complex64 [n_hkl], of atoms at fractional positions [n_atoms, 3]."""

    @property
    def n_workers(self) -> int:
        """Frames that may be computed at the same time, from as many threads."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what went otherwise than asked for, so far."""

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Structure factors of one frame."""

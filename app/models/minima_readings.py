"""What a minimisation is asked with and what it hands back: plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.energy.settings import EnergySettings
from mdweights_core.minimize.settings import SPRING, MinimizeSettings

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.minimize.result import Minimisation

PER_NM = 10.0
"""Angstrom."""


@dataclass(frozen=True)
class FrameChoice:
    """Frames of a trajectory that is opened anew: each thread reads with readers of its own."""

    paths: tuple[Path, ...]
    topology: Path | None
    altloc: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class MinimiseRequest:
    """What is minimised, and how: the structure itself, or `frames` of its atoms.

    Attributes
    ----------
    structure : Path
        A structure, or a file with parameters, which needs `coordinates`.
    select : str
        Atoms of the frames that the structure has; all where empty.
    fix, restrain : str
        Atoms that do not move, and those held by springs where they start.
    spring : float
        kJ/mol/nm^2.
    reference : Path, optional
        A structure of the same atoms that distances are told to.
    compare : tuple of str
        Minimisers to set side by side; the one of `settings` alone where empty.
    """

    structure: Path
    coordinates: Path | None = None
    frames: FrameChoice | None = None
    select: str = ""
    fix: str = ""
    restrain: str = ""
    spring: float = SPRING
    reference: Path | None = None
    compare: tuple[str, ...] = ()
    energy: EnergySettings = field(default_factory=EnergySettings)
    settings: MinimizeSettings = field(default_factory=MinimizeSettings)


@dataclass(frozen=True, eq=False)
class MinimaReading:
    """Starts and where they came to.

    Attributes
    ----------
    starts : float64 [S, n_atoms, 3]
        nm.
    frames : tuple of int
        Which frame each start is; empty for the structure itself.
    comparison : mapping of str to Minimisation
        What each of the compared minimisers found; the starts are then those of the first, of the second...
    """

    request: MinimiseRequest
    molecule: Molecule
    atoms: Atoms
    starts: np.ndarray
    frames: tuple[int, ...]
    result: Minimisation
    comparison: Mapping[str, Minimisation] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Which minimiser each start was given to; empty where none are compared."""
        return tuple(method for method, found in self.comparison.items() for _ in range(found.n_starts))

    @property
    def reached(self) -> np.ndarray:
        """Starts that were begun and have an energy, int64, rising."""
        return np.flatnonzero(np.isfinite(self.result.energy))

    def name(self, start: int) -> str:
        """What a start is called."""
        of = f"frame {self.frames[start]}" if self.frames else self.request.structure.name
        return f"{of}, {self.methods[start]}" if self.comparison else of

    def place(self, row: int) -> tuple[int, int]:
        """Number of a start among those of its minimiser, and of that minimiser."""
        n = len(self.starts) // max(len(self.comparison), 1)
        return row % n, row // n

    def pair(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of a start before and after, float64 [n_atoms, 3] each, angstrom, laid onto each other."""
        from mdweights_core.crystal.superposition import fit

        before, after = PER_NM * self.starts[start], PER_NM * self.result.x[start]
        if self.request.energy.crystal:
            return before, after
        return before, fit(after[None], before).moved(after[None])[0] + before.mean(axis=0)

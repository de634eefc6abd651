"""What engines on every device share: checked positions, fractions of the box of modes, and the whole cell's sum."""

from __future__ import annotations

from abc import ABC, abstractmethod

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.expansion import Expansion
from mdweights_core.scattering.engine.scatterers import Scatterers


class TransformEngine(ABC):
    """Structure factors by transforms of points, which a subclass makes on its device.

    Attributes
    ----------
    n_atoms, n_hkl : int
    asked : MillerLattice
        The reflections that are transformed to: of the asymmetric unit where symmetry makes the cell of it.
    """

    def __init__(self, scatterers: Scatterers, lattice: MillerLattice, symmetry: gemmi.SpaceGroup | None) -> None:
        self.n_atoms, self.n_hkl = len(scatterers), len(lattice)
        self._ndiv = np.asarray(lattice.ndiv, dtype=np.float64)
        self._expansion = None if symmetry is None or not self.n_hkl else Expansion(lattice, symmetry)
        self.asked = lattice if self._expansion is None else self._expansion.lattice

    @property
    @abstractmethod
    def _is_empty(self) -> bool:
        """True when nothing scatters, or no reflection is asked for."""

    @abstractmethod
    def _factors(self, turns: np.ndarray) -> np.ndarray:
        """Complex64 [n] on the reflections asked for, of atoms at fractions [n_atoms, 3] of the box of modes."""

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Structure factors, complex64 [n_hkl], of atoms at fractional `positions` [n_atoms, 3].

        Raises
        ------
        BadInput
            Another number of positions, positions that are not numbers, or a device that fails.
        """
        if np.shape(positions) != (self.n_atoms, 3):
            raise BadInput(f"{self.n_atoms} atoms were expected, but the positions have shape {np.shape(positions)}")
        if self._is_empty:
            return np.zeros(self.n_hkl, dtype=np.complex64)
        turns = np.asarray(positions, dtype=np.float64) / self._ndiv
        if not np.isfinite(turns.sum()):
            raise BadInput("Some positions are not numbers")
        factors = self._factors(turns)
        return factors if self._expansion is None else self._expansion(factors)

"""How a frame's structure factors are computed, as a recipe that can be sent to other processes and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.scattering.engine.protocol import Engine
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import SHARED_BYTES
from mdweights_core.scattering.settings import PredictSettings

if TYPE_CHECKING:
    from mdweights_core.scattering.engine.solvent import BulkSolvent


_MOST_TRIED = 50_000_000  # points of a mask: some ten seconds


@dataclass(frozen=True)
class Solvent:
    """A flat bulk solvent: density (e/A^3; neutrons fm/A^3, electrons 1/A^2), B factor (A^2), cells along each axis."""

    k_sol: float
    b_sol: float
    repeats: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class FrameModel:
    """All that the structure factors of a run's frames depend on, besides where the atoms are. It can be pickled.

    Attributes
    ----------
    scatterers : Scatterers
    lattice : MillerLattice
        Reflections to compute, ``n_hkl`` of them; positions are fractional in its cell.
    radiation : str
    relative_error : float
    symmetry : gemmi.SpaceGroup or None
        Positions are one asymmetric unit of this group, and the whole cell is computed.
    solvent : Solvent or None
    """

    scatterers: Scatterers
    lattice: MillerLattice
    radiation: str = "xray"
    relative_error: float = 1e-4
    symmetry: gemmi.SpaceGroup | None = None
    solvent: Solvent | None = None

    @classmethod
    def of(
        cls,
        scatterers: Scatterers,
        lattice: MillerLattice,
        settings: PredictSettings,
        *,
        repeats: tuple[int, int, int] = (1, 1, 1),
        symmetry: gemmi.SpaceGroup | None = None,
    ) -> FrameModel:
        """The recipe of a run; `repeats` are the cells along each axis of the frames' boxes.

        Raises
        ------
        BadInput
            When a bulk solvent is wanted and its density not known.
        """
        solvent = Solvent(settings.solvent_density(), settings.b_sol, repeats) if settings.solvent == "mask" else None
        return cls(scatterers, lattice, settings.radiation, settings.relative_error, symmetry, solvent)

    def engine(
        self, n_threads: int | None = None, device: str = "cpu", positions: np.ndarray | None = None
    ) -> FrameEngine:
        """Make what computes frames in this process.

        Parameters
        ----------
        n_threads : int, optional
            By default all this process may use.
        device : str
            ``"cpu"``, ``"gpu"``, or ``"auto"`` for the faster one.
        positions : float [n_atoms, 3], optional
            A frame to try them with.

        Raises
        ------
        BadInput
            An element that does not scatter, reflections that do not fit in memory, or a GPU that is not there.
        """
        from mdweights_core.scattering.engine.device import fastest_engine

        atoms = fastest_engine(
            self.scatterers,
            self.lattice,
            radiation=self.radiation,
            symmetry=self.symmetry,
            relative_error=self.relative_error,
            n_threads=n_threads,
            device=device,
            positions=positions,
        )
        return FrameEngine(atoms, self._bulk_solvent())

    def mask_error(self, positions: np.ndarray) -> float | None:
        """How far the solvent's structure factors are off those of a mask twice as fine, as a part of their norm.

        Parameters
        ----------
        positions : float [n_atoms, 3]
            Of one frame.

        Returns
        -------
        float or None
            None without a bulk solvent, or where the finer mask would take longer than some seconds.
        """
        mask = self._bulk_solvent()
        if mask is None or 8 * np.prod(mask.shape, dtype=float) > _MOST_TRIED:
            return None
        finer = self._bulk_solvent(mask.spacing / 2)
        assert finer is not None
        exact = finer(positions)
        return float(np.linalg.norm(mask(positions) - exact) / max(np.linalg.norm(exact), np.finfo(np.float32).tiny))

    def _bulk_solvent(self, spacing: float | None = None) -> BulkSolvent | None:
        if self.solvent is None:
            return None
        from mdweights_core.scattering.engine.solvent import BulkSolvent

        return BulkSolvent(
            self.scatterers,
            self.lattice,
            k_sol=self.solvent.k_sol,
            b_sol=self.solvent.b_sol,
            repeats=self.solvent.repeats,
            symmetry=self.symmetry,
            spacing=spacing,
        )


class FrameEngine:
    """Structure factors of whole frames: those of the atoms, and of the bulk solvent around them where there is one.

    Attributes
    ----------
    atoms : Engine
        Computes the atoms' part alone.
    """

    def __init__(self, atoms: Engine, solvent: BulkSolvent | None = None) -> None:
        self.atoms, self._solvent = atoms, solvent

    @property
    def n_workers(self) -> int:
        """Frames that may be computed at the same time, from as many threads: what their masks take lies in memory."""
        if self._solvent is None:
            return self.atoms.n_workers
        return min(self.atoms.n_workers, max(1, SHARED_BYTES // self._solvent.n_bytes))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what went otherwise than asked for, so far."""
        return self.atoms.warnings

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Structure factors, complex64 [n_hkl], of atoms at fractional `positions` [n_atoms, 3]."""
        factors = self.atoms(positions)
        return factors if self._solvent is None else factors + self._solvent(positions)

    def of_solvent(self, positions: np.ndarray) -> np.ndarray:
        """The solvent's part of that, complex64 [n_hkl] or a single zero."""
        return np.zeros(1, dtype=np.complex64) if self._solvent is None else self._solvent(positions)

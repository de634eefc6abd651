"""What scatters in a frame, besides where it is: elements, B factors, occupancies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.atoms import Atoms
from mdweights_core.scattering.settings import PredictSettings


@dataclass(frozen=True, eq=False)
class Scatterers:
    """The scatterers of all frames, in the order of their positions.

    Attributes
    ----------
    element : str [n_atoms]
        Symbols as in the periodic table.
    b_iso : float64 [n_atoms]
        Isotropic B factors, angstrom squared.
    occupancy : float64 [n_atoms]
    """

    element: np.ndarray
    b_iso: np.ndarray
    occupancy: np.ndarray

    def __len__(self) -> int:
        return len(self.element)

    @classmethod
    def alike(cls, elements: Sequence[str] | np.ndarray, b_iso: float = 0.0) -> Scatterers:
        """Fully occupied atoms of one B factor."""
        element = np.asarray(elements, dtype=str)
        return cls(element, np.full(len(element), float(b_iso)), np.ones(len(element)))

    @classmethod
    def of(cls, atoms: Atoms, settings: PredictSettings) -> Scatterers:
        """The atoms of a topology under the settings of a run.

        Raises
        ------
        BadInput
            When B factors or occupancies are wanted of a topology that has none.
        """
        b_iso = np.full(len(atoms), settings.b_iso, dtype=np.float64)
        for element, b in settings.b_elements.items():
            b_iso[atoms.element == element] += b
        if settings.b_from_topology:
            b_iso += _given(atoms.b_iso, "B factors")
        occupancy = np.ones(len(atoms))
        if settings.occupancy_from_topology:
            occupancy = _given(atoms.occupancy, "occupancies").astype(np.float64)
        return cls(np.asarray(atoms.element, dtype=str), b_iso, occupancy)


def _given(values: np.ndarray | None, what: str) -> np.ndarray:
    if values is None:
        raise BadInput(f"The topology has no {what}", advice="Use a PDB or mmCIF file that has them as the topology")
    return values

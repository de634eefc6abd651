"""What scatters in a frame, besides where it is: elements, B factors, occupancies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.scattering.settings import LARGEST_B, PredictSettings

_LARGEST_SUM = 3 * LARGEST_B  # of all atoms, of the element, of the topology


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

    Raises
    ------
    BadInput
        When they are not of one length, a B factor is negative or beyond reason, or something is not a number.
    """

    element: np.ndarray
    b_iso: np.ndarray
    occupancy: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.element) == len(self.b_iso) == len(self.occupancy):
            raise BadInput(
                f"{len(self.element)} elements, {len(self.b_iso)} B factors and {len(self.occupancy)} occupancies "
                "do not belong together"
            )
        _refuse("a B factor", self.b_iso, ~((self.b_iso >= 0) & (self.b_iso <= _LARGEST_SUM)))
        _refuse("an occupancy", self.occupancy, ~np.isfinite(self.occupancy))

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
            if not occupancy.any():
                raise BadInput(
                    "All occupancies in the topology are 0: nothing would scatter",
                    advice="Correct the topology, or do not take occupancies from there",
                )
        return cls(np.asarray(atoms.element, dtype=str), b_iso, occupancy)


def _refuse(what: str, values: np.ndarray, is_wrong: np.ndarray) -> None:
    if is_wrong.any():
        atom = int(np.argmax(is_wrong))
        raise BadInput(
            f"Atom {atom + 1} has {what} of {values[atom]:g}",
            advice="Correct the topology, or do not take it from there",
        )


def _given(values: np.ndarray | None, what: str) -> np.ndarray:
    if values is None:
        raise BadInput(f"The topology has no {what}", advice="Use a PDB or mmCIF file that has them as the topology")
    return values

"""From Cartesian frames to fractional coordinates of the map's cell: the box of the frames, and their common drift."""

from __future__ import annotations

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import cell_parameters, format_cell
from mdweights_core.errors import BadInput
from mdweights_core.io.atoms import Atoms
from mdweights_core.io.selection import anchor_atoms
from mdweights_core.scattering.structure_factors import fractional

_NOTICEABLE, _SAME, _GROSS = 0.001, 0.005, 0.02  # differences of a box from the cell
_ANOTHER = 0.1  # difference from the first frame's box that no pressure makes


class Placement:
    """How positions of the frames become fractional coordinates of the map's cell.

    A box that is the cell (or a whole number of cells), but for the small changes of constant pressure, carries its
    atoms along: they are made fractional in the box of their own frame. Any other box is left aside, and positions are
    taken in the map's cell as they are.

    Attributes
    ----------
    repeats : int [3] or None
        Cells along each axis of the frames' boxes; None when the boxes are left aside.
    warnings : list of str
    """

    def __init__(self, box: gemmi.UnitCell | None, cell: gemmi.UnitCell) -> None:
        self.cell = cell
        self.warnings: list[str] = []
        self.repeats: np.ndarray | None = None
        self._first = None if box is None else np.array(cell_parameters(box))
        self._largest_change = 0.0
        if box is not None:
            self._judge(box)

    def _judge(self, box: gemmi.UnitCell) -> None:
        """Decide by the first frame whether boxes are used, for all: none may jump against the others."""
        repeats = np.maximum(np.round(np.array([box.a / self.cell.a, box.b / self.cell.b, box.c / self.cell.c])), 1)
        change = _difference(_divided(np.array(cell_parameters(box)), repeats), np.array(cell_parameters(self.cell)))
        if change <= _SAME:
            self.repeats = repeats
            self._tell_same(box, repeats, change)
        elif change <= _GROSS:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) differs from the cell ({format_cell(self.cell)}) by "
                f"{100 * change:.1f} %: positions were taken in the cell as they are, not scaled"
            )
        else:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) is not the crystal's cell ({format_cell(self.cell)}): "
                "it was left aside and positions were taken in the cell as they are"
            )

    def _tell_same(self, box: gemmi.UnitCell, repeats: np.ndarray, change: float) -> None:
        if repeats.prod() > 1:
            a, b, c = repeats.astype(int)
            self.warnings.append(f"The box of the frames holds {a} x {b} x {c} cells")
        if change > _NOTICEABLE:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) differs from the cell ({format_cell(self.cell)}) by "
                f"{100 * change:.2f} %: positions were scaled with the box"
            )

    def fractional(self, positions: np.ndarray, box: np.ndarray | None, frame: int = 0) -> np.ndarray:
        """Positions [n_atoms, 3] in angstrom of a frame with `box` [6] as fractional coordinates, float64.

        Raises
        ------
        BadInput
            When the box of the frame is quite another than that of the first.
        """
        if self.repeats is None or self._first is None:
            return fractional(positions, self.cell)
        own = self._first if box is None or not np.isfinite(box).all() else box
        change = _difference(own, self._first)
        if change > _ANOTHER:
            raise BadInput(
                f"The box of frame {frame + 1} ({_text(own)}) is not like that of the first ({_text(self._first)})",
                advice="Leave this frame out, or take trajectories of one simulation only",
            )
        self._largest_change = max(self._largest_change, change)
        return fractional(positions, gemmi.UnitCell(*own)) * self.repeats

    def closing_warnings(self) -> list[str]:
        """What can only be said after the last frame."""
        if self._largest_change <= _NOTICEABLE:
            return []
        return [f"The box changes by up to {100 * self._largest_change:.2f} % over the frames: positions follow it"]


class DriftTracker:
    """The common translation of each frame against the first one, in fractional coordinates.

    Every atom's displacement is taken to the image nearest to the drift found so far, so that molecules that were put
    back into the box by a cell edge, or a drift that grew past half a cell, do not matter.
    """

    def __init__(self, atoms: Atoms, reference: np.ndarray, start: np.ndarray | None = None) -> None:
        self._rows = anchor_atoms(atoms)
        self._reference = reference[self._rows]
        self._drift = np.zeros(3) if start is None else np.asarray(start, dtype=float)

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Drift, float64 [3], of a frame with fractional `positions` [n_atoms, 3], following the frame before."""
        moved = positions[self._rows] - self._reference
        # the direction of the mean phase finds a jump of up to half a cell whatever the images
        phase = np.exp(2j * np.pi * (moved - self._drift)).mean(axis=0)
        drift = self._drift + np.angle(phase) / (2 * np.pi)
        for _ in range(2):
            rest = moved - drift
            drift = drift + (rest - np.round(rest)).mean(axis=0)
        self._drift = drift
        return drift.copy()


def _divided(box: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:3] / repeats, box[3:]])


def _text(box: np.ndarray) -> str:
    return " ".join(f"{number:.4g}" for number in box)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest relative difference of lengths, or difference of angles in radians."""
    lengths = np.abs(one[:3] / other[:3] - 1)
    return float(max(lengths.max(), np.radians(np.abs(one[3:] - other[3:])).max()))

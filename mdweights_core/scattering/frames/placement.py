"""From Cartesian frames to fractional coordinates of the map's cell: the box of the frames, and their common drift."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters, format_cell, reciprocal_axes, transformed
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import anchor_atoms
from mdweights_core.io.frames.text_frames import cell_from_vectors
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.scattering.frames.molecules import Molecules
from mdweights_core.scattering.settings import PredictSettings

NOTICEABLE = 0.001  # change of a box over the frames that matters to fine features
_SAME, _GROSS = 0.005, 0.02  # differences of a box from the cell
_ENOUGH_FRAMES = 20  # to tell jumps from drift
_ANOTHER = 0.1  # difference from the first frame's box that no pressure makes


class Placement:
    """How positions of the frames become fractional coordinates of the map's cell.

    A box that is the cell (or a whole number of cells), but for the small changes of constant pressure, carries its
    atoms along: they are made fractional in the box of their own frame, or in the mean box of all frames. Its vectors
    may be other ones of the same lattice, as long as that lies as the crystal's does: GROMACS turns the vectors of
    oblique boxes into short ones. Any other box is left aside, and positions are taken in the map's cell as they are.

    Parameters
    ----------
    box : gemmi.UnitCell or None
        The first frame's box.
    lattice : MillerLattice
        Reflections to compute; its cell is the crystal's.
    settings : PredictSettings
        ``supercell``, ``boxes`` and ``molecules`` are used.
    mean_box : gemmi.UnitCell, optional
        The mean box of all frames, for ``boxes="mean"``; by default the first.
    molecules : Molecules, optional
        Put together again in every frame.

    Attributes
    ----------
    cell : gemmi.UnitCell
        The crystal's.
    box : gemmi.UnitCell or None
        The box that was compared with the cell: the first frame's, the mean one, or, without any, the supercell stated.
    repeats : int [3] or None
        Cells along each axis of the frames' boxes; None when the boxes are left aside.
    warnings : list of str

    Raises
    ------
    BadInput
        When the box is not the supercell it was said to be.
    """

    def __init__(
        self,
        box: gemmi.UnitCell | None,
        lattice: MillerLattice,
        settings: PredictSettings,
        *,
        mean_box: gemmi.UnitCell | None = None,
        molecules: Molecules | None = None,
    ) -> None:
        self.cell = lattice.cell
        self.molecules = molecules
        self.warnings: list[str] = [] if molecules is None else list(molecules.warnings)
        self.repeats: np.ndarray | None = None
        self._basis = np.eye(3)
        self._ndiv, self._settings = lattice.ndiv, settings
        self.box = box if mean_box is None or settings.boxes == "own" else mean_box
        self._first: np.ndarray | None = None if box is None else np.array(cell_parameters(box))
        self._judge()

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells of the crystal along each axis that the frames hold: one where their boxes are left aside."""
        if self.repeats is None:
            return 1, 1, 1
        a, b, c = (int(n) for n in self.repeats)
        return a, b, c

    def drift_tracker(self, atoms: Atoms, reference: np.ndarray, start: np.ndarray | None = None) -> DriftTracker:
        """What follows the drift of `atoms` placed here; `reference` and `start` as for `DriftTracker`."""
        return DriftTracker(atoms, reference, start, period=self.cells, is_whole=self.molecules is not None)

    @property
    def needs_whole_molecules(self) -> bool:
        """True when the settings, or reflections that a box vector does not leave alone, ask for whole molecules."""
        if self.box is None or self._settings.molecules == "as-is":
            return False
        if self._settings.molecules == "whole" or self.repeats is None:
            return True
        return self._settings.boxes == "mean" or not is_commensurate(self._ndiv, self.repeats)

    def _judge(self) -> None:
        """Decide by one box whether boxes are used, for all: none may jump against the others."""
        stated = None if self._settings.supercell is None else np.array(self._settings.supercell)
        if self.box is not None and stated is not None:
            self._compare_stated(self.box, stated)
        elif self.box is not None:
            self._compare(self.box)
        elif stated is not None:
            self._suppose(stated)
        if self.box is None and self._settings.molecules == "whole":
            self.warnings.append("The frames have no box: molecules that one may have cut are left as they are")

    def _suppose(self, repeats: np.ndarray) -> None:
        self.repeats, self._basis = repeats, np.diag(repeats).astype(float)
        self.box = gemmi.UnitCell(*_multiplied(self.cell, repeats))
        self.warnings.append(f"The frames have no box: that they hold {_times(repeats)} cells was not checked")

    def _compare_stated(self, box: gemmi.UnitCell, repeats: np.ndarray) -> None:
        change, basis = _fitting(box, self.cell, repeats)
        if change > _GROSS:
            raise BadInput(
                f"The box of the frames ({format_cell(box)}) is not {_times(repeats)} cells of the crystal "
                f"({format_cell(self.cell)})",
                advice="Leave the supercell out to have it found, or give the cell that these frames are of",
            )
        self._use(box, basis, change)

    def _compare(self, box: gemmi.UnitCell) -> None:
        change, basis = _fitting(box, self.cell)
        if change <= _SAME:
            self._use(box, basis, change)
        elif change <= _GROSS:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) differs from the cell ({format_cell(self.cell)}) by "
                f"{100 * change:.1f} %: positions were taken in the cell as they are, not scaled"
            )
        elif (turned := _turned_repeats(box, self.cell)) is not None:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) is {_times(turned)} cells of the crystal "
                f"({format_cell(self.cell)}) with other axes, which lie otherwise: positions were taken in the cell "
                "as they are, which is wrong unless they were turned; give map and frames the same axes"
            )
        else:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) is not the crystal's cell ({format_cell(self.cell)}): "
                "it was left aside and positions were taken in the cell as they are"
            )

    def _use(self, box: gemmi.UnitCell, basis: np.ndarray, change: float) -> None:
        self.repeats, self._basis = np.diag(basis).astype(np.int64), basis
        if self.repeats.prod() > 1:
            self.warnings.append(f"The box of the frames holds {_times(self.repeats)} cells")
        if np.count_nonzero(basis) > 3:
            vectors = ", ".join(_vector(column) for column in basis.T)
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) has other vectors of the crystal's lattice: {vectors}"
            )
        if change > NOTICEABLE:
            self.warnings.append(
                f"The box of the frames ({format_cell(box)}) differs from the cell ({format_cell(self.cell)}) by "
                f"{100 * change:.2f} %: positions were scaled with the box"
            )

    def fractional(self, positions: np.ndarray, box: np.ndarray | None, frame: int = 0) -> np.ndarray:
        """Positions [n_atoms, 3] in angstrom of a frame with `box` [6] as fractional coordinates, float64.

        Raises
        ------
        BadInput
            When the frame has no box while the first has one, or one quite another than that of the first.
        """
        if self.box is None or (self.repeats is None and self.molecules is None):
            return transformed(positions, reciprocal_axes(self.cell))
        own = self.box if self._first is None else self._own_box(box, frame, self._first, self.box)
        into_cell = reciprocal_axes(self.cell)
        if self.repeats is not None:
            into_cell = self._basis @ reciprocal_axes(self.box if self._settings.boxes == "mean" else own)
        if self.molecules is None:
            return transformed(positions, into_cell)
        whole = self.molecules.whole(transformed(positions, reciprocal_axes(own)))
        return transformed(whole, into_cell @ _axes(own))

    def _own_box(
        self, box: np.ndarray | None, frame: int, first: np.ndarray, reference: gemmi.UnitCell
    ) -> gemmi.UnitCell:
        own = None if box is None else _as_cell(box)
        if box is None or own is None:
            told = "no box" if box is None or not np.isfinite(box).all() else f"no real box ({_text(box)})"
            raise BadInput(
                f"Frame {frame + 1} has {told}, unlike the first ({_text(first)})",
                advice="Leave this frame out, or write the trajectory again with the boxes of all frames",
            )
        if _difference(box, first) > _ANOTHER:
            raise BadInput(
                f"The box of frame {frame + 1} ({_text(box)}) is not like that of the first ({_text(first)})",
                advice="Leave this frame out, or take trajectories of one simulation only",
            )
        return own

    def closing_warnings(self, boxes: np.ndarray) -> list[str]:
        """What is to be said of the boxes [n_frames, 6] of all frames (NaN: none)."""
        known = boxes[np.isfinite(boxes).all(axis=1)]
        if self.repeats is None or self.box is None or not len(known):
            return []
        largest = _difference(known, np.array(cell_parameters(self.box)))
        if largest <= NOTICEABLE:
            return []
        change = f"The box changes by up to {100 * largest:.2f} % over the frames"
        return [f"{change}: {what_boxes_do(self._settings.boxes)}"]


def place_frames(
    source: FrameSource, lattice: MillerLattice, settings: PredictSettings, boxes: np.ndarray | None = None
) -> Placement:
    """The placement of all frames of a source: with their mean box and their molecules, where these are needed.

    For ``boxes="mean"`` all files are read through, unless `boxes` [n, 6] to take the mean of are given. For molecules
    one frame is read.

    Raises
    ------
    BadInput
        As of `Placement` and of a frame that cannot be read.
    """
    mean = None
    if settings.boxes == "mean" and source.cell is not None:
        mean = gemmi.UnitCell(*mean_box(source.boxes() if boxes is None else boxes))
    placement = Placement(source.cell, lattice, settings, mean_box=mean)
    if not placement.needs_whole_molecules or placement.box is None:
        return placement
    molecules = Molecules(source.atoms, source.positions(0), source.cell or placement.box)
    return Placement(source.cell, lattice, settings, mean_box=mean, molecules=molecules)


def mean_box(boxes: np.ndarray) -> np.ndarray:
    """The mean of boxes [n_frames, 6] (NaN: none), float64 [6].

    Raises
    ------
    BadInput
        When no frame has a box.
    """
    known = boxes[np.isfinite(boxes).all(axis=1) & (boxes > 0).all(axis=1)]
    if not len(known):
        raise BadInput("The frames have no boxes to take the mean of", advice="Give the cell")
    return known.mean(axis=0)


def is_commensurate(ndiv: Sequence[int] | np.ndarray, repeats: Sequence[int] | np.ndarray) -> bool:
    """True when reflections at h / `ndiv` are all reflections of a box of `repeats` cells: its vectors change none."""
    return bool((np.asarray(repeats) % np.asarray(ndiv) == 0).all())


def what_boxes_do(boxes: str) -> str:
    """What becomes of boxes that change over the frames."""
    if boxes == "mean":
        return "positions are taken in the mean box, where this counts as disorder; own boxes would take it out"
    return "positions follow each frame's own box; in the mean box this would count as disorder"


class DriftTracker:
    """The common translation of each frame against the first one, in fractional coordinates.

    Every atom's displacement is taken to the image nearest to the drift found so far, so that molecules that were put
    back into the box by an edge of it, or a drift that grew past half a box, do not matter.

    Parameters
    ----------
    atoms : Atoms
    reference : float [n_atoms, 3]
        Fractional coordinates of the first frame.
    start : float [3], optional
        Drift of the frame before the next one.
    period : 3 int
        Cells along each axis after which the box of the frames repeats: atoms are put back by these, not by one cell.
    is_whole : bool
        Molecules were made whole, on the images nearest to the first frame's: displacements are taken as they are, as
        what is between the box's own reflections changes with an image. A drift beyond half a box starts again from
        the other side.
    """

    def __init__(
        self,
        atoms: Atoms,
        reference: np.ndarray,
        start: np.ndarray | None = None,
        *,
        period: Sequence[int] = (1, 1, 1),
        is_whole: bool = False,
    ) -> None:
        self._rows = anchor_atoms(atoms)
        self._reference = reference[self._rows]
        self._drift = np.zeros(3) if start is None else np.asarray(start, dtype=float)
        self._period = np.asarray(period, dtype=float)
        self._is_whole = is_whole

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Drift, float64 [3], of a frame with fractional `positions` [n_atoms, 3], following the frame before."""
        moved = positions[self._rows] - self._reference
        if self._is_whole:
            return moved.mean(axis=0)
        # the direction of the mean phase finds a jump of up to half a box whatever the images
        phase = np.exp(2j * np.pi * (moved - self._drift) / self._period).mean(axis=0)
        drift = self._drift + np.angle(phase) / (2 * np.pi) * self._period
        for _ in range(2):  # to the last bit the same wherever it was started: a run gone on with gives equal numbers
            drift = (moved - self._period * np.round((moved - drift) / self._period)).mean(axis=0)
        self._drift = drift
        return drift.copy()


def jumps(drift: np.ndarray) -> bool:
    """True when translations [n_frames, 3] of neighbouring frames know nothing of each other: no drift is like that.

    The correlation of neighbours about their mean is near 1 for drift and near 0, within 1/sqrt(n), for jumps.
    """
    about_mean = drift - drift.mean(axis=0)
    total = float(np.sum(about_mean**2))
    if len(drift) < _ENOUGH_FRAMES or total == 0:
        return False
    return float(np.sum(about_mean[1:] * about_mean[:-1])) < 0.3 * total


def box_changes(boxes: np.ndarray) -> np.ndarray:
    """Largest relative change of a, b, c, and largest change of the angles in radians, against the mean; float64 [4].

    `boxes` are [n_frames, 6]; NaN where unknown.
    """
    known = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(known):
        return np.zeros(4)
    about = known - known.mean(axis=0)
    lengths = np.abs(about[:, :3] / known[:, :3].mean(axis=0)).max(axis=0)
    return np.append(lengths, np.radians(np.abs(about[:, 3:]).max()))


def _fitting(box: gemmi.UnitCell, cell: gemmi.UnitCell, repeats: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """How far the box is from cells side by side, and its vectors, the columns of [3, 3], in vectors of the cell.

    Vectors other than those of the cells side by side are taken only where these are not the same.
    """
    ratio = np.array([box.a / cell.a, box.b / cell.b, box.c / cell.c])
    straight = np.maximum(np.round(ratio), 1) if repeats is None else repeats
    basis = np.diag(straight).astype(np.float64)
    change = _change(box, cell, basis)
    if change <= _SAME:
        return change, basis
    oblique = np.round(reciprocal_axes(cell) @ _axes(box))
    sides = np.diag(oblique)
    # the same lattice of boxes, only, as that of cells side by side: every step along an axis is a multiple of its side
    is_lattice = (sides >= 1).all() and not (oblique % np.maximum(sides, 1)[:, None]).any()
    if not is_lattice or (repeats is not None and (sides != repeats).any()):
        return change, basis
    other = _change(box, cell, oblique)
    return (other, oblique) if other < change else (change, basis)


def _change(box: gemmi.UnitCell, cell: gemmi.UnitCell, basis: np.ndarray) -> float:
    implied = cell_from_vectors((_axes(box) @ np.linalg.inv(basis)).T)
    return _difference(implied, np.array(cell_parameters(cell)))


def _turned_repeats(box: gemmi.UnitCell, cell: gemmi.UnitCell) -> np.ndarray | None:
    """Cells along each axis of a block whose lattice is the box's however that lies; None when there is none.

    Lattices are the same when their shortest vectors are as long: unlike reduced cells, lengths change little with a
    little strain.
    """
    number = round(box.volume / cell.volume)
    if number < 1 or abs(box.volume / (number * cell.volume) - 1) > 3 * _GROSS:
        return None
    lengths = _shortest(np.array(cell_parameters(box)))
    sides = [n for n in range(1, number + 1) if number % n == 0]
    for a, b in product(sides, sides):
        if number % (a * b) == 0:
            repeats = np.array([a, b, number // (a * b)])
            if np.abs(_shortest(_multiplied(cell, repeats)) / lengths - 1).max() <= _GROSS:
                return repeats
    return None


def _shortest(parameters: np.ndarray, count: int = 20) -> np.ndarray:
    """Lengths of the shortest vectors of a lattice, sorted, one of each opposite pair."""
    reduced = gemmi.GruberVector(gemmi.UnitCell(*parameters), "P")
    reduced.niggli_reduce()
    steps = np.array([step for step in product(range(-3, 4), repeat=3) if step > (0, 0, 0)])
    return np.sort(np.linalg.norm(steps @ _axes(reduced.get_cell()).T, axis=1))[:count]


def _axes(cell: gemmi.UnitCell) -> np.ndarray:
    """Columns a, b, c in the Cartesian frame of PDB files, angstrom, float64 [3, 3]."""
    return np.array(cell.orth.mat.tolist(), dtype=float)


def _as_cell(box: np.ndarray) -> gemmi.UnitCell | None:
    """A frame's box; None when there can be none of these parameters."""
    if not np.isfinite(box).all() or (np.asarray(box) <= 0).any() or (np.asarray(box)[3:] >= 180).any():
        return None
    cell = gemmi.UnitCell(*box)
    return cell if np.isfinite(cell.volume) and cell.volume > 0 else None


def _multiplied(cell: gemmi.UnitCell, repeats: np.ndarray) -> np.ndarray:
    """Parameters, float64 [6], of a block of cells."""
    return np.array(cell_parameters(cell)) * np.append(repeats, [1, 1, 1])


def _times(repeats: np.ndarray) -> str:
    return " x ".join(str(int(n)) for n in repeats)


def _vector(steps: np.ndarray) -> str:
    """A lattice vector in words: ``2a + 2c``."""
    parts = [f"{abs(int(n)) if abs(n) != 1 else ''}{axis}" for n, axis in zip(steps, "abc", strict=True) if n]
    signs = [" - " if n < 0 else " + " for n in steps if n]
    text = "".join(sign + part for sign, part in zip(signs, parts, strict=True))
    return text[3:] if signs[0] == " + " else "-" + text[3:]


def _text(box: np.ndarray) -> str:
    return " ".join(f"{number:.4g}" for number in box)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest relative difference of lengths, or difference of angles in radians; of one or many [..., 6]."""
    lengths = np.abs(one[..., :3] / other[:3] - 1)
    return float(max(lengths.max(), np.radians(np.abs(one[..., 3:] - other[3:])).max()))

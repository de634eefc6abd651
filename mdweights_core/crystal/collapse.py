"""From a simulated supercell in P1 to the mean content of one primitive cell under a space group.

The density of N cells, moved by all their lattice translations and by the n operations (R, t) of the space group and
averaged, has structure factors at whole indices H only,

    F(H) = 1/(N n) sum over operations of exp(2 pi i H.t) F_box(H R),

where F_box is that of everything in the box and H R the row vector times the matrix (International Tables B, 1.4.2).
This takes the crystal to lie at the origin of its space group; where it does not, it is moved there first.
"""

from __future__ import annotations

from copy import copy

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, format_cell, reciprocal_axes, supercell
from mdweights_core.crystal.laue import find_rows, friedel_half, hkl_key, hkl_of_key, in_asu, laue_rotations
from mdweights_core.crystal.origin import Origin, find_origin, moved
from mdweights_core.errors import BadInput

_OBLIQUITY = 0.02  # of the metric, or 1 % in lengths: what a simulated box may be off the symmetry of the crystal


class Collapse:
    """A recipe, made once, that turns F of a box into F of its mean primitive cell, frame by frame.

    Parameters
    ----------
    lattice : MillerLattice
        P1, one of each Friedel pair; its cell may be divided.
    space_group : gemmi.SpaceGroup
        Of the primitive cell (primitive as opposed to the supercell: it may be centred).
    supercell : (int, int, int)
        Primitive cells along each axis of ``lattice.cell``; (1, 1, 1) when that is the primitive cell itself.
    n_cells : int, optional
        Primitive cells whose atoms F holds; by default those of the box whose reflections the lattice lists, which is
        the product of `supercell` and of ``lattice.ndiv``.
    keep_absent : bool
        Keep systematically absent reflections, where F is zero but diffuse intensity is not.

    Attributes
    ----------
    lattice : MillerLattice
        Reflections of the primitive cell in the asymmetric unit of its space group, ordered by h, k, l: those whose
        images are all in the lattice given. n rows.
    n_cells : int

    Raises
    ------
    BadInput
        When the space group does not fit the primitive cell, or no reflection has all its images in the lattice.
    """

    def __init__(
        self,
        lattice: MillerLattice,
        space_group: gemmi.SpaceGroup,
        supercell: tuple[int, int, int] = (1, 1, 1),
        *,
        n_cells: int | None = None,
        keep_absent: bool = False,
    ) -> None:
        finer = np.array(lattice.ndiv) * np.array(supercell)
        self.n_cells = int(finer.prod()) if n_cells is None else int(n_cells)
        cell = _primitive(lattice.cell, supercell, space_group)
        hkl = _asymmetric_unit(lattice.hkl, finer, space_group)
        if not keep_absent:
            hkl = hkl[~space_group.operations().systematic_absences(hkl)]
        rows, turned, phase = _images(hkl, lattice.hkl, finer, space_group)
        complete = (rows >= 0).all(axis=0)
        if not complete.any():
            raise BadInput(
                f"No reflection of {space_group.xhm()} has all its equivalents among those of the frames",
                advice="Check the supercell, or compute a whole half of reciprocal space",
            )
        self.lattice = MillerLattice(hkl[complete], cell, space_group)
        self._rows, self._turned = rows[:, complete], turned[:, complete]
        self._phase = phase[:, complete] / (len(rows) * self.n_cells)
        self._of_box = MillerLattice(lattice.hkl, cell, gemmi.SpaceGroup("P 1"), (finer[0], finer[1], finer[2]))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """F of the box, complex [..., n_hkl], to F of the mean primitive cell, complex128 [..., n]."""
        total = np.zeros((*values.shape[:-1], len(self.lattice)), dtype=np.complex128)
        for rows, turned, phase in zip(self._rows, self._turned, self._phase, strict=True):
            image = values[..., rows]
            np.conjugate(image, out=image, where=turned)
            total += phase * image
        return total

    def origin(self, values: np.ndarray) -> Origin:
        """Where the crystal lies with respect to the origin of the space group; `values` complex [n_hkl]."""
        return find_origin(values, self._of_box, self.lattice.space_group)

    def moved(self, shift: np.ndarray) -> Collapse:
        """The same recipe for a crystal that is moved by a vector, in fractions of the primitive cell, beforehand."""
        result = copy(self)
        operations = self.lattice.space_group.operations().sym_ops
        images = [self.lattice.hkl @ (np.array(operation.rot) // gemmi.Op.DEN) for operation in operations]
        result._phase = moved(self._phase, np.array(images), shift)
        return result

    def intensity(self, values: np.ndarray) -> np.ndarray:
        """Intensities of the box, float [..., n_hkl], averaged over the Laue class: float64 [..., n].

        On the scale of `__call__`: those of F divided by the number of cells.
        """
        total = np.zeros((*values.shape[:-1], len(self.lattice)))
        for rows in self._rows:
            total += values[..., rows]
        return total / (len(self._rows) * self.n_cells**2)


def _primitive(cell: gemmi.UnitCell, repeats: tuple[int, int, int], space_group: gemmi.SpaceGroup) -> gemmi.UnitCell:
    primitive = supercell(cell, [1 / n for n in repeats])
    axes = reciprocal_axes(primitive)
    metric = axes @ axes.T
    moved = [rotation @ metric @ rotation.T for rotation in laue_rotations(space_group)]
    lengths = np.sqrt(np.diag(metric))
    if np.abs((np.array(moved) - metric) / np.outer(lengths, lengths)).max() > _OBLIQUITY:
        raise BadInput(
            f"The primitive cell {format_cell(primitive)} does not fit the space group {space_group.xhm()}",
            advice="Check the supercell and the space group",
        )
    return primitive


def _asymmetric_unit(hkl: np.ndarray, finer: np.ndarray, space_group: gemmi.SpaceGroup) -> np.ndarray:
    """Whole indices of the primitive cell, one of each set of equivalents: int32 [n, 3], ordered."""
    whole = hkl[(hkl % finer == 0).all(axis=1)] // finer
    return hkl_of_key(np.unique(hkl_key(in_asu(whole, space_group))))


def _images(
    hkl: np.ndarray, table: np.ndarray, finer: np.ndarray, space_group: gemmi.SpaceGroup
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row in `table`, whether the Friedel mate stands there, and phase factor, of each image: [n_op, n].

    Operations that differ by a centring translation share their image; their phase factors are averaged, to one or,
    where the centring makes a reflection absent, to zero.
    """
    operations = space_group.operations()
    centring = np.array(operations.cen_ops) / gemmi.Op.DEN
    share = np.exp(2j * np.pi * (centring @ hkl.T)).mean(axis=0)
    rows, turned, phase = [], [], []
    for operation in operations.sym_ops:
        image = hkl @ (np.array(operation.rot, dtype=np.int32) // gemmi.Op.DEN) * finer
        half = friedel_half(image)
        rows.append(find_rows(half, table))
        turned.append((half != image).any(axis=1))
        phase.append(share * np.exp(2j * np.pi * (hkl @ (np.array(operation.tran) / gemmi.Op.DEN))))
    return np.array(rows), np.array(turned), np.array(phase)

"""The reflections to compute when no observed map says which."""

from __future__ import annotations

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.errors import BadInput

MAX_REFLECTIONS = 200_000_000
_HAIR = 1e-9  # of tolerance, so that a limit given as some reflection's own d includes it


def half_lattice(
    cell: gemmi.UnitCell,
    space_group: gemmi.SpaceGroup,
    d_min: float,
    d_max: float | None = None,
    ndiv: tuple[int, int, int] = (1, 1, 1),
) -> MillerLattice:
    """All points of the reciprocal lattice between two resolution limits, one of each Friedel pair, as of P1.

    Systematic absences are kept: diffuse intensity is there. The origin is left out.

    Parameters
    ----------
    cell : gemmi.UnitCell
    space_group : gemmi.SpaceGroup
        Kept with the lattice for later averaging; it selects nothing.
    d_min, d_max : float
        Limits in angstrom, both included; no `d_max` means everything down to the origin.
    ndiv : (int, int, int)
        Sub-divisions of each reciprocal axis: (2, 2, 2) gives all indices h/2, those of a 2 x 2 x 2 supercell.

    Returns
    -------
    MillerLattice
        Ordered by h, k, l; the member of each pair with the larger (h, k, l).

    Raises
    ------
    BadInput
        When the limits or divisions make no sense or ask for more than 2e8 reflections.
    """
    _check_divisions(ndiv)
    _check_limits(cell, d_min, d_max, ndiv)
    axes = reciprocal_axes(cell) / np.asarray(ndiv, dtype=float)[:, None]
    largest = (1 + _HAIR) / d_min
    smallest = 0.0 if d_max is None else (1 - _HAIR) / d_max
    h_max = int(largest * cell.a * ndiv[0])
    planes = [_plane(h, axes, int(largest * cell.b * ndiv[1]), smallest, largest) for h in range(h_max + 1)]
    return MillerLattice(np.concatenate(planes), cell, space_group, ndiv)


def _plane(h: int, axes: np.ndarray, k_max: int, smallest: float, largest: float) -> np.ndarray:
    """The reflections h k l of one h between two limits of 1/d, int32 [n, 3], ordered.

    Along l, 1/d^2 is a parabola: for each k, l runs between its two crossings with the outer limit.
    """
    k = np.arange(-k_max, k_max + 1)
    row = h * axes[0] + k[:, None] * axes[1]
    length = np.linalg.norm(axes[2])
    middle = -(row @ axes[2]) / length**2
    reach2 = (largest**2 - np.square(row + middle[:, None] * axes[2]).sum(axis=1)) / length**2
    reach = np.sqrt(np.maximum(reach2, 0.0))
    first = np.ceil(middle - reach).astype(np.int64)
    count = np.where(reach2 >= 0, np.floor(middle + reach).astype(np.int64) - first + 1, 0)
    source = np.repeat(np.arange(len(k)), count)
    l = first[source] + np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count)
    keep = np.ones(len(l), dtype=bool)
    if smallest > 0:
        keep &= np.square(row[source] + l[:, None] * axes[2]).sum(axis=1) >= smallest**2
    if h == 0:
        keep &= (k[source] > 0) | ((k[source] == 0) & (l > 0))
    return np.column_stack([np.full(len(l), h), k[source], l])[keep].astype(np.int32)


def _check_divisions(ndiv: tuple[int, int, int]) -> None:
    if len(ndiv) != 3 or any(n != int(n) or n < 1 for n in ndiv):
        raise BadInput(
            f"The sub-divisions of the reciprocal axes are {', '.join(map(str, ndiv))}, but must be three whole "
            "numbers of at least 1"
        )


def _check_limits(cell: gemmi.UnitCell, d_min: float, d_max: float | None, ndiv: tuple[int, int, int]) -> None:
    if not np.isfinite(d_min) or d_min <= 0:
        raise BadInput(f"The resolution limit d_min must be a positive number of angstroms, not {d_min:g}")
    if d_max is not None and not d_max > d_min:
        raise BadInput(f"The low-resolution limit d_max ({d_max:g} A) must be larger than d_min ({d_min:g} A)")
    # half of the sphere's volume times that of the cell
    expected = 2.0 / 3.0 * np.pi * cell.volume * float(np.prod(ndiv)) / d_min**3
    if expected > MAX_REFLECTIONS:
        divided = f" on axes divided by {', '.join(map(str, ndiv))}" if tuple(ndiv) != (1, 1, 1) else ""
        raise BadInput(
            f"A d_min of {d_min:g} A{divided} would give about {expected:.1e} reflections",
            advice="Use a larger d_min or fewer divisions" if divided else "Use a larger d_min",
        )

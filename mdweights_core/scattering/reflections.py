"""The reflections to compute when no observed map says which."""

from __future__ import annotations

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.errors import BadInput

MAX_REFLECTIONS = 200_000_000


def half_lattice(
    cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup, d_min: float, d_max: float | None = None
) -> MillerLattice:
    """All reflections between two resolution limits, one of each Friedel pair, as of P1.

    Systematic absences are kept: diffuse intensity is there. The origin is left out.

    Parameters
    ----------
    cell : gemmi.UnitCell
    space_group : gemmi.SpaceGroup
        Kept with the lattice for later averaging; it selects nothing.
    d_min, d_max : float
        Limits in angstrom, both included; no `d_max` means everything down to the origin.

    Returns
    -------
    MillerLattice
        Ordered by h, k, l; the member of each pair with the larger (h, k, l).

    Raises
    ------
    BadInput
        When the limits make no sense or ask for more than 2e8 reflections.
    """
    _check_limits(cell, d_min, d_max)
    limit = np.floor(np.array([cell.a, cell.b, cell.c]) / d_min).astype(np.int64)
    smallest = 0.0 if d_max is None else 1.0 / d_max
    axes = reciprocal_axes(cell)
    k, m = (grid.ravel() for grid in np.mgrid[-limit[1] : limit[1] + 1, -limit[2] : limit[2] + 1])
    plane = k[:, None] * axes[1] + m[:, None] * axes[2]
    rows = []
    for h in range(int(limit[0]) + 1):
        inverse_d = np.linalg.norm(plane + h * axes[0], axis=1)
        # a hair of tolerance, so that a limit given as some reflection's own d includes it
        keep = (inverse_d <= (1 + 1e-9) / d_min) & (inverse_d >= smallest * (1 - 1e-9))
        if h == 0:
            keep &= (k > 0) | ((k == 0) & (m > 0))
        rows.append(np.column_stack([np.full(keep.sum(), h), k[keep], m[keep]]).astype(np.int32))
    return MillerLattice(np.concatenate(rows), cell, space_group)


def _check_limits(cell: gemmi.UnitCell, d_min: float, d_max: float | None) -> None:
    if not np.isfinite(d_min) or d_min <= 0:
        raise BadInput(f"The resolution limit d_min must be a positive number of angstroms, not {d_min:g}")
    if d_max is not None and not d_max > d_min:
        raise BadInput(f"The low-resolution limit d_max ({d_max:g} A) must be larger than d_min ({d_min:g} A)")
    expected = 2.0 / 3.0 * np.pi * cell.volume / d_min**3  # half of the sphere's volume times that of the cell
    if expected > MAX_REFLECTIONS:
        raise BadInput(
            f"A d_min of {d_min:g} A would give about {expected:.1e} reflections", advice="Use a larger d_min"
        )

"""Miller indices with the cell and space group they refer to, and the observed map on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import gemmi
import numpy as np

SHORTEST_EDGE = 2.0
"""Angstrom, of a unit cell that has room for an atom: copper has 3.6, tungsten 3.2."""


@dataclass(frozen=True, eq=False)
class MillerLattice:
    """A list of reciprocal-lattice points.

    Attributes
    ----------
    hkl : int32 [n_hkl, 3]
        Miller indices. The true index is ``hkl / ndiv``.
    cell : gemmi.UnitCell
        Unit cell, angstrom and degrees.
    space_group : gemmi.SpaceGroup
        Its Laue class says which reflections are equivalent.
    ndiv : (int, int, int)
        Sub-divisions of each reciprocal axis; (1, 1, 1) is the ordinary lattice.
    """

    hkl: np.ndarray
    cell: gemmi.UnitCell
    space_group: gemmi.SpaceGroup
    ndiv: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        hkl = np.ascontiguousarray(self.hkl, dtype=np.int32).reshape(-1, 3)
        object.__setattr__(self, "hkl", hkl)

    def __len__(self) -> int:
        return len(self.hkl)

    @property
    def index(self) -> np.ndarray:
        """True (possibly fractional) Miller indices, float64 [n_hkl, 3]."""
        return self.hkl / np.asarray(self.ndiv, dtype=float)

    @property
    def inverse_d(self) -> np.ndarray:
        """1/d in 1/angstrom, float64 [n_hkl]."""
        return np.linalg.norm(self.index @ reciprocal_axes(self.cell), axis=1)

    @property
    def d_spacing(self) -> np.ndarray:
        """d in angstrom, float64 [n_hkl]; infinite at the origin."""
        with np.errstate(divide="ignore"):
            return 1.0 / self.inverse_d

    def select(self, rows: np.ndarray) -> MillerLattice:
        """The same lattice with only `rows` (boolean mask or indices)."""
        return replace(self, hkl=self.hkl[rows])


@dataclass(frozen=True, eq=False)
class DiffuseMap:
    """An observed diffuse map: only measured reflections, any space group's asymmetric unit or P1.

    Attributes
    ----------
    lattice : MillerLattice
    intensity : float32 [n_hkl]
        Diffuse intensity, arbitrary scale; may be negative when a background was removed.
    sigma : float32 [n_hkl] or None
        Standard uncertainty of the intensity; NaN where unknown.
    free : bool [n_hkl] or None
        True for reflections kept out of fits; None when the file has no free set.
    is_anisotropic : bool
        True when the shell means were already removed from the intensity.
    provenance : mapping
        File, columns, how the intensity was made: strings for the record.
    """

    lattice: MillerLattice
    intensity: np.ndarray
    sigma: np.ndarray | None = None
    free: np.ndarray | None = None
    is_anisotropic: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lattice)

    def select(self, rows: np.ndarray) -> DiffuseMap:
        """The same map with only `rows` (boolean mask or indices)."""
        return replace(
            self,
            lattice=self.lattice.select(rows),
            intensity=self.intensity[rows],
            sigma=None if self.sigma is None else self.sigma[rows],
            free=None if self.free is None else self.free[rows],
        )

    def within(self, d_min: float | None, d_max: float | None) -> DiffuseMap:
        """The same map between two resolution limits (angstrom), without the origin."""
        d = self.lattice.d_spacing
        keep = np.isfinite(d)
        if d_min is not None:
            keep &= d >= d_min
        if d_max is not None:
            keep &= d <= d_max
        return self.select(keep)


def reciprocal_axes(cell: gemmi.UnitCell) -> np.ndarray:
    """Rows a*, b*, c* in the Cartesian frame of PDB files, 1/angstrom, float64 [3, 3]."""
    return np.array(cell.frac.mat.tolist(), dtype=float)


def transformed(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """`matrix` [3, 3] times each of `points` [..., 3], float64.

    Not by BLAS: its threads wait for one another, a tenth of a second for this much on a busy machine.
    """
    return np.einsum("...j,kj->...k", np.asarray(points, dtype=np.float64), matrix)


def supercell(cell: gemmi.UnitCell, repeats: Sequence[float]) -> gemmi.UnitCell:
    """The cell of that many cells along each axis: its whole indices are those of reciprocal axes divided so."""
    a, b, c, *angles = cell_parameters(cell)
    return gemmi.UnitCell(a * repeats[0], b * repeats[1], c * repeats[2], *angles)


def on_unit_cell(lattice: MillerLattice, repeats: tuple[int, int, int]) -> MillerLattice:
    """The same points on the axes of a unit cell, of which ``lattice.cell`` holds `repeats` along each axis.

    Whole indices of a supercell become fractional ones of its unit cell, between whose Bragg positions they lie.
    """
    cell = supercell(lattice.cell, [1 / n for n in repeats])
    a, b, c = (int(n * more) for n, more in zip(lattice.ndiv, repeats, strict=True))
    return replace(lattice, cell=cell, ndiv=(a, b, c))


def repeats_of(block: gemmi.UnitCell, cell: gemmi.UnitCell) -> tuple[int, int, int]:
    """Cells along each axis of a block, by its lengths alone: the nearest whole numbers, at least one."""
    lengths, edges = np.array(cell_parameters(block)[:3]), np.array(cell_parameters(cell)[:3])
    a, b, c = np.maximum(np.rint(lengths / edges), 1).astype(int).tolist()
    return a, b, c


def cell_parameters(cell: gemmi.UnitCell) -> tuple[float, float, float, float, float, float]:
    """(a, b, c, alpha, beta, gamma) in angstrom and degrees."""
    return (cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma)


def same_cell(one: gemmi.UnitCell, other: gemmi.UnitCell, tolerance: float = 0.005) -> bool:
    """True when lengths agree within the relative `tolerance` and angles within as many radians."""
    p, q = np.array(cell_parameters(one)), np.array(cell_parameters(other))
    lengths = np.abs(p[:3] - q[:3]) <= tolerance * np.abs(q[:3])
    angles = np.abs(p[3:] - q[3:]) <= np.degrees(tolerance)
    return bool(lengths.all() and angles.all())


def format_cell(cell: gemmi.UnitCell) -> str:
    """The cell as a line people read: ``48.50 48.50 63.43 A, 90.0 90.0 90.0 deg``."""
    a, b, c, al, be, ga = cell_parameters(cell)
    return f"{a:.2f} {b:.2f} {c:.2f} Å, {al:.2f} {be:.2f} {ga:.2f}\N{DEGREE SIGN}"

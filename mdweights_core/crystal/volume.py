"""A dense block of reciprocal space and the plane sections a crystallographer looks at.

Indices are whole numbers here: where reciprocal axes are divided, those of the cell that is as many times larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import reciprocal_axes, supercell
from mdweights_core.crystal.laue import LaueGroups, images

ZONES = ("hk", "hl", "kl")
_AXIS = {"h": 0, "k": 1, "l": 2}


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane of reciprocal space.

    Attributes
    ----------
    zone : str
        The two indices that run in the plane: ``"hk"``, ``"hl"`` or ``"kl"``.
    level : int
        The third index.
    values : float32 [n_v, n_u]
        Row = second index v from -v_max to v_max, column = first index u from -u_max to u_max. NaN: not measured.
    axes : float64 [2, 2]
        Cartesian steps (1/angstrom) of one unit of u (along x) and of v, at the true angle between them.
    origin : float64 [2]
        Where u = v = 0 lies in the plane, relative to the foot of the perpendicular from the origin hkl = 0.
    cell : gemmi.UnitCell
        What the indices refer to: the crystal's cell times `ndiv`.
    ndiv : (int, int, int)
        Sub-divisions of the crystal's reciprocal axes.
    """

    zone: str
    level: int
    values: np.ndarray
    axes: np.ndarray
    origin: np.ndarray
    cell: gemmi.UnitCell
    ndiv: tuple[int, int, int] = (1, 1, 1)

    @property
    def u_max(self) -> int:
        """Largest first index; columns run from -u_max to u_max."""
        return self.values.shape[1] // 2

    @property
    def v_max(self) -> int:
        """Largest second index; rows run from -v_max to v_max."""
        return self.values.shape[0] // 2

    @property
    def height(self) -> float:
        """Distance of the plane from the origin of reciprocal space, 1/angstrom."""
        at_origin = np.linalg.norm(self._cartesian(0, 0))
        return float(np.sqrt(max(at_origin**2 - np.dot(self.origin, self.origin), 0.0)))

    def hkl_at(self, x: float, y: float) -> tuple[int, int, int]:
        """Miller indices of the reflection nearest to a point of the plane (1/angstrom from `origin`'s u = v = 0)."""
        u, v = np.linalg.solve(self.axes.T, np.array([x, y]))
        return self._hkl(round(float(u)), round(float(v)))

    def value_at(self, h: int, k: int, l: int) -> float:
        """The value of a reflection of this plane; NaN outside or where not measured."""
        index = (h, k, l)
        u, v = index[_AXIS[self.zone[0]]], index[_AXIS[self.zone[1]]]
        if abs(u) > self.u_max or abs(v) > self.v_max or index[self._third] != self.level:
            return float("nan")
        return float(self.values[v + self.v_max, u + self.u_max])

    def d_at(self, h: int, k: int, l: int) -> float:
        """d spacing of a reflection, angstrom; infinite at the origin."""
        return float("inf") if h == k == l == 0 else float(self.cell.calculate_d([h, k, l]))

    def label(self, h: int, k: int, l: int) -> str:
        """The crystal's Miller indices as people read them: ``1 0 -2``, or ``0.5 0 -1`` where axes are divided."""
        return " ".join(f"{i / n:.4g}" for i, n in zip((h, k, l), self.ndiv, strict=True))

    @property
    def _third(self) -> int:
        return 3 - _AXIS[self.zone[0]] - _AXIS[self.zone[1]]

    def _hkl(self, u: int, v: int) -> tuple[int, int, int]:
        index = [0, 0, 0]
        index[_AXIS[self.zone[0]]], index[_AXIS[self.zone[1]]], index[self._third] = u, v, self.level
        return (index[0], index[1], index[2])

    def _cartesian(self, u: int, v: int) -> np.ndarray:
        return np.array(self._hkl(u, v)) @ reciprocal_axes(self.cell)


@dataclass(frozen=True, eq=False)
class ReciprocalVolume:
    """Values on all hkl with |h| <= h_max, |k| <= k_max, |l| <= l_max.

    Attributes
    ----------
    values : float32 [2 h_max + 1, 2 k_max + 1, 2 l_max + 1]
        NaN where not measured.
    cell : gemmi.UnitCell
        What the indices refer to: the crystal's cell times `ndiv`.
    ndiv : (int, int, int)
        Sub-divisions of the crystal's reciprocal axes.
    """

    values: np.ndarray
    cell: gemmi.UnitCell
    ndiv: tuple[int, int, int] = (1, 1, 1)

    @classmethod
    def from_groups(cls, groups: LaueGroups, values: np.ndarray) -> ReciprocalVolume:
        """Spread one value per Laue group ([n_group]) over all equivalent reflections, both Friedel mates included."""
        every = images(groups.lattice.hkl, groups.lattice.space_group)  # [n_op, n_group, 3]
        limits = np.abs(every).reshape(-1, 3).max(axis=0, initial=0)
        block = np.full(tuple(2 * limits + 1), np.nan, dtype=np.float32)
        place = every + limits
        block[place[..., 0], place[..., 1], place[..., 2]] = np.asarray(values, dtype=np.float32)
        ndiv = groups.lattice.ndiv
        return cls(block, supercell(groups.lattice.cell, ndiv), ndiv)

    @property
    def limits(self) -> tuple[int, int, int]:
        """(h_max, k_max, l_max)."""
        h, k, l = (n // 2 for n in self.values.shape)
        return (h, k, l)

    def slice(self, zone: str, level: int) -> Slice:
        """The plane `zone` at the third index `level`; empty (all NaN) when the level is outside the block."""
        u, v = _AXIS[zone[0]], _AXIS[zone[1]]
        third = 3 - u - v
        limit = self.limits[third]
        if abs(level) > limit:
            plane = np.full((self.values.shape[v], self.values.shape[u]), np.nan, dtype=np.float32)
        else:
            plane = np.take(self.values, level + limit, axis=third).T  # u < v always, so .T puts v in rows
        axes, origin = _plane_geometry(self.cell, u, v, level)
        return Slice(zone, level, np.ascontiguousarray(plane), axes, origin, self.cell, self.ndiv)


def _plane_geometry(cell: gemmi.UnitCell, u: int, v: int, level: int) -> tuple[np.ndarray, np.ndarray]:
    """2-D steps of u and v and the in-plane offset of u = v = 0 at this level."""
    reciprocal = reciprocal_axes(cell)
    along_u = reciprocal[u] / np.linalg.norm(reciprocal[u])
    across = reciprocal[v] - (reciprocal[v] @ along_u) * along_u
    frame = np.array([along_u, across / np.linalg.norm(across)])
    return reciprocal[[u, v]] @ frame.T, level * (frame @ reciprocal[3 - u - v])

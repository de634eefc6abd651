"""Resolution shells and the anisotropic operator: what is left of a map when its fall-off with resolution is removed.

Most of the correlation between any two diffuse maps is the isotropic fall-off; the features a model of disorder must
explain are anisotropic. The operator subtracts a smooth curve through shell means. It is linear in the intensities,
so one and the same operator is applied to the observed and to the calculated map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Shells:
    """A division of the resolution range into shells of 1/d.

    Attributes
    ----------
    edges : float64 [n_shell + 1]
        Limits in 1/d, 1/angstrom, rising.
    member : int32 [n_hkl]
        Shell of each reflection.
    """

    edges: np.ndarray
    member: np.ndarray

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def d_max(self) -> np.ndarray:
        """Low-resolution limit of each shell, angstrom."""
        with np.errstate(divide="ignore"):
            return 1.0 / self.edges[:-1]

    @property
    def d_min(self) -> np.ndarray:
        """High-resolution limit of each shell, angstrom."""
        return 1.0 / self.edges[1:]


def equal_count_shells(inverse_d: np.ndarray, n_shells: int) -> Shells:
    """Shells that hold equal numbers of reflections, for tables and plots (fewer than asked when data are few)."""
    n_shells = max(1, min(n_shells, len(inverse_d) // 20))
    edges = np.quantile(inverse_d, np.linspace(0.0, 1.0, n_shells + 1))
    return Shells(edges, _membership(inverse_d, edges))


def equal_width_shells(inverse_d: np.ndarray, width: float, min_count: int = 20) -> Shells:
    """Shells of equal width in 1/d (1/angstrom); neighbours are joined until each holds `min_count` reflections."""
    low, high = float(inverse_d.min()), float(inverse_d.max())
    n = max(1, int(np.ceil((high - low) / width)))
    edges = low + (high - low) * np.arange(n + 1) / n
    counts = np.bincount(_membership(inverse_d, edges), minlength=n)
    kept, filled = [edges[0]], 0
    for right, count in zip(edges[1:], counts, strict=True):
        filled += int(count)
        if filled >= min_count:
            kept.append(right)
            filled = 0
    if len(kept) == 1:
        kept.append(edges[-1])
    kept[-1] = edges[-1]  # what is left over joins the last shell
    return Shells(np.array(kept), _membership(inverse_d, np.array(kept)))


def _membership(inverse_d: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(edges, inverse_d, side="right") - 1, 0, len(edges) - 2).astype(np.int32)


@dataclass(frozen=True, eq=False)
class AnisotropicOperator:
    """I -> I - curve(1/d), the curve a spline through shell means of the reference reflections.

    The operator is ``1 - S M``: M [n_shell, n_hkl] takes shell means over the reference rows, S [n_hkl, n_shell]
    evaluates the not-a-knot cubic spline through them (as Lunus does), linear with fewer than four shells.

    Attributes
    ----------
    member : int32 [n_hkl]
        Shell of each reflection.
    mean_weight : float64 [n_hkl]
        1/n over the reference rows of the reflection's shell; 0 for rows outside the reference.
    spline : float64 [n_hkl, n_shell]
        S.
    """

    member: np.ndarray
    mean_weight: np.ndarray
    spline: np.ndarray

    @property
    def n_shells(self) -> int:
        """Number of shell means the curve goes through."""
        return self.spline.shape[1]

    def shell_means(self, values: np.ndarray) -> np.ndarray:
        """M values: [n_hkl] -> [n_shell], float64."""
        return np.bincount(self.member, self.mean_weight * values, minlength=self.n_shells)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Remove the isotropic curve from `values` [n_hkl]; float64."""
        values = np.asarray(values, dtype=np.float64)
        return values - self.spline @ self.shell_means(values)


def anisotropic_operator(
    inverse_d: np.ndarray, reference: np.ndarray | None = None, width: float | None = None, min_count: int = 50
) -> AnisotropicOperator:
    """The operator that removes the isotropic part of a map.

    Parameters
    ----------
    inverse_d : float64 [n_hkl]
        1/d of the reflections, 1/angstrom.
    reference : bool [n_hkl], optional
        Rows the shell means are taken over (the work set, so that no free reflection enters a fit). All by default.
    width : float, optional
        Shell width in 1/d; by default what gives about 200 reference reflections per shell, between 4 and 60 shells.
    min_count : int
        Fewest reference reflections in a shell.
    """
    inverse_d = np.asarray(inverse_d, dtype=np.float64)
    used = np.ones(len(inverse_d), dtype=bool) if reference is None else np.asarray(reference, dtype=bool)
    if width is None:
        n_shells = int(np.clip(used.sum() // 200, 4, 60))
        width = float(np.ptp(inverse_d[used])) / n_shells or 1.0
    edges = equal_width_shells(inverse_d[used], width, min_count).edges
    member = _membership(inverse_d, edges)
    n = len(edges) - 1
    counts = np.bincount(member[used], minlength=n)
    centres = np.bincount(member[used], inverse_d[used], minlength=n) / np.maximum(counts, 1)
    mean_weight = np.where(used, 1.0 / np.maximum(counts, 1)[member], 0.0)
    return AnisotropicOperator(member, mean_weight, _interpolation(centres, inverse_d))


def _interpolation(centres: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Matrix that interpolates values given at `centres` to `at`, held constant outside: float64 [n_at, n_centre]."""
    inside = np.clip(at, centres[0], centres[-1])
    identity = np.eye(len(centres))
    if len(centres) >= 4:
        from scipy.interpolate import CubicSpline

        return CubicSpline(centres, identity, bc_type="not-a-knot")(inside)
    if len(centres) == 1:
        return np.ones((len(at), 1))
    return np.stack([np.interp(inside, centres, row) for row in identity], axis=1)

"""One observation per group of equivalent reflections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.crystal.laue import LaueGroups, group_of, laue_groups


@dataclass(frozen=True, eq=False)
class MergedMap:
    """Observed intensities averaged over the Laue class.

    Attributes
    ----------
    groups : LaueGroups
    intensity : float64 [n_group]
    sigma : float64 [n_group] or None
        Of the average; NaN where no equivalent has one.
    free : bool [n_group] or None
        True when any equivalent is flagged so.
    """

    groups: LaueGroups
    intensity: np.ndarray
    sigma: np.ndarray | None
    free: np.ndarray | None

    def select(self, rows: np.ndarray) -> MergedMap:
        """The groups of a mask, bool [n_group]."""
        return MergedMap(
            laue_groups(self.groups.lattice.select(rows)),  # the same order: groups are sorted by index
            self.intensity[rows],
            None if self.sigma is None else self.sigma[rows],
            None if self.free is None else self.free[rows],
        )


def average_equivalents(diffuse_map: DiffuseMap) -> MergedMap:
    """Average equivalent observations; a group is free when any of its observations is flagged so."""
    lattice = diffuse_map.lattice
    groups = laue_groups(lattice)
    member = group_of(lattice.hkl, groups)
    n, count = len(groups), np.bincount(member, minlength=len(groups))
    intensity = np.bincount(member, diffuse_map.intensity, minlength=n) / count
    sigma = None
    if diffuse_map.sigma is not None:
        known = np.isfinite(diffuse_map.sigma)
        variance = np.bincount(member[known], diffuse_map.sigma[known].astype(float) ** 2, minlength=n)
        n_known = np.bincount(member[known], minlength=n)
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.sqrt(variance) / n_known
    free = None
    if diffuse_map.free is not None:
        free = np.bincount(member, diffuse_map.free, minlength=n) > 0
    return MergedMap(groups, intensity, sigma, free)

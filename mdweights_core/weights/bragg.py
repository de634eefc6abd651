"""Bragg intensities beside a diffuse map: |<F>|^2, what the mean structure of the ensemble scatters.

They are listed on whole Miller indices and averaged over the Laue class of the diffuse map, and their images join the
reflections that structure factors are computed on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, format_cell, repeats_of, same_cell, supercell
from mdweights_core.crystal.laue import (
    LaueGroups,
    find_rows,
    friedel_half,
    group_of,
    hkl_key,
    hkl_of_key,
    laue_groups,
)
from mdweights_core.crystal.merging import MergedMap, average_equivalents
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.maps.bragg import BraggAmplitudes, read_amplitudes
from mdweights_core.io.maps.contents import known_sigma
from mdweights_core.io.maps.mtz_file import MtzContents, open_mtz
from mdweights_core.io.maps.mtz_guess import free_set, guess_free, guess_sigma
from mdweights_core.weights.free_set import drawn_free_set
from mdweights_core.weights.settings import MIN_REFLECTIONS

_OTHER_CRYSTAL = 0.03  # relative difference of cells that cooling does not make


@dataclass(frozen=True, eq=False)
class BraggData:
    """Observed Bragg intensities, one for each group of equivalent reflections.

    Attributes
    ----------
    groups : LaueGroups
        On whole Miller indices (`ndiv` is 1, 1, 1), in the cell and the Laue class of the diffuse map.
    intensity : float64 [n_group]
        Squared amplitudes on the file's scale.
    sigma : float64 [n_group] or None
        Its standard uncertainty; NaN where unknown.
    free : bool [n_group]
        Held out of the fit.
    label : str
        The column they are from.
    """

    groups: LaueGroups
    intensity: np.ndarray
    sigma: np.ndarray | None
    free: np.ndarray
    label: str

    def __len__(self) -> int:
        return len(self.groups)


def bragg_data(
    path: str | os.PathLike[str],
    lattice: MillerLattice,
    d_min: float | None = None,
    d_max: float | None = None,
    *,
    free_fraction: float = 0.0,
    seed: int = 0,
) -> BraggData:
    """Read Bragg amplitudes (or intensities) of the crystal of a diffuse map.

    Equivalents are averaged: first under the symmetry that the file tells, whose images are then grouped by the Laue
    class of `lattice`, so that a file of higher or of lower symmetry than the map's serves, too.

    Parameters
    ----------
    path : path
        Merged MTZ file.
    lattice : MillerLattice
        Of the diffuse map: its cell and its Laue class are used, whatever the divisions of its axes.
    d_min, d_max : float, optional
        Resolution limits in angstrom, both included.
    free_fraction : float
        Part of the groups held out where the file has no free set.
    seed : int
        Of that draw.

    Raises
    ------
    BadInput
        A file that cannot be read or has no such column, of another crystal, or with too few reflections.
    """
    amplitudes = read_amplitudes(path)
    own, cell = amplitudes.lattice.cell, lattice.cell
    if not same_cell(own, cell, _OTHER_CRYSTAL):
        raise BadInput(
            f"the cell of the Bragg amplitudes ({format_cell(own)}) is not the map's ({format_cell(cell)})",
            where=path,
            advice=_advice(cell, own),
        )
    observed = replace(_as_map(amplitudes, open_mtz(path)), lattice=replace(amplitudes.lattice, cell=cell))
    observed = observed.within(d_min, d_max)
    groups = laue_groups(replace(observed.lattice, space_group=lattice.space_group)) if len(observed) else ()
    if len(groups) < MIN_REFLECTIONS:
        raise BadInput(
            f"only {counted(len(groups), 'unique Bragg reflection')} between the resolution limits",
            where=path,
            advice=f"Widen --d-min and --d-max; at least {MIN_REFLECTIONS} are needed",
        )
    data = _regrouped(average_equivalents(observed), lattice.space_group, amplitudes.label)
    return data if data.free.any() else replace(data, free=drawn_free_set(len(data), free_fraction, seed))


def _advice(cell: gemmi.UnitCell, own: gemmi.UnitCell) -> str:
    """What to do when the cell of the map is not that of the Bragg data."""
    repeats = repeats_of(cell, own)
    if same_cell(cell, supercell(own, repeats), _OTHER_CRYSTAL):
        return f"The map's is a supercell of it: give --map-supercell {','.join(map(str, repeats))}"
    return "Choose the Bragg data of the same crystal form"


def _as_map(amplitudes: BraggAmplitudes, contents: MtzContents) -> DiffuseMap:
    """Squared amplitudes with the sigmas and free flags that the file has for them."""
    rows = find_rows(amplitudes.lattice.hkl, contents.hkl)
    free_column = guess_free(contents.columns)
    flagged = free_set(contents.values(free_column)[rows]) if free_column else None
    return DiffuseMap(
        lattice=amplitudes.lattice,
        intensity=amplitudes.amplitude**2,
        sigma=_sigma(amplitudes, contents, rows),
        free=flagged[0] if flagged else None,
    )


def _sigma(amplitudes: BraggAmplitudes, contents: MtzContents, rows: np.ndarray) -> np.ndarray | None:
    """Uncertainty of the intensities, 2 F sigma(F) where the file tells that of amplitudes."""
    named = [column for column in contents.columns if column.label == amplitudes.label]
    column = guess_sigma(contents.columns, named[0]) if len(named) == 1 else None
    if column is None:
        return None
    sigma = contents.values(column)[rows].astype(np.float64)
    return known_sigma(sigma if named[0].type == "J" else 2 * amplitudes.amplitude * sigma)


def _regrouped(merged: MergedMap, space_group: gemmi.SpaceGroup, label: str) -> BraggData:
    """Groups of the file made groups of another Laue class, each the mean of the file's groups that it meets."""
    p1 = merged.groups.p1
    groups = laue_groups(replace(p1, space_group=space_group))
    owner = np.empty(len(p1), dtype=np.int64)
    for rows in merged.groups.copies:
        owner[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    member, source = np.unique(np.stack([group_of(p1.hkl, groups), owner]), axis=1)
    n = len(groups)
    intensity = np.bincount(member, merged.intensity[source]) / np.bincount(member)
    sigma = None if merged.sigma is None else _sigma_of_means(merged.sigma[source], member, n)
    free = np.zeros(n, dtype=bool)
    if merged.free is not None:
        free[member[merged.free[source]]] = True
    return BraggData(groups, intensity, sigma, np.zeros(n, dtype=bool) if free.all() else free, label)


def _sigma_of_means(sigma: np.ndarray, member: np.ndarray, n: int) -> np.ndarray:
    """Uncertainty of the mean of independent numbers, those without one left out: float64 [n]."""
    known = np.isfinite(sigma)
    variance = np.bincount(member[known], sigma[known] ** 2, minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(variance) / np.bincount(member[known], minlength=n))


def bragg_lattice(data: BraggData, lattice: MillerLattice) -> MillerLattice:
    """All images of the Bragg reflections, one of each Friedel pair, on axes divided as those of `lattice`."""
    return replace(lattice, hkl=data.groups.p1.hkl * np.array(lattice.ndiv, dtype=np.int32))


def union(one: MillerLattice, other: MillerLattice) -> MillerLattice:
    """The reflections of two lists, one of each Friedel pair, none twice, ordered by h, k, l.

    Cell and space group are those of `one`.

    Raises
    ------
    ValueError
        When their axes are divided differently.
    """
    if tuple(one.ndiv) != tuple(other.ndiv):
        raise ValueError(f"axes divided by {one.ndiv} and by {other.ndiv}")
    both = friedel_half(np.concatenate([one.hkl, other.hkl]))
    return replace(one, hkl=hkl_of_key(np.unique(hkl_key(both))))

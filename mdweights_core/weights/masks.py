"""Reflections that are left out of a fit because something other than diffuse scattering rules them.

Bragg peaks and their tails, rings of ice, numbers below zero, single outliers. All masks look at the observed map only,
never at the frames, so that none of them can favour a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, reciprocal_axes
from mdweights_core.crystal.laue import group_of, laue_groups
from mdweights_core.crystal.merging import MergedMap, average_equivalents
from mdweights_core.crystal.shells import equal_count_shells
from mdweights_core.errors import BadInput, counted
from mdweights_core.weights.settings import MIN_REFLECTIONS, FitSettings

ICE_RINGS = (3.897, 3.669, 3.441, 2.671, 2.249, 2.072, 1.948, 1.918, 1.883, 1.721)
"""Spacings of hexagonal ice, angstrom: those of a = 4.500, c = 7.338 A, near 100 K."""

ICE_HALF_WIDTH = 0.005
"""Relative half width of a ring in 1/d: until it melts ice expands by 0.5 % (a is 4.518 A at 250 K, Roettger 1994)."""

OUTSTANDING = 20.0
"""Robust standard deviations beyond which a reflection is named even when no mask was asked for."""

_IN_SHELL = 100
_NORMAL = 1.4826  # from the median absolute deviation to the standard deviation of a normal distribution
_NAMED = 3
_BRAGG_TAIL = 0.25
_BRAGG_MOMENT, _SMOOTH, _FEW_NEGATIVE = 1.5, 0.5, 0.05
_TELLING = 200
_NO_CHANCE = 12  # outliers that all have even indices along an axis: once in 4096 times by chance
_WHOLE_ADVICE = (
    "All indices are whole. If they are those of a supercell, give the unit cells along its axes (--map-supercell "
    "2,2,2); else leave --mask-bragg out"
)


def apply_masks(diffuse_map: DiffuseMap, settings: FitSettings) -> tuple[DiffuseMap, tuple[str, ...]]:
    """Leave out the reflections that the settings mask.

    Parameters
    ----------
    diffuse_map : DiffuseMap
        Already cut to the resolution limits wanted.
    settings : FitSettings
        `mask_bragg`, `mask_ice`, `mask_negative` and `mask_outliers` are applied one after the other.

    Returns
    -------
    DiffuseMap
        What remains, in the order it was.
    tuple of str
        A sentence for each mask that left out any reflections, with how many.

    Raises
    ------
    BadInput
        When only Bragg positions were measured, negative numbers are as good as others, or too few reflections remain.
    """
    notes: list[str] = []
    wanted = list(_wanted_masks(settings))
    for rows_of, where in wanted:
        masked = rows_of(diffuse_map)
        diffuse_map = diffuse_map.select(~masked)
        number = int(masked.sum())
        if number:
            was = "was" if number == 1 else "were"
            notes.append(f"{number:,} of {len(masked):,} reflections {where} {was} left out.")
        if len(diffuse_map) < MIN_REFLECTIONS:
            break  # what follows needs reflections to compare with
    if wanted:
        _refuse_few(diffuse_map, notes)
    return diffuse_map, tuple(notes)


def _wanted_masks(settings: FitSettings) -> Iterator[tuple[Callable[[DiffuseMap], np.ndarray], str]]:
    """Which reflections each mask takes, and how a sentence calls them."""
    if settings.mask_bragg:
        yield partial(bragg_rows, radius=settings.mask_bragg), f"within {settings.mask_bragg:g} of a Bragg position"
    if settings.mask_ice:
        yield ice_rows, "in the rings of hexagonal ice"
    if settings.mask_negative:
        yield negative_rows, "of negative intensity"
    if settings.mask_outliers:
        limit = settings.mask_outliers
        yield (
            partial(outlier_rows, limit=limit),
            f"further than {limit:g} robust standard deviations from the median of their resolution",
        )


def _refuse_few(diffuse_map: DiffuseMap, notes: list[str]) -> None:
    unique = len(laue_groups(diffuse_map.lattice)) if len(diffuse_map) else 0
    if unique < MIN_REFLECTIONS:
        told = f": {' '.join(notes)}" if notes else ""
        raise BadInput(
            f"the masks leave {counted(unique, 'unique reflection')}, too few to fit anything{told}",
            where=diffuse_map.provenance.get("file"),
            advice=f"Mask less; at least {MIN_REFLECTIONS} are needed",
        )


def bragg_rows(diffuse_map: DiffuseMap, radius: float) -> np.ndarray:
    """Reflections nearer than `radius` (in reciprocal-lattice vectors) to a Bragg position: bool [n_hkl].

    Raises
    ------
    BadInput
        When these are all reflections.
    """
    near = bragg_distance(diffuse_map.lattice) < radius
    if near.all():
        is_divided = max(diffuse_map.lattice.ndiv) > 1
        raise BadInput(
            f"every reflection of the map is within {radius:g} of a Bragg position",
            where=diffuse_map.provenance.get("file"),
            advice="Give a smaller --mask-bragg" if is_divided else _WHOLE_ADVICE,
        )
    return near


def bragg_distance(lattice: MillerLattice) -> np.ndarray:
    """Distance of each reflection to the nearest Bragg position, in reciprocal-lattice vectors: float64 [n_hkl].

    Each axis is measured in its own vector, at the angles of the reciprocal cell, so that equivalent reflections are
    equally far. Whole indices that the centring of the space group forbids are no Bragg positions.
    """
    axes = reciprocal_axes(lattice.cell)
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    below = np.floor_divide(lattice.hkl, lattice.ndiv)
    nearest = np.full(len(lattice), np.inf)
    for corner in product((0, 1), repeat=3):
        whole = below + corner
        distance = np.linalg.norm((lattice.index - whole) @ axes, axis=1)
        np.minimum(nearest, np.where(_is_allowed(whole, lattice), distance, np.inf), out=nearest)
    return nearest


def _is_allowed(hkl: np.ndarray, lattice: MillerLattice) -> np.ndarray:
    """True where no centring vector of the lattice extinguishes a reflection: bool [n_hkl]."""
    operations = lattice.space_group.operations()
    centrings = np.array(operations.cen_ops, dtype=np.int64)
    return np.asarray((hkl.astype(np.int64) @ centrings.T % operations.sym_ops[0].DEN == 0).all(axis=1))


def ice_rows(diffuse_map: DiffuseMap) -> np.ndarray:
    """Reflections in a ring of hexagonal ice: bool [n_hkl]."""
    relative = diffuse_map.lattice.inverse_d[:, None] * np.array(ICE_RINGS) - 1.0
    return np.asarray((np.abs(relative) <= ICE_HALF_WIDTH).any(axis=1))


def negative_rows(diffuse_map: DiffuseMap) -> np.ndarray:
    """Reflections of negative intensity: bool [n_hkl]; BadInput where negative numbers are as good as others."""
    if diffuse_map.is_anisotropic:
        raise BadInput(
            "the shell means were removed from this map, so that half of its intensities are negative",
            where=diffuse_map.provenance.get("file"),
            advice="Leave --mask-negative out",
        )
    return diffuse_map.intensity < 0


def outlier_rows(diffuse_map: DiffuseMap, limit: float) -> np.ndarray:
    """Reflections further than `limit` robust standard deviations from their shell's median: bool [n_hkl]."""
    return outlyingness(diffuse_map) > limit


def outlyingness(diffuse_map: DiffuseMap) -> np.ndarray:
    """Distance of each intensity from the median of its resolution, in robust standard deviations: float64 [n_hkl].

    Median and spread (1.4826 times the median absolute deviation) are those of thin shells of some 100 reflections; a
    shell most of whose intensities are equal takes its spread from the other shells.
    """
    values = diffuse_map.intensity.astype(np.float64)
    inverse_d = diffuse_map.lattice.inverse_d
    shells = equal_count_shells(inverse_d, len(values) // _IN_SHELL)
    distance = np.abs(values - _medians(values, shells.member, len(shells))[shells.member])
    spread = _NORMAL * _medians(distance, shells.member, len(shells))
    usual = np.median(spread[spread > 0]) if (spread > 0).any() else np.inf
    return distance / np.where(spread > 0, spread, usual)[shells.member]


def _medians(values: np.ndarray, member: np.ndarray, n_shells: int) -> np.ndarray:
    """Median of each shell, zero for an empty one: float64 [n_shells]."""
    order = np.lexsort((values, member))
    count = np.bincount(member, minlength=n_shells)
    first = np.cumsum(count) - count
    last = len(values) - 1
    low, high = first + np.maximum(count - 1, 0) // 2, first + count // 2
    ordered = values[order]
    middle = (ordered[np.minimum(low, last)] + ordered[np.minimum(high, last)]) / 2
    return np.where(count > 0, middle, 0.0)


def outlier_note(diffuse_map: DiffuseMap, settings: FitSettings) -> str | None:
    """A sentence when single reflections could rule the fit and no mask was asked for, else None.

    Named are up to three reflections, the furthest first, with their intensities.
    """
    if settings.mask_outliers:
        return None
    distance = outlyingness(diffuse_map)
    n_far = int((distance > OUTSTANDING).sum())
    if n_far == 0:
        return None
    furthest = np.argsort(-distance, kind="stable")[:n_far]
    named = ", ".join(_named(diffuse_map, row) for row in furthest[:_NAMED]) + (" and others" if n_far > _NAMED else "")
    lies, its, it = ("lies", "its", "it") if n_far == 1 else ("lie", "their", "them")
    return (
        f"{n_far:,} of {len(distance):,} reflections {lies} further than {OUTSTANDING:g} robust standard deviations "
        f"from the median of {its} resolution: {named}. "
        f"{_remedy(diffuse_map.lattice.select(furthest))} leaves {it} out."
    )


def _remedy(outliers: MillerLattice) -> str:
    """The option that fits: peaks between many points of a divided lattice, or at every n-th index, are Bragg peaks."""
    every = np.maximum(np.gcd.reduce(outliers.hkl, axis=0), 1)
    if max(outliers.ndiv) > 1 and np.median(bragg_distance(outliers)) < _BRAGG_TAIL:
        return f"--mask-bragg {_BRAGG_TAIL:g}"
    if max(outliers.ndiv) == 1 and len(outliers) >= _NO_CHANCE and max(every) > 1:
        return f"--map-supercell {','.join(map(str, every))} with --mask-bragg {_BRAGG_TAIL:g}"
    return f"--mask-outliers {OUTSTANDING:g}"


def _named(diffuse_map: DiffuseMap, row: int) -> str:
    h, k, l = (f"{index:.4g}" for index in diffuse_map.lattice.index[row])
    return f"{h} {k} {l} ({diffuse_map.intensity[row]:.4g})"


def looks_like_bragg(diffuse_map: DiffuseMap) -> str | None:
    """A sentence when a map looks like Bragg intensities, else None.

    The intensities of acentric Bragg reflections are distributed exponentially: <I^2>/<I>^2 in a thin shell is 2, and
    neighbours know nothing of each other. Diffuse maps with their isotropic part have 1.0 to 1.1: measured Bragg data
    gave 1.7 to 3.9, the map of staphylococcal nuclease 1.00, simulated ones up to 1.03.

    Maps between Bragg positions, without their shell means or with many negative numbers are not judged.
    """
    if max(diffuse_map.lattice.ndiv) > 1 or diffuse_map.is_anisotropic:
        return None
    merged = average_equivalents(diffuse_map)
    if len(merged.groups) < _TELLING or (merged.intensity < 0).mean() > _FEW_NEGATIVE:
        return None
    moment, smoothness = _second_moment(merged), round(_smoothness(merged), 2) + 0.0  # never -0.00
    if moment < _BRAGG_MOMENT or smoothness > _SMOOTH:
        return None
    return (
        f"This map looks like Bragg intensities: all indices are whole, and in thin shells <I^2>/<I>^2 is {moment:.1f} "
        f"(2 for Bragg reflections, close to 1 for diffuse maps), with a correlation of {smoothness:.2f} between "
        "neighbours. Choose another file or column unless it is diffuse scattering."
    )


def _second_moment(merged: MergedMap) -> float:
    """Median over thin shells of <I^2> / <I>^2 of the acentric reflections."""
    lattice = merged.groups.lattice
    is_acentric = ~lattice.space_group.operations().centric_flag_array(lattice.hkl)
    if is_acentric.sum() < _TELLING:
        is_acentric = np.ones(len(lattice), dtype=bool)  # of a centric group: 3 where acentric ones have 2
    values = merged.intensity[is_acentric]
    member = equal_count_shells(lattice.inverse_d[is_acentric], len(values) // _IN_SHELL).member
    count = np.bincount(member)
    squares, means = np.bincount(member, values**2) / count, np.bincount(member, values) / count
    return float(np.median(squares / np.maximum(means**2, np.finfo(float).tiny)))


def _smoothness(merged: MergedMap) -> float:
    """Rank correlation of neighbours along h, k and l, relative to their resolution; 0 where there are none."""
    lattice = merged.groups.lattice
    member = equal_count_shells(lattice.inverse_d, len(lattice) // _IN_SHELL).member
    means = np.bincount(member, merged.intensity) / np.bincount(member)
    rank = np.argsort(np.argsort(merged.intensity / np.where(means == 0, 1.0, means)[member]))
    pairs = np.concatenate(
        [
            np.stack([np.arange(len(lattice)), group_of(lattice.hkl + step, merged.groups)])
            for step in np.eye(3, dtype=int)
        ],
        axis=1,
    )
    one, other = pairs[:, pairs[1] >= 0]
    return float(np.corrcoef(rank[one], rank[other])[0, 1]) if len(one) > _IN_SHELL else 0.0

"""Equivalent reflections under the Laue class of a space group, Friedel's law included.

A crystal has equal intensities at all images h R of a reflection (R: rotations of the space group) and at -h. Diffuse
intensities obey the Laue class too, but a single simulated frame does not: its structure factors are computed at every
image (`LaueGroups.p1`) and only the variance over frames is averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, repeats_of
from mdweights_core.errors import BadInput


def laue_rotations(space_group: gemmi.SpaceGroup) -> np.ndarray:
    """Distinct rotation matrices R of the Laue class, acting as ``h' = h R``: int64 [n_op, 3, 3], identity first."""
    unique: dict[bytes, np.ndarray] = {}
    for operation in space_group.operations().sym_ops:
        rotation = np.array(operation.rot, dtype=np.int64) // operation.DEN
        for sign in (1, -1):
            unique.setdefault((sign * rotation).tobytes(), sign * rotation)
    return np.array(list(unique.values()))


def laue_class(space_group: gemmi.SpaceGroup) -> str:
    """Hermann-Mauguin symbol of the Laue class, such as ``4/m``."""
    return space_group.laue_str()


def hkl_key(hkl: np.ndarray) -> np.ndarray:
    """One int64 per reflection that orders by h, then k, then l; ``hkl`` int [..., 3], each |index| < 2**20."""
    h = np.asarray(hkl, dtype=np.int64)
    return (h[..., 0] << 42) + (h[..., 1] << 21) + h[..., 2]


def hkl_of_key(key: np.ndarray) -> np.ndarray:
    """The reflections of `hkl_key`: int64 [...] -> int32 [..., 3]."""
    l = _low_bits(key)
    k = _low_bits((key - l) >> 21)
    return np.stack([(key - l - (k << 21)) >> 42, k, l], axis=-1).astype(np.int32)


def _low_bits(key: np.ndarray) -> np.ndarray:
    """The last 21 bits as a number with a sign."""
    return ((key + (1 << 20)) & ((1 << 21) - 1)) - (1 << 20)


def images(hkl: np.ndarray, space_group: gemmi.SpaceGroup) -> np.ndarray:
    """All images of each reflection under the Laue class, int32 [n_op, n_hkl, 3], repeated on special positions."""
    return np.einsum("ni,oij->onj", np.asarray(hkl, dtype=np.int64), laue_rotations(space_group)).astype(np.int32)


def representatives(hkl: np.ndarray, space_group: gemmi.SpaceGroup) -> np.ndarray:
    """The image that stands for each reflection's group (the largest by h, k, l): int32 [n_hkl, 3]."""
    best = np.zeros(len(hkl), dtype=np.int64)
    for keys in _half_keys(hkl, space_group):
        np.maximum(best, keys, out=best)
    return hkl_of_key(best)


def _half_keys(hkl: np.ndarray, space_group: gemmi.SpaceGroup) -> Iterator[np.ndarray]:
    """Keys int64 [n_hkl] of the images under one rotation after the other, of each Friedel pair the larger.

    One at a time, as fine maps have millions of reflections and a cubic group 24 such rotations. The key of h R is
    linear in h, too.
    """
    h, k, l = np.asarray(hkl, dtype=np.int64).T.copy()
    for rotation in laue_rotations(space_group)[::2]:  # R is followed by -R
        along_h, along_k, along_l = hkl_key(rotation)
        yield np.abs(along_h * h + along_k * k + along_l * l)


def in_asu(hkl: np.ndarray, space_group: gemmi.SpaceGroup) -> np.ndarray:
    """Each reflection moved into gemmi's (CCP4) reciprocal asymmetric unit, for files: int32 [n_hkl, 3]."""
    mtz = gemmi.Mtz(with_base=True)  # it moves a whole table at once
    mtz.spacegroup = space_group
    mtz.set_data(np.asarray(hkl, dtype=np.float32).reshape(-1, 3))
    mtz.ensure_asu()
    return np.asarray(mtz.make_miller_array(), dtype=np.int32)


@dataclass(frozen=True, eq=False)
class LaueGroups:
    """Groups of equivalent reflections and the P1 half-lattice that covers them.

    Attributes
    ----------
    lattice : MillerLattice
        One reflection per group, n_group of them.
    p1 : MillerLattice
        All Friedel-unique images of all groups, in P1: what structure factors are computed on. n_p1 rows.
    copies : int32 [n_copies, n_group]
        Rows of `p1` that belong to each group; -1 where a special position has fewer.
    """

    lattice: MillerLattice
    p1: MillerLattice
    copies: np.ndarray

    def __len__(self) -> int:
        return len(self.lattice)

    @property
    def multiplicity(self) -> np.ndarray:
        """Friedel-unique images per group, int [n_group]."""
        return (self.copies >= 0).sum(axis=0)

    def average(self, p1_values: np.ndarray) -> np.ndarray:
        """Mean over the images of each group: [..., n_p1] -> [..., n_group], float64."""
        weight = (self.copies >= 0) / self.multiplicity
        picked = np.take(np.asarray(p1_values, dtype=np.float64), np.maximum(self.copies, 0), axis=-1)
        return (picked * weight).sum(axis=-2)


def laue_groups(lattice: MillerLattice) -> LaueGroups:
    """Group the reflections of `lattice` (an asymmetric unit, P1 or anything between) by its Laue class.

    Raises
    ------
    BadInput
        When images of reflections lie between the points of the divided lattice.
    """
    _require_even_division(lattice)
    unique = hkl_of_key(_distinct(hkl_key(representatives(lattice.hkl, lattice.space_group))))
    key = np.stack(list(_half_keys(unique, lattice.space_group)))  # [n_op, n_group]
    p1_key = _distinct(key)
    return LaueGroups(
        lattice=MillerLattice(unique, lattice.cell, lattice.space_group, lattice.ndiv),
        p1=MillerLattice(hkl_of_key(p1_key), lattice.cell, gemmi.SpaceGroup("P 1"), lattice.ndiv),
        copies=_unique_per_column(np.searchsorted(p1_key, key).astype(np.int32)),
    )


def _distinct(keys: np.ndarray) -> np.ndarray:
    """The different keys, rising: for millions of them a sort is several times faster than the hashes of NumPy."""
    ordered = np.sort(keys, axis=None)
    return ordered[np.diff(ordered, prepend=-1) > 0]  # keys of a Friedel half are not negative


def _require_even_division(lattice: MillerLattice) -> None:
    """Refuse axes that the rotations mix but that are not divided alike: images would fall beside the lattice."""
    ndiv = np.array(lattice.ndiv)
    mixed = np.any(laue_rotations(lattice.space_group) != 0, axis=0)
    if np.any(mixed & (ndiv[:, None] != ndiv)):
        divisions = ", ".join(map(str, lattice.ndiv))
        raise BadInput(
            f"Axes divided by {divisions} do not have the symmetry {laue_class(lattice.space_group)}: images of "
            "reflections lie between the points of this lattice",
            advice="Divide equivalent axes alike, or take the map as P 1",
        )


def friedel_half(hkl: np.ndarray) -> np.ndarray:
    """Of each Friedel pair the member with the larger (h, k, l): int32, the shape of `hkl`."""
    flip = hkl_key(hkl) < 0
    return np.where(flip[..., None], -hkl, hkl).astype(np.int32)


def group_of(hkl: np.ndarray, groups: LaueGroups) -> np.ndarray:
    """Row of `groups.lattice` each reflection belongs to, int64 [n_hkl]; -1 when it belongs to none."""
    return find_rows(representatives(hkl, groups.lattice.space_group), groups.lattice.hkl)


def find_rows(wanted: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Row of each of `wanted` [n, 3] in `table` [m, 3], int64 [n]; -1 where absent."""
    keys = hkl_key(table)
    order = np.argsort(keys, kind="stable")
    if len(keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    place = np.searchsorted(keys, hkl_key(wanted), sorter=order)
    row = order[np.minimum(place, len(keys) - 1)]
    return np.where(keys[row] == hkl_key(wanted), row, -1)


def find_points(wanted: MillerLattice, table: MillerLattice) -> np.ndarray:
    """Row of each reflection of `wanted` in `table`, int64 [n]; -1 where absent.

    Both list halves of one reciprocal lattice, whose axes may be divided differently, and one of whose cells may be a
    block of the other's: compared are the true indices, hkl / ndiv, in the larger cell.
    """
    theirs = np.array(table.ndiv) * repeats_of(table.cell, wanted.cell)
    ours = np.array(wanted.ndiv) * repeats_of(wanted.cell, table.cell)
    scaled = wanted.hkl.astype(np.int64) * theirs
    is_point = (scaled % ours == 0).all(axis=1)
    return np.where(is_point, find_rows(scaled // ours, table.hkl), -1)


def _unique_per_column(rows: np.ndarray) -> np.ndarray:
    """Sort each column, drop repeats, pad with -1 at the end: int32 [n_copies, n_column]."""
    ordered = np.sort(rows, axis=0)
    repeat = np.zeros_like(ordered, dtype=bool)
    repeat[1:] = ordered[1:] == ordered[:-1]
    ordered = np.where(repeat, np.iinfo(np.int32).max, ordered)
    ordered = np.sort(ordered, axis=0)
    ordered = np.where(ordered == np.iinfo(np.int32).max, -1, ordered)
    return ordered[: int((ordered >= 0).sum(axis=0).max(initial=1))]

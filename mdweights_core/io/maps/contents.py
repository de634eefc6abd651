"""What a map file holds, whatever its format: for those who show it, and on the way to a `DiffuseMap`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, cell_parameters
from mdweights_core.crystal.laue import hkl_key
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.crystal.volume import ReciprocalVolume
from mdweights_core.errors import BadInput
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.maps.mtz_file import INDEX_LIMIT, cell_of_numbers, parse_space_group, require_fit

MASKS = (-32768.0, -32767.0)
"""What Lunus writes where nothing was measured."""

_MOST_DIVISIONS = 16
_ROUNDING = 0.0051  # of indices written with two decimals
_COMMAND_LINE = "on the command line --cell a,b,c,alpha,beta,gamma and --space-group"


@dataclass(frozen=True)
class ColumnSummary:
    """One column: how many numbers are present and between which limits (NaN when none is).

    The type is that of MTZ columns: J intensity, Q sigma, I whole number, R real number, W weight...
    """

    label: str
    type: str
    dataset: str
    n_present: int
    minimum: float
    maximum: float


@dataclass(frozen=True)
class MapSummary:
    """What a map file holds, and which columns would be taken from it.

    Attributes
    ----------
    cell, space_group : gemmi.UnitCell or None, gemmi.SpaceGroup or None
        None when the file does not tell.
    n_reflections : int
        Rows of the file; of a grid, the points measured.
    d_min, d_max : float
        Resolution limits in angstrom, without the origin; NaN without a cell.
    intensity, sigma, free, frame_pair : str or None
        Labels that are read unless told otherwise; None where there is no clear one.
    kind : str
        The format: ``MTZ``, ``Lunus lattice``, ``hkl list``, ``mdx2 table``, ``mdx2 map``, ``CCP4 map`` or ``xtraj
        checkpoint``.
    ndiv : (int, int, int)
        Sub-divisions of each reciprocal axis.
    n_frames : int
        Frames whose structure factors the file holds besides.
    """

    path: Path
    title: str
    cell: gemmi.UnitCell | None
    space_group: gemmi.SpaceGroup | None
    n_reflections: int
    d_min: float
    d_max: float
    columns: tuple[ColumnSummary, ...]
    is_unmerged: bool
    history: tuple[str, ...]
    intensity: str | None
    sigma: str | None
    free: str | None
    frame_pair: tuple[str, str] | None
    kind: str = "MTZ"
    ndiv: tuple[int, int, int] = (1, 1, 1)
    n_frames: int = 0


@dataclass(frozen=True, eq=False)
class MapColumn:
    """A column of a map that is no MTZ file: float32 [n_hkl], NaN where nothing was measured."""

    label: str
    type: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class MapContents:
    """All of a map file that is no MTZ file.

    Attributes
    ----------
    kind : str
        See `MapSummary`.
    hkl : int32 [n_hkl, 3]
        The true index is ``hkl / ndiv``.
    cell, space_group : gemmi.UnitCell or None, gemmi.SpaceGroup or None
        None where the file does not tell.
    columns : tuple of MapColumn
    title : str
    notes : tuple of str
        What a reader should know of how the file was read.
    n_frames : int
        Frames the file holds besides the map.
    """

    path: Path
    kind: str
    hkl: np.ndarray
    ndiv: tuple[int, int, int]
    cell: gemmi.UnitCell | None
    space_group: gemmi.SpaceGroup | None
    columns: tuple[MapColumn, ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    n_frames: int = 0

    @property
    def intensity(self) -> MapColumn | None:
        """The column taken when none is named: the first of type J."""
        return next((column for column in self.columns if column.type == "J"), None)

    def sigma_of(self, intensity: MapColumn | None) -> MapColumn | None:
        """The standard uncertainties that belong to a column of intensities."""
        if intensity is None:
            return None
        names = (f"{intensity.label}_error", f"sigma_{intensity.label}")
        return next((column for column in self.columns if column.type == "Q" and column.label in names), None)

    def find(self, label: str, kind: str, meaning: str) -> MapColumn:
        """The column called `label`, which has to be of type `kind` to be `meaning`; BadInput when there is none."""
        typed = [column for column in self.columns if column.type == kind]
        for column in typed:
            if column.label == label:
                return column
        choices = ", ".join(column.label for column in typed)
        raise BadInput(
            f"There is no column {label} that could be {meaning} in this {self.kind}",
            where=self.path,
            advice=f"Choose one of {choices}" if choices else "Leave it out",
        )

    def lattice(self, cell: gemmi.UnitCell | None, space_group: str | None) -> MillerLattice:
        """All rows, with the file's cell, or else `cell`, and the space group given, or else the file's.

        Raises
        ------
        BadInput
            When neither is known, or they do not fit each other.
        """
        used = self.cell or cell
        if used is None:
            raise BadInput(
                f"A {self.kind} does not tell the unit cell{''.join(f' ({note})' for note in self.notes)}",
                where=self.path,
                advice=f"Give the cell and the space group of the data ({_COMMAND_LINE})",
            )
        group = self.space_group if space_group is None else parse_space_group(space_group, used, self.path)
        if group is None:
            raise BadInput(
                f"A {self.kind} does not tell the space group",
                where=self.path,
                advice="Give it (--space-group); P 1 when nothing is to be averaged",
            )
        require_fit(used, group, self.path, "Give the cell and the space group of the data")
        return MillerLattice(self.hkl, used, group, self.ndiv)

    def to_map(
        self,
        lattice: MillerLattice,
        column: str | None = None,
        sigma_column: str | None = None,
    ) -> DiffuseMap:
        """The measured rows of one column on `lattice`; BadInput when there is no such column or nothing measured."""
        source = self.find(column, "J", "an intensity") if column else self.intensity
        if source is None:
            raise BadInput(f"This {self.kind} holds no intensities", where=self.path, advice="Choose another file")
        measured = np.isfinite(source.values)
        if not measured.any():
            raise BadInput("Nothing was measured in this map", where=self.path, advice="Choose another file")
        kept = lattice.select(measured)
        refuse_repeats(kept, self.path)
        sigma_source = self.find(sigma_column, "Q", "a sigma") if sigma_column else self.sigma_of(source)
        sigma = None if sigma_source is None else known_sigma(sigma_source.values[measured])
        return DiffuseMap(
            lattice=kept,
            intensity=np.ascontiguousarray(source.values[measured]),
            sigma=sigma,
            provenance={
                "file": str(self.path),
                "fingerprint": file_fingerprint(self.path),
                "format": self.kind,
                "title": self.title,
                "intensity": source.label,
                "sigma": "none" if sigma is None or sigma_source is None else sigma_source.label,
                "free": "none",
                "cell": "the file's" if self.cell is not None else "given",
                "space group": f"{kept.space_group.hm}{'' if self.space_group == kept.space_group else ' (given)'}",
                "reflections": f"{len(kept)} measured of {len(self.hkl)} in the file",
                **({"notes": "; ".join(self.notes)} if self.notes else {}),
            },
        )

    def summary(self, cell: gemmi.UnitCell | None = None) -> MapSummary:
        """What is told of the file before it is read; a given `cell` stands in for the file's in the resolution."""
        intensity = self.intensity
        sigma = self.sigma_of(intensity)
        d_min, d_max = resolution(self.hkl, self.cell or cell, self.ndiv)
        return MapSummary(
            path=self.path,
            title=self.title,
            cell=self.cell,
            space_group=self.space_group,
            n_reflections=len(self.hkl),
            d_min=d_min,
            d_max=d_max,
            columns=tuple(summarise(column.label, column.type, self.kind, column.values) for column in self.columns),
            is_unmerged=False,
            history=self.notes,
            intensity=intensity.label if intensity else None,
            sigma=sigma.label if sigma else None,
            free=None,
            frame_pair=None,
            kind=self.kind,
            ndiv=self.ndiv,
            n_frames=self.n_frames,
        )


def summarise(label: str, kind: str, dataset: str, values: np.ndarray) -> ColumnSummary:
    """How many of `values` are present, and between which limits."""
    present = values[np.isfinite(values)]
    limits = (float(present.min()), float(present.max())) if len(present) else (np.nan, np.nan)
    return ColumnSummary(label, kind, dataset, len(present), *limits)


def resolution(
    hkl: np.ndarray, cell: gemmi.UnitCell | None, ndiv: tuple[int, int, int] = (1, 1, 1)
) -> tuple[float, float]:
    """(d_min, d_max) of reflections in angstrom, without the origin; NaN without a cell."""
    if cell is None:
        return np.nan, np.nan
    d = MillerLattice(hkl, cell, gemmi.SpaceGroup("P 1"), ndiv).d_spacing
    d = d[np.isfinite(d)]
    return (float(d.min()), float(d.max())) if len(d) else (np.nan, np.nan)


def refuse_repeats(lattice: MillerLattice, path: Path) -> None:
    """A mean of unknown weights is no measurement: a map that lists a reflection twice was never merged."""
    _, first, count = np.unique(hkl_key(lattice.hkl), return_index=True, return_counts=True)
    repeated = first[count > 1]
    if len(repeated):
        h, k, l = (f"{index:g}" for index in lattice.index[repeated[0]])
        others = ("", ", and so is 1 other", f", and so are {len(repeated) - 1} others")[min(len(repeated) - 1, 2)]
        raise BadInput(
            f"The reflection {h} {k} {l} is listed more than once{others}", where=path, advice="Merge the file first"
        )


def known_sigma(sigma: np.ndarray) -> np.ndarray | None:
    """Float32 sigma with NaN where it is not positive or not finite; None when no number is left."""
    limit = np.finfo(np.float32).max
    is_known = (sigma > 0) & (sigma < limit)
    return np.where(is_known, sigma, np.nan).astype(np.float32) if is_known.any() else None


def full_sphere(lattice: MillerLattice, values: np.ndarray) -> ReciprocalVolume:
    """Values [n_hkl] with all that is equivalent to them: means over the Laue class, NaN rows left out."""
    there = np.isfinite(values)
    merged = average_equivalents(DiffuseMap(lattice.select(there), np.asarray(values)[there]))
    return ReciprocalVolume.from_groups(merged.groups, merged.intensity)


def measured_only(values: np.ndarray, masks: Sequence[float] = MASKS) -> np.ndarray:
    """Float32 of the same shape, NaN where `values` hold a mask or anything that is no finite float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        clean = np.array(values, dtype=np.float32)
    is_missing = ~np.isfinite(clean)
    for mask in masks:
        is_missing |= clean == np.float32(mask)
    clean[is_missing] = np.nan
    return clean


def whole_indices(
    index: np.ndarray, path: Path, ndiv: tuple[int, int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Whole numbers behind (possibly fractional) Miller indices: int32 [n, 3] and the sub-divisions of each axis.

    Without `ndiv` the smallest sub-division up to 16 is taken in which all indices, rounded to two decimals or better,
    are whole.

    Raises
    ------
    BadInput
        When they are no numbers, too large, or on no such lattice.
    """
    index = np.asarray(index, dtype=np.float64).reshape(-1, 3)
    limit = INDEX_LIMIT / max(ndiv or (_MOST_DIVISIONS,))
    if not np.isfinite(index).all() or np.abs(index).max(initial=0) >= limit:
        raise BadInput("Some Miller indices are no numbers, or too large", where=path, advice="Make the file again")
    found = ndiv or tuple(_divisions(column, name, path) for column, name in zip(index.T, "hkl", strict=True))
    scaled = index * found
    hkl = np.rint(scaled)
    if len(hkl) and (np.abs(scaled - hkl) > _ROUNDING * np.array(found) + 1e-6).any():
        raise BadInput(
            f"The Miller indices are not on the lattice of {'x'.join(map(str, found))} divisions that the file tells",
            where=path,
            advice="Make the file again",
        )
    return hkl.astype(np.int32), (int(found[0]), int(found[1]), int(found[2]))


def _divisions(index: np.ndarray, name: str, path: Path) -> int:
    for n in range(1, _MOST_DIVISIONS + 1):
        if (np.abs(index * n - np.rint(index * n)) <= _ROUNDING * n + 1e-6).all():
            return n
    raise BadInput(
        f"The indices {name} are not multiples of 1/1 to 1/{_MOST_DIVISIONS}",
        where=path,
        advice="Put the map on a lattice that divides the reciprocal axes into whole parts",
    )


def given_cell(cell: gemmi.UnitCell | Sequence[float] | None) -> gemmi.UnitCell | None:
    """A cell from six numbers (angstrom, degrees); BadInput when they make none."""
    numbers = cell_parameters(cell) if isinstance(cell, gemmi.UnitCell) else cell
    if numbers is None:
        return None
    if (made := cell_of_numbers(numbers)) is None:
        told = " ".join(f"{number:g}" for number in numbers)
        raise BadInput(f"{told} are not the three lengths and three angles of a cell", advice="Give a,b,c,al,be,ga")
    return made

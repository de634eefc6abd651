"""Bragg amplitudes of an MTZ file, whatever their column is called."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.mtz_file import Column, MtzContents, listing, open_mtz
from mdweights_core.io.maps.mtz_guess import guess_sigma, is_square_root, plain

_AMPLITUDES = ("FP", "FOBS", "FO", "F", "FMEAN", "FOBSFILTERED", "FNAT")
_INTENSITIES = ("IMEAN", "IOBS", "I", "IOBSFILTERED")
_NOT_BRAGG = ("ID", "IANISO")  # diffuse intensities


@dataclass(frozen=True, eq=False)
class BraggAmplitudes:
    """Observed amplitudes of Bragg reflections.

    Attributes
    ----------
    lattice : MillerLattice
    amplitude : float64 [n_hkl]
        Positive, on an arbitrary scale.
    label : str
        The column they are from.
    """

    lattice: MillerLattice
    amplitude: np.ndarray
    label: str


def read_amplitudes(path: str | os.PathLike[str], column: str | None = None) -> BraggAmplitudes:
    """Read the observed amplitudes of a merged MTZ file, or the square roots of its intensities.

    Reflections without a positive number are left out, and so is the origin.

    Parameters
    ----------
    path : path
    column : str, optional
        Label of amplitudes (type F) or intensities (type J); by default the one that is called as observed amplitudes
        are, else the one with a sigma, else intensities, else the only amplitude of the file.

    Raises
    ------
    BadInput
        A file that cannot be read, is unmerged or has no such column.
    """
    contents = open_mtz(path)
    contents.require_merged()
    chosen = contents.find(column) if column else _guess(contents)
    if chosen is None or chosen.type not in "FJ":
        raise BadInput(
            "There are no Bragg amplitudes (type F) or intensities (type J)"
            if chosen is None
            else f"{chosen.label} is of type {chosen.type}: neither amplitudes (F) nor intensities (J)",
            where=contents.path,
            advice=f"Its columns are {listing(contents.columns)}",
        )
    values = contents.values(chosen).astype(np.float64)
    with np.errstate(invalid="ignore"):
        keep = (values > 0) & np.isfinite(values) & contents.hkl.any(axis=1)
    if not keep.any():
        raise BadInput(f"The column {chosen.label} has no positive number", where=contents.path)
    amplitude = np.sqrt(values[keep]) if chosen.type == "J" else values[keep]
    return BraggAmplitudes(contents.lattice(chosen).select(keep), amplitude, chosen.label)


def _guess(contents: MtzContents) -> Column | None:
    amplitudes = [column for column in contents.of_type("F") if not is_square_root(column)]
    intensities = [column for column in contents.of_type("J") if not plain(column.label).startswith(_NOT_BRAGG)]
    measured = [column for column in amplitudes if guess_sigma(contents.columns, column)]
    return (
        _named(amplitudes, _AMPLITUDES)
        or next(iter(measured), None)
        or _named(intensities, _INTENSITIES)
        or next(iter(intensities), None)
        or (amplitudes[0] if len(amplitudes) == 1 else None)
    )


def _named(columns: list[Column], names: tuple[str, ...]) -> Column | None:
    known = [column for column in columns if plain(column.label) in names]
    return min(known, key=lambda column: names.index(plain(column.label)), default=None)

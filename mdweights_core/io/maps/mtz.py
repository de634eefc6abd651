"""Observed diffuse maps from MTZ files, and what such a file holds before it is loaded.

Frames of a simulation are read by `read_frame` and files written by `write_mtz`; both can be imported from here.
"""

from __future__ import annotations

import os

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.errors import BadInput
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.maps import mtz_guess as guess
from mdweights_core.io.maps.contents import MapSummary, known_sigma, refuse_repeats, resolution, summarise
from mdweights_core.io.maps.mtz_file import Column, MtzContents, listing, open_mtz
from mdweights_core.io.maps.mtz_frames import read_frame
from mdweights_core.io.maps.mtz_write import MtzColumn, write_mtz

__all__ = ["MtzColumn", "describe_mtz", "read_diffuse_map", "read_frame", "write_mtz"]


def describe_mtz(path: str | os.PathLike[str]) -> MapSummary:
    """List what an MTZ file holds: cell, space group, resolution, columns, and a guess of which ones are meant.

    Raises
    ------
    BadInput
        When the file is missing, empty, no MTZ file or damaged. Unmerged files are described, without guesses.
    """
    contents = open_mtz(path)
    choices = () if contents.is_unmerged else contents.columns
    intensity, pair = guess.guess_intensity(choices), guess.guess_frame_pair(choices)
    sigma = guess.guess_sigma(choices, intensity) if intensity else None
    free = guess.guess_free(choices)
    cell = contents.cell_of(intensity)
    d_min, d_max = resolution(contents.hkl, cell)
    return MapSummary(
        path=contents.path,
        title=contents.title,
        cell=cell,
        space_group=contents.space_group,
        n_reflections=len(contents.hkl),
        d_min=d_min,
        d_max=d_max,
        columns=tuple(
            summarise(column.label, column.type, column.dataset, contents.values(column)) for column in contents.columns
        ),
        is_unmerged=contents.is_unmerged,
        history=contents.history,
        intensity=intensity.label if intensity else None,
        sigma=sigma.label if sigma else None,
        free=free.label if free else None,
        frame_pair=(pair[0].label, pair[1].label) if pair else None,
    )


def read_diffuse_map(
    path: str | os.PathLike[str],
    *,
    column: str | None = None,
    sigma_column: str | None = None,
    free_column: str | None = None,
    space_group: str | None = None,
) -> DiffuseMap:
    """Read an observed diffuse map from a merged MTZ file.

    Reflections without a number in the intensity column are left out. A square root (type F, ``sqrtI...``) is squared,
    and its sigma becomes 2 F sigma(F). A sigma that is not positive counts as unknown (NaN). Equivalent reflections are
    kept as they are in the file.

    Parameters
    ----------
    path : path
        ``.mtz`` or ``.mtz.gz``.
    column, sigma_column, free_column : str, optional
        Labels (or ``dataset/label``) to read instead of the guesses of `describe_mtz`. The intensity is of type J, R or
        a square root of type F; the sigma of type Q; the free flags of type I, told apart by `mtz_guess.free_set`.
    space_group : str, optional
        Space group of the data instead of the file's, ``P 41``; the cell has to fit it within 1 %.

    Returns
    -------
    DiffuseMap
        Intensity and sigma float32 [n_hkl] on the file's scale; `provenance` tells file, columns and what was done.

    Raises
    ------
    BadInput
        When the file cannot be read (`describe_mtz`), is unmerged, has no such column, no measured reflection, no cell,
        no space group, only (+) and (-) columns, or the same reflection twice.
    """
    contents = open_mtz(path)
    contents.require_merged()
    source = _intensity_column(contents, column)
    everything = contents.lattice(source, space_group)
    values = _intensities(contents, source)
    measured = ~np.isnan(values)
    lattice = everything.select(measured)
    refuse_repeats(lattice, contents.path)
    sigma, sigma_note = _sigma(contents, source, sigma_column, measured)
    free, free_note = _free(contents, free_column, measured)
    return DiffuseMap(
        lattice=lattice,
        intensity=values[measured],
        sigma=sigma,
        free=free,
        is_anisotropic=guess.is_anisotropic(source),
        provenance={
            "file": str(contents.path),
            "fingerprint": file_fingerprint(contents.path),
            "title": contents.title,
            "intensity": f"{source.label}, squared" if source.type == "F" else source.label,
            "sigma": sigma_note,
            "free": free_note,
            "space group": f"{lattice.space_group.hm}{' (given)' if space_group else ''}",
            "reflections": f"{len(lattice)} measured of {len(contents.hkl)} in the file",
        },
    )


def _intensity_column(contents: MtzContents, label: str | None) -> Column:
    if label is None:
        guessed = guess.guess_intensity(contents.columns)
        if guessed is None:
            raise _no_intensity(contents)
        return guessed
    column = contents.find(label)
    if column.type in "JR" or guess.is_square_root(column):
        return column
    if column.type in "KG":
        raise _no_intensity(contents, f"{label} holds only one half of the Friedel pairs (type {column.type})")
    raise _no_intensity(contents, f"{label} is not an intensity but of type {column.type}")


def _no_intensity(contents: MtzContents, what: str | None = None) -> BadInput:
    candidates = [column for column in contents.columns if column.type == "J" or guess.is_square_root(column)]
    if candidates:
        advice = f"Choose one of {listing(candidates)}"
    elif guess.anomalous_only(contents):
        what = what or f"There are only Friedel pairs, {listing(contents.of_type('KG'))}, and no mean intensity"
        advice = "Merge the pairs into one intensity of type J first (IMEAN), for example with CCP4's TRUNCATE"
    else:
        advice = f"The map has to be of type J, or of type F and called sqrtI...; here are {listing(contents.columns)}"
    return BadInput(what or "There is no intensity column", where=contents.path, advice=advice)


def _intensities(contents: MtzContents, column: Column) -> np.ndarray:
    """Intensities on the file's scale, float32 [n_hkl], NaN where not measured."""
    values = contents.values(column).astype(np.float64)
    if column.type == "F":
        values = values**2
    if (np.abs(values) > np.finfo(np.float32).max).any():
        raise BadInput(f"The column {column.label} holds infinite numbers", where=contents.path, advice="Make it again")
    if np.isnan(values).all():
        raise BadInput(
            f"The column {column.label} holds no measured reflection",
            where=contents.path,
            advice="Choose another column",
        )
    return values.astype(np.float32)


def _sigma(
    contents: MtzContents, source: Column, label: str | None, measured: np.ndarray
) -> tuple[np.ndarray | None, str]:
    given = contents.find_typed(label, "Q", "a sigma") if label else None
    column = given or guess.guess_sigma(contents.columns, source)
    if column is None:
        return None, "none"
    sigma = contents.values(column)[measured].astype(np.float64)
    if source.type == "F":
        sigma = 2 * np.abs(contents.values(source)[measured]) * sigma
    known = known_sigma(sigma)
    if known is None:
        if given:
            raise BadInput(f"The column {label} holds no positive sigma", where=contents.path, advice="Leave it out")
        return None, f"none ({column.label} holds no positive number)"
    return known, f"{column.label}, times 2 {source.label}" if source.type == "F" else column.label


def _free(contents: MtzContents, label: str | None, measured: np.ndarray) -> tuple[np.ndarray | None, str]:
    given = contents.find_typed(label, "I", "a free set") if label else None
    column = given or guess.guess_free(contents.columns)
    if column is None:
        return None, "none"
    found = guess.free_set(contents.values(column)[measured])
    if found is None and given:
        raise BadInput(f"The column {label} sets nothing apart", where=contents.path, advice="Leave it out")
    if found is None:
        return None, f"none ({column.label} sets nothing apart)"
    return found[0], f"{column.label}: {found[1]}"

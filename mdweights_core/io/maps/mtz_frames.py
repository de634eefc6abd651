"""Structure factors of one frame from an MTZ file, in P1."""

from __future__ import annotations

import os

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import hkl_key
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.mtz_file import Column, MtzContents, listing, open_mtz
from mdweights_core.io.maps.mtz_guess import guess_frame_pair

_DISAGREEMENT = 0.03  # relative r.m.s.; reflections that were only rounded differ by less than 0.001


def read_frame(
    path: str | os.PathLike[str], *, columns: tuple[str, str] | None = None
) -> tuple[MillerLattice, np.ndarray]:
    """Read the complex structure factors of a frame and expand them to P1.

    A symmetry operation x' = R x + t gives F(h R) = F(h) exp(-2 pi i h t), and Friedel's law F(-h) = conj F(h)
    (International Tables B, 1.4.2). Reflections without amplitude or phase are left out; an amplitude of zero needs no
    phase.

    Parameters
    ----------
    path : path
        ``.mtz`` or ``.mtz.gz`` with amplitudes (type F) and phases (type P, degrees).
    columns : (str, str), optional
        Labels of amplitude and phase. Without: FC, PHIC; FMODEL, PHIFMODEL; FWT, PHIFWT (or PHWT); FCALC, PHIFCALC (or
        PHICALC), in this order, else the only F and P columns of the file.

    Returns
    -------
    (MillerLattice, complex64 [n_hkl])
        P1, of each Friedel pair the member `laue.friedel_half` keeps, sorted by h, k, l.

    Raises
    ------
    BadInput
        When the file cannot be read, is unmerged, has no phase, no clear pair or no reflection; and when reflections
        that its space group makes equivalent do not agree.
    """
    contents = open_mtz(path)
    contents.require_merged()
    amplitude, phase = _pair(contents, columns)
    lattice = contents.lattice(amplitude)
    values = _complex(contents, amplitude, phase)
    present = np.isfinite(values)
    if not present.any():
        raise BadInput(
            f"No reflection has both {amplitude.label} and {phase.label}",
            where=contents.path,
            advice="Choose other columns",
        )
    hkl, expanded = _expand(contents, lattice.hkl[present], values[present], lattice.space_group)
    return MillerLattice(hkl, lattice.cell, gemmi.SpaceGroup("P 1")), expanded.astype(np.complex64)


def _pair(contents: MtzContents, labels: tuple[str, str] | None) -> tuple[Column, Column]:
    if labels is not None:
        return contents.find_typed(labels[0], "F", "an amplitude"), contents.find_typed(labels[1], "P", "a phase")
    found = guess_frame_pair(contents.columns)
    if found is not None:
        return found
    amplitudes, phases = contents.of_type("F"), contents.of_type("P")
    if amplitudes and phases:
        what = "It is not clear which amplitude and phase are the frame's"
        advice = f"Choose one of {listing(amplitudes)} and one of {listing(phases)}"
    else:
        what = "There is no amplitude (type F)" if phases else "There is no phase (type P)"
        advice = "Choose a file with calculated amplitudes and phases, such as FC and PHIC"
    raise BadInput(what, where=contents.path, advice=advice)


def _complex(contents: MtzContents, amplitude: Column, phase: Column) -> np.ndarray:
    """Complex128 [n_hkl], NaN where the file has no number."""
    size = contents.values(amplitude).astype(np.float64)
    angle = np.where(size == 0, 0.0, contents.values(phase))
    present = np.isfinite(size) & np.isfinite(angle)
    values = np.full(len(size), np.nan, dtype=np.complex128)
    values[present] = size[present] * np.exp(1j * np.deg2rad(angle[present]))
    return values


def _expand(
    contents: MtzContents, hkl: np.ndarray, values: np.ndarray, space_group: gemmi.SpaceGroup
) -> tuple[np.ndarray, np.ndarray]:
    """All Friedel-unique images with their structure factors, sorted by h, k, l."""
    operations = list(space_group.operations().sym_ops)
    rotations = np.array([operation.rot for operation in operations], dtype=np.int64) // gemmi.Op.DEN
    shifts = np.array([operation.tran for operation in operations]) / gemmi.Op.DEN
    images = np.einsum("ni,oij->onj", hkl.astype(np.int64), rotations).reshape(-1, 3)
    turned = (values * np.exp(-2j * np.pi * (shifts @ hkl.T))).ravel()
    is_other_half = hkl_key(images) < 0
    images[is_other_half] *= -1
    turned[is_other_half] = turned[is_other_half].conj()
    _, first, group = np.unique(hkl_key(images), return_index=True, return_inverse=True)
    source = np.tile(np.arange(len(hkl)), len(operations))
    if _disagree(turned, turned[first][group], source != source[first][group]):
        raise BadInput(
            f"Reflections that are equivalent in {space_group.hm} have different structure factors",
            where=contents.path,
            advice="Write one half of reciprocal space, in P 1 when the frame has no symmetry",
        )
    return images[first], turned[first]


def _disagree(values: np.ndarray, kept: np.ndarray, is_repeat: np.ndarray) -> bool:
    """True when rows of the file that should be one reflection are not, as for a P1 frame under another name."""
    difference = np.sum(np.abs(values[is_repeat] - kept[is_repeat]) ** 2)
    return bool(difference > _DISAGREEMENT**2 * np.sum(np.abs(kept[is_repeat]) ** 2))

"""Which columns of an MTZ file are meant, by the names programs give them.

Only types and labels that programs in use really write are known here; what is not known is asked for, never assumed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mdweights_core.io.maps.mtz_file import Column, MtzContents

# diffuse maps first (Lunus writes ID, DECaF IDFF), then the square root, then what could be Bragg data
_INTENSITIES = ("IDIFF", "IDIFFUSE", "ID", "IDFF", "SQRTI", "IOBS", "I", "IMEAN")
_FREE = ("FREERFLAG", "RFREEFLAGS", "RFREEFLAG", "FREE", "RFREE", "FREER")
FRAME_PAIRS = (
    ("FC", "PHIC"),
    ("FMODEL", "PHIFMODEL"),
    ("FWT", "PHIFWT"),
    ("FWT", "PHWT"),
    ("FCALC", "PHIFCALC"),
    ("FCALC", "PHICALC"),
)


def plain(label: str) -> str:
    """The label in capitals without signs: ``R-free-flags`` and ``RFREE_FLAGS`` are the same name."""
    return re.sub(r"[^A-Z0-9]", "", label.upper())


def is_square_root(column: Column) -> bool:
    """True for an amplitude column that holds the square root of a diffuse intensity, such as ``sqrtIdiff``."""
    return column.type == "F" and plain(column.label).startswith("SQRTI")


def is_anisotropic(column: Column) -> bool:
    """True for an intensity from which the shell means were removed, such as ``IANISO``."""
    return "ANISO" in plain(column.label)


def guess_intensity(columns: Sequence[Column]) -> Column | None:
    """The intensity (type J, or its square root of type F); names of diffuse maps come before those of Bragg data."""
    candidates = [column for column in columns if column.type == "J" or is_square_root(column)]
    return min(candidates, key=_intensity_rank, default=None)


def guess_sigma(columns: Sequence[Column], value: Column) -> Column | None:
    """The sigma (type Q) of a value: ``SIG`` and its label, else the Q column right after it that fits no other."""
    sigmas = [column for column in columns if column.type == "Q"]
    named = [column for column in sigmas if _is_sigma_of(column, value)]
    if named:
        return min(named, key=lambda column: (column.dataset_id != value.dataset_id, column.index))
    after = [column for column in sigmas if column.index == value.index + 1 and column.dataset_id == value.dataset_id]
    is_taken = any(_is_sigma_of(column, other) for column in after for other in columns)
    return after[0] if after and not is_taken else None


def guess_free(columns: Sequence[Column]) -> Column | None:
    """The free-set flags: of type I with one of the names in use; the first when there are several."""
    known = [column for column in columns if column.type == "I" and plain(column.label).startswith(("FREE", "RFREE"))]
    return min(known, key=lambda column: _place(plain(column.label), _FREE), default=None)


def guess_frame_pair(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """Amplitude and phase of a simulated frame: a pair of known names, or the only F and P of the file."""
    amplitudes = [column for column in columns if column.type == "F"]
    phases = [column for column in columns if column.type == "P"]
    for f_name, phase_name in FRAME_PAIRS:
        f = next((column for column in amplitudes if plain(column.label) == plain(f_name)), None)
        phase = next((column for column in phases if plain(column.label) == plain(phase_name)), None)
        if f and phase:
            return f, phase
    return (amplitudes[0], phases[0]) if len(amplitudes) == len(phases) == 1 else None


def free_set(flags: np.ndarray) -> tuple[np.ndarray, str] | None:
    """Which reflections the flags set apart.

    Two values: the rarer one is free (phenix marks with 1, others with 0), the larger when both are as frequent. More:
    0 is free (CCP4, 0 to 19 and the like), or the smallest number when there is no 0.

    Parameters
    ----------
    flags : float32 [n_hkl]
        Whole numbers; NaN where a reflection has no flag: it is not free.

    Returns
    -------
    (bool [n_hkl], str) or None
        The free reflections and how they were told; None when there are fewer than two values.
    """
    values, counts = np.unique(flags[np.isfinite(flags)], return_counts=True)
    if len(values) < 2:
        return None
    if len(values) == 2:
        chosen = values[0] if counts[0] < counts[1] else values[1]
        rule = "the rarer of two values"
    else:
        chosen = 0.0 if 0 in values else values[0]
        rule = f"one of {len(values)} sets"
    is_free = flags == chosen
    return is_free, f"value {chosen:.0f}, {rule} ({np.count_nonzero(is_free)} of {len(flags)} reflections)"


def anomalous_only(contents: MtzContents) -> bool:
    """True when the only intensities (or, without any, amplitudes) are Friedel pairs, (+) and (-)."""
    means, pairs = ("J", "K") if contents.of_type("JK") else ("F", "G")
    return bool(contents.of_type(pairs)) and not contents.of_type(means)


def _intensity_rank(column: Column) -> tuple[bool, int, int]:
    name = "SQRTI" if is_square_root(column) else plain(column.label)
    return is_anisotropic(column), _place(name, _INTENSITIES), column.index


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else len(names)


def _is_sigma_of(sigma: Column, value: Column) -> bool:
    name, of = plain(sigma.label), plain(value.label)
    return bool(of) and name in (f"SIG{of}", f"SIGMA{of}", f"SIGMAOF{of}")

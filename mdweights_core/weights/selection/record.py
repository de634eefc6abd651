"""A selection as arrays and plain values, for a project to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mdweights_core.io.packing import packed, unpacked
from mdweights_core.weights.selection.result import PATH_KEYS, SCORE_NAMES, Selection
from mdweights_core.weights.selection.settings import SelectionSettings

_PREFIX = "selection."


def to_record(selection: Selection) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for an npz file, their names beginning with ``selection.``, and plain values that JSON can hold."""
    arrays = {f"{_PREFIX}path.{key}": selection.path[key] for key in PATH_KEYS}
    plain = packed(selection, _PREFIX, arrays, apart=("settings", "path"))
    plain["settings"] = asdict(selection.settings)
    return arrays, plain


def from_record(arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> Selection:
    """The inverse of `to_record`; other arrays may lie beside.

    Raises
    ------
    KeyError, TypeError, ValueError
        When something is missing or is not what it should be.
    """
    own = unpacked(Selection, _PREFIX, arrays, plain)
    own["settings"] = SelectionSettings(**plain["settings"])
    own["path"] = {key: np.array(arrays[f"{_PREFIX}path.{key}"]) for key in PATH_KEYS}
    if plain["score"] not in SCORE_NAMES:
        raise ValueError(f"no selection raises {plain['score']!r}")
    return Selection(**own)

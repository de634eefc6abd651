"""A validation as arrays and plain values, for a project to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mdweights_core.io.packing import packed, unpacked
from mdweights_core.lights import Light
from mdweights_core.weights.settings import ValidationSettings
from mdweights_core.weights.validation.result import Bootstrap, Folds, Restarts, ThetaScan, Validation

_PREFIX = "validation."
_PARTS: dict[str, type] = {"folds": Folds, "restarts": Restarts, "theta_scan": ThetaScan, "bootstrap": Bootstrap}


def to_record(validation: Validation) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for an npz file, their names beginning with ``validation.``, and plain values that JSON can hold."""
    arrays: dict[str, np.ndarray] = {}
    plain = packed(validation, _PREFIX, arrays, apart=("settings", "lights"))
    plain["settings"] = asdict(validation.settings)
    plain["lights"] = [asdict(light) for light in validation.lights]
    return arrays, plain


def from_record(arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> Validation:
    """The inverse of `to_record`; other arrays may lie beside.

    Raises
    ------
    KeyError, TypeError, ValueError
        When something is missing or is not what it should be.
    """
    own = unpacked(Validation, _PREFIX, arrays, plain)
    own["settings"] = ValidationSettings(**plain["settings"])
    own["lights"] = tuple(Light(**light) for light in plain["lights"])
    for name, kind in _PARTS.items():
        part = plain[name]
        own[name] = None if part is None else kind(**unpacked(kind, f"{_PREFIX}{name}.", arrays, part))
    return Validation(**own)
